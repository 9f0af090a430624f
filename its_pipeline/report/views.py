"""The rows of a report's tables, from facts to texts.

Here belong small pure functions that turn effects, diagnostics, data and provenance into rows of
strings. Their order on the page and the figures belong to `page`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from its_pipeline.events.metrics import NO_TIME_OF_DAY
from its_pipeline.its.estimand_names import (
    COUNTERFACTUAL,
    CUMULATIVE,
    ESTIMANDS,
    HEADLINE,
    IMMEDIATE,
    RATIO,
    RELATIVE,
    SUSTAINED,
    Estimand,
)
from its_pipeline.its.warning_codes import HEAVY_TAILS, OUTLIER_DAYS, warning_code
from its_pipeline.report.cent import CentAnswer
from its_pipeline.report.facts import Facts, computed_by, outcome_label, phase_text
from its_pipeline.report.html import own_direction, safe_href
from its_pipeline.report.inputs import Provenance, WindowLike
from its_pipeline.report.sentence import date_text, decimals_for, number_text, percent
from its_pipeline.report.told import told_effect
from its_pipeline.schedules.as_text import schedule_text
from its_pipeline.schedules.cadence import DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis, AnalysisWarning, Diagnostics, Effect

NOT_RECORDED: Final = "not recorded"

#: Of each figure of the gate its name for people and its decimals.
_FIGURES: Final = {
    "weighed_draws": ("Independent draws that the weighed ones are worth", 0),
    "quadrature_error": ("Error of the quadrature, in standard deviations", 4),
    "edge_mass": ("Probability at the quadrature's edge", 5),
    "audit_difference": ("Largest difference of sampler and quadrature, in sd", 3),
    "max_r_hat": ("R-hat, worst", 4),
    "min_ess_bulk": ("Effective sample size, bulk, smallest", 0),
    "min_ess_tail": ("Effective sample size, tail, smallest", 0),
    "divergences": ("Divergent transitions", 0),
    "bfmi": ("E-BFMI, smallest", 2),
}

EASED_BY_STUDENT_T: Final = (HEAVY_TAILS, OUTLIER_DAYS)
CHOOSE_STUDENT_T: Final = (
    "To have such days weigh less, write “likelihood: student_t” where the outcome is declared "
    "(metrics.yaml); it is then analysed anew."
)


@dataclass(frozen=True)
class Row:
    """A name and a value, with a link where there is one."""

    name: str
    value: str
    href: str | None = None


@dataclass(frozen=True)
class EffectRow:
    """One line of the effects table, as text."""

    name: str
    hint: str
    mean: str
    interval: str
    sd: str
    rise: str
    fall: str
    unit: str


@dataclass(frozen=True)
class GateRow:
    """One diagnostic beside its threshold."""

    name: str
    value: str
    limit: str
    passed: bool


@dataclass(frozen=True)
class WarningText:
    """A warning with what it means; `remark` if it says nothing against the answer."""

    title: str
    text: str
    meaning: str
    remark: bool


def effect_rows(analysis: Analysis) -> list[EffectRow]:
    """Return the effects table of a converged analysis."""
    effects = analysis.effects
    if effects is None:
        return []
    spec = analysis.spec
    hints = _hints(spec.step, spec.washout_days, is_share=spec.is_share)
    if analysis.is_on_and_off:
        hints[IMMEDIATE] = "effect of the first time"
        hints[COUNTERFACTUAL] = f"mean over the observed {analysis.spec.step}s with it"
    rows = []
    for estimand in sorted(ESTIMANDS, key=lambda each: each is not HEADLINE):
        effect: Effect | None = getattr(effects, estimand.name)
        if effect is not None:
            rows.append(
                _effect_row(estimand.title, hints[estimand], told_effect(estimand, effect, spec))
            )
        elif estimand is SUSTAINED and not analysis.is_on_and_off:
            rows.append(_no_trend_row(analysis.spec.step))
    return rows


def _hints(step: str, washout: int, *, is_share: bool) -> dict[Estimand, str]:
    """Return what each estimand is, in few words."""
    carried = f", carried back over the {washout} {step}s of washout" if washout else ""
    return {
        IMMEDIATE: f"level change on the first {step}{carried}",
        SUSTAINED: "what the slope changed by",
        COUNTERFACTUAL: f"mean over the observed {step}s since the change",
        CUMULATIVE: "the differences added up",
        RELATIVE: "average effect in percent of what was expected",
        RATIO: f"of {'odds' if is_share else 'rates'}, with it to without; 1 is no change",
    }


def _effect_row(name: str, hint: str, effect: Effect) -> EffectRow:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    lower, upper = (number_text(bound, decimals) for bound in (effect.ci_lower, effect.ci_upper))
    return EffectRow(
        name,
        hint,
        number_text(effect.mean, decimals),
        f"{lower} to {upper}",
        number_text(effect.sd, decimals),
        percent(effect.probability_positive, short=True),
        percent(effect.probability_negative, short=True),
        effect.unit,
    )


def widened_text(factor: float) -> str:
    """Return what is said of intervals that were widened; nothing where none were."""
    if factor == 1.0:
        return ""
    return (
        f"Intervals, bands and probabilities on this page are widened by a factor of {factor:.2f}: "
        "on this outcome's own days without any change they were measured to be too narrow."
    )


def _no_trend_row(step: str) -> EffectRow:
    hint = "not in the model: a forecast has none, or left out by setting"
    return EffectRow(SUSTAINED.title, hint, "–", "–", "–", "–", "–", "")


@dataclass(frozen=True)
class WhatIfRow:
    """The average effect under one belief, as text."""

    belief: str
    probability: str
    mean: str
    interval: str


_BELIEFS: Final = {
    "no_trend": "No straight trend of its own",
    "trend": "A straight trend of its own",
    "no_slope_change": "Only the level changed",
    "slope_change": "The slope changed as well",
}


def what_if_rows(analysis: Analysis) -> list[WhatIfRow]:
    """Return the average effect under each belief about straight trends."""
    rows = []
    for each in analysis.what_if:
        spread = abs(each.ci_upper - each.ci_lower) / 4.0
        decimals = decimals_for(spread, each.ci_lower, each.ci_upper)
        lower, upper = number_text(each.ci_lower, decimals), number_text(each.ci_upper, decimals)
        rows.append(
            WhatIfRow(
                _BELIEFS[each.name],
                percent(each.probability),
                number_text(each.mean, decimals),
                f"{lower} to {upper}",
            )
        )
    return rows


def coefficient_rows(analysis: Analysis) -> list[Row]:
    """Return the coefficients of covariates: all that no other part of the page tells."""
    told = {"intercept", "trend", "level_change", "slope_change"}
    rows, spec = [], analysis.spec
    scale = ", log odds" if spec.is_share else ", log rate" if spec.is_count else ""
    for name, (mean, sd) in analysis.coefficients.items():
        if name.partition("(")[0] not in told and "[" not in name:
            decimals = decimals_for(sd, mean, mean)
            low, high = (
                number_text(mean - 1.96 * sd, decimals),
                number_text(mean + 1.96 * sd, decimals),
            )
            rows.append(Row(name, f"{number_text(mean, decimals)} (about {low} to {high}){scale}"))
    return rows


def gate_rows(diagnostics: Diagnostics) -> list[GateRow]:
    """Return each diagnostic beside its threshold."""
    from its_pipeline.its.inference.diagnostics import criteria_of

    rows = []
    for criterion in criteria_of(diagnostics.to_dict()):
        name, decimals = _FIGURES[criterion.figure]
        value = getattr(diagnostics, criterion.figure)
        sign = {"<": "< ", ">=": "≥ ", "=": ""}[criterion.comparison]
        limit = f"{sign}{criterion.threshold:,g}"
        rows.append(GateRow(name, _figure(value, decimals), limit, criterion.is_met(value)))
    return rows


def _figure(value: float, decimals: int) -> str:
    return number_text(value, decimals) if math.isfinite(value) else "not computable"


def warning_texts(
    warnings: Sequence[AnalysisWarning], likelihood: str = "normal", calendar: Cadence = DAYS
) -> list[WarningText]:
    """Return the warnings explained; an unknown code is its own title and explains nothing.

    Parameters
    ----------
    warnings
        Of an analysis.
    likelihood
        The analysis' own: what it is already is not advised.
    calendar
        The unit of time of its days.
    """
    explained = []
    for warning in warnings:
        known = warning_code(warning.code)
        meaning, title = calendar.worded(known.meaning), calendar.worded(known.title)
        if known in EASED_BY_STUDENT_T and likelihood == "normal":
            meaning = f"{meaning} {calendar.worded(CHOOSE_STUDENT_T)}"
        explained.append(WarningText(title, warning.text, meaning, known.severity == "remark"))
    return explained


def data_rows(facts: Facts) -> list[Row]:
    """Return what data went in, why the window ends where it does, and what was left out."""
    intervention, metric, window = facts.intervention, facts.metric, facts.window
    rows = [Row("Outcome", _outcome_text(facts))]
    if metric is not None and not metric.has_time_of_day:
        rows.append(Row("Left out", NO_TIME_OF_DAY))
    better = "higher is better" if intervention.direction == "increase" else "lower is better"
    least = ""
    if intervention.minimum_effect > 0:
        unit = f" {own_direction(metric.unit)}" if metric is not None and metric.unit else ""
        least = f"; at least {intervention.minimum_effect:g}{unit} counts"
    rows.append(Row("Benefit", better + least))
    if intervention.hypothesis:
        rows.append(Row("Hypothesis", intervention.hypothesis))
    if window is not None:
        rows += _window_rows(window, intervention.ended_on, facts.calendar)
    rows += _schedule_rows(intervention, facts.calendar)
    if facts.analysis is not None:
        rows += _day_rows(facts.analysis, window)
    data = facts.data
    if data.n_events is not None:
        rows.append(Row("Events", f"{data.n_events:,}"))
    if data.rejected_rows is not None:
        reasons = ", ".join(f"{rule} {count:,}" for rule, count in data.rejected_reasons.items())
        rows.append(
            Row("Rejected events", f"{data.rejected_rows:,}" + (f" ({reasons})" if reasons else ""))
        )
    rows.append(Row("Dates in", intervention.time_zone))
    return rows


def _outcome_text(facts: Facts) -> str:
    metric = facts.metric
    if metric is None:
        return f"{facts.intervention.outcome_metric} (not registered)"
    unit = f", {own_direction(metric.unit)}" if metric.unit else ""
    each = "daily " if facts.calendar.is_daily else f"each {facts.calendar.step}'s "
    return f"{own_direction(outcome_label(facts))}: {each}{metric.aggregation}{unit}"


def _window_rows(window: WindowLike, ended_on: date | None, calendar: Cadence) -> list[Row]:
    by_side = {cut.side: cut.reason for cut in window.cuts}
    first, last = (date_text(d, calendar) for d in (window.pre_start_on, window.post_end_on))
    rows = [
        Row("Baseline from", _with_reason(first, by_side.get("pre"))),
        Row("Intervention from", date_text(window.started_on, calendar)),
    ]
    if window.fit_start_on > window.started_on:
        steps = calendar.between(window.started_on, window.fit_start_on)
        until = date_text(window.fit_start_on, calendar)
        rows.append(Row("Washout", f"{steps} {calendar.step}s, left out, to {until}"))
    if window.post_end_on >= window.fit_start_on:
        rows.append(Row("Counted to", _with_reason(last, by_side.get("post"))))
    if ended_on is not None:
        rows.append(Row("Intervention ended", date_text(ended_on, calendar)))
    rows += [Row("In one model with", cut.reason) for cut in window.cuts if cut.side == "with"]
    return rows


def _schedule_rows(intervention: Intervention, calendar: Cadence) -> list[Row]:
    """Return when an intervention acted that did not from one day on for good."""
    if intervention.schedule is None:
        return []
    rows = [Row("Schedule", schedule_text(intervention.schedule, intervention.time_zone, calendar))]
    n, step = intervention.carryover_days, calendar.step
    if n:
        rows.append(Row("Carryover", f"{n} {step}{'s' * (n > 1)} left out after every switch"))
    return rows


def _with_reason(text: str, reason: str | None) -> str:
    return f"{text}: {reason}" if reason else text


def _day_rows(analysis: Analysis, window: WindowLike | None) -> list[Row]:
    """Return what was observed in each phase, of all the days that the window gives it."""
    daily, step = analysis.daily, analysis.spec.step
    rows = []
    names = ("without it", "with it") if analysis.is_on_and_off else ("before", "since")
    for phase, name in zip(analysis.phase_names, names, strict=True):
        part = daily[daily["phase"] == phase]
        seen = part.loc[part["observed"].notna(), "day"]
        missing = len(part) - len(seen)
        first = ""
        if window is not None and analysis.spec.calendar.is_daily and not analysis.is_on_and_off:
            start = window.pre_start_on if phase == "pre" else window.fit_start_on
            end = window.started_on - timedelta(days=1) if phase == "pre" else window.post_end_on
            missing = max(missing, (end - start).days + 1 - len(seen))
            began_on = seen.iloc[0].date()
            if began_on > start:
                first = f"; the first is {date_text(began_on)}"
        rows.append(
            Row(
                f"{step.capitalize()}s {name}",
                f"{len(seen)} observed ({phase_text(analysis, phase)}), {missing} without "
                f"data{first}",
            )
        )
    return rows


def origin_rows(provenance: Provenance, analysis: Analysis | None) -> list[Row]:
    """Return where the numbers come from; what is not recorded says so."""
    p = provenance
    seed = p.seed if p.seed is not None else (analysis.spec.seed if analysis is not None else None)
    model = p.model_version or (analysis.model_version if analysis is not None else "")
    rows = [
        Row("Fingerprint", p.fingerprint or NOT_RECORDED),
        Row("Model", model or NOT_RECORDED),
        Row("Seed", NOT_RECORDED if seed is None else str(seed)),
        Row("MLflow run", p.mlflow_run_id or NOT_RECORDED, safe_href(p.mlflow_url)),
        Row("Dagster run", p.dagster_run_id or NOT_RECORDED, safe_href(p.dagster_url)),
        Row(
            "Event partitions",
            " to ".join(p.event_partitions) if p.event_partitions else NOT_RECORDED,
        ),
        Row("Code version", p.code_version or NOT_RECORDED),
    ]
    if p.decided_at is not None:
        rows.append(Row("Decided", f"{p.decided_at:%Y-%m-%d %H:%M} UTC"))
    if p.computed_seconds is not None:
        rows.append(Row("Computed in", f"{p.computed_seconds:.1f} s"))
    if analysis is not None:
        rows.append(Row("Computed by", computed_by(analysis.diagnostics)))
    if p.versions:
        rows.append(Row("Versions", ", ".join(f"{name} {v}" for name, v in p.versions.items())))
    return rows


def cent_sections(answers: Sequence[CentAnswer]) -> list[tuple[str, list[CentAnswer]]]:
    """Return a filled checklist by section, in the published order."""
    grouped = groupby(answers, key=lambda answer: answer.item.section)
    return [(section, list(part)) for section, part in grouped]
