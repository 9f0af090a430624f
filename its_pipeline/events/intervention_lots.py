"""When the log first held the days of a lot: no lot counts as drawn earlier than that.

What belongs here: the instant that the log keeps with a schedule drawn by lot. What does not:
drawing (`schedules.assignments`), or whether a lot was early enough (`schedules.schedule`).
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from its_pipeline.events.intervention import Intervention
from its_pipeline.schedules.schedule import Schedule


def with_recorded_lot(
    entry: Intervention, present: Intervention | None, now: datetime
) -> Intervention:
    """Return what is to be written with the instant at which the log first held its lot.

    Whatever instant the caller gives is not kept: a lot could be dated back to before its days.
    What was done otherwise than drawn does not change the lot.

    Parameters
    ----------
    entry
        What is to be written.
    present
        The newest version in the log, or None.
    now
        Instant of writing.
    """
    schedule = entry.schedule
    if schedule is None or schedule.mechanism is None:
        return entry
    drawn_at: datetime | None = now
    before = present.schedule if present is not None else None
    if before is not None and before.mechanism is not None and _lot(before) == _lot(schedule):
        drawn_at = before.mechanism.drawn_at
    return dataclasses.replace(entry, schedule=schedule.with_drawn_at(drawn_at))


def _lot(schedule: Schedule) -> Schedule:
    return dataclasses.replace(schedule.with_drawn_at(None), done_otherwise=())
