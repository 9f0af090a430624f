"""An experiment in its metric's own unit of time: days, weeks, months, sessions.

What belongs here: finding the cadence of a person's series, and laying series and interventions on
the dates that name its steps, ahead of window and plan. What does not: what steps are
(`schedules.cadence`), or the window itself (`window`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from its_pipeline.events.intervention import Intervention
from its_pipeline.schedules.cadence import AUTO, Cadence, Steps, find_cadence

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LaidOut:
    """What an experiment is made from, in its unit of time; as it is for a series of days.

    Attributes
    ----------
    calendar
        The unit of time.
    intervention, others
        In dates that name steps; others that lie between two steps are left out.
    daily
        All observed steps of the person's outcome.
    complete_until_on
        Last day that is over; of sessions, the newest that was observed.
    problem
        Why it cannot be analysed so; empty where it can.
    """

    calendar: Cadence
    intervention: Intervention
    others: tuple[Intervention, ...]
    daily: pd.DataFrame
    complete_until_on: date
    problem: str = ""


def laid_out(
    intervention: Intervention,
    others: Iterable[Intervention],
    daily: pd.DataFrame,
    said: str,
    complete_until_on: date,
) -> LaidOut:
    """Return an experiment in its unit of time.

    Parameters
    ----------
    intervention, others
        As logged.
    daily
        All observed days of the person's outcome, with columns ``day`` and ``value``.
    said
        The cadence that metric, intervention or request name; "auto" finds it from the days.
    complete_until_on
        Last day that is over.
    """
    import numpy as np

    days = daily["day"].to_numpy().astype("datetime64[D]")
    seen = days[np.isfinite(daily["value"].to_numpy(dtype=float))]
    calendar = find_cadence(seen) if said == AUTO else Cadence.of(said)
    found = LaidOut(calendar, intervention, tuple(others), daily, complete_until_on)
    if calendar.is_sessions:
        # Whoever numbers sessions has no clock: what is over is what was observed.
        newest = days[-1].item() if len(days) else intervention.started_on - timedelta(days=1)
        return replace(found, complete_until_on=newest)
    if calendar.is_daily or not len(days):
        return found
    steps = Steps.of(calendar, days)
    labels = steps.labels(steps.numbers(days))
    twice = np.flatnonzero(np.diff(labels) == np.timedelta64(0))
    if len(twice):
        problem = (
            f"{days[twice[0]]} and {days[twice[0] + 1]} lie in the same {calendar.step}; say "
            "another cadence where the metric is declared (metrics.yaml), or import one value a "
            f"{calendar.step}"
        )
        return replace(found, calendar=Cadence.of("day"), problem=problem)
    own = _in_steps(intervention, steps)
    if own is None:
        problem = (
            f"no {calendar.step} has a date on which it was on; amend its dates so that one has"
        )
        return replace(found, problem=problem)
    also = (_in_steps(other, steps) for other in others)
    return replace(
        found,
        intervention=own,
        others=tuple(each for each in also if each is not None),
        daily=daily.assign(day=labels.astype("datetime64[ns]")),
    )


def _in_steps(one: Intervention, steps: Steps) -> Intervention | None:
    """Return an intervention in dates that name steps; None where no step of its is on."""
    from its_pipeline.its.cadence import schedule_in_steps
    from its_pipeline.its.errors import InvalidSeries

    if one.schedule is not None:
        try:
            schedule = schedule_in_steps(one.schedule, steps)
        except InvalidSeries:
            return None
        return replace(
            one, schedule=schedule, started_on=schedule.starts_on, ended_on=schedule.ends_on
        )
    started_on = steps.first_on(one.started_on)
    ended_on = None if one.ended_on is None else steps.last_on(one.ended_on)
    if ended_on is not None and ended_on < started_on:
        return None
    return replace(one, started_on=started_on, ended_on=ended_on)


def next_step(step_on: date, complete_until_on: date, calendar: Cadence) -> date:
    """Return the first step that is not over: the one of a date, or a later one.

    Parameters
    ----------
    step_on
        The date of a step.
    complete_until_on
        The last complete local day.
    calendar
        The unit of time.
    """
    return calendar.later(step_on, max(calendar.between(step_on, complete_until_on) + 1, 0))


def possible(counts: str, first: date, calendar: Cadence) -> tuple[str, date | None]:
    """Return the reason of an experiment that waits, and the date from which on it need not.

    Sessions have no dates: None.

    Parameters
    ----------
    counts
        What there is and what is needed.
    first
        The first step with all it needs behind it.
    calendar
        The unit of time.
    """
    if calendar.is_sessions:
        return f"{counts}. Possible after {calendar.told(calendar.later(first, -1))}", None
    return f"{counts}. Possible from {first.isoformat()} on", first
