"""Moments as machines write them, whole columns at once: `2024-03-01T08:30:00Z` and its like.

What belongs here: telling such texts from others, and reading many of them to just what reading
one gives. What does not: every other way to write a time (`cell_texts`).

A first load has a million of them, no two the same; one by one they are most of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from its_pipeline.events.schema import pc

_MOMENT: Final = (
    r"\A\d{4}-\d{2}-\d{2}[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:Z|[+-]\d{2}(?::?\d{2})?)?\z"
)
"""As `cell_texts` has it for a single text without blanks around it."""
_FRACTION: Final = r"\A\.\d+"
_DAY_SECONDS: Final = 86_400
_YEARS: Final = ("1900", "2100")
"""Offsets of zones are read a day at a time, which is exact between these years."""
_INT: Final = pa.int64()


def as_texts(cells: Sequence[str | None]) -> pa.Array:
    """Return cells as texts for the functions here; null for what can be no moment."""
    return pa.array([cell if cell and cell.isascii() else None for cell in cells], pa.string())


def are_moments(texts: pa.Array) -> pa.Array:
    """Tell which texts are a date and a time of day in ISO form; none that is null is."""
    fits = pc.fill_null(pc.match_substring_regex(texts, _MOMENT), False)
    days = pc.utf8_slice_codeunits(pc.if_else(fits, texts, None), 0, 10).dictionary_encode()
    legal = pa.array([_is_day(day) for day in days.dictionary.to_pylist()], pa.bool_())
    return pc.fill_null(legal.take(days.indices), False)


def as_iso(moments: pa.Array) -> pa.Array:
    """Write moments as `cell_texts.read_time` does: with a blank ahead of the time of day."""
    day = pc.utf8_slice_codeunits(moments, 0, 10)
    return pc.binary_join_element_wise(day, pc.utf8_slice_codeunits(moments, 11), " ")


def local_days(texts: pa.Array, zone: ZoneInfo) -> pa.Array:
    """Return the local day that each moment is on, as date32.

    Parameters
    ----------
    texts
        Any texts.
    zone
        Where a moment with an offset from UTC is seen from; one without is local as it stands.

    Returns
    -------
    pa.Array
        Null where the text is no moment, or of a year that has to be read by itself.
    """
    years = pc.utf8_slice_codeunits(texts, 0, 4)
    # As texts: years of four digits are in the order of their numbers.
    within = pc.and_(pc.greater(years, _YEARS[0]), pc.less(years, _YEARS[1]))
    moments = pc.if_else(pc.and_(are_moments(texts), within), texts, None)
    text = pc.utf8_slice_codeunits(moments, 0, 19)
    rest = pc.replace_substring_regex(pc.utf8_slice_codeunits(moments, 19), _FRACTION, "")
    suffixes = rest.dictionary_encode()
    ahead = pa.array([_seconds_ahead(suffix) for suffix in suffixes.dictionary.to_pylist()], _INT)
    ahead = ahead.take(suffixes.indices)
    clock = _numbers(text.cast(pa.timestamp("s")).cast(_INT))
    utc = clock - _numbers(ahead)
    is_local = _numbers(pc.equal(rest, ""))
    days = np.where(is_local, clock, utc + _zone_ahead(utc, zone)) // _DAY_SECONDS
    return pa.array(days.astype(np.int32), mask=~_numbers(ahead.is_valid())).cast(pa.date32())


def _numbers(values: pa.Array) -> np.ndarray:
    """Return numbers, 0 or false where there is none."""
    return pc.fill_null(values, pa.scalar(0).cast(values.type)).to_numpy(zero_copy_only=False)


def _zone_ahead(utc_seconds: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return how many seconds a zone is ahead of UTC at each instant."""
    days, place = np.unique(utc_seconds // _DAY_SECONDS, return_inverse=True)
    found = np.array([_offsets_on(zone, day) for day in days.tolist()], dtype=np.int64)
    changes_at, before, after = found.reshape(-1, 3).T[:, place]
    return np.where(utc_seconds < changes_at, before, after)


@lru_cache(maxsize=65_536)
def _offsets_on(zone: ZoneInfo, utc_day: int) -> tuple[int, int, int]:
    """Return when on a UTC day the offset changes, and the offset ahead of it and from it on."""
    from its_pipeline.events.daily import zone_offsets

    day = date(1970, 1, 1) + timedelta(days=utc_day)
    row = zone_offsets([zone.key], day, day).to_pylist()[0]
    changes_at, before, after = row["changes_at"], row["offset_us"], row["later_offset_us"]
    return changes_at // 1_000_000, before // 1_000_000, after // 1_000_000


@lru_cache(maxsize=1024)
def _seconds_ahead(suffix: str) -> int | None:
    """Return how far `+02:00` or its like is ahead of UTC, 0 for no text; None for a wrong one."""
    try:
        ahead = datetime.fromisoformat(f"2000-01-01 00:00:00{suffix}").utcoffset()
    except ValueError:
        return None
    return round(ahead.total_seconds()) if ahead else 0


@lru_cache(maxsize=65_536)
def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
