"""What the system itself can answer of the CENT checklist.

One function an item, from the facts of an experiment to a sentence or None for "not known". Nothing
here guesses: what only a person knows stays None, and `cent` turns it into a named blank.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from its_pipeline.its.estimand_names import COUNTERFACTUAL, IMMEDIATE, SUSTAINED
from its_pipeline.report import cent_design
from its_pipeline.report.facts import (
    Facts,
    computed_by,
    day_text,
    effect_text,
    finding,
    intervention_name,
    outcome_label,
    phase_text,
    season_text,
)
from its_pipeline.report.html import own_direction
from its_pipeline.report.inputs import ReportInput
from its_pipeline.report.look_views import PLAN_WORDS
from its_pipeline.report.sentence import answer_sentences, date_text, number_text
from its_pipeline.report.told import told_effect

if TYPE_CHECKING:
    from its_pipeline.its import Analysis

Answerer = Callable[[Facts], str | None]


def _converged(facts: Facts) -> Analysis | None:
    return facts.analysis if isinstance(facts, ReportInput) else None


def _title(facts: Facts) -> str:
    return f"This report is headed “N-of-1 report: {own_direction(intervention_name(facts))}”."


def _summary(facts: Facts) -> str | None:
    if not isinstance(facts, ReportInput):
        return None
    analysis = facts.analysis
    design = (
        "time series, on and off again" if analysis.is_on_and_off else "interrupted time series"
    )
    return (
        f"Single-person {design}, {analysis.n_pre} and {analysis.n_post} observed "
        f"{analysis.spec.step}s. {answer_sentences(finding(facts)).text}"
    )


def _objective(facts: Facts) -> str | None:
    intervention = facts.intervention
    if not intervention.hypothesis:
        return None
    aim = "an increase" if intervention.direction == "increase" else "a decrease"
    least = (
        f" of at least {intervention.minimum_effect:g}" if intervention.minimum_effect > 0 else ""
    )
    return (
        f"“{own_direction(intervention.hypothesis)}”; benefit is {aim} of "
        f"{own_direction(outcome_label(facts))}{least}."
    )


def _never_amended(what: str) -> Answerer:
    """Return the answer that holds while the intervention has its first version."""

    def answer(facts: Facts) -> str | None:
        if facts.intervention.version == 1:
            return f"None: the {what} was never amended in the log."
        return None

    return answer


def _outcomes(facts: Facts) -> str | None:
    metric = facts.metric
    if metric is None:
        return None
    events = ", ".join(metric.event_types) or "all events"
    unit = f" in {own_direction(metric.unit)}" if metric.unit else ""
    each = "local day" if facts.calendar.is_daily else facts.calendar.step
    return (
        f"{own_direction(outcome_label(facts))} ({metric.name}): {metric.aggregation} a "
        f"{each}{unit}, over {events}, recorded automatically; legal range "
        f"{metric.minimum:g} to {metric.maximum:g}; named in the log "
        f"{_when_logged(facts)} the start."
    )


def _interim(facts: Facts) -> str:
    plan = facts.calendar.worded(PLAN_WORDS[facts.intervention.looks])
    return (
        f"Looked at {plan}; whatever was looked at is kept. A wrong “helped” is said in at most 5 "
        "% of experiments that changed nothing, however often one looks, and so is a wrong “made "
        "it worse” (Lan & DeMets 1983; without a horizon Robbins 1970). No rule stops the "
        "experiment."
    )


def _statistics(facts: Facts) -> str | None:
    analysis = facts.analysis
    if analysis is None:
        return None
    spec = analysis.spec
    change = "level and slope" if analysis.has_slope else "level"
    link = "log" if spec.is_count else "logit" if spec.is_share else None
    family = spec.likelihood.replace("_", "-")
    errors = "errors of AR(1) plus white noise"
    scatter = f"{family} innovations"
    if link is not None:
        errors, scatter = "latent AR(1) noise", f"{family} outcome, {link} link"
    return (
        f"Bayesian segmented regression with a change of {change} and {errors} "
        f"(model {analysis.model_version}, {scatter}), "
        f"{computed_by(analysis.diagnostics)}; posterior means with 95 % equal-tailed intervals."
    )


def _carry_over(facts: Facts) -> str | None:
    analysis = facts.analysis
    if analysis is None:
        return None
    seasons = {"day_of_week": "weekday terms", "month": "month terms", "none": "no season"}
    trend, step = "a linear trend" if analysis.spec.trend else "no trend", analysis.spec.step
    left_out = f"{analysis.spec.washout_days} {analysis.spec.step}s of washout left out"
    if facts.intervention.schedule is not None:
        left_out = (
            f"{analysis.spec.carryover_days} {analysis.spec.step}s left out after each switch"
        )
    return (
        f"Carry-over: {left_out}. "
        f"Period effects: {trend}, {season_text(analysis, seasons, 'and a yearly wave')}. "
        f"Correlation: AR(1) plus white noise over calendar time; missing {step}s widen the gap "
        "and are not filled."
    )


def _periods(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None or facts.window is None:
        return None
    cuts = "; ".join(
        cut.reason if cut.side == "with" else f"{cut.side}-period: {cut.reason}"
        for cut in facts.window.cuts
    )
    intervention = facts.intervention
    step, ends = analysis.spec.step, f"Ends: {cuts or 'as planned'}."
    if analysis.is_on_and_off:
        return (
            f"On and off again, with {analysis.n_pre} observed {step}s without it and "
            f"{analysis.n_post} with it; planned {intervention.baseline_days} {step}s before the "
            f"start and {intervention.horizon_days} from it on. {ends}"
        )
    return (
        f"A then B, with {analysis.n_pre} and {analysis.n_post} observed {step}s, of "
        f"{intervention.baseline_days} and {intervention.horizon_days} planned. {ends}"
    )


def _dates(facts: Facts) -> str | None:
    window = facts.window
    if window is None:
        return None
    return (
        f"Logged {date_text(facts.intervention.logged_at.date())}; baseline from "
        f"{day_text(facts, window.pre_start_on)}, intervention from "
        f"{day_text(facts, window.started_on)}, data to {day_text(facts, window.post_end_on)}."
    )


def _stopped(facts: Facts) -> str | None:
    window = facts.window
    if window is None:
        return None
    if window.post_end_on < window.final_end_on:
        until = day_text(facts, window.final_end_on)
        return f"Not ended: {facts.calendar.step}s are counted until {until}."
    reasons = [cut.reason for cut in window.cuts if cut.side == "post"]
    return f"Ended {day_text(facts, window.final_end_on)}: {'; '.join(reasons) or 'as planned'}."


def _phase_text(analysis: Analysis, phase: str) -> str:
    count = analysis.n_pre if phase == analysis.phase_names[0] else analysis.n_post
    return f"{phase_text(analysis, phase)}, {count} {analysis.spec.step}s"


def _baseline(facts: Facts) -> str | None:
    if facts.analysis is None:
        return None
    when = (
        f"on {facts.calendar.step}s without it" if facts.analysis.is_on_and_off else "at baseline"
    )
    return f"Outcome {when}: {_phase_text(facts.analysis, facts.analysis.phase_names[0])}."


def _analysed(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None:
        return None
    found = analysis.by_schedule
    periods = "One period of each"
    if found is not None and found.is_on_and_off:
        n_on = sum(phase.on for phase in found.phases)
        periods = f"{n_on} periods on and {len(found.phases) - n_on} off"
    return (
        f"{periods}: {analysis.n_pre} {analysis.spec.step}s without and {analysis.n_post} with the "
        "intervention."
    )


def _period_results(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None:
        return None
    without, with_it = analysis.phase_names
    name = facts.calendar.worded("Days off") if analysis.is_on_and_off else "Baseline"
    return (
        f"{name}: {_phase_text(analysis, without)}. Intervention: "
        f"{_phase_text(analysis, with_it)}. The first figure shows every observation."
    )


def _effects(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None or analysis.effects is None:
        return None
    effects, spec = analysis.effects, analysis.spec
    parts = [
        f"average {effect_text(told_effect(COUNTERFACTUAL, effects.counterfactual, spec))}",
        f"immediate {effect_text(told_effect(IMMEDIATE, effects.immediate, spec))}",
    ]
    if effects.sustained is not None:
        parts.append(f"trend {effect_text(told_effect(SUSTAINED, effects.sustained, spec))}")
    return f"Effects: {'; '.join(parts)}."


def _relative(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None or analysis.effects is None or analysis.effects.relative is None:
        return None
    absolute = told_effect(COUNTERFACTUAL, analysis.effects.counterfactual, analysis.spec)
    return f"Absolute {effect_text(absolute)}; relative {effect_text(analysis.effects.relative)}."


def _other_analyses(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None:
        return None
    rho = float(analysis.correlation_of_neighbours.mean())
    warned = ", ".join(warning.code for warning in analysis.warnings) or "none"
    return (
        f"Correlation of neighbouring {analysis.spec.step}s: {number_text(rho, 2)} (posterior "
        f"mean). Warnings raised by the checks: {warned}."
    )


def _limitations(facts: Facts) -> str | None:
    analysis = _converged(facts)
    if analysis is None:
        return None
    texts = " ".join(warning.text for warning in analysis.warnings)
    if analysis.randomisation is not None:
        return f"One person; the {facts.calendar.step}s were drawn by lot. {texts}".strip()
    if analysis.is_on_and_off:
        return (
            "One person, not randomised: anything else that came and went with it would look the "
            f"same. {texts}".strip()
        )
    return (
        "One change in one person, not randomised and not repeated: anything else that changed "
        f"on {day_text(facts, analysis.intervention_on)} would look the same. {texts}".strip()
    )


def _interpretation(facts: Facts) -> str | None:
    if not isinstance(facts, ReportInput):
        return None
    return answer_sentences(finding(facts)).sentences[1]


def _when_logged(facts: Facts) -> str:
    intervention = facts.intervention
    early = intervention.logged_at.date() < intervention.started_on
    return "before" if early else "on or after"


def _registration(facts: Facts) -> str:
    intervention = facts.intervention
    return (
        f"No registry is known. Entry {intervention.sequence} of the intervention log, first "
        f"written {date_text(intervention.logged_at.date())}, {_when_logged(facts)} the start."
    )


ANSWERS: Final[dict[str, Answerer]] = {
    "1a": _title,
    "1b": _summary,
    "2b": _objective,
    "3a": cent_design.design,
    "3b": _never_amended("intervention"),
    "5": cent_design.interventions,
    "6a.1": _outcomes,
    "6b": _never_amended("outcome"),
    "7a": cent_design.sample_size,
    "7b": _interim,
    "8a": cent_design.randomised,
    "8b": cent_design.restrictions,
    "8c": cent_design.sequence,
    "12a": _statistics,
    "12c": _carry_over,
    "13a.1": _periods,
    "14a": _dates,
    "14b": _stopped,
    "15": _baseline,
    "16": _analysed,
    "17a.1": _period_results,
    "17a.2": _effects,
    "17b": _relative,
    "18": _other_analyses,
    "20": _limitations,
    "22": _interpretation,
    "23": _registration,
}
