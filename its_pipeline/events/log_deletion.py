"""Deleting a person from the log of interventions, its looks and every copy of both.

What belongs here: the one exception to a log that is only ever added to. What does not: when
somebody is deleted (`leaving`), or the copies' own rules (`log_copies`).
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from its_pipeline.events.intervention_rows import newest_sequence
from its_pipeline.events.intervention_schema import bring_up_to_date
from its_pipeline.events.intervention_table import SEQUENCE, VERSIONS, open_engine, writing
from its_pipeline.events.log_copies import check_log, log_file
from its_pipeline.files.sqlite import rewrite_sqlite, sqlite_damage


def delete_from_log(url: str, user_id: str) -> int:
    """Delete a person from the log and its copies, so that no byte of theirs is left in the files.

    The others' rows stay as they are, and their sequences; none is given a second time.

    Parameters
    ----------
    url
        SQLAlchemy URL of the log.
    user_id
        Whose rows.

    Returns
    -------
    int
        How many versions of interventions were deleted from the log itself.

    Raises
    ------
    DamagedLogError
        The log is damaged.
    sqlite3.OperationalError
        Another process did not give up its lock.
    """
    file = log_file(url)
    check_log(url)
    if file is not None and not file.exists():
        return 0
    engine = open_engine(url)
    try:
        bring_up_to_date(engine)
        with writing(engine) as connection:
            newest = newest_sequence(connection)
            deleted, tables = _delete_rows(connection, user_id)
            if deleted:
                connection.execute(sa.delete(SEQUENCE))
                connection.execute(sa.insert(SEQUENCE).values(newest=newest))
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for table in tables:
                    connection.execute(sa.text(f"VACUUM FULL {table}"))
    finally:
        engine.dispose()
    if file is not None:
        rewrite_sqlite(file)
        for copy in file.parent.glob(f"{file.stem}.*{file.suffix}"):
            _delete_from_copy(copy, user_id)
    return deleted


def _delete_rows(connection: sa.Connection, user_id: str) -> tuple[int, list[str]]:
    """Delete a person's rows from every table of the log; return of versions, and the tables."""
    deleted, tables = 0, []
    inspected = sa.inspect(connection)
    for name in inspected.get_table_names():
        # The database may be shared with whoever else has tables in it.
        if not name.startswith("intervention"):
            continue
        if "user_id" not in {column["name"] for column in inspected.get_columns(name)}:
            continue
        table = sa.table(name, sa.column("user_id"))
        found = connection.execute(sa.delete(table).where(table.c.user_id == user_id)).rowcount
        tables.append(name)
        if name == VERSIONS.name:
            deleted = found
    return deleted, tables


def _delete_from_copy(copy: Path, user_id: str) -> None:
    if sqlite_damage(copy, thorough=True):
        # Of no use to anybody: `log_copies` passes over it.
        copy.unlink()
        return
    engine = open_engine(f"sqlite:///{copy}")
    try:
        with writing(engine) as connection:
            _delete_rows(connection, user_id)
    finally:
        engine.dispose()
    rewrite_sqlite(copy)
