"""``its-pipeline simulate``: as many people as asked for, ready for the next run."""

from __future__ import annotations

from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.interventions import open_log
from its_pipeline.experiments.demo import crowd
from its_pipeline.ingest.steps import changed_days
from its_pipeline.settings import get_settings


def test_more_people_than_the_demo_has(tmp_path, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    result = CliRunner().invoke(app, ["simulate", "--people", "20"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("20 people, 21 experiments, ")
    settings = get_settings()
    log = open_log(settings)
    try:
        people = {intervention.user_id for intervention in log.list()}
    finally:
        log.close()
    assert people == {person.user_id for person in crowd(20)}
    assert {"ada", "ada-2", "ben-2"} < people
    assert len(people) == 20
    assert len(changed_days(settings)) >= 90


def test_nobody_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    result = CliRunner().invoke(app, ["simulate", "--people", "0"])
    assert result.exit_code != 0
    assert "at least 1 but got 0" in result.output
