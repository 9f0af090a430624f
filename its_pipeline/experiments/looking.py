"""Looking at an experiment: what its newest days may say, and what stands of earlier looks.

What belongs here: when a look is due, what it sees, and the standing that goes into the verdict.
What does not: boundaries (`its.decisions`), or the table of looks (`stores.look_log`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from its_pipeline.experiments.prepared import Prepared
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis
    from its_pipeline.its.decisions.looks import Look, Seen
    from its_pipeline.its.decisions.standing import Standing
    from its_pipeline.stores.look_log import Question

CLOSING_DAYS = 7
"""Unobserved days at the end of a plan after which its last look is taken all the same."""


def question_of(intervention: Intervention) -> Question:
    """Return what is looked at in an experiment as it is logged now."""
    from its_pipeline.stores.look_log import Question

    return Question(
        intervention.user_id,
        intervention.intervention_id,
        intervention.outcome_metric,
        intervention.started_on,
    )


def standing_of(verdict: Verdict) -> Standing | None:
    """Return what the looks at an experiment come to, as its verdict holds it."""
    from its_pipeline.its.decisions.standing import Standing

    return None if verdict.standing is None else Standing.from_dict(verdict.standing)


def looks_at(settings: Settings, intervention: Intervention) -> tuple[Look, ...]:
    """Return the looks taken at an experiment as it is logged now, in order."""
    from its_pipeline.stores.look_log import LookLog

    log = LookLog(settings.resolved_intervention_log_url)
    try:
        return tuple(log.looks(question_of(intervention)))
    finally:
        log.close()


def with_standing(
    settings: Settings, prepared: Prepared, verdict: Verdict, analysis: Analysis
) -> Verdict:
    """Return a verdict with what the looks come to, the look that is due taken.

    Parameters
    ----------
    settings
        The installation's, whose log keeps the looks.
    prepared, verdict, analysis
        An experiment with a converged analysis.
    """
    from its_pipeline.its.decisions.looks import next_look
    from its_pipeline.stores.look_log import LookLog

    question = question_of(prepared.intervention)
    log = LookLog(settings.resolved_intervention_log_url)
    try:
        looks = log.looks(question)
        seen = seen_by_next_look(prepared, analysis, looks)
        if seen is not None:
            looks = log.take(question, lambda taken, elsewhere: next_look(taken, seen, elsewhere))
    finally:
        log.close()
    return with_standing_of(looks, prepared, verdict)


def with_standing_of(looks: Sequence[Look], prepared: Prepared, verdict: Verdict) -> Verdict:
    """Return a verdict with what looks come to, together with its effects.

    Parameters
    ----------
    looks
        All that were taken, in order.
    prepared, verdict
        An experiment with a converged analysis, and its verdict.
    """
    from its_pipeline.its.decisions.standing import standing
    from its_pipeline.its.estimand_names import HEADLINE

    spec, effect = prepared.spec, (verdict.effects or {}).get(HEADLINE.name)
    if spec is None or effect is None:
        raise ValueError(f"an analysis without effects cannot be looked at: {verdict.key}")
    found = standing(
        looks,
        direction=spec.direction,
        is_over=prepared.plan.window.is_final,
        minimum_effect=spec.minimum_effect,
        interval=(effect["ci_lower"], effect["ci_upper"]),
        probability_of_benefit=_benefit(effect, spec.direction),
    )
    return replace(verdict, standing=found.to_dict())


@dataclass(frozen=True)
class DueLook:
    """A look that is due.

    Attributes
    ----------
    looked_on
        The day it looks at: the newest observed one, or the plan's last where days are over.
    planned_until_on
        Last day of the plan in force.
    counted_until_on
        Last day on which information can still come in.
    """

    looked_on: date
    planned_until_on: date
    counted_until_on: date


def due_look(prepared: Prepared, earlier: Sequence[Look]) -> DueLook | None:
    """Return the look that is due; None where there is nothing new to look at.

    One is due where the newest observed day is later than that of the last look, and once more
    where the days are over. The same day again, by a repeated night, a late event or a clock that
    went back, is no new look.

    Parameters
    ----------
    prepared
        An experiment that is ready.
    earlier
        The looks taken so far, in order.
    """
    if prepared.outcome is None:
        raise ValueError(f"a look needs a series: {prepared.plan.key}")
    window = prepared.plan.window
    observed_on: date = prepared.outcome.dropna().index[-1].date()
    planned_until_on = max([window.final_end_on, *(look.planned_until_on for look in earlier)])
    # Days that were not observed at the end of a plan do not leave it open for ever. Far from its
    # end, a window that is over rather means a clock that went wrong, or a plan broken off.
    is_over = window.is_final and (planned_until_on - observed_on).days <= CLOSING_DAYS
    looked_on = planned_until_on if is_over else observed_on
    if earlier and earlier[-1].looked_on >= looked_on:
        return None
    return DueLook(looked_on, planned_until_on, observed_on if is_over else planned_until_on)


def seen_by_next_look(
    prepared: Prepared, analysis: Analysis, earlier: Sequence[Look]
) -> Seen | None:
    """Return what the look that is due has before it; None where none is.

    Parameters
    ----------
    prepared, analysis
        An experiment with a converged analysis.
    earlier
        The looks taken so far, in order.
    """
    from its_pipeline.its.decisions.information import information_of
    from its_pipeline.its.decisions.looks import Seen

    due = due_look(prepared, earlier)
    if due is None:
        return None
    outcome, fingerprint, effects = prepared.outcome, prepared.fingerprint, analysis.effects
    if outcome is None or fingerprint is None or effects is None:
        raise ValueError(f"an analysis without effects cannot be looked at: {prepared.plan.key}")
    information = information_of(
        analysis,
        outcome,
        prepared.schedule,
        due.counted_until_on,
        earlier[0].planned_until_on if earlier else due.planned_until_on,
        prepared.others,
    )
    effect = effects.counterfactual
    return Seen(
        looked_on=due.looked_on,
        planned_until_on=due.planned_until_on,
        plan=prepared.intervention.looks,
        direction=analysis.spec.direction,
        information=information.now,
        planned_information=information.planned,
        probability_of_benefit=_benefit(effect.to_dict(), analysis.spec.direction),
        effect_mean=effect.mean,
        effect_sd=effect.sd,
        prior_sd=information.usual_sd,
        fingerprint=fingerprint,
    )


def _benefit(effect: Mapping[str, Any], direction: str) -> float:
    return effect["probability_positive" if direction == "increase" else "probability_negative"]
