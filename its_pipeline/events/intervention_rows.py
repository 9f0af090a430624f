"""Rows of the intervention log: finding versions, reading them, appending one.

What belongs here: from SQL to `Intervention` and back. What does not: the table itself
(`intervention_table`), or what may be logged or changed (`interventions`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.intervention_table import SEQUENCE, VERSIONS
from its_pipeline.events.tries import Try

PlainRow = Mapping[str, Any]
"""A row's columns by name, as JSON has them."""


def is_of(user_id: str, intervention_id: str) -> sa.ColumnElement[bool]:
    """Return the condition of being a version of one intervention."""
    return sa.and_(VERSIONS.c.user_id == user_id, VERSIONS.c.intervention_id == intervention_id)


@cache
def newest_versions() -> sa.Select[Any]:
    """Return the query of the newest version of every intervention."""
    # Kept: putting it together takes longer than running it.
    later = VERSIONS.alias("later")
    has_later = (
        sa.select(later.c.sequence)
        .where(later.c.user_id == VERSIONS.c.user_id)
        .where(later.c.intervention_id == VERSIONS.c.intervention_id)
        .where(later.c.version > VERSIONS.c.version)
        .exists()
    )
    return sa.select(VERSIONS).where(~has_later)


def newest_tries(engine: sa.Engine) -> list[Try]:
    """Return of every intervention that was not withdrawn what pools need, newest versions."""
    columns = [VERSIONS.c[name] for name in Try._fields]
    query = newest_versions().with_only_columns(*columns).where(VERSIONS.c.status == "open")
    with engine.connect() as connection:
        return [Try._make(row) for row in connection.execute(query)]


def newest_version(
    connection: sa.Connection, user_id: str, intervention_id: str
) -> Intervention | None:
    """Return the newest version of one intervention, or None."""
    query = (
        sa.select(VERSIONS)
        .where(is_of(user_id, intervention_id))
        .order_by(VERSIONS.c.version.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else to_intervention(row)


def append_version(
    connection: sa.Connection, entry: Intervention, now: datetime, reason: str
) -> Intervention:
    """Write a version with the next sequence; return it. For a transaction of `writing`."""
    entry = dataclasses.replace(entry, sequence=newest_sequence(connection) + 1)
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    values["protocol"] = json.dumps(dict(entry.protocol), sort_keys=True, ensure_ascii=False)
    values["analysis"] = json.dumps(entry.analysis.said(), sort_keys=True, ensure_ascii=False)
    if entry.schedule is not None:
        values["schedule"] = json.dumps(entry.schedule.to_dict(), sort_keys=True)
    connection.execute(sa.insert(VERSIONS).values(**values, recorded_at=now, reason=reason))
    return entry


def newest_sequence(connection: sa.Connection) -> int:
    """Return the largest sequence that was ever given; 0 where none was."""
    given = (VERSIONS.c.sequence, SEQUENCE.c.newest)
    return max(int(connection.scalar(sa.select(sa.func.max(column))) or 0) for column in given)


def to_intervention(row: sa.RowMapping | PlainRow) -> Intervention:
    """Return a row as an intervention."""
    values = {name: row[name] for name in (f.name for f in dataclasses.fields(Intervention))}
    values["protocol"] = json.loads(values["protocol"])
    values["analysis"] = json.loads(values["analysis"])
    if values["schedule"] is not None:
        values["schedule"] = json.loads(values["schedule"])
    values["logged_at"] = utc(values["logged_at"])
    return Intervention(**values)


def people_in_log(engine: sa.Engine, rows_at_a_time: int) -> Iterator[tuple[str, list[PlainRow]]]:
    """Yield everybody's interventions in their newest versions, as plain values.

    The log is read in pages: whatever its size, few rows are in memory at a time.

    Parameters
    ----------
    engine
        Of the log's database.
    rows_at_a_time
        How many are read at a time.

    Yields
    ------
    tuple
        A person and their interventions, withdrawn ones included, by start and id; what
        `plain_to_intervention` reads.
    """
    order = (VERSIONS.c.user_id, VERSIONS.c.started_on, VERSIONS.c.intervention_id)
    names = [field.name for field in dataclasses.fields(Intervention)]
    query = newest_versions().order_by(*order)
    with engine.connect() as connection:
        rows: Iterable[Mapping[Any, Any]] = (
            connection.execution_options(yield_per=rows_at_a_time).execute(query).mappings()
        )
        for user_id, own in groupby(rows, key=lambda row: row["user_id"]):
            yield user_id, [{name: _plain(row[name]) for name in names} for row in own]


def plain_to_intervention(row: PlainRow) -> Intervention:
    """Return an intervention of `people_in_log`."""
    values: dict[str, Any] = dict(row)
    for name in ("started_on", "ended_on"):
        values[name] = None if values[name] is None else date.fromisoformat(values[name])
    values["logged_at"] = datetime.fromisoformat(values["logged_at"])
    return to_intervention(values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def utc(at: datetime) -> datetime:
    """Return a stored instant with its zone: SQLite forgets it; what is stored is UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
