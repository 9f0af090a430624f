"""The database behind the run store: which kind it is, and how a SQLite file comes into being.

What belongs here: telling databases from tracking servers, making MLflow's SQLite file whole, and
letting readers and a writer work on it at once. What does not: what is recorded in it
(`stores.runs`).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from its_pipeline.files.atomic import UNFINISHED_PREFIX

#: How long a writer waits for another one on SQLite, in seconds.
SQLITE_WAIT_SECONDS: Final = 60


def is_database(tracking_uri: str) -> bool:
    """Tell whether a tracking URI names a database itself, and not a server in front of one."""
    return tracking_uri.split(":", 1)[0].split("+", 1)[0] in ("sqlite", "postgresql", "mysql")


def sqlite_path(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite tracking URI, or None for another kind."""
    prefix = "sqlite:///"
    if not tracking_uri.startswith(prefix):
        return None
    return Path(tracking_uri.removeprefix(prefix).split("?", 1)[0])


def make_sqlite(path: Path, artifact_dir: Path) -> None:
    """Make MLflow's SQLite file where it is missing; only one process at a time may call this.

    MLflow makes its tables by dozens of migrations, which cannot go on where a killed process left
    them. So they are made under another name, and the file gets its own when it is whole.
    """
    if not path.is_file():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        from its_pipeline.events.intervention_schema import MIGRATING

        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{UNFINISHED_PREFIX}{path.name}")
        for left in path.parent.glob(f"{unfinished.name}*"):
            left.unlink()
        with MIGRATING:
            SqlAlchemyStore(f"sqlite:///{unfinished}", str(artifact_dir)).engine.dispose()
        unfinished.replace(path)
    _use_write_ahead_log(path)


def _use_write_ahead_log(path: Path) -> None:
    """Let readers and one writer of the SQLite file work at the same time; kept in the file."""
    connection = sqlite3.connect(path, timeout=SQLITE_WAIT_SECONDS)
    try:
        connection.execute("pragma journal_mode=wal")
    finally:
        connection.close()
