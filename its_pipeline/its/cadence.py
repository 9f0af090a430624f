"""A caller's series in its own unit of time: its cadence found, its dates made dates of steps.

What belongs here: resolving a spec's cadence and season from the outcome's dates, and laying
outcome, covariates and schedules on the dates that name steps. What does not: what steps are
(`schedules.cadence`), or any rule on values (`series`).

A series of days passes through as it is. All floors below take what comes out of here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.spec import FEWEST_DAYS_WITH_A_YEAR, AnalysisSpec
from its_pipeline.schedules.cadence import AUTO, LEAST_GAP, Cadence, Steps, find_cadence, session_on
from its_pipeline.schedules.schedule import Period, Schedule

SEASON_MONTHS = 24
"""Observed months ahead of the intervention from which on months get a season: of each month of
the year two, so that a month's own effect and the noise of one year can be told apart."""
SEASON_WEEKS = math.ceil(FEWEST_DAYS_WITH_A_YEAR / 7)
"""Weeks from first to last from which on they get a yearly season: as long as days need."""
MOST_IRREGULAR_DAYS = 3660
"""Irregular dates are laid on a calendar of days, which must not be longer than ten years: each of
its days costs memory, whether observed or not."""


@dataclass(frozen=True)
class InSteps:
    """What `analyze` is given, in the series' own unit of time.

    Parameters
    ----------
    outcome, covariates
        On the dates that name steps.
    schedule, others
        In such dates.
    spec
        With the cadence and the season that were found; as given for a series of days.
    """

    outcome: pd.Series
    schedule: Any
    spec: AnalysisSpec
    covariates: pd.DataFrame | None
    others: Mapping[str, Any] | None


def in_steps(
    outcome: pd.Series,
    schedule: Any,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None = None,
    others: Mapping[str, Any] | None = None,
) -> InSteps:
    """Return a series in its own unit of time; what came out of here comes out as it is.

    Parameters
    ----------
    outcome, schedule, spec, covariates, others
        As in `engine.analyze`; `schedule` None where there is none yet.

    Raises
    ------
    InvalidSeries
        If two observations lie in one step, no step is on, a session is no number, or irregular
        dates go over too many days.
    """
    given = InSteps(outcome, schedule, spec, covariates, others)
    if not isinstance(outcome, pd.Series) or not len(outcome):
        return given
    if pd.api.types.is_integer_dtype(outcome.index.dtype):
        return in_steps(**vars(_sessions(given)))
    index = outcome.index
    if not _is_ordered(index):
        return given  # what is wrong with it, `series` says
    days = index.to_numpy()
    if spec.cadence == AUTO and len(days) > 1 and np.diff(days).min() < _NEAR:
        return given
    cadence = _cadence(days.astype("datetime64[D]"), spec)
    if cadence is None:
        return given
    if cadence.name == "irregular":
        _check_irregular(days)
    if cadence.is_daily or cadence.is_sessions:
        return replace(given, spec=_resolved(spec, cadence, 0, 0))
    return _laid(given, Steps.of(cadence, days), days)


_NEAR = np.timedelta64(LEAST_GAP, "D")


def _cadence(days: np.ndarray, spec: AnalysisSpec) -> Cadence | None:
    """Return the cadence of dates; None where the series is to be taken as it is."""
    if spec.cadence != AUTO:
        return Cadence.of(spec.cadence)
    if spec.season == "month":
        months = days.astype("datetime64[M]")
        is_first = (days == months.astype("datetime64[D]")).all()
        # First days are taken as ever; that two share a month, `series` says.
        alone = (np.diff(months.astype(np.int64)) > 0).all()
        return Cadence.of("month") if alone and not is_first else None
    found = find_cadence(days)
    return None if found.name == "day" else found


def _resolved(spec: AnalysisSpec, cadence: Cadence, baseline: int, n_steps: int) -> AnalysisSpec:
    season = spec.season
    if season == "day_of_week" and cadence.name != "day":
        season = "none"
        if cadence.name == "month" and baseline >= SEASON_MONTHS:
            season = "month"
        if cadence.name == "week" and n_steps >= SEASON_WEEKS:
            season = "year"
    return replace(spec, cadence=cadence.name, season=season)


def _laid(given: InSteps, steps: Steps, days: np.ndarray) -> InSteps:
    cadence = steps.cadence
    numbers = steps.numbers(days)
    twice = np.flatnonzero(np.diff(numbers) == 0)
    if len(twice):
        one, other = (days[at].astype("datetime64[D]") for at in (twice[0], twice[0] + 1))
        raise InvalidSeries(
            "duplicate_days",
            f"each {cadence.step} may occur once but {one} and {other} lie in the same; aggregate "
            f'to one value a {cadence.step}, or say another cadence than "{cadence.name}"',
            {"duplicates": float(len(twice))},
        )
    index = pd.DatetimeIndex(steps.labels(numbers).astype("datetime64[ns]"), name="day")
    outcome, covariates = given.outcome.set_axis(index), given.covariates
    if isinstance(covariates, pd.DataFrame) and isinstance(covariates.index, pd.DatetimeIndex):
        known = covariates.index.to_numpy()
        labels = steps.labels(steps.numbers(known)).astype("datetime64[ns]")
        covariates = covariates.set_axis(pd.DatetimeIndex(labels))
    schedule = given.schedule if given.schedule is None else _in_steps(given.schedule, steps)
    others = given.others and {name: _in_steps(what, steps) for name, what in given.others.items()}
    baseline = len(index)
    if isinstance(schedule, Schedule):
        seen = np.isfinite(pd.to_numeric(outcome, errors="coerce").to_numpy(dtype=float))
        baseline = int((seen & (index < pd.Timestamp(schedule.first_on))).sum())
    spec = _resolved(given.spec, cadence, baseline, int(numbers[-1] - numbers[0]) + 1)
    return InSteps(outcome, schedule, spec, covariates, others)


def _in_steps(schedule: Any, steps: Steps) -> Any:
    """Return a schedule in dates that name steps; what is no date is left to `series`."""
    if not isinstance(schedule, Schedule):
        try:
            schedule = Schedule.since(schedule)
        except ValueError:
            return schedule
    return schedule_in_steps(schedule, steps)


def schedule_in_steps(schedule: Schedule, steps: Steps) -> Schedule:
    """Return a schedule in dates that name steps.

    Parameters
    ----------
    schedule
        In a person's own dates.
    steps
        Of the series.

    Raises
    ------
    InvalidSeries
        If it lies between two steps, so that none is on.
    """
    found: list[Period] = []
    for period in schedule.on_periods:
        first = steps.first_on(period.from_on)
        last = None if period.to_on is None else steps.last_on(period.to_on)
        if last is not None and last < first:
            continue
        if found and found[-1].to_on is not None and first <= found[-1].to_on:
            first = found.pop().from_on
        found.append(Period(first, last))
    if not found:
        raise InvalidSeries(
            "one_sided",
            f"no {steps.cadence.step} of the series has a date on which the intervention was on",
        )
    drawn_from, drawn_to = schedule.drawn_from_on, schedule.drawn_to_on
    return Schedule(
        tuple(found),
        schedule.mechanism,
        drawn_from and min(steps.first_on(drawn_from), found[0].from_on),
        drawn_to and max(steps.last_on(drawn_to), found[-1].to_on or found[-1].from_on),
        tuple(steps.last_on(day) for day in schedule.done_otherwise),
    )


def _is_ordered(index: pd.Index) -> bool:
    return (
        isinstance(index, pd.DatetimeIndex)
        and index.tz is None
        and index.is_monotonic_increasing
        and index.is_unique
        and not index.hasnans
    )


def _check_irregular(days: np.ndarray) -> None:
    span = int((days[-1] - days[0]) / np.timedelta64(1, "D"))
    if span > MOST_IRREGULAR_DAYS:
        raise InvalidSeries(
            "irregular_dates",
            f"the {len(days)} dates keep no rule and go over {span} days, more than "
            f"{MOST_IRREGULAR_DAYS}; say the unit of time by cadence (week, month, quarter or "
            "year, with one value in each), or analyse fewer years",
            {"days": float(span)},
        )


def _sessions(given: InSteps) -> InSteps:
    """Return a series numbered by sessions on the days that stand for them."""
    spec = given.spec
    if spec.cadence not in (AUTO, "session"):
        raise InvalidSeries(
            "not_days",
            f"outcome is indexed by whole numbers, which are sessions, but cadence is "
            f"{spec.cadence!r}; index it by dates, or leave cadence out",
        )
    if spec.season == "month":
        raise InvalidSeries("not_days", 'sessions have no months; leave season="month" out')

    def day(number: Any) -> pd.Timestamp:
        return pd.Timestamp(session_on(number))

    def schedule(what: Any) -> Any:
        if isinstance(what, int | np.integer) and not isinstance(what, bool):
            return session_on(int(what))
        if isinstance(what, Schedule):
            return what
        raise InvalidSeries(
            "not_days",
            f"the series is numbered by sessions, so intervention_on must be a session's number "
            f"(or a Schedule of `session_on` days) but got {what!r}; if the numbers are no "
            "sessions, index the outcome by a DatetimeIndex",
        )

    try:
        covariates = given.covariates
        if covariates is not None and pd.api.types.is_integer_dtype(covariates.index.dtype):
            covariates = covariates.set_axis(
                pd.DatetimeIndex([day(number) for number in covariates.index])
            )
        index = pd.DatetimeIndex([day(number) for number in given.outcome.index])
        return InSteps(
            given.outcome.set_axis(index),
            None if given.schedule is None else schedule(given.schedule),
            replace(spec, cadence="session"),
            covariates,
            given.others and {name: schedule(what) for name, what in given.others.items()},
        )
    except ValueError as error:
        if isinstance(error, InvalidSeries):
            raise
        raise InvalidSeries("not_days", str(error)) from error
