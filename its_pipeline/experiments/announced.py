"""Which verdicts Dagster has been told of.

What belongs here: a mark beside an experiment that says which verdict its newest events carry. A
run that is killed between storing a verdict and telling Dagster leaves an old mark, and the next
run tells it. What does not: the verdicts themselves (`stores.experiment_store`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from its_pipeline.experiments.service import open_store
from its_pipeline.files.atomic import write_json
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

_FILE: Final = "announced.json"


def is_announced(settings: Settings, verdict: Verdict) -> bool:
    """Tell whether Dagster's newest events of an experiment carry this verdict."""
    path = _path(settings, verdict)
    told = read_or_set_aside(path, lambda file: json.loads(file.read_bytes()), settings.store_root)
    return told == _mark(verdict)


def mark_announced(settings: Settings, verdict: Verdict) -> None:
    """Remember that Dagster has been told of this verdict."""
    write_json(_path(settings, verdict), _mark(verdict))


def forget_announced(settings: Settings) -> int:
    """Forget what Dagster was told, as when its database is lost; return of how many."""
    files = [file for file in settings.experiments_dir.glob(f"*/*/{_FILE}") if not file.is_dir()]
    for file in files:
        file.unlink()
    return len(files)


def _path(settings: Settings, verdict: Verdict) -> Path:
    return open_store(settings).folder(verdict.key) / _FILE


def _mark(verdict: Verdict) -> dict[str, str | int | None]:
    return {
        "status": verdict.status,
        "fingerprint": verdict.fingerprint,
        "intervention_version": verdict.intervention_version,
        "n_pre": verdict.n_pre,
        "n_post": verdict.n_post,
    }
