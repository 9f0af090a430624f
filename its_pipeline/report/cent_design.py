"""What the system itself can answer of the CENT checklist about design and sequence.

What belongs here: an answer an item, from the intervention as it was logged. What does not: answers
from an analysis, and the table of all of them (`cent_answers`).
"""

from __future__ import annotations

from typing import Final

from its_pipeline.its.series import MINIMUM_DAYS
from its_pipeline.report.facts import Facts, day_text, intervention_name
from its_pipeline.report.html import own_direction
from its_pipeline.report.inputs import StateInput
from its_pipeline.report.plan_views import beyond_text
from its_pipeline.report.schedule_views import days_text
from its_pipeline.report.sentence import date_text

_MOST_PERIODS: Final = 8


def design(facts: Facts) -> str:
    """Return how the experiment was planned."""
    intervention = facts.intervention
    schedule, step = intervention.schedule, facts.calendar.step
    if schedule is not None:
        kind = f"{step}s drawn by lot" if schedule.mechanism else "reversal: on and off again"
        return (
            f"Single-person time series, {kind}; planned {intervention.baseline_days} {step}s "
            f"before and {intervention.horizon_days} from the start; {intervention.carryover_days} "
            f"{step}s left out after each switch; no run-in."
        )
    return (
        "Interrupted time series with two periods and one change: baseline (A), planned "
        f"{intervention.baseline_days} {step}s, then intervention (B), planned "
        f"{intervention.horizon_days} {step}s; washout {intervention.washout_days} {step}s; no "
        "run-in."
    )


def interventions(facts: Facts) -> str:
    """Return what was done in each period."""
    intervention = facts.intervention
    end = (
        "and goes on"
        if intervention.ended_on is None
        else f"to {day_text(facts, intervention.ended_on)}"
    )
    how = "from" if intervention.schedule is None else "on and off again, from"
    return (
        f"Baseline: life as before. Intervention: “{own_direction(intervention_name(facts))}” "
        f"{how} {day_text(facts, intervention.started_on)} {end}."
    )


def sample_size(facts: Facts) -> str:
    """Return how many days were planned."""
    intervention, step = facts.intervention, facts.calendar.step
    arms = "of intervention; at least"
    if intervention.schedule is not None:
        arms = "from the start on; without it and with it at least"
    return (
        f"Planned {intervention.baseline_days} {step}s of baseline and {intervention.horizon_days} "
        f"{arms} {MINIMUM_DAYS} observed {step}s in each. {_power(facts)}"
    )


def _power(facts: Facts) -> str:
    planned = facts.planned if isinstance(facts, StateInput) else None
    if planned is None:
        return "No power calculation is recorded."
    needed = beyond_text(planned.calendar)
    if planned.days_needed is not None:
        needed = f"{planned.days_needed} {planned.calendar.step}s"
    whose = "the person's own" if planned.is_own else "other people's"
    return (
        f"From {whose} noise a true average effect of {planned.effect:.3g} needs {needed} with it "
        f"to be told with a probability of {planned.power:.0%}, the looks counted in."
    )


def randomised(facts: Facts) -> str:
    """Return whether a lot decided the days, and how."""
    schedule = facts.intervention.schedule
    if schedule is not None:
        schedule = schedule.in_zone(facts.intervention.time_zone)
    if schedule is not None and schedule.mechanism is not None:
        lot = schedule.mechanism
        when = "" if lot.drawn_at is None else f" on {date_text(lot.drawn_at.date())}"
        late = (
            "" if schedule.is_randomised else f", but not ahead of its first {facts.calendar.step}"
        )
        return (
            f"Drawn by lot{when}{late}, uniformly among all sequences that keep its rules "
            f"(seed {lot.seed}; {lot.algorithm})."
        )
    if schedule is not None:
        return "Not randomised: on the dates that the person logged."
    return (
        "Not randomised: one change, on the date that the person logged "
        f"({day_text(facts, facts.intervention.started_on)})."
    )


def restrictions(facts: Facts) -> str | None:
    """Return a lot's rules; None where there is none."""
    schedule = facts.intervention.schedule
    if schedule is None or schedule.mechanism is None:
        return None
    lot = schedule.mechanism
    step = facts.calendar.step
    unit = f"single {step}s" if lot.unit_days == 1 else f"blocks of {lot.unit_days} {step}s"
    balance = {
        "none": "without balance",
        "total": "as many on as off in all",
        "block": f"as many on as off in every {lot.block_days} {step}s",
    }[lot.balance]
    rules = [f"Drawn were {unit}, {balance}"]
    if lot.longest_run is not None:
        rules.append(f"at most {lot.longest_run} alike in a row")
    if lot.shortest_run > 1:
        rules.append(f"at least {lot.shortest_run} alike in a row")
    if lot.phases is not None:
        rules.append(f"{lot.phases} phases")
    if lot.first != "either":
        rules.append(f"the first one {lot.first}")
    return f"{', '.join(rules)}."


def sequence(facts: Facts) -> str:
    """Return the full sequence of days on."""
    schedule = facts.intervention.schedule
    if schedule is not None:
        periods = [
            f"{day_text(facts, p.from_on)} to further notice"
            if p.to_on is None
            else days_text(p.from_on, p.to_on, facts.calendar)
            for p in schedule.on_periods[:_MOST_PERIODS]
        ]
        more = len(schedule.on_periods) - len(periods)
        return f"On: {'; '.join(periods)}{f'; and {more} more' if more else ''}. Off else."
    return f"A, then B from {day_text(facts, facts.intervention.started_on)}."
