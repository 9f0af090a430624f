"""Databases of the intervention log as earlier and later versions have them, for its tests.

What belongs here: making such databases and reading them bare. What does not: any assertion.
"""

from __future__ import annotations

import shutil
import textwrap
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from its_pipeline.events import intervention_schema

#: The table as version 0.1.0 made it before revisions were counted, in each database's words.
UNCOUNTED = """
CREATE TABLE interventions (
	sequence BIGINT NOT NULL,
	user_id VARCHAR(64) NOT NULL,
	intervention_id VARCHAR(64) NOT NULL,
	version INTEGER NOT NULL,
	status VARCHAR(16) NOT NULL,
	name TEXT NOT NULL,
	outcome_metric VARCHAR(64) NOT NULL,
	started_on DATE NOT NULL,
	ended_on DATE,
	direction VARCHAR(16) NOT NULL,
	baseline_days INTEGER NOT NULL,
	horizon_days INTEGER NOT NULL,
	minimum_effect {number} NOT NULL,
	washout_days INTEGER NOT NULL,
	hypothesis TEXT NOT NULL,
	time_zone VARCHAR(64) NOT NULL,
	protocol TEXT NOT NULL,
	logged_at {instant} NOT NULL,
	recorded_at {instant} NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (sequence),
	CONSTRAINT one_of_each_version UNIQUE (user_id, intervention_id, version)
)
"""
WORDS = {
    "sqlite": {"number": "FLOAT", "instant": "DATETIME"},
    "postgresql": {"number": "FLOAT(53)", "instant": "TIMESTAMP WITH TIME ZONE"},
}
#: Two interventions in four versions, written in turns.
ROWS = """
INSERT INTO interventions VALUES
(1, 'ada', 'tea', 1, 'open', 'Tea', 'score', '2026-08-15', NULL, 'increase', 90, 90, 0.1, 0,
 'calm', 'Europe/Berlin', '{{"3a": "x"}}', '{first}', '{first}', 'logged'),
(2, 'bob', 'walk', 1, 'open', 'walk', 'score', '2026-08-16', '2026-09-01', 'decrease', 60, 30, 2.5,
 3, '', 'UTC', '{{}}', '{second}', '{second}', 'logged'),
(3, 'ada', 'tea', 2, 'open', 'Tea', 'score', '2026-08-17', NULL, 'increase', 90, 90, 0.1, 0,
 'calm', 'Europe/Berlin', '{{"3a": "x"}}', '{first}', '{third}', 'wrong date'),
(4, 'bob', 'walk', 2, 'withdrawn', 'walk', 'score', '2026-08-16', '2026-09-01', 'decrease', 60, 30,
 2.5, 3, '', 'UTC', '{{}}', '{second}', '{third}', 'moved house')
"""
INSTANTS = {
    "first": "2026-08-15 07:00:00.000001",
    "second": "2026-08-16 08:00:00.000000",
    "third": "2026-08-20 09:30:00.000000",
}

#: The revisions that this version knows.
OURS = [
    ("0001", "0.1.0"),
    ("0002", "0.1.0"),
    ("0003", "0.1.0"),
    ("0004", "0.1.0"),
    ("0005", "0.1.0"),
]
NEWEST = OURS[-1][0]
#: What the revisions after the first added to a row that is there: it says nothing of it.
ADDED = ("{}", None, 0, "", "daily")

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
since_version = "9.1.0"


def upgrade():
    op.add_column(
        "interventions",
        sa.Column("later_days", sa.Integer, nullable=False, server_default="0"),
    )
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log 100%.sqlite"
    return request.getfixturevalue("postgres_server").create_database(f"log_{uuid.uuid4().hex[:8]}")


@pytest.fixture
def uncounted(url: str) -> str:
    """URL of a log that was written before revisions were counted."""
    with connected(url) as connection:
        dialect = connection.dialect.name
        zone = "+00" if dialect == "postgresql" else ""
        instants = {name: instant + zone for name, instant in INSTANTS.items()}
        connection.exec_driver_sql(UNCOUNTED.format(**WORDS[dialect]))
        connection.execute(sa.text(ROWS.format(**instants).replace(":", r"\:")))
    return url


@contextmanager
def connected(url: str):
    """A transaction on a database, by other means than the log's own."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def rows(url: str, table: str = "interventions") -> list[tuple]:
    """The bare rows of a table, in the order of its first column."""
    with connected(url) as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all()
        ]


def tables(url: str) -> set[str]:
    with connected(url) as connection:
        return set(sa.inspect(connection).get_table_names())


def revisions(url: str) -> list[tuple[str, str]]:
    return [row[:2] for row in rows(url, "interventions_revisions")]


def copy_of(url: str, revision: str) -> list[tuple]:
    """The rows of the copy that was kept ahead of a revision."""
    if url.startswith("sqlite"):
        return rows(url.replace(".sqlite", f".before-{revision}.sqlite"))
    return rows(url, f"interventions_before_{revision}")


def later_version(folder: Path, revision: str = LATER) -> Path:
    """The migrations of a later version of the package."""
    migrations = folder / f"later-{uuid.uuid4().hex}"
    shutil.copytree(intervention_schema.MIGRATIONS, migrations)
    (migrations / "versions" / "0006_later.py").write_text(textwrap.dedent(revision))
    return migrations
