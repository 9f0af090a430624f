"""The databases that Dagster and MLflow keep in a store: damaged ones are set aside before a run.

What belongs here: which they are, and what has to be told or recorded again once one is lost. What
does not: the log of interventions, which is never set aside by itself (`events.log_copies`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from its_pipeline.files.sqlite import set_aside_sqlite, sqlite_damage
from its_pipeline.settings import Settings
from its_pipeline.stores.run_database import sqlite_path

#: An empty file this young may be one that another process is about to fill.
_BEING_MADE_SECONDS: Final = 60

_log = logging.getLogger(__name__)


def derived_databases(settings: Settings) -> Iterator[Path]:
    """Return the SQLite files of Dagster and MLflow in the store."""
    runs = sqlite_path(settings.resolved_mlflow_tracking_uri)
    if runs is not None and runs.exists():
        yield runs
    yield from sorted(settings.dagster_home.rglob("*.db"))


def mend_databases(settings: Settings) -> list[Path]:
    """Set aside the databases that are damaged, so that they are made again; return which.

    What only they knew is not made again: Dagster's history, and MLflow's runs of analyses that are
    not stored any more. Of what is stored, Dagster is told and MLflow gets its runs again.
    """
    from its_pipeline.experiments.announced import forget_announced

    damaged = []
    for path in derived_databases(settings):
        damage = sqlite_damage(path, thorough=True)
        if not damage or not path.is_relative_to(settings.store_root):
            continue
        if time.time() - path.stat().st_mtime < _BEING_MADE_SECONDS and not path.stat().st_size:
            continue
        set_aside_sqlite(path, settings.store_root, damage)
        damaged.append(path)
    if any(settings.dagster_home in path.parents for path in damaged):
        _log.warning("the history of earlier runs in Dagster is not whole any more")
    if _lost_dagster(settings):
        forget_announced(settings)
    mend_run_store(settings)
    return damaged


def mend_run_store(settings: Settings) -> bool:
    """Set MLflow's database aside if it is damaged; tell whether analyses are recorded anew.

    It may be called inside a run of Dagster's, too.
    """
    from its_pipeline.stores.shard_newest import forget_all_runs

    path = sqlite_path(settings.resolved_mlflow_tracking_uri)
    if path is None:
        return False
    damage = sqlite_damage(path)
    if damage and path.is_relative_to(settings.store_root):
        set_aside_sqlite(path, settings.store_root, damage)
    return not path.exists() and forget_all_runs(settings) > 0


def _lost_dagster(settings: Settings) -> bool:
    """Tell whether Dagster's own records of assets or runs have to begin anew."""
    history = settings.dagster_home / "history"
    if not history.is_dir():
        return False  # Nothing was run yet, or Dagster keeps its records elsewhere.
    # An empty one, too, knows nothing any more: Dagster would fill it, and it would look whole.
    files = (history / "runs.db", history / "runs" / "index.db")
    return not all(file.is_file() and file.stat().st_size for file in files)
