"""The real class-room series: 35 pupils, staggered starts, from CSV to 35 verdicts."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.its.series import MINIMUM_DAYS
from its_pipeline.stores.verdict import STATUSES
from its_pipeline_tests.support import shared_data_dir

DAY_ZERO = date(2018, 1, 1)


@pytest.fixture
def pupils():
    return pd.read_csv(shared_data_dir() / "scan_Leidig2018.csv")


def test_thirty_five_pupils_get_thirty_five_verdicts(pupils, monkeypatch, tmp_path):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    monkeypatch.setenv("ITS_TODAY_ON", "2018-06-01")
    monkeypatch.setenv("ITS_DRAWS", "500")
    monkeypatch.setenv("ITS_TUNE", "500")
    # What is told of it stays the same; auditing all would take most of the test's time.
    monkeypatch.setenv("ITS_AUDIT_SHARE", "0.1")
    runner = CliRunner()
    starts = pupils[pupils["phase"] == "B"].groupby("case")["mt"].min()
    assert len(starts) == 35
    log = tmp_path / "log.csv"
    pd.DataFrame(
        {
            "user_id": starts.index,
            "intervention_id": "good_behavior_game",
            "outcome_metric": "academic_engagement",
            "started_on": [DAY_ZERO + timedelta(days=int(day)) for day in starts],
        }
    ).to_csv(log, index=False)
    for arguments in (
        ["import", str(shared_data_dir() / "scan_Leidig2018.csv"), "--time", "mt", "--day-zero",
         DAY_ZERO.isoformat(), "--user", "case", "--outcome", "academic_engagement"],
        ["intervention", "load", str(log)],
        ["run"],
        ["status", "--json"],
    ):  # fmt: skip
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output)
    verdicts = json.loads(result.stdout)
    assert len(verdicts) == 35
    statuses = pd.Series([verdict["status"] for verdict in verdicts.values()]).value_counts()
    assert set(statuses.index) <= set(STATUSES) - {"crashed"}
    observed = pupils.dropna(subset=["academic_engagement"])
    days = observed.groupby(["case", "phase"]).size().unstack(fill_value=0)
    analysable = set(days.index[(days >= MINIMUM_DAYS).all(axis=1)])
    for key, verdict in verdicts.items():
        assert (verdict["effects"] is None) == (verdict["status"] != "analysed")
        # Two classes have only seven days of baseline: never a number from so few.
        assert (verdict["status"] != "closed") == (key.split("|")[0] in analysable), statuses
    assert statuses["analysed"] == len(analysable)
