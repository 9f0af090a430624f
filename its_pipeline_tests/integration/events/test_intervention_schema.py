"""The log's schema moves: from every earlier one, whole or not at all, with a copy kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from its_pipeline.events import intervention_schema
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.intervention_schema import LogSchemaError, known_revisions
from its_pipeline.events.intervention_table import SEQUENCE, VERSIONS, open_engine
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.stores.look_log import LOOKS
from its_pipeline_tests.integration.events.log_databases import (
    ADDED,
    NEWEST,
    OURS,
    connected,
    copy_of,
    later_version,
    revisions,
    rows,
    tables,
    uncounted,
    url,
)
from its_pipeline_tests.postgres import postgres_server
from its_pipeline_tests.support import PROJECT_ROOT
from tools.postgres import PASSWORD

__all__ = ["postgres_server", "uncounted", "url"]


def test_a_log_without_revisions_is_recognised_and_goes_on(uncounted: str) -> None:
    before = rows(uncounted)
    log = InterventionLog(uncounted)
    assert [entry.intervention_id for entry in log.list(include_withdrawn=True)] == ["tea", "walk"]
    assert rows(uncounted) == [(*row, *ADDED) for row in before]
    assert revisions(uncounted) == OURS
    assert copy_of(uncounted, NEWEST) == before
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


def at_revision(url: str, folder: Path, newest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring a log to what an earlier version of the package made of it, and no further."""
    migrations = folder / f"until-{newest}"
    shutil.copytree(intervention_schema.MIGRATIONS, migrations)
    for file in (migrations / "versions").glob("[0-9]*_*.py"):
        if file.name.partition("_")[0] > newest:
            file.unlink()
    with monkeypatch.context() as earlier:
        earlier.setattr(intervention_schema, "MIGRATIONS", migrations)
        intervention_schema.bring_up_to_date(open_engine(url))


def test_a_log_from_before_there_were_schedules_has_none_and_takes_some(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_revision(uncounted, tmp_path, "0002", monkeypatch)
    before = rows(uncounted)
    assert {len(row) for row in before} == {21}
    log = InterventionLog(uncounted)
    earlier = log.get("ada", "tea")
    assert (earlier.schedule, earlier.carryover_days, earlier.kind) == (None, 0, "")
    assert copy_of(uncounted, "0005") == before
    fresh = Intervention.declared(**earlier.declaration())
    assert fresh.declaration() == earlier.declaration()
    assert log.log_all([fresh]) == [earlier], "what was logged before is not the same any more"
    schedule = Schedule.days(
        ["2026-08-18", "2026-08-21"],
        Mechanism(seed=5),
        drawn_from_on="2026-08-17",
        drawn_to_on="2026-08-30",
        done_otherwise=["2026-08-19"],
    )
    amended = log.amend("ada", "tea", schedule=schedule, carryover_days=1, kind="tea")
    log.close()
    read = InterventionLog(uncounted).get("ada", "tea")
    assert read == amended
    assert read.schedule is not None
    assert read.schedule.with_drawn_at(None) == schedule
    assert (read.carryover_days, read.kind, str(read.ended_on)) == (1, "tea", "2026-08-30")
    # A process of the earlier version that still runs knows no such columns.
    with connected(uncounted) as connection:
        unknown = {"schedule", "carryover_days", "kind"}
        listed = ", ".join(c.name for c in VERSIONS.columns if c.name not in unknown)
        connection.exec_driver_sql(
            f"INSERT INTO interventions ({listed}) SELECT "
            f"{listed.replace('sequence', '99', 1).replace('version', '99', 1)} "
            "FROM interventions WHERE sequence = 4"
        )
    written = InterventionLog(uncounted).get("bob", "walk")
    assert (written.version, written.schedule, written.kind) == (99, None, "")


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
    assert revisions(uncounted) == [*OURS, ("0006", "9.1.0")]
    assert copy_of(uncounted, "0006") == before
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
    assert rows(uncounted) == [(*row, *ADDED, 0) for row in before]
    assert copy_of(uncounted, "0006") == before


def test_a_new_database_gets_the_table_as_the_code_uses_it_and_no_copy(
    url: str, tmp_path: Path
) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    InterventionLog(url).list()
    ours = sa.MetaData()
    for table in (VERSIONS, SEQUENCE, LOOKS, intervention_schema.REVISIONS):
        table.to_metadata(ours)
    with connected(url) as connection:
        options = {"version_table": intervention_schema.ALEMBIC_TABLE, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), ours)
    assert found == [], "the table and its revisions differ: add a revision"
    assert tables(url) == {
        "interventions",
        "intervention_looks",
        "interventions_sequence",
        "interventions_revisions",
        "interventions_alembic",
    }
    assert not list(tmp_path.glob("*before*"))


def test_a_newer_log_is_refused_with_the_version_it_needs(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
        InterventionLog(uncounted).list()
    before = rows(uncounted)
    needed = r"has revision 0006, which needs its_pipeline 9\.1\.0 or later, but this is 0\."
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
        file.with_name(f"{file.stem}.before-0006.sqlite").replace(file)
        InterventionLog(uncounted).list()
    else:
        with connected(uncounted) as connection:
            for table in tables(uncounted) & {
                "interventions",
                "intervention_looks",
                "interventions_sequence",
                "interventions_revisions",
                "interventions_alembic",
            }:
                connection.exec_driver_sql(f"DROP TABLE {table}")
        InterventionLog(uncounted).list()
        with connected(uncounted) as connection:
            for table in ("interventions", "intervention_looks"):
                connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {table}_before_0006")
    assert rows(uncounted) == before
    assert InterventionLog(uncounted).amend("ada", "tea", washout_days=3).sequence == 5


def test_a_table_of_something_else_is_left_alone(url: str) -> None:
    with connected(url) as connection:
        connection.exec_driver_sql("CREATE TABLE interventions (sequence INTEGER, colour TEXT)")
    with pytest.raises(LogSchemaError, match=r"baseline_days, colour, .* are missing or unknown"):
        InterventionLog(url).list()
    assert tables(url) == {"interventions"}


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
