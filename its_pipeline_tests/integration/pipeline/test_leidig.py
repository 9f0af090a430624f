"""The real class-room series: 35 pupils, staggered starts, from CSV to verdicts and their kind."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.experiments.pooling import MOST_ERROR_SDS
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.its.effect_likelihood import estimate_of
from its_pipeline.its.pooling.pool import pool
from its_pipeline.its.series import MINIMUM_DAYS
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_results import PooledResult, from_dict
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
            "intervention_id": "gbg",
            "kind": "good_behavior_game",
            "outcome_metric": "academic_engagement",
            "started_on": [DAY_ZERO + timedelta(days=int(day)) for day in starts],
        }
    ).to_csv(log, index=False)
    told: Any = None
    for arguments in (
        ["import", str(shared_data_dir() / "scan_Leidig2018.csv"), "--time", "mt", "--day-zero",
         DAY_ZERO.isoformat(), "--user", "case", "--outcome", "academic_engagement"],
        ["intervention", "load", str(log)],
        ["run"],
        ["pooled", "good_behavior_game", "--json"],
        ["status", "--json"],
    ):  # fmt: skip
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output)
        if arguments[0] == "pooled":
            [told] = json.loads(result.stdout)
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
    record = from_dict(told)
    assert isinstance(record, PooledResult)
    assert {member.user_id for member in record.members} == analysable
    assert record.without_estimate == {"refused": 35 - len(analysable)}
    assert record.error < MOST_ERROR_SDS
    # The game helps, more or less from pupil to pupil; were it nothing to those without an
    # estimate, it still would.
    assert record.mean.ci_lower > 0.0
    assert record.imputed is not None
    assert 0.0 < record.imputed.mean.ci_lower < record.imputed.mean.mean < record.mean.mean
    settings = Settings(store_root=tmp_path)
    store: Any = open_store(settings)
    estimates = []
    for who in sorted(analysable):
        analysis = load_analysis(settings, store.verdict(f"{who}|gbg"))
        assert analysis is not None
        estimates.append(estimate_of(analysis, who))
    assert pool(estimates).mean.mean == record.mean.mean
