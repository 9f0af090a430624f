"""`its-pipeline doctor | store move` as commands: what they say, and with which exit status."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from its_pipeline.cli.main import app
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.log_copies import keep_nightly_copy


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    return tmp_path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_an_empty_store_is_whole_and_has_nothing_to_move(root: Path) -> None:
    whole, moved = invoke("doctor"), invoke("store", "move")
    assert (whole.exit_code, moved.exit_code) == (0, 0)
    assert "everything can be read" in whole.output
    assert "0 runs now have their artifacts in" in moved.output
    assert not (root / "mlflow.db").exists()


def test_only_the_option_restores_the_log(root: Path) -> None:
    file = root / "interventions.sqlite"
    log = InterventionLog(f"sqlite:///{file}")
    log.log(
        user_id="ada",
        intervention_id="a",
        name="A",
        outcome_metric="sessionPerformanceScore",
        started_on=date(2026, 3, 1),
    )
    log.close()
    keep_nightly_copy(f"sqlite:///{file}")
    (root / "evidence.parquet").write_bytes(b"PAR1")
    file.write_bytes(b"garbage")
    status = invoke("status")
    assert (status.exit_code, "doctor --restore-log" in status.output) == (2, True)
    looked = invoke("doctor")
    assert looked.exit_code == 1
    assert "evidence.parquet" in looked.output
    repaired = invoke("doctor", "--repair")
    assert (repaired.exit_code, "1 set aside" in repaired.output) == (1, True)
    assert not (root / "evidence.parquet").exists()
    assert file.read_bytes() == b"garbage"
    restored = invoke("doctor", "--restore-log")
    assert (restored.exit_code, "everything can be read" in restored.output) == (0, True)
    assert "ada|a" in invoke("status").output
