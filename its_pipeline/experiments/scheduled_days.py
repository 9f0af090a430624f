"""Which days of an experiment with a schedule count as off and on, and when there are enough.

What belongs here: counting days by what the schedule says of them, and saying which kind is
missing. What does not: the window's bounds (`window`), experiments that are on from one day for
good (`plan`), or any outcome.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.cadence import next_step, possible
from its_pipeline.experiments.window import Window
from its_pipeline.schedules.cadence import DAYS, Cadence, Steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Of an experiment: its state, the code and the words for it, and from when it can be analysed.
State = tuple[Literal["ready", "waiting", "closed"], str, str, date | None]


def off_and_on(
    intervention: Intervention,
    window: Window,
    from_on: date,
    to_on: date,
    calendar: Cadence = DAYS,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which calendar days count as off and which as on, each of shape (days,).

    A day is what the schedule says of it, as in the analysis, whatever the person did. The first
    `carryover_days` after every switch, and the washout, count as neither.

    Parameters
    ----------
    intervention
        With a schedule.
    window
        Its window; days outside of it count as well.
    from_on, to_on
        First and last day, **INCLUSIVE**; no days where the last is earlier.
    calendar
        The unit of time; the dates name its steps.
    """
    import numpy as np
    import pandas as pd

    from its_pipeline.its.exposure import Exposure

    if intervention.schedule is None:
        raise ValueError(f"{intervention.key} has no schedule, so its days are pre and post")
    if to_on < from_on:
        return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    schedule = intervention.schedule
    first = min(from_on, window.pre_start_on)
    days = pd.date_range(first, to_on, freq=calendar.freq)
    steps = np.arange(len(days)) + calendar.between(schedule.first_on, first)
    # The analysis' own rule, so that a plan never promises what the analysis refuses.
    exposure = Exposure.of("", schedule, days, steps)
    counts = ~exposure.is_left_out(intervention.washout_days, intervention.carryover_days)
    asked = slice(calendar.between(first, from_on), None)
    return (counts & ~exposure.is_on)[asked], (counts & exposure.is_on)[asked]


def observed_off_and_on(
    intervention: Intervention,
    window: Window,
    days: NDArray[np.datetime64],
    calendar: Cadence = DAYS,
) -> tuple[int, int]:
    """Return how many observed days of the window count as off and as on.

    Parameters
    ----------
    intervention
        With a schedule.
    window
        Its window.
    days
        Shape ``(n,)``: the observed days.
    calendar
        The unit of time; `days` name its steps.
    """
    import numpy as np

    off, on = off_and_on(intervention, window, window.pre_start_on, window.post_end_on, calendar)
    steps = Steps(calendar)
    number = steps.numbers(days) - steps.numbers(np.array([window.pre_start_on], days.dtype))
    inside = number[(number >= 0) & (number < len(off))]
    return int(off[inside].sum()), int(on[inside].sum())


def scheduled_state(
    intervention: Intervention,
    window: Window,
    n_off: int,
    n_on: int,
    complete_until_on: date,
    calendar: Cadence = DAYS,
) -> State:
    """Return whether an experiment with a schedule has enough days, and else which are missing.

    Parameters
    ----------
    intervention
        With a schedule.
    window
        Its window.
    n_off, n_on
        Observed days that count.
    complete_until_on
        The last complete local day.
    calendar
        The unit of time.
    """
    import numpy as np

    from its_pipeline.its.series import MINIMUM_DAYS

    missing = [arm for arm, n in (("off", n_off), ("on", n_on)) if n < MINIMUM_DAYS]
    if not missing:
        return "ready", "", "", None
    step = calendar.step
    counts = (
        f"{n_off} observed {step}s off and {n_on} on: too few {step}s {' and '.join(missing)}, at "
        f"least {MINIMUM_DAYS} of each are needed"
    )
    if intervention.carryover_days:
        counts += f", and the first {intervention.carryover_days} after a switch do not count"
    next_on = next_step(window.pre_start_on, complete_until_on, calendar)
    off, on = off_and_on(intervention, window, next_on, window.final_end_on, calendar)
    enough = (n_off + np.cumsum(off) >= MINIMUM_DAYS) & (n_on + np.cumsum(on) >= MINIMUM_DAYS)
    if enough.any():
        # The day itself has to be over.
        first = calendar.later(next_on, int(np.argmax(enough)) + 1)
        started = window.fit_start_on <= complete_until_on
        code = f"too_few_{missing[-1]}_days" if started else "not_started"
        return "waiting", code, *possible(counts, first, calendar)
    never_on = n_on + int(on.sum()) < MINIMUM_DAYS
    reason = (
        f"{counts}. Until its end on {calendar.told(window.final_end_on)} the window has too few "
        f"{step}s {'on' if never_on else 'off'}: only events that arrive late, or an amended "
        "schedule, baseline or horizon, can change this"
    )
    # Where nothing was observed at all, the data may still have to come.
    state = "waiting" if n_off + n_on == 0 and not window.is_final else "closed"
    return state, f"too_few_{'on' if never_on else 'off'}_days", reason, None
