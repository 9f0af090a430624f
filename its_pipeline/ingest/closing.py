"""How long events are kept: closing old days, deleting their events, refusing what comes for them.

What belongs here: which days are closed, and the order that leaves nothing half done wherever it is
broken off. What does not: what is kept of them (`events.closed_days`), or days that are open.

The order: marks of the events that a day has, the record of the outcomes, and only then the events.
Until the record stands no day is closed; from then on the outcomes are read from it, so it makes no
difference which events are still there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from its_pipeline.events.closed_days import (
    ClosedDays,
    closed_days,
    delete_earlier_versions,
    write_closed_days,
)
from its_pipeline.events.daily import write_outcomes_through, write_people
from its_pipeline.events.duck import in_memory, sql
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.schema import EVENT_SCHEMA, FIRST_DAY, OPEN_RULE, REJECTION_SCHEMA, pc
from its_pipeline.events.sources.base import EventSource, same_version
from its_pipeline.events.sources.opening import open_source
from its_pipeline.events.validation import rejected_by
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.ingest.daily import aggregate, workshop
from its_pipeline.ingest.passing import Passing
from its_pipeline.ingest.steps import VERSION, changed_days, open_lake, unvalidated_days
from its_pipeline.stores.lake import (
    BEHAVIORAL_EVENTS,
    CLOSED_EVENTS,
    REJECTED_EVENTS,
    VALID_EVENTS,
    Lake,
)

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

MARK_SCHEMA: Final = pa.schema([("person", pa.uint64()), ("event", pa.uint64())])
"""What is kept of the events of a closed day: numbers by which each is known, should it come again.

No event can be read from them. A person's are deleted with them.
"""

_REFUSED_ON: Final = "its.refused_on"
"""Footer key of rejected events that came late: the UTC day on which they were refused."""


@dataclass(frozen=True)
class Closing:
    """What closing came to.

    Attributes
    ----------
    through
        The last closed UTC day, **INCLUSIVE**; None where none ever was.
    closed
        How many days with events were closed now.
    deleted
        Of how many days events were deleted now.
    waiting_for
        The first day that is too old and could not be closed, because its events are not taken in
        as they are now; None without any.
    """

    through: date | None
    closed: int = 0
    deleted: int = 0
    waiting_for: date | None = None


@dataclass(frozen=True)
class LateDay:
    """Events that came for a closed day, and were refused."""

    day: date
    rows: int


def close_old_days(settings: Settings) -> Closing:
    """Close the days that are older than events are kept, and delete the events of closed days.

    Without `keep_events_days` no further day is closed. What an earlier call was kept from is done.

    Raises
    ------
    ClosedDaysError
        The record of closed days is damaged.
    """
    with workshop(settings, "daily") as folder:
        before = closed_days(settings)
        found, waiting_for = _frontier(settings, before)
        closed = 0
        if found is not None and (before is None or found > before.through):
            closed = _close(settings, folder, before, found)
        record = closed_days(settings)
        if record is None:
            return Closing(None, waiting_for=waiting_for)
        delete_earlier_versions(settings)
        return Closing(record.through, closed, _delete_events(settings, record), waiting_for)


def _frontier(settings: Settings, before: ClosedDays | None) -> tuple[date | None, date | None]:
    """Return up to which day days can be closed, and the first that would be and cannot."""
    keep = settings.keep_events_days
    if keep is None:
        return None, None
    # Events are deleted two days after their day was closed.
    through = settings.utc_today() - timedelta(days=keep - 1)
    # A day that is not taken in as it is now has no outcomes to keep.
    left = [day for day in {*changed_days(settings), *unvalidated_days(settings)} if day <= through]
    waiting_for = min(left, default=None)
    if waiting_for is not None:
        through = waiting_for - timedelta(days=1)
    there = open_lake(settings).days(BEHAVIORAL_EVENTS)
    if not there or (before is None and there[0] > through - timedelta(days=2)):
        return None, waiting_for  # There is nothing yet whose events could go.
    return through, waiting_for


def _close(settings: Settings, folder: Path, before: ClosedDays | None, through: date) -> int:
    lake = open_lake(settings)
    newly = [
        day
        for day in lake.days(BEHAVIORAL_EVENTS)
        if day <= through and (before is None or day > before.through)
    ]
    with in_memory() as connection:
        for day in newly:
            _mark_events(lake, day, connection)
    built = folder / f"{UNFINISHED_PREFIX}outcomes.parquet"
    aggregate(settings, folder, built)
    coming = ClosedDays(folder, through)
    going = [day for day in lake.days(VALID_EVENTS) if day <= coming.gone_through]

    def write(outcomes: Path, people: Path) -> None:
        write_outcomes_through(built, outcomes, coming.last_local_on)
        if going or before is None:
            write_people([lake.path(VALID_EVENTS, day) for day in going], people, before)
        else:
            shutil.copyfile(before.people, people)

    try:
        write_closed_days(settings, through, write)
    finally:
        built.unlink(missing_ok=True)
    return len(newly)


def _mark_events(lake: Lake, day: date, connection: duckdb.DuckDBPyConnection) -> None:
    with lake.exclusive(CLOSED_EVENTS, day):
        lake.write(
            CLOSED_EVENTS,
            day,
            MARK_SCHEMA,
            (_marks(connection, batch) for batch in lake.batches(BEHAVIORAL_EVENTS, day)),
            {VERSION: lake.metadata(BEHAVIORAL_EVENTS, day).get(VERSION, "")},
        )


def _marks(connection: duckdb.DuckDBPyConnection, events: pa.RecordBatch | pa.Table) -> pa.Table:
    """Return the marks of raw events, in their order."""
    rows = pa.Table.from_batches([events]) if isinstance(events, pa.RecordBatch) else events
    connection.register("raw_events", rows.select(EVENT_SCHEMA.names).replace_schema_metadata())
    try:
        return connection.sql(sql("row_marks")).to_arrow_table().cast(MARK_SCHEMA)
    finally:
        connection.unregister("raw_events")


def _delete_events(settings: Settings, closed: ClosedDays) -> int:
    """Delete the events that are not needed any more; return of how many days."""
    lake = open_lake(settings)
    refused_since = settings.utc_today() - timedelta(days=settings.keep_events_days or 0)
    deleted = set()
    # What is rejected first, and the raw events last: as long as they are there, all is.
    for table in (REJECTED_EVENTS, VALID_EVENTS, BEHAVIORAL_EVENTS):
        for day in lake.days(table):
            if day > closed.gone_through:
                break
            footer = lake.metadata(table, day) if table == REJECTED_EVENTS else {}
            if _REFUSED_ON in footer and date.fromisoformat(footer[_REFUSED_ON]) >= refused_since:
                _keep_refused(lake, day, footer)
            else:
                lake.delete(table, day)
                deleted.add(day)
    return len(deleted)


def _keep_refused(lake: Lake, day: date, footer: Mapping[str, str]) -> None:
    """Keep of a day's rejected events those that came late; they are kept as long as any event."""
    rows = lake.read(REJECTED_EVENTS, day).replace_schema_metadata()
    late = rows.filter(pc.equal(rows["rule"], OPEN_RULE))
    if late.num_rows < rows.num_rows:
        with lake.exclusive(REJECTED_EVENTS, day):
            lake.write(REJECTED_EVENTS, day, REJECTION_SCHEMA, [late], footer)


def person_mark(user_id: str) -> int:
    """Return the mark of a person."""
    with in_memory() as connection:
        event = pa.table({"user_id": [user_id], "ingested_at": [""]})
        connection.register("raw_events", event)
        return int(connection.sql(sql("row_marks")).fetchall()[0][0])


def refuse_late_events(settings: Settings) -> Iterator[LateDay]:
    """Put events that came for closed days among the rejected ones; yield the days that had any.

    The events that a day had when it was closed are known by their marks. What came before, and
    comes again as it was, is not late.
    """
    closed = closed_days(settings)
    if closed is None:
        return
    lake, source = open_lake(settings), open_source(settings)
    for day, version in sorted(source.day_versions().items()):
        if not FIRST_DAY <= day <= closed.through:
            continue
        known = lake.metadata(CLOSED_EVENTS, day).get(VERSION, "")
        if not same_version(version, known):
            rows = _refuse(settings, lake, source, day)
            if rows:
                yield LateDay(day, rows)


def _refuse(settings: Settings, lake: Lake, source: EventSource, day: date) -> int:
    """Refuse what a source has for a closed day beyond what it had; return how many rows."""
    known = lake.read(CLOSED_EVENTS, day) if lake.is_readable(CLOSED_EVENTS, day) else None
    marks = MARK_SCHEMA.empty_table() if known is None else known.select(MARK_SCHEMA.names)
    late: list[pa.Table] = []
    passing = Passing(Forgotten(settings.store_root))
    with in_memory() as connection, source.read_day(day) as read:
        for batch in read.batches:
            rows = passing.watch(batch)
            table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
            events = _marks(connection, table)["event"]
            is_known = pc.is_in(events, marks["event"].combine_chunks())
            late.append(table.filter(pc.invert(is_known)))
        version = read.version
    refused = [rejected_by(rows, OPEN_RULE, "occurred_at") for rows in late if rows.num_rows]
    count = sum(rows.num_rows for rows in refused)
    if count:
        with lake.exclusive(REJECTED_EVENTS, day):
            kept = _rejected_ahead(lake, day)
            today = settings.utc_today().isoformat()
            footer = {**lake.metadata(REJECTED_EVENTS, day), _REFUSED_ON: today}
            lake.write(REJECTED_EVENTS, day, REJECTION_SCHEMA, [*kept, *refused], footer)
    # Last: as long as the version is the old one, all of this is done again.
    with lake.exclusive(CLOSED_EVENTS, day):
        lake.write(CLOSED_EVENTS, day, MARK_SCHEMA, [marks], {VERSION: version})
    return count


def _rejected_ahead(lake: Lake, day: date) -> Sequence[pa.Table]:
    """Return what was rejected of a day while it was open."""
    if not lake.is_readable(REJECTED_EVENTS, day):
        return []
    rows = lake.read(REJECTED_EVENTS, day).replace_schema_metadata()
    return [rows.filter(pc.not_equal(rows["rule"], OPEN_RULE))]
