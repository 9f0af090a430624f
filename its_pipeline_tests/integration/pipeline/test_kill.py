"""A run killed in the middle, then two runs at once: the store is as if nothing had happened."""

from __future__ import annotations

import pytest

from its_pipeline.defs.local import local_runner
from its_pipeline.stores.parent_runs import open_dagster_runs
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.integration.pipeline import processes


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """An undisturbed store."""
    settings = processes.make_kill_store(tmp_path_factory.mktemp("calm"), people=2, days=18)
    with local_runner(settings, "test") as runner:
        assert runner.ingest().success
        assert runner.refresh().success
        assert runner.evidence().success
    return settings


def test_killed_in_the_middle_and_finished_twice_at_once(calm, tmp_path):
    settings = processes.make_kill_store(tmp_path, people=2, days=18)
    valid = settings.lake_dir / "valid_events"
    assert processes.kill_when(
        processes.start_run(settings), lambda: len(list(valid.glob("day=*"))) >= 3
    )
    assert processes.unreadable(settings) == []
    one_verdict = settings.experiments_dir / "u0" / "new_habit" / "verdict.json"
    assert processes.kill_when(processes.start_run(settings), one_verdict.is_file)
    assert processes.unreadable(settings) == []
    runs = RunStore.from_settings(settings)
    assert len(open_dagster_runs(runs)) == 1
    for code, output in processes.finish(settings, at_once=2):
        assert code == 0, output
        assert "locked" not in output
    assert open_dagster_runs(runs) == []
    assert processes.state(settings) == processes.state(calm)
    assert processes.dagster_state(settings) == processes.dagster_state(calm)
