"""The yearly season of long series of days and of weeks, as columns.

What belongs here: sine and cosine of the day of the year, and their names. What does not: when they
are in a model (`spec`), how large a season may be (`priors`), or weekdays and months (`base`).

A day of the year has the same columns whenever a series begins.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

HARMONICS = 1
"""Waves a year, each with a sine and a cosine (benchmarks/yearly.py)."""

YEARLY = "yearly"
"""Waves are small together, see `base.Columns.add`."""

_YEAR_DAYS = 365.25
_ORIGIN = pd.Timestamp("2000-01-01")
_NAME = re.compile(r"year_(?:sin|cos)_[1-9]")


def yearly_columns(days: pd.DatetimeIndex, harmonics: int = HARMONICS) -> dict[str, np.ndarray]:
    """Return sine and cosine of the day of the year by name, each of shape (n,).

    Parameters
    ----------
    days
        Calendar days; of weeks, the days that name them.
    harmonics
        Waves a year.
    """
    angle = 2.0 * np.pi / _YEAR_DAYS * (days - _ORIGIN).days.to_numpy()
    return {
        f"year_{name}_{harmonic}": wave(harmonic * angle)
        for harmonic in range(1, harmonics + 1)
        for name, wave in (("sin", np.sin), ("cos", np.cos))
    }


def is_yearly(name: str) -> bool:
    """Tell whether a coefficient is the yearly season's, by its name."""
    return _NAME.fullmatch(name) is not None
