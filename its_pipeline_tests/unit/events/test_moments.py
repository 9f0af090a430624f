"""Moments read together are what each is by itself."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from its_pipeline.events.cell_texts import YEAR_FIRST, read_time, time_readings
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.moments import are_moments, as_iso, as_texts, local_days
from its_pipeline.tables.days import day_reader
from its_pipeline.tables.profile import DISTINCT, ColumnProfile

SIGNS = ("T", " ", "  ", "t")
FRACTIONS = ("", ".5", ".123456789", ".1234567890", ".")
SUFFIXES = ("", "Z", "z", "+02", "-0930", "+05:45", "+14:00", "+23:75", "+24:00", " ", "\n", "+2")


def texts(count: int = 20_000) -> list[str]:
    rng = np.random.default_rng(5)
    years = rng.choice([1, 1899, 1901, 1916, 1942, 1969, 1970, 2011, 2024, 2099, 2101], count)
    parts = [rng.integers(0, high, count) for high in (14, 33, 25, 61, 61)]
    signs, fractions, suffixes = (
        rng.choice(np.array(some), count, p=None) for some in (SIGNS, FRACTIONS, SUFFIXES)
    )
    made = zip(years, *parts, signs, fractions, suffixes, strict=True)
    return [
        f"{y:04}-{m:02}-{d:02}{sign}{h:02}:{i:02}:{s:02}{fraction}{suffix}"
        for y, m, d, h, i, s, sign, fraction, suffix in made
    ]


def test_moments_are_told_apart_and_written_as_one_by_one():
    given = texts()
    array = as_texts(given)
    flags, iso = are_moments(array).to_pylist(), as_iso(array).to_pylist()
    assert 1000 < sum(flags) < len(given) - 1000
    for text, flag, written in zip(given, flags, iso, strict=True):
        if flag:
            assert list(time_readings(text)) == [YEAR_FIRST]
            assert written == read_time(text, "dmy")
        elif text == text.strip() and text[10] in "T ":
            readings = time_readings(text)
            assert not readings or any(end in text for end in ("z", "+2", ".1234567890"))


@pytest.mark.parametrize("name", ["UTC", "Europe/Amsterdam", "America/St_Johns", "Pacific/Apia"])
def test_local_days_are_those_of_one_by_one(name):
    given = texts()
    mapping = ImportMapping(
        time="t", outcomes={"o": "o"}, user_constant="ada", time_zone=name, date_order="ymd"
    )
    day_of = day_reader(mapping)
    array = as_texts(given)
    days = local_days(array, ZoneInfo(name)).to_pylist()
    moments = are_moments(array).to_pylist()
    assert sum(day is not None for day in days) > 1000
    for text, day, is_moment in zip(given, days, moments, strict=True):
        if day is not None:
            assert day == day_of(text)
        elif is_moment and "1900" < text[:4] < "2100":
            assert day_of(text) is None


def test_a_change_of_the_clocks_at_midnight_is_on_its_side():
    # Apia left out 2011-12-30: at 10:00 UTC its clocks went from -10:00 to +14:00.
    given = ["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", None, "soon", "h\N{BULLET}"]
    found = local_days(as_texts(given), ZoneInfo("Pacific/Apia")).to_pylist()
    assert found == [date(2011, 12, 29), date(2011, 12, 31), None, None, None]


def test_a_profile_of_many_moments_is_that_of_one_by_one():
    given: list[str | None] = [text for text in texts(3000) if text.isprintable()]
    given[700], given[800], given[900] = None, "NA", "\ud800"
    empty = frozenset((given[500] or "",))
    together, alone = ColumnProfile("t"), ColumnProfile("t")
    together.add(1, given, empty)
    for row, cell in enumerate(given, start=1):
        alone.add(row, [cell], empty)
    assert len(together.distinct) == DISTINCT
    assert together == alone
