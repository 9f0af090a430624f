"""What was understood of a table, in words: three lines, and two rows as they are understood.

What belongs here: wording. What does not: finding anything out (`understanding`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.normal_rows import number_reader
from its_pipeline.events.sheets import Cell
from its_pipeline.schedules.cadence import Cadence
from its_pipeline.tables.dates import OrderFound
from its_pipeline.tables.days import DayCount
from its_pipeline.tables.layout import Layout

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_KINDS: Final = {
    "day_number": "numbers of days",
    "session": "numbers of sessions",
    "unix_seconds": "seconds since 1970",
    "unix_milliseconds": "milliseconds since 1970",
    "year": "years, taken as their first day",
    "excel_days": "Excel's numbers of days",
}
_SHOWN: Final = 8


def table_line(path: Path, layout: Layout, rows: int) -> str:
    """Return how the table lies in its file."""
    told = [f"{rows:,} rows"]
    if layout.file_format == "csv":
        sign = layout.delimiter or ","
        told.append(f"divided by {_DELIMITERS.get(sign, repr(sign))}, in {layout.encoding}")
    elif layout.sheet is not None:
        told.append(f"in sheet {layout.sheet!r}")
    else:
        told.append(f"of {layout.file_format}")
    if layout.header_line == 0:
        told.append("without names of columns")
    elif layout.header_line is not None and layout.header_line > 1:
        told.append(f"with the columns' names in line {layout.header_line}")
    return f"{path.name}: {', '.join(told)}"


def time_line(mapping: ImportMapping, order: OrderFound | None, days: DayCount, header: int) -> str:
    """Return which column is the time, how it is read, and the days it goes over."""
    how = _KINDS.get(mapping.time_kind, "")
    if mapping.time_kind == "day_number":
        how += f" from {mapping.start_on}"
    if order is not None:
        how = order.reason
    span = "no day can be read"
    if days.first_on is not None and days.last_on is not None:
        told_on = days.calendar.told
        span = f"{told_on(days.first_on)} to {told_on(days.last_on)}{_by(days.calendar)}"
    told = f"time: {mapping.time!r} ({how}), {span}, in {mapping.time_zone}"
    if days.unread:
        row, text = days.first_unread
        told += f"; {days.unread:,} rows are no day (row {row + header}: {text[:40]!r})"
    return told


def _by(calendar: Cadence) -> str:
    """Return how far the rows of a person lie apart, where they are no days."""
    if calendar.name == "irregular":
        return ", at irregular dates"
    return "" if calendar.is_daily or calendar.is_sessions else f", one a {calendar.step}"


def outcomes_line(mapping: ImportMapping, person: str | None, days: DayCount) -> str:
    """Return what is measured, how its numbers are written, and whose it is."""
    named = []
    for name, column in mapping.outcomes.items():
        unit = mapping.units.get(name, mapping.unit)
        named.append(column if name == column else f"{name} ({column!r})")
        named[-1] += f" in {unit}" if unit else ""
    more = len(named) - _SHOWN
    shown = ", ".join(named[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    signs = []
    if mapping.decimal_comma:
        signs.append("a comma is the decimal sign")
    if mapping.thousands:
        signs.append(f"{mapping.thousands!r} stands between thousands")
    if mapping.yes_no:
        signs.append("yes is 1, no is 0")
    if days.most_a_day > 1:
        each = f"up to {days.most_a_day} rows a {days.calendar.step}"
        signs.append(f"{each} become their {mapping.aggregation}")
    told = f"outcomes: {shown}" + (f" ({'; '.join(signs)})" if signs else "")
    if mapping.user is not None:
        return f"{told}; person: {mapping.user!r}"
    return f"{told}; person: {person}" if person else told


def example_lines(mapping: ImportMapping, days: DayCount, header: int) -> Iterator[str]:
    """Return the first rows as they are understood."""
    columns = list(mapping.outcomes)
    for row, day, cells in days.examples:
        values = [
            f"{name} {_value(mapping, cell)}" for name, cell in zip(columns, cells, strict=True)
        ]
        yield f"  row {row + header}: {days.calendar.told(day)}, {', '.join(values[:_SHOWN])}"


def _value(mapping: ImportMapping, cell: Cell) -> str:
    if cell is None or cell in mapping.null_values:
        return "empty"
    reader = number_reader(mapping)
    # The reader takes what stands in the file; a number that was none there has its own sign.
    text = str(cell).replace(".", ",") if _is_native_comma(mapping, cell) else str(cell)
    return (reader(text) if reader else None) or text[:40]


def _is_native_comma(mapping: ImportMapping, cell: Cell) -> bool:
    from its_pipeline.events.cell_texts import Native

    return mapping.decimal_comma and isinstance(cell, Native)
