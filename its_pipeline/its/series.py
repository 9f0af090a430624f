"""From a caller's series to the arrays of an analysis: validated, on its calendar, standardised.

Every rule on the input is held here, and none is checked later (`series_rules` has those of single
dates and values): which days are on is `exposure`'s, what the columns of the regression are is
`designs.base`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.errors import InsufficientData, InvalidSeries
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.series_rules import (
    checked_index,
    checked_values,
    intervention_timestamp,
    logarithm,
)
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.schedules.schedule import Schedule

MINIMUM_DAYS = 8
"""Observed days that must be off, and on, in all."""

PRE, WASHOUT, POST = 0, 1, 2
PHASES = np.array(["pre", "washout", "post"])
PHASES_OF_SCHEDULE = np.array(["off", "left_out", "on"])
"""The same where the intervention is on and off again."""

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
        Time steps from the intervention's first day on, shape (n,): 0 is that day, INCLUSIVE.
    values
        Outcome, NaN where missing, shape (n,).
    phase
        PRE (off), WASHOUT (left out) or POST (on), shape (n,).
    exposure, others
        On which rows the intervention acted, and each other one of the person that is in the model.
    schedule
        What was declared of it.
    intervention_on, fit_start_on
        First post day, and first post day in the fit.
    centre, scale
        Mean of the days off, and the unit the outcome is standardised by.
    flat_baseline
        Whether the days off are so constant that both phases had to give the scale.
    has_yearly_season
        Whether a yearly season is in the model: a part of a series keeps the whole one's model.
    denominator
        Person-time of counts, or number of trials of shares, shape (n,); None where there is none.
    is_logarithmic
        Whether the logarithm of the outcome is what is standardised.
    """

    days: pd.DatetimeIndex
    steps: np.ndarray
    values: np.ndarray
    phase: np.ndarray
    exposure: Exposure
    others: tuple[Exposure, ...]
    schedule: Schedule
    intervention_on: date
    fit_start_on: date
    centre: float
    scale: float
    flat_baseline: bool
    has_yearly_season: bool
    denominator: np.ndarray | None = None
    is_logarithmic: bool = False

    @property
    def is_one_change(self) -> bool:
        """Whether one date divides the days, and nothing else acted on them."""
        return self.exposure.is_one_change and not self.others

    @property
    def phase_names(self) -> np.ndarray:
        """Names of PRE, WASHOUT and POST."""
        return PHASES if self.exposure.is_one_change else PHASES_OF_SCHEDULE

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
        values = np.log(self.values) if self.is_logarithmic else self.values
        return (values - self.centre) / self.scale

    @property
    def usual_sd(self) -> float:
        """Standard deviation of the outcome on days off, in its own units."""
        return self.scale * float(np.exp(self.centre)) if self.is_logarithmic else self.scale

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


def prepare_series(
    outcome: pd.Series,
    schedule: Any,
    spec: AnalysisSpec,
    others: Mapping[str, Any] | None = None,
    denominator: pd.Series | None = None,
) -> PreparedSeries:
    """Validate a series and lay it on its calendar.

    Parameters
    ----------
    outcome
        Local days (DatetimeIndex without time zone, unique, increasing) to values; absent or NaN
        is missing.
    schedule
        A `Schedule`, or date-like: the first day on, INCLUSIVE.
    spec
        Settings.
    others
        Schedules or dates of other interventions, by name.
    denominator
        On the same index: person-time of counts, or number of trials of shares.

    Raises
    ------
    InvalidSeries
        If the series breaks a rule.
    InsufficientData
        If fewer than `MINIMUM_DAYS` observed days are off, or on.
    """
    calendar, on_calendar, first = laid_on_calendar(outcome, spec)
    declared = _schedule(schedule, spec)
    exposure = _exposure("", declared, calendar, first, spec)
    laid = [
        _exposure(name, _schedule(other, spec), calendar, first, spec)
        for name, other in (others or {}).items()
    ]
    # One that never acted in these days, or always did, is part of what is usual.
    also = tuple(other for other in laid if other.is_on.any() and not other.is_on.all())
    if not exposure.is_on.any() or exposure.is_on.all():
        side, told = "after" if exposure.is_on.all() else "before", spec.calendar.told
        raise InvalidSeries(
            "one_sided",
            f"all {spec.step}s of the series, {told(calendar[0])} to {told(calendar[-1])}, lie "
            f"{side} the intervention on {told(declared.first_on)}; both phases are needed",
        )
    _check_options(exposure, also, spec)
    steps = exposure.steps
    is_left_out = exposure.is_left_out(spec.washout_days, spec.carryover_days)
    phase = np.where(is_left_out, WASHOUT, np.where(exposure.is_on, POST, PRE))
    seen = np.isfinite(on_calendar)
    off, on = seen & (phase == PRE), seen & (phase == POST)
    if off.sum() < MINIMUM_DAYS or on.sum() < MINIMUM_DAYS:
        raise InsufficientData(
            int(off.sum()),
            int(on.sum()),
            MINIMUM_DAYS,
            f"{spec.step}s",
            not exposure.is_one_change,
        )
    usual = off & ~np.any([other.is_on for other in also], axis=0) if also else off
    modelled = logarithm(on_calendar, calendar) if spec.is_logarithmic else on_calendar
    centre, scale, flat = standardisation(
        modelled[usual if usual.sum() >= MINIMUM_DAYS else off],
        None if spec.estimator == "forecast" else modelled[on],
    )
    start = calendar[0] - _offset(int(steps[0]), spec)
    return PreparedSeries(
        days=calendar,
        steps=steps,
        values=on_calendar,
        phase=phase,
        exposure=exposure,
        others=also,
        schedule=declared,
        intervention_on=start.date(),
        fit_start_on=(start + _offset(spec.washout_days, spec)).date(),
        centre=centre,
        scale=scale,
        flat_baseline=flat,
        has_yearly_season=spec.has_yearly_season(len(calendar)),
        denominator=None if denominator is None else _on_calendar(denominator, calendar),
        is_logarithmic=spec.is_logarithmic,
    )


def _on_calendar(denominator: pd.Series, calendar: pd.DatetimeIndex) -> np.ndarray:
    if denominator.index.duplicated().any() or not pd.api.types.is_numeric_dtype(denominator):
        raise InvalidSeries(
            "bad_denominator", "the denominator must be numbers, one for each day of the outcome"
        )
    return denominator.reindex(calendar).to_numpy(dtype=np.float64, na_value=np.nan)


def laid_on_calendar(
    outcome: pd.Series, spec: AnalysisSpec
) -> tuple[pd.DatetimeIndex, np.ndarray, int]:
    """Validate a series and lay its values on every day (month) from its first to its last.

    Parameters
    ----------
    outcome, spec
        As in `prepare_series`.

    Returns
    -------
    tuple
        The calendar; the values on it, NaN where missing; the number of its first time step.

    Raises
    ------
    InvalidSeries
        If the series breaks a rule.
    """
    index = checked_index(outcome, spec)
    values = checked_values(outcome)
    numbers = _steps(index, spec)
    calendar = _calendar(index, int(numbers[-1] - numbers[0]) + 1, spec)
    on_calendar = np.full(len(calendar), np.nan)
    on_calendar[numbers - numbers[0]] = values
    return calendar, on_calendar, int(numbers[0])


def _schedule(value: Any, spec: AnalysisSpec) -> Schedule:
    if isinstance(value, Schedule):
        if spec.season == "month" and any(p.from_on.day != 1 for p in value.on_periods):
            wrong = next(p.from_on for p in value.on_periods if p.from_on.day != 1)
            raise InvalidSeries(
                "not_month_starts",
                f'season="month" takes first days of months but a period starts on {wrong}',
            )
        return value
    return Schedule.since(intervention_timestamp(value, spec).date())


def _exposure(
    name: str, schedule: Schedule, calendar: pd.DatetimeIndex, first: int, spec: AnalysisSpec
) -> Exposure:
    origin = _steps(pd.DatetimeIndex([schedule.first_on]), spec)[0]
    return Exposure.of(name, schedule, calendar, np.arange(len(calendar)) + first - origin)


def _check_options(exposure: Exposure, others: tuple[Exposure, ...], spec: AnalysisSpec) -> None:
    """Hold that what was asked for is possible with this schedule."""
    if exposure.is_one_change and not others:
        return
    if spec.estimator == "forecast":
        raise InvalidSeries(
            "forecast_of_schedule",
            'estimator="forecast" takes one date, from which on everything is foretold; with '
            'several periods or several interventions use "segmented"',
        )
    if spec.slope is True and not exposure.is_one_change:
        raise InvalidSeries(
            "slope_of_schedule",
            "slope=True asks for a change of slope from one date on, but this intervention is on "
            'and off again; leave slope at "auto"',
        )


def _steps(index: pd.DatetimeIndex, spec: AnalysisSpec) -> np.ndarray:
    unit = "M" if spec.calendar.unit == "month" else "D"
    numbers = index.to_numpy().astype(f"datetime64[{unit}]").astype(np.int64)
    numbers //= spec.calendar.length
    if numbers[-1] - numbers[0] > _MOST_DAYS:
        raise InvalidSeries(
            "not_days",
            f"the series spans {numbers[-1] - numbers[0]} {spec.step}s, more than {_MOST_DAYS}; "
            "is a date wrong?",
        )
    return numbers


def _calendar(index: pd.DatetimeIndex, n: int, spec: AnalysisSpec) -> pd.DatetimeIndex:
    return pd.date_range(index[0], periods=n, freq=spec.calendar.freq)


def _offset(steps: int, spec: AnalysisSpec) -> pd.DateOffset:
    n = steps * spec.calendar.length
    return pd.DateOffset(months=n) if spec.calendar.unit == "month" else pd.DateOffset(days=n)


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
