"""Days on from a table's column of 0 and 1.

What belongs here: the rules of such a column, and what absent rows mean. What does not: reading
files, or schedules as text (`as_text`). Importing this module loads the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

_DAY = timedelta(days=1)


def days_on(name: str, rows: Iterable[tuple[date, Any]]) -> list[date]:
    """Return the days on, in order.

    A day without a row between two days on is on: a day on which nothing was measured is no switch.
    Any other day without a row is off.

    Parameters
    ----------
    name
        The column's, for errors.
    rows
        Day and value, in any order: 1 where it was on, 0 where it was off.

    Raises
    ------
    ValueError
        If a value is neither 0 nor 1, or no day is on.
    """
    found: list[date] = []
    before_on: date | None = None
    for day, value in sorted(rows, key=lambda row: row[0]):
        if value not in (0, 1):
            raise ValueError(
                f"column {name!r} must hold 1 on days on and 0 on days off but has {value!r} on "
                f"{day}; write 0 or 1, or leave the row out if nobody knows"
            )
        if value == 1:
            if before_on is not None:
                found += [before_on + number * _DAY for number in range(1, (day - before_on).days)]
            found.append(day)
        before_on = day if value == 1 else None
    if not found:
        raise ValueError(
            f"column {name!r} must be 1 on at least one day but is 0 on all of them; name the "
            "column that says which days were on"
        )
    return found
