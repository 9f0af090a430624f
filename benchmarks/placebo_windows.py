"""The windows of the placebo study: stretches of real days with a pretended intervention.

What belongs here: walking through a table of many people's series. What does not: which stretches
are windows, which is the placebo audit's own rule (`its_pipeline.experiments.placebo_windows`), or
any model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from its_pipeline.experiments.placebo_windows import LENGTHS, pretended_windows

__all__ = ["LENGTHS", "Window", "windows"]


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
        index = pd.DatetimeIndex(values.index)
        for found in pretended_windows(index.to_numpy(), values.to_numpy(dtype=float), n):
            inside = values.loc[pd.Timestamp(found.start_on) : pd.Timestamp(found.end_on)]
            middle = pd.Timestamp(found.middle_on)
            yield Window(str(source), str(person), str(outcome), n, inside, middle)
