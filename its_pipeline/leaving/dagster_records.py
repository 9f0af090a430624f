"""Taking a person out of what Dagster remembers: partitions, runs, events, checks, ticks, logs.

What belongs here: the rows of Dagster's databases and its logs of the steps' output. What does not:
running anything (`defs`). Dagster itself can delete a run or a partition's name; it cannot delete
what a run over many people recorded of one of them, so the rows are deleted here.

========================== =========================================================
of a run over one person    everything: the run, its tags, events, checks and output
of a run over many          every event, check and log line that names the person;
                            what tells how the run went stays, without the name
of a shard                  the name, in the lists of what failed
of ticks and backfills      all but the name
of an asset as a whole      its newest materialisation and its cache of partitions,
                            where they name the person: Dagster finds the one before
========================== =========================================================
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import yaml

from its_pipeline.events.intervention_table import open_engine, writing
from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard
from its_pipeline.files.atomic import write_bytes
from its_pipeline.files.sqlite import rewrite_sqlite, sqlite_damage
from its_pipeline.leaving.mentions import Mentions
from its_pipeline.settings import Settings

_PARTITION_TAG: Final = "dagster/partition"
#: Statuses of runs that may still write something; a run that was never started writes nothing.
_AT_WORK: Final = ("QUEUED", "STARTING", "STARTED", "CANCELING")
#: Events that carry values; without a type they are lines of a log.
_WITH_VALUES: Final = (
    None,
    "ASSET_MATERIALIZATION",
    "ASSET_OBSERVATION",
    "ASSET_CHECK_EVALUATION",
    "STEP_OUTPUT",
    "HANDLED_OUTPUT",
    "STEP_EXPECTATION_RESULT",
)
#: Every table of Dagster's with a text about people; the database may have others' tables too.
_TABLES: Final = (
    "runs",
    "run_tags",
    "bulk_actions",
    "backfill_tags",
    "kvs",
    "event_logs",
    "asset_event_tags",
    "asset_keys",
    "asset_check_executions",
    "dynamic_partitions",
    "jobs",
    "instigators",
    "job_ticks",
    "asset_daemon_asset_evaluations",
)


def runs_at_work(settings: Settings, before: datetime) -> list[str]:
    """Return Dagster's runs that are under way and were made before an instant, UTC."""
    naive = before.astimezone(UTC).replace(tzinfo=None)
    found = []
    for engine in _engines(settings):
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("runs"):
                continue
            runs = sa.Table("runs", sa.MetaData(), autoload_with=connection)
            query = sa.select(runs.c.run_id).where(
                runs.c.status.in_(_AT_WORK), runs.c.create_timestamp < naive
            )
            found += connection.scalars(query).all()
        engine.dispose()
    return found


def delete_from_dagster(settings: Settings, user_id: str) -> int:
    """Delete a person from Dagster's records; return how many rows were deleted or changed.

    Parameters
    ----------
    settings
        The installation.
    user_id
        The person.
    """
    home = settings.dagster_home
    if not home.is_dir():
        return 0
    keys, runs = _known(settings, user_id)
    mentions = Mentions(user_id, keys)
    changed = 0
    for run_id in runs:
        for file in (home / "history" / "runs").glob(f"{run_id}.db*"):
            file.unlink()
        shutil.rmtree(home / "storage" / run_id, ignore_errors=True)
    for engine in _engines(settings):
        with writing(engine) as connection:
            touched = {
                name: _clean(connection, name, user_id, mentions, runs)
                for name in _TABLES
                if sa.inspect(connection).has_table(name)
            }
        changed += sum(touched.values())
        if engine.dialect.name == "postgresql":
            _rewrite_postgres(engine, [name for name, count in touched.items() if count])
        engine.dispose()
        if engine.dialect.name == "sqlite" and engine.url.database:
            rewrite_sqlite(Path(engine.url.database))
    return changed + _clean_output(home / "storage", user_id, mentions)


def _engines(settings: Settings) -> Iterator[sa.Engine]:
    """Open Dagster's databases: the SQLite files in its home, and what its settings name."""
    home = settings.dagster_home
    for file in sorted(home.rglob("*.db")):
        # A damaged one is set aside by the next run, and what is set aside is looked at by itself.
        if not sqlite_damage(file):
            yield open_engine(f"sqlite:///{file}")
    for url in _urls(home):
        yield open_engine(url)


def _urls(home: Path) -> set[str]:
    """Return the databases that an operator's ``dagster.yaml`` names."""
    file = home / "dagster.yaml"
    named = {"storage", "run_storage", "event_log_storage", "schedule_storage"}
    if not file.is_file() or not named & (yaml.safe_load(file.read_text("utf-8")) or {}).keys():
        return set()
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home)) as instance:
        storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        return {url for each in storages if (url := getattr(each, "postgres_url", None))}


def _known(settings: Settings, user_id: str) -> tuple[list[str], list[str]]:
    """Return the keys of a person's experiments, and the runs that are about them alone."""
    keys, runs = set[str](), set[str]()
    for engine in _engines(settings):
        with engine.connect() as connection:
            for name, column, found in (
                ("dynamic_partitions", "partition", keys),
                ("event_logs", "partition", keys),
                ("run_tags", "value", keys),
            ):
                if sa.inspect(connection).has_table(name):
                    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
                    query = sa.select(table.c[column]).distinct()
                    found.update(connection.scalars(query.where(_theirs(table.c[column], user_id))))
            if sa.inspect(connection).has_table("run_tags"):
                tags = sa.Table("run_tags", sa.MetaData(), autoload_with=connection)
                query = sa.select(tags.c.run_id).where(
                    tags.c.key == _PARTITION_TAG, _theirs(tags.c.value, user_id)
                )
                runs.update(connection.scalars(query))
        engine.dispose()
    return sorted(keys), sorted(runs)


def _theirs(column: sa.ColumnElement[str], user_id: str) -> sa.ColumnElement[bool]:
    return column.startswith(f"{user_id}{SEPARATOR}", autoescape=True)


def _clean(
    connection: sa.Connection,
    name: str,
    user_id: str,
    mentions: Mentions,
    runs: Iterable[str],
) -> int:
    """Delete or change a table's rows; return how many."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    changed = 0
    runs = list(runs)
    if "run_id" in table.c and runs:
        # Tags point at runs, and stand behind them in the list of tables.
        if name == "runs" and sa.inspect(connection).has_table("run_tags"):
            tags = sa.Table("run_tags", sa.MetaData(), autoload_with=connection)
            connection.execute(sa.delete(tags).where(tags.c.run_id.in_(runs)))
        changed += connection.execute(sa.delete(table).where(table.c.run_id.in_(runs))).rowcount
    texts = [column for column in table.c if isinstance(column.type, sa.String)]
    holds = sa.or_(*(column.contains(user_id, autoescape=True) for column in texts))
    rows = connection.execute(sa.select(table.c.id, *texts).where(holds)).mappings().all()
    for row in rows:
        named = [c.name for c in texts if row[c.name] and mentions.is_in(row[c.name])]
        if not named:
            continue
        same = table.c.id == row["id"]
        if _goes(name, row):
            connection.execute(sa.delete(table).where(same))
        else:
            empty = name == "asset_keys"
            values = {each: None if empty else mentions.out_of(row[each]) for each in named}
            connection.execute(sa.update(table).where(same).values(values))
        changed += 1
    if name == "asset_event_tags":
        events = sa.Table("event_logs", sa.MetaData(), autoload_with=connection)
        orphans = table.c.event_id.not_in(sa.select(events.c.id))
        changed += connection.execute(sa.delete(table).where(orphans)).rowcount
    return changed


def _goes(name: str, row: sa.RowMapping) -> bool:
    """Tell whether a row that names the person is deleted; else it loses the name alone."""
    if Shard.of_name(row.get("partition") or "") is not None:
        return False
    if name == "event_logs":
        return row["dagster_event_type"] in _WITH_VALUES
    return name in ("dynamic_partitions", "asset_check_executions", "asset_event_tags")


def _rewrite_postgres(engine: sa.Engine, tables: Iterable[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in tables:
            connection.execute(sa.text(f"VACUUM FULL {name}"))


def _clean_output(folder: Path, user_id: str, mentions: Mentions) -> int:
    """Delete from the steps' output the lines that name the person, and what was kept by key."""
    changed = 0
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(f"{user_id}{SEPARATOR}"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            changed += 1
        elif path.suffix in (".out", ".err") and path.is_file():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if not mentions.is_in(line.decode(errors="replace"))]
            if kept != lines:
                write_bytes(path, b"".join(kept))
                changed += 1
    return changed
