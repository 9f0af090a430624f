"""The schema of the intervention log: which revision a database has, and its way to the newest.

What belongs here: recognising the revision, refusing a newer version's, and running the revisions
in `migrations/versions` with a copy kept. What does not: the table as the code uses it
(`intervention_table`), or what a revision changes.

Revisions are numbered `0001`, `0002`, ... by the names of their files. Each one that a database
went through is a row of `interventions_revisions`, with the version of the package that knows it:
so an older version, which has no file of it, can say what is needed. Alembic's own table is
`interventions_alembic`, because MLflow and Dagster use its default name where they share a
database with the log.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from its_pipeline.events.intervention_table import VERSIONS, writing
from its_pipeline.files.atomic import UNFINISHED_PREFIX

MIGRATIONS = Path(__file__).with_name("migrations")
ALEMBIC_TABLE = "interventions_alembic"
LOOKS_TABLE = "intervention_looks"
"""Looks that were taken at experiments; `stores.look_log` reads and writes them."""

REVISIONS = sa.Table(
    "interventions_revisions",
    sa.MetaData(),
    sa.Column("revision", sa.String(32), primary_key=True),
    sa.Column("since_version", sa.String(32), nullable=False),
    sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
)
"""One row a revision that the database went through."""

MIGRATING = threading.Lock()
"""Alembic keeps its state in globals: whatever migrates in this process, takes turns."""

_NEWEST = (
    sa.select(REVISIONS.c.revision, REVISIONS.c.since_version)
    .order_by(REVISIONS.c.revision.desc())
    .limit(1)
)


class LogSchemaError(LookupError):
    """The database's intervention log has a schema that this version does not know."""


@dataclass(frozen=True)
class StoredRevision:
    """The newest revision that a database went through, and the first version that knows it."""

    revision: str
    since_version: str


def bring_up_to_date(engine: sa.Engine) -> None:
    """Bring the log's tables to the newest revision; make them where there are none.

    All in one transaction that no other writer runs beside: whoever comes second waits and finds
    the work done, and a process killed in it leaves the database as it was. Where the log has rows
    already, they are copied first, see `keep_copy`.

    Raises
    ------
    LogSchemaError
        If the log was written by a newer version, or the table is something else.
    """
    newest = known_revisions()[-1]
    with engine.connect() as connection:
        try:
            stored = _stored(connection)
        except (OperationalError, ProgrammingError):
            # No such table. Whatever else it may be, the transaction below meets it again.
            stored = None
    if stored is not None and stored.revision == newest:
        return
    with MIGRATING, writing(engine) as connection:
        present = sa.inspect(connection)
        if present.has_table(REVISIONS.name):
            stored = _stored(connection)
        if stored is not None and stored.revision == newest:
            return
        if stored is not None and stored.revision not in known_revisions():
            raise LogSchemaError(
                f"the intervention log {engine.url.database} has revision {stored.revision}, which "
                f"needs its_pipeline {stored.since_version} or later, but this is "
                f"{version('its-pipeline')}, which knows {newest}; install the newer version"
            )
        if present.has_table(VERSIONS.name):
            keep_copy(engine, connection, newest)
        _upgrade(connection)


def known_revisions() -> list[str]:
    """Return the revisions that this version knows, oldest first, by the names of their files."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def keep_copy(engine: sa.Engine, connection: sa.Connection, revision: str) -> None:
    """Copy the log as it is ahead of a migration to `revision`; one of that name is replaced.

    SQLite: the whole database, as `<name>.before-<revision>.sqlite` beside it. PostgreSQL: the
    rows, as the table `interventions_before_<revision>` and the looks likewise, in the transaction
    of the migration.

    Parameters
    ----------
    engine, connection
        The database, and the transaction of `writing` on it that has changed nothing yet.
    revision
        The one that the log is about to get.
    """
    if connection.dialect.name != "sqlite":
        for table in (VERSIONS.name, LOOKS_TABLE):
            if sa.inspect(connection).has_table(table):
                name = f"{table}_before_{revision}"
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))
                connection.execute(sa.text(f"CREATE TABLE {name} AS TABLE {table}"))
        return
    path = connection.scalar(sa.text("SELECT file FROM pragma_database_list WHERE name = 'main'"))
    if not path:
        return  # Only in memory.
    file = Path(path)
    unfinished = file.with_name(f"{UNFINISHED_PREFIX}{file.name}")
    unfinished.unlink(missing_ok=True)  # What a killed process left.
    copy = sqlite3.connect(unfinished)
    try:
        # The transaction holds the write lock, so another connection reads what it found.
        with engine.connect() as reader:
            cast("sqlite3.Connection", reader.connection.driver_connection).backup(copy)
    finally:
        copy.close()
    unfinished.replace(file.with_name(f"{file.stem}.before-{revision}{file.suffix}"))


def _stored(connection: sa.Connection) -> StoredRevision | None:
    row = connection.execute(_NEWEST).first()
    return None if row is None else StoredRevision(row.revision, row.since_version)


def _upgrade(connection: sa.Connection) -> None:
    """Run the revisions that are missing, in the transaction of `connection`."""
    # Half a second that most processes need not spend.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["configure"] = {
        "connection": connection,
        "version_table": ALEMBIC_TABLE,
        "transactional_ddl": True,
        "on_version_apply": _record,
    }
    command.upgrade(config, "head")


def _record(*, ctx: Any, step: Any, heads: set[str], run_args: Mapping[str, Any]) -> None:
    """Write down a revision; Alembic calls it after each."""
    ctx.connection.execute(
        sa.insert(REVISIONS).values(
            revision=step.up_revision_id,
            since_version=step.up_revision.module.since_version,
            applied_at=datetime.now(UTC),
        )
    )
