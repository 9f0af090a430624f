"""Looking at an experiment: what its newest days may say, and what stands of earlier looks.

What belongs here: when a look is due, what it sees, and the standing that goes into the verdict.
What does not: boundaries (`its.decisions`), or the table of looks (`stores.look_log`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from its_pipeline.experiments.preparation import Prepared
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis
    from its_pipeline.its.decisions.looks import Look, Standing
    from its_pipeline.stores.look_log import LookLog, Question


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
    from its_pipeline.its.decisions.looks import Standing

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

    A look is due where the newest observed day is later than that of the last look. The same day
    again, by a repeated night, a late event or a clock that went back, is no new look.

    Parameters
    ----------
    settings
        The installation's, whose log keeps the looks.
    prepared, verdict, analysis
        An experiment with a converged analysis.
    """
    from its_pipeline.its.decisions.looks import standing
    from its_pipeline.stores.look_log import LookLog

    effects = analysis.effects
    if effects is None:
        raise ValueError(f"an analysis without effects cannot be looked at: {verdict.key}")
    log = LookLog(settings.resolved_intervention_log_url)
    try:
        looks = _looks(log, prepared, analysis)
    finally:
        log.close()
    effect = effects.counterfactual
    increase = analysis.spec.direction == "increase"
    found = standing(
        looks,
        direction=analysis.spec.direction,
        is_over=prepared.plan.window.is_final,
        minimum_effect=analysis.spec.minimum_effect,
        interval=(effect.ci_lower, effect.ci_upper),
        probability_of_benefit=(
            effect.probability_positive if increase else effect.probability_negative
        ),
    )
    return replace(verdict, standing=found.to_dict())


def _looks(log: LookLog, prepared: Prepared, analysis: Analysis) -> list[Look]:
    from its_pipeline.its.decisions.information import information_of
    from its_pipeline.its.decisions.looks import Seen, next_look

    intervention, outcome = prepared.intervention, prepared.outcome
    effects, kept, fingerprint = analysis.effects, analysis.kept, prepared.fingerprint
    if outcome is None or effects is None or kept is None or fingerprint is None:
        raise ValueError(f"a look needs an analysis with effects: {prepared.plan.key}")
    question = question_of(intervention)
    earlier = log.looks(question)
    looked_on: date = outcome.dropna().index[-1].date()
    if earlier and earlier[-1].looked_on >= looked_on:
        return earlier
    final_on = prepared.plan.window.final_end_on
    planned_until_on = max([final_on, *(look.planned_until_on for look in earlier)])
    information = information_of(
        analysis,
        outcome,
        prepared.schedule,
        planned_until_on,
        earlier[0].planned_until_on if earlier else planned_until_on,
        prepared.others,
    )
    effect = effects.counterfactual
    seen = Seen(
        looked_on=looked_on,
        planned_until_on=planned_until_on,
        plan=intervention.looks,
        direction=analysis.spec.direction,
        information=information.now,
        planned_information=information.planned,
        probability_of_benefit=(
            effect.probability_positive
            if analysis.spec.direction == "increase"
            else effect.probability_negative
        ),
        effect_mean=effect.mean,
        effect_sd=effect.sd,
        prior_sd=float(outcome.std()),
        fingerprint=fingerprint,
    )

    def make(taken: Sequence[Look], spent_elsewhere: float) -> Look | None:
        return next_look(taken, seen, spent_elsewhere)

    return log.take(question, make)
