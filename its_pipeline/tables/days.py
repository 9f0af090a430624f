"""A table's local days: of one cell, counted over the rows, and as a series of numbers.

What belongs here: from a cell of the time column to a calendar day. What does not: which column
that is, or how its dates are written (`understanding`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.moments import as_texts, local_days
from its_pipeline.events.normal_rows import number_reader, time_reader
from its_pipeline.events.reading import lines_ahead, open_rows
from its_pipeline.events.schema import pc
from its_pipeline.events.sheets import Cell
from its_pipeline.schedules.cadence import DAYS, Cadence, find_cadence
from its_pipeline.tables.cells import cell_batches
from its_pipeline.tables.layout import Layout
from its_pipeline.tables.profile import EMPTY_WORDS

if TYPE_CHECKING:
    import pandas as pd

Aggregate = Literal["mean", "median", "sum"]
AGGREGATES: tuple[Aggregate, ...] = ("mean", "median", "sum")


@dataclass(frozen=True)
class DayCount:
    """Which days a table has rows on.

    Attributes
    ----------
    first_on, last_on
        Its first and last local day; None without any that can be read.
    days
        Different days of a person, over all people.
    most_a_day
        Most rows of one person on one day.
    unread
        Rows whose time is no time, and the first of them (number, text).
    examples
        The first rows that can be read: row number, day, and the cells of the asked columns.
    calendar
        The unit of time: that of the person with the most days.
    """

    first_on: date | None
    last_on: date | None
    days: int
    most_a_day: int
    unread: int
    first_unread: tuple[int, str]
    examples: tuple[tuple[int, date, tuple[Cell, ...]], ...]
    calendar: Cadence = DAYS


def day_reader(mapping: ImportMapping) -> Callable[[str], date | None]:
    """Return what reads a cell of a mapping's time column as a local day; None is no day."""
    zone = ZoneInfo(mapping.time_zone)
    if mapping.day_zero is not None:
        return _from_number(mapping.day_zero)
    if mapping.time_kind in ("unix_seconds", "unix_milliseconds"):
        return _from_unix(1.0 if mapping.time_kind == "unix_seconds" else 1000.0, zone)
    read = time_reader(mapping)

    def day(text: str) -> date | None:
        iso = read(text) if read is not None else text.strip()
        try:
            return None if iso is None else _local_day(iso, zone)
        except ValueError:
            return None

    return day


def count_days(
    path: Path, layout: Layout, mapping: ImportMapping, shown: Sequence[str], examples: int
) -> DayCount:
    """Return which days the rows of a table are on.

    Parameters
    ----------
    path, layout
        The table.
    mapping
        How its times are read.
    shown
        Columns whose cells the examples show.
    examples
        How many examples.

    Raises
    ------
    ImportFileError
        If the file cannot be read to its end.
    """
    days_of = _days_reader(mapping)
    people = [mapping.user] if mapping.user else []
    rows_of: Counter[tuple[Cell, date]] = Counter()
    found: list[tuple[int, date, tuple[Cell, ...]]] = []
    row = unread = 0
    first_unread = (0, "")
    names = tuple(dict.fromkeys([mapping.time, *people, *shown]))
    for batch in cell_batches(path, layout, names):
        cells = batch[mapping.time]
        users = batch[mapping.user] if mapping.user else [None] * len(cells)
        days = days_of(cells)
        for number, (user, day) in enumerate(zip(users, days, strict=True)):
            if day is None:
                unread += 1
                first = (row + number + 1, cells[number] or "")
                first_unread = first_unread if first_unread[0] else first
                continue
            rows_of[user, day] += 1
            if len(found) < examples:
                shown_cells = tuple(batch[name][number] for name in shown)
                found.append((row + number + 1, day, shown_cells))
        row += len(cells)
    days = [day for _, day in rows_of]
    return DayCount(
        min(days, default=None),
        max(days, default=None),
        len(rows_of),
        max(rows_of.values(), default=0),
        unread,
        first_unread,
        tuple(found),
        _calendar(mapping, rows_of),
    )


def _days_reader(mapping: ImportMapping) -> Callable[[Sequence[Cell]], list[date | None]]:
    """Return what reads many cells of a mapping's time column as local days; None is no day."""
    day_of = day_reader(mapping)
    zone = ZoneInfo(mapping.time_zone)
    known: dict[str, date | None] = {}

    def day(text: str) -> date | None:
        if text not in known:
            known[text] = None if text in mapping.null_values else day_of(text)
        return known[text]

    def days(cells: Sequence[Cell]) -> list[date | None]:
        if mapping.time_kind != "timestamp":
            return [day(cell or "") for cell in cells]
        texts = as_texts(cells)
        nulls = pc.is_in(texts, pa.array(mapping.null_values, pa.string()))
        read = local_days(pc.if_else(nulls, None, texts), zone).dictionary_encode()
        named = read.dictionary.to_pylist()
        return [
            day(cell or "") if place is None else named[place]
            for place, cell in zip(read.indices.to_pylist(), cells, strict=True)
        ]

    return days


def _calendar(mapping: ImportMapping, known: Iterable[tuple[Cell, date]]) -> Cadence:
    import numpy as np

    if mapping.time_kind == "session":
        return Cadence.of("session")
    by_person: dict[Cell, list[date]] = {}
    for person, day in known:
        by_person.setdefault(person, []).append(day)
    most = max(by_person.values(), key=len, default=[])
    return find_cadence(np.array(sorted(most), dtype="datetime64[D]"))


def read_days(
    path: Path, mapping: ImportMapping, columns: Sequence[str], aggregate: Aggregate | None
) -> pd.DataFrame:
    """Return columns of numbers by local day; empty cells are NaN.

    Parameters
    ----------
    path
        The table.
    mapping
        How it is read; its outcomes are not looked at.
    columns
        The columns.
    aggregate
        How several rows of a day become one.

    Raises
    ------
    ImportFileError
        If a cell is no day or no number, or a day has several rows and `aggregate` is not given;
        the message names row, value and remedy.
    """
    import pandas as pd

    named = {f"column_{place}": name for place, name in enumerate(columns)}
    mapping = mapping.model_copy(update={"outcomes": named, "user": None, "user_constant": "one"})
    # The rows come with their times read to ISO texts already.
    iso = {"time_kind": "timestamp", "date_order": "ymd"} if time_reader(mapping) else {}
    day_of = day_reader(mapping.model_copy(update=iso))
    reader = number_reader(mapping)
    header = lines_ahead(path, mapping)
    days: list[date] = []
    numbers: dict[str, list[float]] = {name: [] for name in columns}
    with open_rows(path, mapping) as batches:
        for batch in batches:
            for text in batch.column(mapping.time).to_pylist():
                days.append(_day(path, mapping, text, day_of, header + len(days) + 1))
            for name in columns:
                for text in batch.column(name).to_pylist():
                    row = header + len(numbers[name]) + 1
                    numbers[name].append(_number(path, name, text, row, reader is not None))
    frame = pd.DataFrame(numbers, index=pd.DatetimeIndex(days, name="day"), dtype=float)
    if frame.index.has_duplicates:
        if aggregate is None:
            again = frame.index[frame.index.duplicated()][0]
            rows = [header + 1 + place for place, day in enumerate(frame.index) if day == again]
            raise ImportFileError(
                f"{path}: several rows a day: {again.date()} is in rows {rows[0]} and {rows[1]}; "
                "say how they become one number with --aggregate mean, median or sum"
            )
        grouped = frame.groupby(level=0)
        frame = grouped.sum(min_count=1) if aggregate == "sum" else grouped.agg(aggregate)
    return frame.sort_index()


def _day(
    path: Path,
    mapping: ImportMapping,
    text: str | None,
    day_of: Callable[[str], date | None],
    row: int,
) -> date:
    day = None if text is None else day_of(text)
    if day is None:
        raise ImportFileError(
            f"{path}: row {row} of {mapping.time!r} has {(text or '')[:60]!r}, which is no day; "
            "repair the row, name another column, or say --date-order dmy, mdy or ymd"
        )
    return day


def _number(path: Path, name: str, text: str | None, row: int, strict: bool) -> float:
    if text is None or (not strict and text.strip().lower() in EMPTY_WORDS):
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ImportFileError(
            f"{path}: row {row} of {name!r} has {text[:60]!r}, which is no number; repair the "
            "row, name what means empty with --empty TEXT, or say --decimal point or comma"
        )
    return number


def _from_number(start_on: date) -> Callable[[str], date | None]:
    def day(text: str) -> date | None:
        try:
            number = float(text)
            return start_on + timedelta(days=int(number)) if number.is_integer() else None
        except (ValueError, OverflowError):
            return None

    return day


def _from_unix(a_second: float, zone: ZoneInfo) -> Callable[[str], date | None]:
    def day(text: str) -> date | None:
        try:
            return datetime.fromtimestamp(float(text) / a_second, UTC).astimezone(zone).date()
        except (ValueError, OverflowError, OSError):
            return None

    return day


def _local_day(iso: str, zone: ZoneInfo) -> date:
    if len(iso) == 10:
        return date.fromisoformat(iso)
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
