"""The database behind the run store: which kind it is, and how a SQLite file comes into being.

What belongs here: telling databases from tracking servers, making MLflow's SQLite file whole, and
letting readers and a writer work on it at once. What does not: what is recorded in it
(`stores.runs`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.sqlite import set_aside_sqlite, sqlite_damage

#: How long a writer waits for another one on SQLite, in seconds.
SQLITE_WAIT_SECONDS: Final = 60
_CREATION_LOCK: Final = 1_953_067_369


def is_database(tracking_uri: str) -> bool:
    """Tell whether a tracking URI names a database itself, and not a server in front of one."""
    return tracking_uri.split(":", 1)[0].split("+", 1)[0] in ("sqlite", "postgresql", "mysql")


def sqlite_path(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite tracking URI, or None for another kind."""
    prefix = "sqlite:///"
    if not tracking_uri.startswith(prefix):
        return None
    return Path(tracking_uri.removeprefix(prefix).split("?", 1)[0])


def make_sqlite(path: Path, artifact_dir: Path) -> bool:
    """Make MLflow's SQLite file where it is missing or damaged; tell whether it was made.

    Only one process at a time may call this. A damaged file is set aside: its runs are recorded
    again from the stored analyses, and what it alone knew of older ones is not made again.

    MLflow makes its tables by dozens of migrations, which cannot go on where a killed process left
    them. So they are made under another name, and the file gets its own when it is whole.
    """
    made = False
    damage = sqlite_damage(path)
    if damage:
        set_aside_sqlite(path, path.parent, damage)
    if not path.is_file():
        made = True
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
    return made


@contextmanager
def postgres_creation_lock(tracking_uri: str) -> Iterator[None]:
    """Hold the lock of whoever may create MLflow's tables in a PostgreSQL database."""
    import sqlalchemy as sa

    engine = sa.create_engine(tracking_uri, poolclass=sa.NullPool)
    with engine.connect() as connection:
        # Released with the connection, however this process ends.
        connection.execute(sa.select(sa.func.pg_advisory_lock(_CREATION_LOCK)))
        yield


def move_locations(tracking_uri: str, experiment_name: str, artifact_dir: Path) -> int:
    """Let a run store's artifacts lie where the store lies now; return how many runs moved.

    MLflow keeps absolute paths, which go on naming the old place when a store is moved, and the
    original when it is copied. Locations that are no folder of a machine are left as they are.

    Parameters
    ----------
    tracking_uri
        SQLAlchemy URL of MLflow's database.
    experiment_name
        The MLflow experiment.
    artifact_dir
        Where its artifacts lie now.
    """
    import sqlalchemy as sa

    file = sqlite_path(tracking_uri)
    if file is not None and not file.is_file():
        return 0
    engine = sa.create_engine(tracking_uri, poolclass=sa.NullPool)
    with engine.begin() as connection:
        if not sa.inspect(connection).has_table("experiments"):
            return 0
        before = connection.scalar(
            sa.text("SELECT artifact_location FROM experiments WHERE name = :name"),
            {"name": experiment_name},
        )
        if before is None or before == str(artifact_dir) or not _is_folder(before):
            return 0
        moved = 0
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            moved = connection.execute(
                sa.text(
                    f"UPDATE {table} SET {column} = :after || substr({column}, :rest) "  # noqa: S608
                    f"WHERE {column} = :before OR substr({column}, 1, :rest) = :folder"
                ),
                {
                    "after": str(artifact_dir),
                    "before": before,
                    "folder": f"{before}/",
                    "rest": len(before) + 1,
                },
            ).rowcount
        return moved


def _is_folder(location: str) -> bool:
    return location.startswith(("/", "file:///"))


def _use_write_ahead_log(path: Path) -> None:
    """Let readers and one writer of the SQLite file work at the same time; kept in the file."""
    connection = sqlite3.connect(path, timeout=SQLITE_WAIT_SECONDS)
    try:
        connection.execute("pragma journal_mode=wal")
    finally:
        connection.close()
