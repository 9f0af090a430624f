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

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cut:
    """Why one side of the window ends where it does.

    Attributes
    ----------
    side
        ``pre``: the first day of the baseline; ``post``: the last day of the post-period.
    on
        The day that the rule sets, INCLUSIVE.
    code
        Which rule: ``baseline_days``, ``earlier_intervention``, ``ended``, ``next_intervention``,
        ``overlapping_intervention_ended``, ``horizon_days``, ``last_complete_day``.
    reason
        The same in a sentence for the report.
    """

    side: Literal["pre", "post"]
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
        The rule that set each side.
    concurrent
        Identifiers of other interventions on the same outcome that started on the same day: their
        effects cannot be told apart from this one's.
    """

    pre_start_on: date
    started_on: date
    fit_start_on: date
    post_end_on: date
    final_end_on: date
    cuts: tuple[Cut, ...]
    concurrent: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        """Whether the post-period cannot grow any more."""
        return self.post_end_on >= self.final_end_on


def last_complete_day(time_zone: str, today_on: date | None = None) -> date:
    """Return the last local calendar day that is over.

    Parameters
    ----------
    time_zone
        IANA name of the person's zone.
    today_on
        Today's date if it is pretended (demos, tests); the clock decides where it is None.
    """
    today = today_on or datetime.now(UTC).astimezone(ZoneInfo(time_zone)).date()
    return today - _DAY


def _pre_cut(intervention: Intervention, others: Iterable[Intervention]) -> Cut:
    start = intervention.started_on
    cut = Cut(
        "pre",
        start - timedelta(days=intervention.baseline_days),
        "baseline_days",
        f"the baseline is the {intervention.baseline_days} days up to the start",
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
                f"the baseline starts after “{other.name}” {verb}: days before it are not "
                "comparable",
            )
    return cut


def _final_cut(intervention: Intervention, others: Iterable[Intervention]) -> Cut:
    start = intervention.started_on
    cuts = [
        Cut(
            "post",
            start + timedelta(days=intervention.horizon_days - 1),
            "horizon_days",
            f"the horizon is {intervention.horizon_days} days",
        )
    ]
    schedule = intervention.schedule
    if schedule is not None:
        # Days after the last one on are days off again; those after the last one drawn are neither.
        if schedule.drawn_to_on is not None:
            cuts.append(Cut("post", schedule.drawn_to_on, "ended", "no later days were drawn"))
    elif intervention.ended_on is not None:
        cuts.append(Cut("post", intervention.ended_on, "ended", "the intervention ended"))
    for other in others:
        if other.started_on > start:
            cuts.append(
                Cut(
                    "post",
                    other.started_on - _DAY,
                    "next_intervention",
                    f"“{other.name}” started on {other.started_on.isoformat()}",
                )
            )
        elif other.started_on < start and other.ended_on is not None and other.ended_on >= start:
            cuts.append(
                Cut(
                    "post",
                    other.ended_on,
                    "overlapping_intervention_ended",
                    f"“{other.name}”, which had lasted through the baseline, ended on "
                    f"{other.ended_on.isoformat()}",
                )
            )
    return min(cuts, key=lambda cut: cut.on)


def experiment_window(
    intervention: Intervention, others: Iterable[Intervention], complete_until_on: date
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
    pre = _pre_cut(intervention, relevant)
    final = _final_cut(intervention, relevant)
    end = final
    if complete_until_on < final.on:
        end = Cut("post", complete_until_on, "last_complete_day", "later days are not complete yet")
    return Window(
        pre_start_on=pre.on,
        started_on=start,
        fit_start_on=start + timedelta(days=intervention.washout_days),
        post_end_on=end.on,
        final_end_on=final.on,
        cuts=(pre, end),
        concurrent=tuple(
            sorted(other.intervention_id for other in relevant if other.started_on == start)
        ),
    )
