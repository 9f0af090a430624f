"""Which column is what: told from its cells and, where those leave it open, from its name.

What belongs here: what makes a column a time, a person, an outcome. What does not: how its cells
are written (`dates`, `numbers`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from its_pipeline.schedules.cadence import MOST_SESSIONS
from its_pipeline.tables.asking import Question
from its_pipeline.tables.dates import numeric_kind
from its_pipeline.tables.profile import DISTINCT, ColumnProfile, TableProfile

Kind = Literal["time", "number", "yes/no", "person", "text", "empty"]

_TIME_NAME: Final = re.compile(
    r"date|time|day|datum|zeit|tag|fecha|hora|jour|year|jahr|month|monat|unix|epoch|when|^ts$",
    re.IGNORECASE,
)
_USER_NAMES: Final = frozenset(
    ("user", "person", "participant", "subject", "patient", "client", "teilnehmer", "proband",
     "nutzer")
)  # fmt: skip
_SESSIONS: Final = frozenset(
    ("session", "occasion", "trial", "lesson", "visit", "measurement", "sitzung", "messzeitpunkt",
     "sesion", "seance")
)  # fmt: skip
_SESSION_NAMES: Final = _SESSIONS | {"mt", "time", "sessionno", "sessionnr"}
"""`mt` is measurement time in the R package scan, `time` the session in scdhlm."""
_COUNTING_NAMES: Final = frozenset(("id", "index", "row", "rowid", "nr", "no", "unnamed0"))
_UNIT: Final = re.compile(r".*?[(\[]([^()\[\]]{1,30})[)\]]\s*")


@dataclass(frozen=True)
class Column:
    """A column as a person sees it: its name, what it holds, and its first few texts."""

    name: str
    kind: Kind
    examples: tuple[str, ...]


def shown_column(column: ColumnProfile, time: str | None, user: str | None) -> Column:
    """Return a column as a person sees it, given which ones are the time and the person."""
    kind: Kind = "text"
    if not column.filled:
        kind = "empty"
    elif column.name == user:
        kind = "person"
    elif column.name == time or (column.time_share > 0.5 and not column.is_numeric):
        kind = "time"
    elif column.is_numeric:
        kind = "yes/no" if 2 * column.words.count > column.filled else "number"
    return Column(column.name, kind, tuple(column.examples))


def find_user(profile: TableProfile) -> str | None:
    """Return the column that by its name says whom a row is about, or None."""
    for name, column in profile.columns.items():
        word = re.sub(r"[^a-z]", "", name.lower())
        if column.filled and word.removesuffix("id") in _USER_NAMES:
            return name
    return None


def is_time(column: ColumnProfile, rows: int) -> bool:
    """Tell whether most cells are times; of numbers such as 20210304 the name has to say it too."""
    if column.time_share <= 0.5 or len(column.distinct) < 2 < rows:
        return False
    return not column.is_numeric or bool(_TIME_NAME.search(column.name))


def is_numeric_time(column: ColumnProfile) -> bool:
    """Tell whether numbers can be times by their range, and are by their column's name."""
    if not column.is_numeric or column.words.count or len(column.distinct) < 2:
        return False
    return bool(_TIME_NAME.search(column.name)) and numeric_kind(column) is not None


def numbers_sessions(column: ColumnProfile) -> bool:
    """Tell whether whole numbers count sessions, which have no dates, by their column's name."""
    name = re.sub(r"[^a-z]", "", column.name.lower())
    fits = column.is_numeric and column.whole and not column.words.count
    return (
        fits
        and len(column.distinct) > 1
        and column.smallest >= 0
        and column.largest <= MOST_SESSIONS
        and (name in _SESSION_NAMES or name.removesuffix("s").removesuffix("number") in _SESSIONS)
    )


def counts_rows(column: ColumnProfile, rows: int) -> bool:
    """Tell whether a column only numbers the rows."""
    name = re.sub(r"[^a-z0-9]", "", column.name.lower())
    numbers = name in _COUNTING_NAMES or re.fullmatch(r"column\d+", name) is not None
    return numbers and column.whole and column.largest - column.smallest + 1 == rows


def unit_of(column: str) -> str:
    """Return the unit that a column's name has in brackets at its end, or an empty text."""
    found = _UNIT.fullmatch(column)
    return found[1].strip() if found else ""


def about_outcomes(
    profile: TableProfile, outcomes: Sequence[str], most_a_day: int
) -> list[Question]:
    """Return what has to be asked of the columns of numbers that were found, if anything.

    All of them are meant where a row is a day; where a day has several rows, several columns, or
    rows that are of different kinds, could make one number of things that are not alike.
    """
    if not outcomes:
        text = "no column of numbers was found"
        return [Question("outcomes", text, tuple(profile.columns), "--outcome")]
    if most_a_day <= 1:
        return []
    if len(outcomes) > 1:
        text = "several rows a day and several columns of numbers"
        return [Question("outcomes", text, tuple(outcomes), "--outcome")]
    user = find_user(profile)
    kinds = [
        name
        for name, column in profile.columns.items()
        if 1 < len(column.distinct) < DISTINCT
        and not column.is_numeric
        and column.time_share <= 0.5
        and name != user
    ]
    if not kinds:
        return []
    text = (
        f"several rows a day, and column {kinds[0]!r} may say that they are different things (a "
        "table with one column a thing is understood by itself)"
    )
    return [Question("outcomes", text, tuple(outcomes), "--outcome")]
