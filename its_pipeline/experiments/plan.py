"""What is known about an experiment before any effect is: its plan.

What belongs here: counting observed days in the window, describing the baseline, and saying whether
and from when the experiment can be analysed. What does not: anything computed from the post-period
beyond the number of its observed days; a plan knows nothing of an effect.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import experiment_key
from its_pipeline.experiments.cadence import next_step, possible
from its_pipeline.experiments.scheduled_days import observed_off_and_on, scheduled_state
from its_pipeline.experiments.window import Window
from its_pipeline.schedules.cadence import DAYS, Cadence, Steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DAY = timedelta(days=1)

PlanState = Literal["ready", "waiting", "refused", "closed"]


@dataclass(frozen=True)
class Plan:
    """What can be said of an experiment before its effect is estimated.

    Attributes
    ----------
    key
        Experiment key.
    state
        ``ready`` to be analysed; ``waiting`` for days that come; ``refused``: its data or options
        cannot be analysed; ``closed``: withdrawn, or the days it lacks are over.
    reason, reason_code
        Why it is not ready; empty when it is.
    n_pre, n_post
        Observed days in the baseline and in the post-period after the washout; with a schedule,
        observed days off and on in the whole window, see `scheduled_days`.
    baseline_mean, baseline_sd
        Of the daily outcome in the baseline, ahead of the start also where there is a schedule;
        outcome units; None below two days.
    baseline_autocorrelation
        Lag-one correlation over pairs of neighbouring calendar days; None below eight pairs.
    analysable_on
        First date on which it can be analysed if the outcome is observed every day from now on.
    window
        Its days.
    left_out
        What of the usual model its analysis goes without, and why; empty where nothing.
    days_needed, planned_effect, planned_from
        Days with the intervention until an effect of that size is told with 80 % probability (None
        beyond a year), and from whose days that was planned, ``own`` or ``others``; empty where it
        was not planned, see `planning.with_days_needed`.
    cadence
        The unit of time, in which everything is counted.
    """

    key: str
    state: PlanState
    reason: str
    reason_code: str
    n_pre: int
    n_post: int
    baseline_mean: float | None
    baseline_sd: float | None
    baseline_autocorrelation: float | None
    analysable_on: date | None
    window: Window
    left_out: str = ""
    days_needed: int | None = None
    planned_effect: float | None = None
    planned_from: str = ""
    cadence: str = DAYS.name

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, dates as ISO 8601."""

        def plain(value: Any) -> Any:
            if isinstance(value, date):
                return value.isoformat()
            if isinstance(value, dict):
                return {name: plain(item) for name, item in value.items()}
            if isinstance(value, list | tuple):
                return [plain(item) for item in value]
            return value

        return plain(asdict(self))


def autocorrelation(
    days: NDArray[np.datetime64],
    values: NDArray[np.float64],
    *,
    minimum_pairs: int = 8,
    calendar: Cadence = DAYS,
) -> float | None:
    """Return the lag-one correlation over pairs of neighbouring calendar days.

    Parameters
    ----------
    days, values
        Shape ``(n,)``, increasing days and the outcome on them; gaps are allowed.
    minimum_pairs
        Below as many pairs the answer is None, as it is where the outcome is constant.
    calendar
        The unit of time, in which neighbours are one step apart.
    """
    import numpy as np

    neighbours = np.diff(Steps(calendar).numbers(days)) == 1
    if int(neighbours.sum()) < minimum_pairs:
        return None
    centred = values - values.mean()
    first, second = centred[:-1][neighbours], centred[1:][neighbours]
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale > 0 else None


def plan_experiment(
    intervention: Intervention,
    window: Window,
    days: NDArray[np.datetime64],
    values: NDArray[np.float64],
    complete_until_on: date,
    calendar: Cadence = DAYS,
) -> Plan:
    """Return the plan of an experiment.

    Parameters
    ----------
    intervention
        The intervention.
    window
        Its window, from `experiment_window`.
    days, values
        Shape ``(n,)``: all observed days of the person's outcome, increasing, and the outcome.
    complete_until_on
        The last complete local day.
    calendar
        The unit of time; `days` name its steps.
    """
    import numpy as np

    observed = np.isfinite(values)
    days, values = days[observed].astype("datetime64[D]"), values[observed]
    pre = (days >= np.datetime64(window.pre_start_on)) & (days < np.datetime64(window.started_on))
    post = (days >= np.datetime64(window.fit_start_on)) & (
        days <= np.datetime64(window.post_end_on)
    )
    n_pre, n_post = int(pre.sum()), int(post.sum())
    if intervention.schedule is not None:
        n_pre, n_post = observed_off_and_on(intervention, window, days, calendar)
    state, code, reason, analysable_on = _state(
        intervention, window, n_pre, n_post, complete_until_on, calendar
    )
    baseline = values[pre]
    return Plan(
        key=experiment_key(intervention.user_id, intervention.intervention_id),
        state=state,
        reason=reason,
        reason_code=code,
        n_pre=n_pre,
        n_post=n_post,
        baseline_mean=float(baseline.mean()) if len(baseline) >= 2 else None,
        baseline_sd=float(baseline.std(ddof=1)) if len(baseline) >= 2 else None,
        baseline_autocorrelation=autocorrelation(days[pre], baseline, calendar=calendar),
        analysable_on=analysable_on,
        window=window,
        cadence=calendar.name,
    )


def refused(plan: Plan, code: str, error: Exception) -> Plan:
    """Return a plan that its data or options refuse.

    Parameters
    ----------
    plan
        As it was.
    code, error
        Why, for programs and for people.
    """
    return replace(plan, state="refused", reason_code=code, reason=str(error), analysable_on=None)


def _state(
    intervention: Intervention,
    window: Window,
    n_pre: int,
    n_post: int,
    complete_until_on: date,
    calendar: Cadence,
) -> tuple[PlanState, str, str, date | None]:
    from its_pipeline.its.series import MINIMUM_DAYS

    if intervention.status == "withdrawn":
        return "closed", "withdrawn", "the intervention was withdrawn", None
    if intervention.schedule is not None:
        return scheduled_state(intervention, window, n_pre, n_post, complete_until_on, calendar)
    if n_pre >= MINIMUM_DAYS and n_post >= MINIMUM_DAYS:
        return "ready", "", "", None

    counts = (
        f"{n_pre} observed {calendar.step}s before the start and {n_post} after it; at least "
        f"{MINIMUM_DAYS} of each are needed"
    )
    next_on = next_step(window.fit_start_on, complete_until_on, calendar)
    last_needed = calendar.later(next_on, max(MINIMUM_DAYS - n_post, 0) - 1)
    post_possible = n_post >= MINIMUM_DAYS or last_needed <= window.final_end_on
    baseline_over = window.started_on <= complete_until_on + _DAY
    if n_pre < MINIMUM_DAYS and baseline_over:
        reason = (
            f"{counts}. The baseline is over: only events that arrive late, or an amended start or "
            "longer baseline, can change this"
        )
        # Where nothing was observed at all, the data may still have to come.
        state = "waiting" if n_pre + n_post == 0 and not window.is_final else "closed"
        return state, "too_few_pre_days", reason, None
    if not post_possible:
        reason = (
            f"{counts}. The post-period ends on {calendar.told(window.final_end_on)}, too early "
            "for that: amend the end or the horizon, or log the intervention anew"
        )
        return "closed", "too_few_post_days", reason, None
    if n_pre < MINIMUM_DAYS:
        left = calendar.between(complete_until_on + _DAY, window.started_on)
        if n_pre + left < MINIMUM_DAYS:
            reason = (
                f"{counts}. Even with an event on every {calendar.step} until the start the "
                "baseline stays too short: amend the start or the baseline"
            )
            return "closed", "too_few_pre_days", reason, None
    code = "not_started" if window.fit_start_on > complete_until_on else "too_few_post_days"
    return "waiting", code, *possible(counts, calendar.later(last_needed, 1), calendar)
