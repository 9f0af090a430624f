"""When interventions acted, as an analysis is told: the one asked about, and others in its model.

What belongs here: from logged interventions to schedules. What does not: which others are in the
same model (`window`), or what a schedule is (`schedules`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.window import Window
from its_pipeline.schedules.schedule import Schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray


def schedule_of(intervention: Intervention) -> Schedule:
    """Return when an intervention acted, as `analyze` is told: its window ends where it ended."""
    if intervention.schedule is None:
        return Schedule.since(intervention.started_on)
    return intervention.schedule.in_zone(intervention.time_zone)


def others_acting(
    interventions: Iterable[Intervention], window: Window, days: NDArray
) -> dict[str, Schedule]:
    """Return the schedules of those in the same model that acted on some of the days, by name.

    Parameters
    ----------
    interventions
        The person's.
    window
        Of the one that is asked about.
    days
        The observed days, shape (days,).
    """
    # Preloaded days are dates, and those of one person timestamps.
    on_days = days.astype("datetime64[D]").tolist()
    found: dict[str, Schedule] = {}
    for other in interventions:
        if other.intervention_id not in window.together:
            continue
        schedule = _acted(other)
        # On all days, or none so far: nothing of a change.
        if 0 < sum(map(schedule.is_on, on_days)) < len(on_days):
            found[other.intervention_id if other.name in found else other.name] = schedule
    return found


def _acted(other: Intervention) -> Schedule:
    """Return when another intervention acted: its end need not be the window's."""
    if other.schedule is None:
        return Schedule.periods([(other.started_on, other.ended_on)])
    return schedule_of(other)
