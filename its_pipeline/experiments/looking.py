"""Looking at an experiment: what its newest days may say, and what stands of earlier looks.

What belongs here: when a look is due, what it sees, and the standing that goes into the verdict.
What does not: boundaries (`its.decisions`), or the table of looks (`stores.look_log`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from its_pipeline.experiments.prepared import Prepared
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis, Effect
    from its_pipeline.its.decisions.looks import Look
    from its_pipeline.its.decisions.standing import Standing
    from its_pipeline.stores.look_log import LookLog, Question

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

    A look is due where the newest observed day is later than that of the last look, and once more
    where the days are over. The same day again, by a repeated night, a late event or a clock that
    went back, is no new look.

    Parameters
    ----------
    settings
        The installation's, whose log keeps the looks.
    prepared, verdict, analysis
        An experiment with a converged analysis.
    """
    from its_pipeline.its.decisions.standing import standing
    from its_pipeline.stores.look_log import LookLog

    if analysis.effects is None:
        raise ValueError(f"an analysis without effects cannot be looked at: {verdict.key}")
    effect, direction = analysis.effects.counterfactual, analysis.spec.direction
    increase = direction == "increase"
    benefit = effect.probability_positive if increase else effect.probability_negative
    log = LookLog(settings.resolved_intervention_log_url)
    try:
        looks = _looks(log, prepared, analysis, effect, benefit)
    finally:
        log.close()
    found = standing(
        looks,
        direction=direction,
        is_over=prepared.plan.window.is_final,
        minimum_effect=analysis.spec.minimum_effect,
        interval=(effect.ci_lower, effect.ci_upper),
        probability_of_benefit=benefit,
    )
    return replace(verdict, standing=found.to_dict())


def _looks(
    log: LookLog, prepared: Prepared, analysis: Analysis, effect: Effect, benefit: float
) -> list[Look]:
    from its_pipeline.its.decisions.information import information_of
    from its_pipeline.its.decisions.looks import Seen, next_look

    intervention, outcome = prepared.intervention, prepared.outcome
    fingerprint, window = prepared.fingerprint, prepared.plan.window
    if outcome is None or fingerprint is None:
        raise ValueError(f"a look needs a series: {prepared.plan.key}")
    question = question_of(intervention)
    earlier = log.looks(question)
    observed_on: date = outcome.dropna().index[-1].date()
    planned_until_on = max([window.final_end_on, *(look.planned_until_on for look in earlier)])
    # Days that were not observed at the end of a plan do not leave it open for ever. Far from its
    # end, a window that is over rather means a clock that went wrong, or a plan broken off.
    is_over = window.is_final and (planned_until_on - observed_on).days <= CLOSING_DAYS
    looked_on = planned_until_on if is_over else observed_on
    if earlier and earlier[-1].looked_on >= looked_on:
        return earlier
    information = information_of(
        analysis,
        outcome,
        prepared.schedule,
        observed_on if is_over else planned_until_on,
        earlier[0].planned_until_on if earlier else planned_until_on,
        prepared.others,
    )
    seen = Seen(
        looked_on=looked_on,
        planned_until_on=planned_until_on,
        plan=intervention.looks,
        direction=analysis.spec.direction,
        information=information.now,
        planned_information=information.planned,
        probability_of_benefit=benefit,
        effect_mean=effect.mean,
        effect_sd=effect.sd,
        prior_sd=information.usual_sd,
        fingerprint=fingerprint,
    )

    def make(taken: Sequence[Look], spent_elsewhere: float) -> Look | None:
        return next_look(taken, seen, spent_elsewhere)

    return log.take(question, make)
