"""Nights that keep events for so many days: Dagster is told, and so is who types the commands."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.names import REJECTED_BY
from its_pipeline.defs.partitions import first_lake_day
from its_pipeline.ingest.daily import build_daily
from its_pipeline.ingest.steps import open_lake
from tools.closing_store import START_ON, TODAY_ON, build, rows, settings_of, take

LATE = f"{REJECTED_BY}day_is_open(occurred_at)"
THROUGH = TODAY_ON - timedelta(days=89)


@pytest.fixture
def settings(tmp_path):
    return build(tmp_path / "store")


def test_a_night_closes_days_and_the_next_refuses_what_comes_for_them(settings):
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        first = runner.ingest()
        assert first.success, first.message
        told = instance.get_latest_materialization_event(dg.AssetKey("daily_outcomes"))
        assert told is not None
        assert told.asset_materialization is not None
        metadata = told.asset_materialization.metadata
        assert metadata["closed_through"].value == THROUGH.isoformat()
        assert metadata["days_of_events_deleted"].value == (THROUGH - START_ON).days - 1
        content = settings.daily_outcomes_path.read_bytes()
        late = [(f"{START_ON}T10:00:00Z", "ada", "UTC", 1.0)] * 3
        take(settings, pd.concat([rows(), pd.DataFrame(late, columns=list(rows().columns))]))
        again = runner.ingest()
        assert again.success, again.message
        assert again.numbers[LATE] == 3
        assert again.numbers["days_failed"] == 0
        assert settings.daily_outcomes_path.read_bytes() == content
        assert LATE not in runner.ingest().numbers
        # What Dagster was told of closed days stands under partitions that are still there.
        assert first_lake_day(settings) == START_ON
        days = instance.get_materialized_partitions(dg.AssetKey("valid_events"))
        assert START_ON.isoformat() in days


def test_prune_deletes_events_and_says_what_waits(settings, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(settings.store_root))
    monkeypatch.setenv("ITS_TODAY_ON", TODAY_ON.isoformat())
    content = build_daily(settings).path.read_bytes()
    refused = CliRunner().invoke(app, ["prune"])
    assert refused.exit_code != 0
    assert "ITS_KEEP_EVENTS_DAYS" in refused.output
    take(settings, pd.concat([rows(), rows().head(1)]))
    monkeypatch.setenv("ITS_KEEP_EVENTS_DAYS", "90")
    waiting = CliRunner().invoke(app, ["prune"])
    assert waiting.exit_code == 1
    assert f"{START_ON} is older than 90 days" in waiting.output
    take(settings, rows())
    pruned = CliRunner().invoke(app, ["prune"])
    assert pruned.exit_code == 0, pruned.output
    assert "their daily outcomes are kept" in pruned.output
    assert f"up to {THROUGH} are closed" in pruned.output
    assert min(open_lake(settings).days("valid_events")) == THROUGH - timedelta(days=1)
    assert build_daily(settings_of(settings.store_root)).path.read_bytes() == content
    (kept,) = (settings.store_root / "closed_days").glob("*/people.parquet")
    kept.write_bytes(kept.read_bytes()[:-9])
    damaged = CliRunner().invoke(app, ["prune"])
    assert damaged.exit_code == 1
    assert "put this folder back from a backup" in damaged.output
