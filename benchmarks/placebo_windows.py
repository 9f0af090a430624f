"""The windows of the placebo study: stretches of real days with a pretended intervention.

What belongs here: which stretches of a person's series are looked at. What does not: any model.
Nothing was changed in the middle of a window, so an interval for the effect that leaves out 0 is
wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

LENGTHS = (28, 60, 90, 180)
MOST_WINDOWS = 10
"""Windows of one length from one series."""
LEAST_DAYS = 8
LEAST_SHARE = 0.4
"""Observed days each side must have, and their share of the side."""
LEAST_VALUES = 5
MOST_COMMON = 0.6
"""A side is nearly constant with fewer distinct values than this, or when one value makes up more
than this share of it."""


@dataclass(frozen=True)
class Window:
    """One stretch of days of one person's series.

    Parameters
    ----------
    source, person, outcome
        Where it is from.
    n
        Its calendar days; the pretended intervention is on the day in the middle.
    values
        Observed days.
    intervention_on
        First post day, INCLUSIVE.
    """

    source: str
    person: str
    outcome: str
    n: int
    values: pd.Series
    intervention_on: pd.Timestamp


def windows(days: pd.DataFrame, n: int) -> Iterator[Window]:
    """Yield the windows of `n` days: one after the other, none overlapping another.

    Parameters
    ----------
    days
        Columns source, person, outcome, day, value.
    n
        Calendar days of a window.
    """
    for (source, person, outcome), series in days.groupby(
        ["source", "person", "outcome"], sort=True
    ):
        values = series.set_index("day")["value"].sort_index()
        values = values[np.isfinite(values.to_numpy())]
        found = 0
        start = values.index[0]
        while found < MOST_WINDOWS:
            rest = values.index[values.index >= start]
            if not len(rest) or rest[0] + pd.Timedelta(days=n - 1) > values.index[-1]:
                break
            start = rest[0]
            middle, end = start + pd.Timedelta(days=n // 2), start + pd.Timedelta(days=n)
            window = values[(values.index >= start) & (values.index < end)]
            if _usable(window, middle, n // 2):
                yield Window(str(source), str(person), str(outcome), n, window, middle)
                found += 1
                start = end
            else:
                start += pd.Timedelta(days=1)


def _usable(window: pd.Series, middle: pd.Timestamp, half: int) -> bool:
    for side in (window[window.index < middle], window[window.index >= middle]):
        if len(side) < max(LEAST_DAYS, LEAST_SHARE * half):
            return False
        counts = side.value_counts()
        if len(counts) < LEAST_VALUES or counts.iloc[0] > MOST_COMMON * len(side):
            return False
    return True
