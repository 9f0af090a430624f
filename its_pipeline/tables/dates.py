"""Which part of a date is its day: decided by the whole column, or asked.

What belongs here: the order of day, month and year, and which kind of number a time of numbers is.
What does not: which column is the time (`understanding`).

An order is decided by a part above 12, by nothing less; where no cell has one, by the rows that
follow each other, if they do so in one order alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from its_pipeline.events.cell_texts import (
    DATE_ORDERS,
    NAMED,
    YEAR_FIRST,
    DateOrder,
    is_month,
    time_readings,
)
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.mapping import TimeKind
from its_pipeline.tables.asking import Question
from its_pipeline.tables.profile import ColumnProfile, Tally

ORDER_WORDS: Final[Mapping[str, str]] = {
    "ymd": "year, month, day",
    "dmy": "day, month, year",
    "mdy": "month, day, year",
}
FEWEST_IN_SEQUENCE: Final = 3
"""Fewer days that follow each other may do so by chance in either order."""

_RANGES: Final[tuple[tuple[TimeKind, float, float], ...]] = (
    ("year", 1900, 2100),
    ("excel_days", 10_000, 73_050),
    ("unix_seconds", 3e8, 4.2e9),
    ("unix_milliseconds", 3e11, 4.2e12),
)
"""Numbers that can be times: years; days of 1927 to 2099; instants of 1979 to 2103."""


@dataclass(frozen=True)
class OrderFound:
    """An order of a date's parts and why it is that one; or the question that decides it."""

    order: DateOrder | None
    reason: str
    question: Question | None = None


def find_order(
    where: str, column: ColumnProfile, header: int, sequences: Iterable[Sequence[str]]
) -> OrderFound:
    """Return the order in which a column's dates are written.

    Parameters
    ----------
    where
        The file, for messages.
    column
        The column of the time.
    header
        Lines ahead of the first row, so that messages count as the file does.
    sequences
        The column's texts in the file's order, one sequence a person; read only where no single
        cell decides.

    Raises
    ------
    ImportFileError
        If cells contradict each other: two of them are named.
    """
    by_shape = {shape: _of_shape(column, shape) for shape in (YEAR_FIRST, NAMED)}
    numeric = {
        orders: tally for orders, tally in column.times.items() if not orders & {YEAR_FIRST, NAMED}
    }
    if not numeric:
        if by_shape[YEAR_FIRST].count or not by_shape[NAMED].count:
            return OrderFound("ymd", "year first")
        months = is_month(by_shape[NAMED].text)
        return OrderFound("ymd", "months, taken as their first day" if months else "with names")
    if by_shape[YEAR_FIRST].count:
        other = min(numeric.values(), key=lambda tally: tally.row)
        raise _contradiction(where, column.name, header, by_shape[YEAR_FIRST], other)
    left = frozenset(DATE_ORDERS)
    deciding: list[Tally] = []
    for orders, tally in sorted(numeric.items(), key=lambda item: item[1].row):
        if not left & orders:
            before = next((t for o, t in numeric.items() if not o & orders), deciding[-1])
            raise _contradiction(where, column.name, header, before, tally)
        if len(left & orders) < len(left):
            deciding.append(tally)
        left &= orders
    if len(left) == 1:
        order = next(iter(left))
        shown = deciding[-1]
        text = f"{ORDER_WORDS[order]}: row {shown.row + header} has {shown.text.strip()}"
        return OrderFound(_order(order), text)
    candidates = [order for order in DATE_ORDERS if order in left]
    return _by_sequence(column, header, candidates, [list(texts) for texts in sequences])


def numeric_kind(column: ColumnProfile) -> TimeKind | None:
    """Return which kind of time a column of numbers can be, by its range; or None."""
    for kind, least, most in _RANGES:
        if least <= column.smallest and column.largest <= most:
            return None if kind == "year" and not column.whole else kind
    return None


def _order(text: str) -> DateOrder:
    return next(order for order in DATE_ORDERS if order == text)


def _of_shape(column: ColumnProfile, shape: str) -> Tally:
    found = Tally()
    for readings, tally in column.times.items():
        if shape in readings:
            found.add(tally.count, tally.row, tally.text)
    return found


def _contradiction(where: str, name: str, header: int, one: Tally, other: Tally) -> ImportFileError:
    first, second = sorted((one, other), key=lambda tally: tally.row)
    return ImportFileError(
        f"{where}: column {name!r} has dates in two orders: row {first.row + header} has "
        f"{first.text.strip()!r}, row {second.row + header} has {second.text.strip()!r}; repair "
        "the file, or say --date-order dmy, mdy or ymd: what does not read so is then rejected"
    )


def _by_sequence(
    column: ColumnProfile, header: int, candidates: list[str], sequences: list[list[str]]
) -> OrderFound:
    steps = {order: _cadence(order, sequences) for order in candidates}
    regular = [order for order, step in steps.items() if step]
    if len(regular) == 1:
        order = regular[0]
        others = " or ".join(ORDER_WORDS[other] for other in candidates if other != order)
        text = f"{ORDER_WORDS[order]}: so the rows are {steps[order]} apart; as {others} not"
        return OrderFound(_order(order), text)
    shown = min(column.times.values(), key=lambda tally: tally.row)
    readings = time_readings(shown.text)
    could = " or ".join(f"{readings[order]} ({order})" for order in candidates)
    question = Question(
        "date_order",
        f"row {shown.row + header} of {column.name!r} has {shown.text.strip()}, which is {could}, "
        "and no other row decides it",
        tuple(candidates),
        "--date-order",
    )
    return OrderFound(None, "", question)


def _cadence(order: str, sequences: list[list[str]]) -> str:
    """Return what lies between all neighbours if it is always the same, else an empty text."""
    found: set[str] = set()
    days_seen = 0
    for texts in sequences:
        days = [
            date.fromisoformat(readings[order][:10])
            for text in texts
            if order in (readings := time_readings(text))
        ]
        if len(days) != len(texts):
            return ""
        days = [day for day, before in zip(days, [None, *days[:-1]], strict=True) if day != before]
        days_seen = max(days_seen, len(days))
        ascending = days if days[0] <= days[-1] else days[::-1]
        pairs = pairwise(ascending)
        found |= {_step(one, other) for one, other in pairs}
    if len(found) != 1 or days_seen < FEWEST_IN_SEQUENCE:
        return ""
    return found.pop()


def _step(one: date, other: date) -> str:
    days = (other - one).days
    months = (other.year - one.year) * 12 + other.month - one.month
    if one.day == other.day and months in (1, 3, 12):
        return {1: "a month", 3: "three months", 12: "a year"}[months]
    return {1: "a day", 7: "a week"}.get(days, "")
