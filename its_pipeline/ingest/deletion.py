"""Taking a person out of the lake and the daily outcomes; everybody else's rows stay as they are.

What belongs here: every partition of every table, the file of daily outcomes, and what is kept of
closed days. What does not: where events come from (`events.import_deletion`, `events.simulation`),
or why somebody is taken out (`leaving`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.closed_days import (
    closed_days,
    delete_earlier_versions,
    write_closed_days,
)
from its_pipeline.events.daily import write_without
from its_pipeline.events.schema import pc
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.ingest.closing import MARK_SCHEMA, person_mark
from its_pipeline.ingest.daily import workshop
from its_pipeline.ingest.steps import open_lake, validate_day_partition
from its_pipeline.stores.lake import (
    BEHAVIORAL_EVENTS,
    CLOSED_EVENTS,
    REJECTED_EVENTS,
    VALID_EVENTS,
    Lake,
)

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

_TABLES = (BEHAVIORAL_EVENTS, VALID_EVENTS, REJECTED_EVENTS)


def delete_from_lake(settings: Settings, user_id: str) -> int:
    """Delete a person's events from every table; return from how many days.

    The raw day is written without them, under the version that it has, and validated again: what
    its valid events are and say of themselves is then what it would be had they never been.

    Parameters
    ----------
    settings
        The installation.
    user_id
        Whose.
    """
    lake = open_lake(settings)
    days = {
        day for table in _TABLES for day in lake.days(table) if _is_in(lake, table, day, user_id)
    }
    for day in sorted(days):
        with lake.exclusive(BEHAVIORAL_EVENTS, day):
            has_raw = lake.is_readable(BEHAVIORAL_EVENTS, day)
            if has_raw and _is_in(lake, BEHAVIORAL_EVENTS, day, user_id):
                _rewrite(lake, BEHAVIORAL_EVENTS, day, user_id)
        if has_raw:
            validate_day_partition(settings, day)
            continue
        for table in (VALID_EVENTS, REJECTED_EVENTS):
            with lake.exclusive(table, day):
                if _is_in(lake, table, day, user_id):
                    _rewrite(lake, table, day, user_id)
    return len(days)


def delete_from_daily(settings: Settings, user_id: str) -> int:
    """Delete a person's rows from the daily outcomes; return how many there were."""
    path = settings.daily_outcomes_path

    def count(file: Path) -> int:
        whose = [("user_id", "=", user_id)]
        return pq.read_table(file, columns=["user_id"], filters=whose).num_rows

    with workshop(settings, "daily") as folder:
        rows = read_or_set_aside(path, count, settings.store_root) or 0
        if rows:
            write_without(path, user_id, within=folder)
    return rows


def delete_from_closed_days(settings: Settings, user_id: str) -> int:
    """Delete a person from what is kept of closed days; return how many rows there were."""
    lake, mark = open_lake(settings), person_mark(user_id)
    rows = 0
    for day in lake.days(CLOSED_EVENTS):
        with lake.exclusive(CLOSED_EVENTS, day):
            if not lake.is_readable(CLOSED_EVENTS, day):
                continue
            marks = lake.read(CLOSED_EVENTS, day).select(MARK_SCHEMA.names)
            others = marks.filter(pc.not_equal(marks["person"], pa.scalar(mark, pa.uint64())))
            if others.num_rows < marks.num_rows:
                footer = lake.metadata(CLOSED_EVENTS, day)
                lake.write(CLOSED_EVENTS, day, MARK_SCHEMA, [others], footer)
                rows += marks.num_rows - others.num_rows
    with workshop(settings, "daily"):
        delete_earlier_versions(settings)
        closed = closed_days(settings)
        if closed is None:
            return rows
        whose = [("user_id", "=", user_id)]
        found = pq.read_table(closed.outcomes, columns=["user_id"], filters=whose).num_rows
        people = pq.read_table(closed.people)
        others = people.filter(pc.not_equal(people["user_id"], user_id))
        if not found and others.num_rows == people.num_rows:
            return rows

        def write(outcomes: Path, into: Path) -> None:
            shutil.copyfile(closed.outcomes, outcomes)
            write_without(outcomes, user_id)
            pq.write_table(others, into, compression="zstd")

        write_closed_days(settings, closed.through, write)
        return rows + found


def _is_in(lake: Lake, table: str, day: date, user_id: str) -> bool:
    if not lake.is_readable(table, day):
        return False
    users = pq.ParquetFile(lake.path(table, day)).read(columns=["user_id"])["user_id"]
    return bool(pc.any(_theirs(users, user_id)).as_py())


def _rewrite(lake: Lake, table: str, day: date, user_id: str) -> None:
    schema = pq.read_schema(lake.path(table, day)).remove_metadata()

    def others() -> Iterator[pa.RecordBatch]:
        for batch in lake.batches(table, day):
            yield batch.filter(pc.invert(_theirs(batch["user_id"], user_id)))

    lake.write(table, day, schema, others(), lake.metadata(table, day))


def _theirs(users: pa.Array | pa.ChunkedArray, user_id: str) -> pa.Array | pa.ChunkedArray:
    """Return which raw identifiers are the person's, blanks around them or not."""
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(users.cast(pa.string())), user_id), False)
