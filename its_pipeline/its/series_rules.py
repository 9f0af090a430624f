"""The rules that a caller's dates and values keep, each with its error.

What belongs here: what may be wrong with an index, a value or a date by itself. What does not: what
they are together (`series`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.spec import AnalysisSpec

_LARGEST = 1e100
"""Size of an outcome beyond which sums of squares, and products of those, might be infinite."""


def logarithm(values: np.ndarray, days: pd.DatetimeIndex) -> np.ndarray:
    """Return the logarithm of an outcome above zero."""
    bad = np.isfinite(values) & (values <= 0.0)
    if bad.any():
        raise InvalidSeries(
            "not_positive",
            f'likelihood "lognormal" takes values above 0 but got {values[bad][0]:g} on '
            f"{days[bad][0]:%Y-%m-%d}; leave such days out, or use normal or student_t",
            {"not_positive": float(bad.sum())},
        )
    return np.log(values)


def checked_index(outcome: Any, spec: AnalysisSpec) -> pd.DatetimeIndex:
    """Return the days of a series that has legal ones."""
    if not isinstance(outcome, pd.Series):
        raise InvalidSeries("not_days", f"outcome must be a pd.Series but got {type(outcome)}")
    index = outcome.index
    if not isinstance(index, pd.DatetimeIndex):
        raise InvalidSeries(
            "not_days",
            f"outcome must be indexed by a DatetimeIndex of local days but got {type(index)}; "
            "use pd.to_datetime on it",
        )
    if len(index) == 0:
        raise InvalidSeries("empty", "outcome has no days at all")
    if index.tz is not None:
        raise InvalidSeries(
            "time_zone",
            f"outcome must be indexed by local days but its index has time zone {index.tz}; "
            "convert to local days and drop it with tz_localize(None)",
        )
    if np.isnat(index.to_numpy()).any():
        raise InvalidSeries("not_days", "outcome's index has missing dates (NaT); drop those rows")
    late = index[index != index.normalize()]
    if len(late):
        raise InvalidSeries("not_days", f"days must be midnights but got {late[0]}; normalize them")
    twice = index[index.duplicated()]
    if len(twice):
        raise InvalidSeries(
            "duplicate_days",
            f"each day may occur once but {twice[0]:%Y-%m-%d} occurs again "
            f"({len(twice)} duplicates); aggregate to one value a day",
            {"duplicates": float(len(twice))},
        )
    if not index.is_monotonic_increasing:
        raise InvalidSeries("not_increasing", "days must increase; use sort_index() on outcome")
    not_first = index.day.to_numpy() != 1
    if spec.season == "month" and not_first.any():
        wrong = index[not_first][0]
        raise InvalidSeries(
            "not_month_starts",
            f'season="month" takes first days of months but got {wrong:%Y-%m-%d}',
        )
    return index


def checked_values(outcome: pd.Series) -> np.ndarray:
    """Return the values of a series that has legal ones."""
    if not pd.api.types.is_numeric_dtype(outcome) or pd.api.types.is_complex_dtype(outcome):
        raise InvalidSeries("not_numeric", f"outcome must be numbers but has dtype {outcome.dtype}")
    values = outcome.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        count = int(np.isinf(values).sum())
        raise InvalidSeries(
            "not_finite",
            f"outcome has {count} infinite values; leave a missing day out or make it NaN",
            {"infinite": float(count)},
        )
    too_large = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(too_large):
        raise InvalidSeries(
            "outcome_too_large",
            f"outcome has a value of size {values[too_large[0]]:.3g}, beyond {_LARGEST:.0e} no "
            "variance can be told; is it wrong? Correct it or leave it out",
        )
    if np.isnan(values).all():
        raise InvalidSeries("empty", f"all {len(values)} days of the outcome are missing")
    return values


def intervention_timestamp(intervention_on: Any, spec: AnalysisSpec) -> pd.Timestamp:
    """Return a legal first day on."""
    try:
        start = pd.Timestamp(intervention_on)
    except (ValueError, TypeError) as error:
        raise InvalidSeries(
            "not_days", f"intervention_on must be a date but got {intervention_on!r}"
        ) from error
    if start is pd.NaT or start.tzinfo is not None or start != start.normalize():
        raise InvalidSeries(
            "not_days",
            f"intervention_on must be a local date without time but got {intervention_on!r}",
        )
    if spec.season == "month" and start.day != 1:
        raise InvalidSeries(
            "not_month_starts",
            f'season="month" takes first days of months but intervention_on is {start:%Y-%m-%d}',
        )
    return start
