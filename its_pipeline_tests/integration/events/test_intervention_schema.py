"""The log's schema moves: from every earlier one, whole or not at all, with a copy kept."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import tomllib
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from its_pipeline.events import intervention_schema
from its_pipeline.events.intervention_schema import LogSchemaError, known_revisions
from its_pipeline.events.intervention_table import VERSIONS, open_engine
from its_pipeline.events.interventions import InterventionLog
from its_pipeline_tests.postgres import postgres_server
from its_pipeline_tests.support import PROJECT_ROOT
from tools.postgres import PASSWORD

__all__ = ["postgres_server"]

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
OURS = [("0001", "0.1.0"), ("0002", "0.1.0")]

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
since_version = "9.1.0"


def upgrade():
    op.add_column(
        "interventions",
        sa.Column("carryover_days", sa.Integer, nullable=False, server_default="0"),
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
    (migrations / "versions" / "0003_later.py").write_text(textwrap.dedent(revision))
    return migrations


def _open(migrations: Path, url: str, begun: Path) -> None:
    wait_and_write = intervention_schema.writing

    def writing(engine: sa.Engine) -> Any:
        begun.touch()
        return wait_and_write(engine)

    intervention_schema.MIGRATIONS = migrations
    intervention_schema.writing = writing
    InterventionLog(url).list()


def opening(migrations: Path, url: str, begun: Path) -> Any:
    """A process that opens a log as a version of the package with these migrations does.

    It makes the file `begun` when it has seen that something is to do, ahead of waiting for others.
    """
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_open, args=(migrations, url, begun))
    process.start()
    return process


def wait_for(file: Path, process: Any) -> None:
    while not file.exists():
        process.join(0.02)
        assert process.exitcode is None


def test_a_log_without_revisions_is_recognised_and_goes_on(uncounted: str) -> None:
    before = rows(uncounted)
    log = InterventionLog(uncounted)
    assert [entry.intervention_id for entry in log.list(include_withdrawn=True)] == ["tea", "walk"]
    assert rows(uncounted) == [(*row, "{}") for row in before]
    assert revisions(uncounted) == OURS
    assert copy_of(uncounted, "0002") == before
    assert [reason for *_, reason in log.reasons("ada", "tea")] == ["logged", "wrong date"]
    assert [entry.sequence for entry in log.changed_since(0)] == [3, 4]
    amended = log.amend("ada", "tea", washout_days=2)
    assert (amended.sequence, amended.version, amended.minimum_effect) == (5, 3, 0.1)
    log.close()


def test_a_log_from_before_there_were_options_says_none_and_takes_some(uncounted: str) -> None:
    log = InterventionLog(uncounted)
    assert [entry.analysis.said() for entry in log.list(include_withdrawn=True)] == [{}, {}]
    chosen = {"slope": "no", "covariates": "none"}
    log.amend("ada", "tea", analysis=chosen)
    log.close()
    read = InterventionLog(uncounted).history("ada", "tea")
    assert [entry.analysis.said() for entry in read] == [{}, {}, {"slope": False, "covariates": []}]
    # A process of the earlier version that still runs knows no such column.
    with connected(uncounted) as connection:
        columns = [column.name for column in VERSIONS.columns if column.name != "analysis"]
        listed = ", ".join(columns)
        connection.exec_driver_sql(
            f"INSERT INTO interventions ({listed}) SELECT "
            f"{listed.replace('sequence', '99', 1).replace('version', '99', 1)} "
            "FROM interventions WHERE sequence = 4"
        )
    assert InterventionLog(uncounted).get("bob", "walk").analysis.said() == {}


def test_a_later_revision_keeps_every_row_and_the_rules_of_the_log(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    InterventionLog(uncounted).amend("ada", "tea", washout_days=2)
    before = rows(uncounted)
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    log = InterventionLog(uncounted)
    history = log.history("ada", "tea")
    assert [(entry.sequence, entry.version) for entry in history] == [(1, 1), (3, 2), (5, 3)]
    assert rows(uncounted) == [(*row, 0) for row in before]
    assert revisions(uncounted) == [*OURS, ("0003", "9.1.0")]
    assert copy_of(uncounted, "0003") == before
    assert log.withdraw("ada", "tea", "enough").sequence == 6
    log.close()
    for column in ("version", "sequence"):
        with pytest.raises(IntegrityError), connected(uncounted) as connection:
            connection.exec_driver_sql(f"UPDATE interventions SET {column} = 1 WHERE sequence = 3")


def test_several_revisions_are_run_at_once(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(uncounted)
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    InterventionLog(uncounted).list()
    assert rows(uncounted) == [(*row, "{}", 0) for row in before]
    assert copy_of(uncounted, "0003") == before


def test_a_new_database_gets_the_table_as_the_code_uses_it_and_no_copy(
    url: str, tmp_path: Path
) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    InterventionLog(url).list()
    ours = sa.MetaData()
    for table in (VERSIONS, intervention_schema.REVISIONS):
        table.to_metadata(ours)
    with connected(url) as connection:
        options = {"version_table": intervention_schema.ALEMBIC_TABLE, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), ours)
    assert found == [], "the table and its revisions differ: add a revision"
    assert tables(url) == {"interventions", "interventions_revisions", "interventions_alembic"}
    assert not list(tmp_path.glob("*before*"))


def test_a_newer_log_is_refused_with_the_version_it_needs(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
        InterventionLog(uncounted).list()
    before = rows(uncounted)
    needed = r"has revision 0003, which needs its_pipeline 9\.1\.0 or later, but this is 0\."
    for _ in range(2):
        with pytest.raises(LogSchemaError, match=needed) as caught:
            InterventionLog(uncounted).list()
        assert PASSWORD not in str(caught.value)
    assert rows(uncounted) == before


def test_the_way_back_is_the_copy(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    InterventionLog(uncounted).list()
    before = rows(uncounted)
    with monkeypatch.context() as newer:
        newer.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
        log = InterventionLog(uncounted)
        log.amend("ada", "tea", washout_days=2)
        log.close()
    # As docs/intervention-log.md says.
    if uncounted.startswith("sqlite"):
        file = Path(uncounted.removeprefix("sqlite:///"))
        file.with_name(f"{file.stem}.before-0003.sqlite").replace(file)
        InterventionLog(uncounted).list()
    else:
        with connected(uncounted) as connection:
            for table in ("interventions", "interventions_revisions", "interventions_alembic"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
        InterventionLog(uncounted).list()
        with connected(uncounted) as connection:
            connection.exec_driver_sql(
                "INSERT INTO interventions SELECT * FROM interventions_before_0003"
            )
    assert rows(uncounted) == before
    assert InterventionLog(uncounted).amend("ada", "tea", washout_days=3).sequence == 5


def test_a_table_of_something_else_is_left_alone(url: str) -> None:
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE interventions (sequence INTEGER, colour TEXT)")
    with pytest.raises(LogSchemaError, match=r"baseline_days, colour, .* are missing or unknown"):
        InterventionLog(url).list()
    assert tables(url) == {"interventions"}


def test_of_processes_that_open_at_once_one_migrates(uncounted: str, tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    begun = [tmp_path / f"begun-{number}" for number in range(3)]
    waiting = f"""
    from pathlib import Path
    from time import sleep

    Path({str(started)!r}).touch(exist_ok=False)
    while not Path({str(go)!r}).exists():
        sleep(0.02)
    """
    before = rows(uncounted)
    # The first one waits in the middle of its migration until the others have begun to open.
    migrations = later_version(tmp_path, LATER + textwrap.indent(textwrap.dedent(waiting), "    "))
    first = opening(migrations, uncounted, begun[0])
    wait_for(started, first)
    others = [opening(migrations, uncounted, file) for file in begun[1:]]
    for other, file in zip(others, begun[1:], strict=True):
        wait_for(file, other)
    go.touch()
    for process in (first, *others):
        process.join(60)
        assert process.exitcode == 0
    assert rows(uncounted) == [(*row, "{}", 0) for row in before]
    assert copy_of(uncounted, "0003") == before, "the second one copied what the first one made"
    assert revisions(uncounted) == [*OURS, ("0003", "9.1.0")]


def ending(end: str) -> str:
    """A later revision that changes a lot, and then ends otherwise than well."""
    middle = """
        op.execute("UPDATE interventions SET carryover_days = 7")
        op.create_table("halfway", sa.Column("n", sa.Integer))
        import os, signal
        """
    return LATER + textwrap.indent(textwrap.dedent(middle + end), "    ")


def test_a_kill_in_the_middle_leaves_the_old_schema(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(uncounted)
    broken = later_version(tmp_path, ending("os.kill(os.getpid(), signal.SIGKILL)"))
    process = opening(broken, uncounted, tmp_path / "begun")
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert rows(uncounted) == before
    assert tables(uncounted) == {"interventions"}
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    InterventionLog(uncounted).list()
    assert rows(uncounted) == [(*row, "{}", 0) for row in before]
    assert copy_of(uncounted, "0003") == before


def test_an_error_in_the_middle_leaves_the_old_schema(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    InterventionLog(uncounted).list()
    before, had = rows(uncounted), tables(uncounted)
    with monkeypatch.context() as broken:
        broken.setattr(
            intervention_schema, "MIGRATIONS", later_version(tmp_path, ending("raise KeyError(7)"))
        )
        with pytest.raises(KeyError, match="7"):
            InterventionLog(uncounted).list()
    assert rows(uncounted) == before
    assert tables(uncounted) == had
    # This version, which knows no later revision, goes on as if nothing had been tried.
    log = InterventionLog(uncounted)
    assert log.amend("ada", "tea", washout_days=2).sequence == 5
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    written = rows(uncounted)
    assert InterventionLog(uncounted).history("ada", "tea") == log.history("ada", "tea")
    assert copy_of(uncounted, "0003") == written


def test_what_a_killed_copy_left_does_not_get_into_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite"
    InterventionLog(url).log(
        user_id="ada", intervention_id="tea", outcome_metric="m", started_on=date(2026, 1, 2)
    )
    before = rows(url)
    for left in (".unfinished-log.sqlite", ".unfinished-log.sqlite-journal"):
        (tmp_path / left).write_bytes(os.urandom(5000))
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    InterventionLog(url).list()
    assert copy_of(url, "0003") == before
    assert not list(tmp_path.glob(".unfinished-*"))


def test_threads_may_make_several_databases_at_once(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(8)]

    def make(url: str) -> None:
        # Without `InterventionLog`, whose cached engine makes threads wait in Python 3.11 alone.
        intervention_schema.bring_up_to_date(open_engine(url))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, urls))
    assert [revisions(url) for url in urls] == [OURS] * 8


def test_opening_what_is_up_to_date_needs_no_alembic_and_no_write(tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"
    InterventionLog(f"sqlite:///{file}").list()
    # Another process is writing: whoever wanted to write as well would wait.
    with connected(f"sqlite:///{file}") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        program = (
            "import sys\n"
            "from its_pipeline.events.interventions import InterventionLog\n"
            f"assert InterventionLog('sqlite:///{file}').list() == []\n"
            "assert 'alembic' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=25)


def test_every_revision_has_its_number_and_a_version_that_is_there() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(intervention_schema.MIGRATIONS))
    found = list(script.walk_revisions())[::-1]
    assert [revision.revision for revision in found] == known_revisions()
    assert script.get_heads() == known_revisions()[-1:]
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]

    def parts(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    since = [parts(revision.module.since_version) for revision in found]
    assert since == sorted(since)
    assert since[-1] <= parts(project["version"])
