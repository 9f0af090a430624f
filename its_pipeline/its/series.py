"""From a caller's series to the arrays of an analysis: validated, on its calendar, standardised.

Every rule on the input lives here, and none is checked later. What the columns of the regression
are is `designs.base`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.errors import InsufficientData, InvalidSeries
from its_pipeline.its.spec import AnalysisSpec

MINIMUM_DAYS = 8
"""Observed days that each phase must have."""

PRE, WASHOUT, POST = 0, 1, 2
PHASES = np.array(["pre", "washout", "post"])

_FLAT_SHARE = 0.1
_NO_VARIATION = 1e-10
_MOST_DAYS = 36_600


@dataclass(frozen=True)
class PreparedSeries:
    """One series on its own calendar.

    Parameters
    ----------
    days
        Every calendar day (month) of the window, shape (n,).
    steps
        Time steps from the intervention, shape (n,): 0 is the first post day, INCLUSIVE.
    values
        Outcome, NaN where missing, shape (n,).
    phase
        PRE, WASHOUT or POST, shape (n,).
    intervention_on, fit_start_on
        First post day, and first post day in the fit.
    centre, scale
        Pre-period mean, and the unit the outcome is standardised by.
    flat_baseline
        Whether the pre-period is so constant that both phases had to give the scale.
    """

    days: pd.DatetimeIndex
    steps: np.ndarray
    values: np.ndarray
    phase: np.ndarray
    intervention_on: date
    fit_start_on: date
    centre: float
    scale: float
    flat_baseline: bool

    @property
    def observed(self) -> np.ndarray:
        """Rows with an outcome, shape (n,), bool."""
        return np.isfinite(self.values)

    @property
    def fit_rows(self) -> np.ndarray:
        """Observed rows outside the washout, shape (n,), bool."""
        return self.observed & (self.phase != WASHOUT)

    @property
    def standardised(self) -> np.ndarray:
        """Outcome in units of the pre-period's standard deviation, shape (n,)."""
        return (self.values - self.centre) / self.scale

    @property
    def observed_post_sum(self) -> float:
        """Sum of the observed outcomes after the intervention and the washout."""
        return float(np.sum(self.values[self.observed & (self.phase == POST)]))

    @property
    def n_pre(self) -> int:
        """Observed days before the intervention."""
        return int(np.sum(self.observed & (self.phase == PRE)))

    @property
    def n_post(self) -> int:
        """Observed days after the intervention and the washout."""
        return int(np.sum(self.observed & (self.phase == POST)))


def prepare_series(outcome: pd.Series, intervention_on: Any, spec: AnalysisSpec) -> PreparedSeries:
    """Validate a series and lay it on its calendar.

    Parameters
    ----------
    outcome
        Local days (DatetimeIndex without time zone, unique, increasing) to values; absent or NaN
        is missing.
    intervention_on
        Date-like, first post day, INCLUSIVE.
    spec
        Settings.

    Raises
    ------
    InvalidSeries
        If the series breaks a rule.
    InsufficientData
        If a phase has fewer than `MINIMUM_DAYS` observed days.
    """
    index = _checked_index(outcome, spec)
    values = _checked_values(outcome)
    start = _intervention_timestamp(intervention_on, spec)
    numbers = _steps(index, spec)
    origin = _steps(pd.DatetimeIndex([start]), spec)[0]
    if origin <= numbers[0] or origin > numbers[-1]:
        side = "after" if origin <= numbers[0] else "before"
        raise InvalidSeries(
            "one_sided",
            f"all days of the series, {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, lie {side} "
            f"the intervention on {start:%Y-%m-%d}; both phases are needed",
        )
    steps = np.arange(numbers[0], numbers[-1] + 1) - origin
    on_calendar = np.full(len(steps), np.nan)
    on_calendar[numbers - numbers[0]] = values
    phase = np.where(steps < 0, PRE, np.where(steps < spec.washout_days, WASHOUT, POST))
    seen = np.isfinite(on_calendar)
    n_pre, n_post = int(np.sum(seen & (phase == PRE))), int(np.sum(seen & (phase == POST)))
    if n_pre < MINIMUM_DAYS or n_post < MINIMUM_DAYS:
        raise InsufficientData(n_pre, n_post, MINIMUM_DAYS, f"{spec.step}s")
    centre, scale, flat = standardisation(
        on_calendar[seen & (phase == PRE)],
        None if spec.estimator == "forecast" else on_calendar[seen & (phase == POST)],
    )
    return PreparedSeries(
        days=_calendar(index, len(steps), spec),
        steps=steps,
        values=on_calendar,
        phase=phase,
        intervention_on=start.date(),
        fit_start_on=_later(start, spec.washout_days, spec).date(),
        centre=centre,
        scale=scale,
        flat_baseline=flat,
    )


def _checked_index(outcome: Any, spec: AnalysisSpec) -> pd.DatetimeIndex:
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


def _checked_values(outcome: pd.Series) -> np.ndarray:
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
    if np.isnan(values).all():
        raise InvalidSeries("empty", f"all {len(values)} days of the outcome are missing")
    return values


def _intervention_timestamp(intervention_on: Any, spec: AnalysisSpec) -> pd.Timestamp:
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


def _steps(index: pd.DatetimeIndex, spec: AnalysisSpec) -> np.ndarray:
    unit = "M" if spec.season == "month" else "D"
    numbers = index.to_numpy().astype(f"datetime64[{unit}]").astype(np.int64)
    if numbers[-1] - numbers[0] > _MOST_DAYS:
        raise InvalidSeries(
            "not_days",
            f"the series spans {numbers[-1] - numbers[0]} {spec.step}s, more than {_MOST_DAYS}; "
            "is a date wrong?",
        )
    return numbers


def _calendar(index: pd.DatetimeIndex, n: int, spec: AnalysisSpec) -> pd.DatetimeIndex:
    return pd.date_range(index[0], periods=n, freq="MS" if spec.season == "month" else "D")


def _later(start: pd.Timestamp, steps: int, spec: AnalysisSpec) -> pd.Timestamp:
    if spec.season == "month":
        return start + pd.DateOffset(months=steps)
    return start + pd.Timedelta(days=steps)


def standardisation(pre: np.ndarray, post: np.ndarray | None = None) -> tuple[float, float, bool]:
    """Return what an outcome is standardised by.

    Parameters
    ----------
    pre, post
        Observed values of the phases; without `post` the pre-period stands alone (the forecast).

    Returns
    -------
    tuple
        The pre-period's mean; its standard deviation, or the pooled one of both phases where the
        pre-period is nearly constant; and whether it is.

    Raises
    ------
    InvalidSeries
        If the outcome does not vary within its phases.
    """
    phases = [pre] if post is None else [pre, post]
    size = max(float(np.max(np.abs(values))) for values in phases)
    squares = sum(float(np.sum((values - values.mean()) ** 2)) for values in phases)
    pooled = float(np.sqrt(squares / (sum(map(len, phases)) - len(phases))))
    if not pooled > _NO_VARIATION * size:
        means = [float(values.mean()) for values in phases]
        raise InvalidSeries(
            "constant_outcome",
            f"the outcome does not vary within its phases (sd {pooled:.3g}, means "
            f"{', '.join(f'{mean:.6g}' for mean in means)}). A model of noise has nothing to learn "
            "from it; compare the levels directly",
            {"sd": pooled, "pre_mean": means[0], "post_mean": means[-1]},
        )
    pre_sd = float(np.std(pre, ddof=1))
    flat = pre_sd < _FLAT_SHARE * pooled
    return float(pre.mean()), pooled if flat else pre_sd, flat
