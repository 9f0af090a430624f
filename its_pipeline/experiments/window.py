"""Which days of a person's life belong to one experiment, and why the others are left out.

What belongs here: the rules of an experiment's window as pure functions on calendar dates. What
does not: reading any data, counting observed days (`plan`), or the model.
All dates are local calendar dates of the person; both ends of every interval are INCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from its_pipeline.events.intervention import Intervention
from its_pipeline.schedules.cadence import DAYS, Cadence

_DAY = timedelta(days=1)
_LATER = "later {}s are not complete yet"

FEWEST_BASELINE_DAYS = 28
"""A window is not cut at another intervention where that would leave either of the two with fewer
days of baseline than this, four of each weekday; both are then in one model."""


@dataclass(frozen=True)
class Cut:
    """Why one side of the window ends where it does.

    Attributes
    ----------
    side
        ``pre``: the first day of the baseline; ``post``: the last day of the post-period; ``with``:
        nothing ends, another intervention is in the same model.
    on
        The day that the rule sets, INCLUSIVE; the other intervention's first.
    code
        Which rule: ``baseline_days``, ``earlier_intervention``, ``ended``, ``next_intervention``,
        ``horizon_days``, ``last_complete_day``; of another in the same model ``same_start``,
        ``overlap``, ``short_baseline``.
    reason
        The same in a sentence for the report.
    """

    side: Literal["pre", "post", "with"]
    on: date
    code: str
    reason: str


@dataclass(frozen=True)
class Window:
    """The days of one experiment; every bound INCLUSIVE.

    Attributes
    ----------
    pre_start_on, started_on, fit_start_on, post_end_on
        The baseline is ``pre_start_on <= day < started_on``. The washout is
        ``started_on <= day < fit_start_on`` and is left out of the fit. The post-period is
        ``fit_start_on <= day <= post_end_on``; it is empty while ``post_end_on < fit_start_on``.
        With a schedule there are days off in it as well.
    final_end_on
        The last day that the post-period can ever reach, whatever day it is today.
    cuts
        The rule that set each side, and why other interventions are in the same model.
    together
        Identifiers of those, in the order of their reasons.
    """

    pre_start_on: date
    started_on: date
    fit_start_on: date
    post_end_on: date
    final_end_on: date
    cuts: tuple[Cut, ...]
    together: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        """Whether the post-period cannot grow any more."""
        return self.post_end_on >= self.final_end_on


def last_complete_day(
    time_zone: str, today_on: date | None = None, now: datetime | None = None
) -> date:
    """Return the last local calendar day that is over.

    Parameters
    ----------
    time_zone
        IANA name of the person's zone.
    today_on
        Today's date if it is pretended (demos, tests); the clock decides where it is None.
    now
        The instant that stands for the clock.
    """
    today = today_on or (now or datetime.now(UTC)).astimezone(ZoneInfo(time_zone)).date()
    return today - _DAY


def _pre_cut(intervention: Intervention, others: Iterable[Intervention], calendar: Cadence) -> Cut:
    start = intervention.started_on
    cut = Cut(
        "pre",
        calendar.later(start, -intervention.baseline_days),
        "baseline_days",
        f"the baseline is the {intervention.baseline_days} {calendar.step}s up to the start",
    )
    for other in others:
        if other.started_on >= start:
            continue
        ended_before = other.ended_on is not None and other.ended_on < start
        # After it has ended its days are not the person's usual ones, whatever effect lasts; while
        # it lasts, it is part of what is usual, and the days before it began are not comparable.
        first_free = other.ended_on + _DAY if ended_before and other.ended_on else other.started_on
        if first_free > cut.on:
            verb = "ended" if ended_before else "started"
            cut = Cut(
                "pre",
                first_free,
                "earlier_intervention",
                f"the baseline starts after “{other.name}” {verb}: {calendar.step}s before it are "
                "not comparable",
            )
    return cut


def _final_cut(
    intervention: Intervention, others: Iterable[Intervention], calendar: Cadence
) -> Cut:
    start = intervention.started_on
    cuts = [
        Cut(
            "post",
            calendar.later(start, intervention.horizon_days - 1),
            "horizon_days",
            f"the horizon is {intervention.horizon_days} {calendar.step}s",
        )
    ]
    schedule = intervention.schedule
    if schedule is not None:
        # Days after the last one on are days off again; those after the last one drawn are neither.
        if schedule.drawn_to_on is not None:
            cuts.append(
                Cut("post", schedule.drawn_to_on, "ended", f"no later {calendar.step}s were drawn")
            )
    elif intervention.ended_on is not None:
        cuts.append(Cut("post", intervention.ended_on, "ended", "the intervention ended"))
    for other in others:
        if other.started_on > start:
            cuts.append(
                Cut(
                    "post",
                    other.started_on - _DAY,
                    "next_intervention",
                    f"“{other.name}” started on {calendar.told(other.started_on)}",
                )
            )
    return min(cuts, key=lambda cut: cut.on)


def _together(intervention: Intervention, other: Intervention, calendar: Cadence) -> Cut | None:
    """Return why another intervention is in the same model; None where the window is cut at it.

    Nor is one in it that acted on all of the window's days, or on none: it is no part of a change.
    """
    first, second = sorted((intervention, other), key=lambda each: each.started_on)
    gap = calendar.between(first.ended_on or date.max, second.started_on) - 1
    start, name = intervention.started_on, f"“{other.name}”"
    from_on = calendar.later(start, -intervention.baseline_days)
    to_on = min(calendar.later(start, intervention.horizon_days - 1), _own_end(intervention))
    until = other.ended_on or date.max
    throughout = other.schedule is None and other.started_on <= from_on and until >= to_on
    if throughout or other.started_on > to_on or until < from_on:
        return None
    if other.started_on == start:
        reason = f"{name} is in the same model: it started on the same {calendar.step}"
        return Cut("with", other.started_on, "same_start", reason)
    if gap < 0:
        reason = f"{name} is in the same model: both ran over some of the same {calendar.step}s"
        return Cut("with", other.started_on, "overlap", reason)
    if gap < FEWEST_BASELINE_DAYS:
        reason = (
            f"{name} is in the same model: to cut there would leave {gap} {calendar.step}s of "
            f"baseline, fewer than {FEWEST_BASELINE_DAYS}"
        )
        return Cut("with", other.started_on, "short_baseline", reason)
    return None


def _own_end(intervention: Intervention) -> date:
    """Return the last day that an intervention's own end leaves in its window."""
    if intervention.schedule is not None:
        return intervention.schedule.drawn_to_on or date.max
    return intervention.ended_on or date.max


def experiment_window(
    intervention: Intervention,
    others: Iterable[Intervention],
    complete_until_on: date,
    calendar: Cadence = DAYS,
) -> Window:
    """Return the window of an experiment.

    Parameters
    ----------
    intervention
        The intervention whose effect is asked for.
    others
        The same person's other interventions. Those on another outcome, and withdrawn ones, are
        passed over here.
    complete_until_on
        The last complete local day, see `last_complete_day`.
    calendar
        The unit of time, in which baseline, horizon and washout count.
    """
    relevant = [
        other
        for other in others
        if other.outcome_metric == intervention.outcome_metric
        and other.intervention_id != intervention.intervention_id
        and other.user_id == intervention.user_id
        and other.status != "withdrawn"
    ]
    start = intervention.started_on
    why = {other.intervention_id: _together(intervention, other, calendar) for other in relevant}
    cutting = [other for other in relevant if why[other.intervention_id] is None]
    together = {name: cut for name, cut in why.items() if cut is not None}
    pre = _pre_cut(intervention, cutting, calendar)
    final = _final_cut(intervention, cutting, calendar)
    end = final
    if complete_until_on < final.on:
        end = Cut("post", complete_until_on, "last_complete_day", _LATER.format(calendar.step))
    return Window(
        pre_start_on=pre.on,
        started_on=start,
        fit_start_on=calendar.later(start, intervention.washout_days),
        post_end_on=end.on,
        final_end_on=final.on,
        cuts=(pre, end, *together.values()),
        together=tuple(together),
    )
