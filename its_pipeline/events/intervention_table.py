"""The SQL table of the intervention log and how it is reached: SQLite or PostgreSQL, by URL.

What the rows mean belongs to `intervention`, what may be done with them to `interventions`, how a
database gets the table to `intervention_schema`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

VERSIONS = sa.Table(
    "interventions",
    sa.MetaData(),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("intervention_id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("outcome_metric", sa.String(64), nullable=False),
    sa.Column("started_on", sa.Date, nullable=False),
    sa.Column("ended_on", sa.Date),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("baseline_days", sa.Integer, nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("minimum_effect", sa.Float(53), nullable=False),
    sa.Column("washout_days", sa.Integer, nullable=False),
    sa.Column("hypothesis", sa.Text, nullable=False),
    sa.Column("time_zone", sa.String(64), nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("logged_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("analysis", sa.Text, nullable=False, server_default="{}"),
    sa.Column("schedule", sa.Text),
    sa.Column("carryover_days", sa.Integer, nullable=False, server_default="0"),
    sa.Column("kind", sa.Text, nullable=False, server_default=""),
    sa.Column("looks", sa.Text, nullable=False, server_default="daily"),
    sa.UniqueConstraint("user_id", "intervention_id", "version", name="one_of_each_version"),
)
"""One row a version. `logged_at` is when version 1 was written, `recorded_at` when this one was."""


SEQUENCE = sa.Table(
    "interventions_sequence",
    sa.MetaData(),
    sa.Column("newest", sa.BigInteger, primary_key=True, autoincrement=False),
)
"""The largest sequence of rows that were deleted; no row as long as none was.

Whoever reads on from the largest sequence that they saw would miss one that is given again.
"""


WRITERS_LOCK = 7_305_417
"""Number of the PostgreSQL advisory lock that makes writers wait for each other."""

_WRITES = "its_pipeline_writes"


def open_engine(url: str) -> sa.Engine:
    """Return the way to the log's database; the folder of an SQLite file is created."""
    address = sa.make_url(url)
    if address.drivername == "postgresql":
        # SQLAlchemy's own default driver changes between versions; the one installed is psycopg2.
        address = address.set(drivername="postgresql+psycopg2")
    engine = sa.create_engine(address, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that no other writer runs beside, so that sequences commit in order."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))
        yield connection


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    """Leave transactions to SQLAlchemy and wait for locks instead of failing at once."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 30000")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    """Take the write lock at the start of a writing transaction, so that it cannot deadlock."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
