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
from its_pipeline.report.cent import CentAnswer
from its_pipeline.report.cent_answers import Facts, outcome_label, phase_text
from its_pipeline.report.html import own_direction, safe_href
from its_pipeline.report.inputs import Provenance, WindowLike
from its_pipeline.report.sentence import REMARKS, date_text, decimals_for, number_text, percent

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, AnalysisWarning, Diagnostics, Effect

NOT_RECORDED: Final = "not recorded"

#: Of each warning's code its title and what it means for a reader without statistics.
WARNINGS: Final[dict[str, tuple[str, str]]] = {
    "short_phase": (
        "Few days",
        "A chance run of good or bad days weighs heavily; more days make the answer firmer.",
    ),
    "heavy_tails": (
        "Days far from the rest",
        "A few unusual days can pull the answer either way.",
    ),
    "outlier_days": (
        "Days far from the rest",
        "A few unusual days can pull the answer either way; see whether something else happened "
        "on them.",
    ),
    "estimators_disagree": (
        "A second method disagrees",
        "Which of two reasonable methods is used decides the answer, so do not rely on either.",
    ),
    "placebo_effect": (
        "A change where there should be none",
        "The outcome had changed by itself before, and this change may be of the same kind.",
    ),
    "time_of_day_shift": (
        "The time of day shifted too",
        "The effect shown leaves out whatever comes from the other time of day.",
    ),
    "near_nonstationary": (
        "The outcome drifts",
        "It rises and falls by itself for weeks, and a drift that set in at that time would look "
        "like an effect.",
    ),
    "slow_swings": (
        "Slow swings under the daily noise",
        "The days tell less than the interval supposes; the wider one given here is the safer one.",
    ),
    "slow_swings_contradict": (
        "Slow swings under the daily noise",
        "A swing that set in by itself at that time would explain the change as well: the wider "
        "interval given here includes no change.",
    ),
    "flat_baseline": (
        "The outcome hardly varied before",
        "There is little to compare with, so how sure the answer is cannot be known well.",
    ),
    "no_relative_effect": (
        "No effect in percent",
        "The effect in the outcome's own unit is not touched by this.",
    ),
    "dropped_covariate": ("A covariate was left out", "The answer takes no account of it."),
}

EASED_BY_STUDENT_T: Final = frozenset({"heavy_tails", "outlier_days"})
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
    step, washout = analysis.spec.step, analysis.spec.washout_days
    first = f"level change on the first {step}"
    if washout:
        first += f", carried back over the {washout} {step}s of washout"
    named: list[tuple[str, str, Effect | None]] = [
        (
            "Average effect",
            f"mean over the observed {step}s since the change",
            effects.counterfactual,
        ),
        ("Immediate effect", first, effects.immediate),
        ("Change of trend", "what the slope changed by", effects.sustained),
        ("Total effect", "the differences added up", effects.cumulative),
        ("Relative effect", "average effect in percent of what was expected", effects.relative),
    ]
    rows = [_effect_row(name, hint, effect) for name, hint, effect in named if effect is not None]
    if effects.sustained is None:
        rows.insert(2, _no_trend_row(step))
    return rows


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


def _no_trend_row(step: str) -> EffectRow:
    hint = f"not in the model: too few {step}s in a phase, or left out by setting"
    return EffectRow("Change of trend", hint, "–", "–", "–", "–", "–", "")


def gate_rows(diagnostics: Diagnostics) -> list[GateRow]:
    """Return each diagnostic beside its threshold."""
    from its_pipeline.its.inference.diagnostics import BFMI_MIN, ESS_MIN, R_HAT_MAX

    d = diagnostics
    return [
        GateRow(
            "R-hat, worst", _figure(d.max_r_hat, 4), f"< {R_HAT_MAX:g}", d.max_r_hat < R_HAT_MAX
        ),
        GateRow(
            "Effective sample size, bulk, smallest",
            _figure(d.min_ess_bulk, 0),
            f"≥ {ESS_MIN:,.0f}",
            d.min_ess_bulk >= ESS_MIN,
        ),
        GateRow(
            "Effective sample size, tail, smallest",
            _figure(d.min_ess_tail, 0),
            f"≥ {ESS_MIN:,.0f}",
            d.min_ess_tail >= ESS_MIN,
        ),
        GateRow("Divergent transitions", f"{d.divergences:,}", "0", d.divergences == 0),
        GateRow("E-BFMI, smallest", _figure(d.bfmi, 2), f"≥ {BFMI_MIN:g}", d.bfmi >= BFMI_MIN),
    ]


def _figure(value: float, decimals: int) -> str:
    return number_text(value, decimals) if math.isfinite(value) else "not computable"


def warning_texts(
    warnings: Sequence[AnalysisWarning], likelihood: str = "normal"
) -> list[WarningText]:
    """Return the warnings explained; an unknown code is its own title and explains nothing.

    Parameters
    ----------
    warnings
        Of an analysis.
    likelihood
        The analysis' own: what it is already is not advised.
    """
    explained = []
    for w in warnings:
        title, meaning = WARNINGS.get(w.code, (w.code.replace("_", " ").capitalize(), ""))
        if w.code in EASED_BY_STUDENT_T and likelihood != "student_t":
            meaning = f"{meaning} {CHOOSE_STUDENT_T}"
        explained.append(WarningText(title, w.text, meaning, w.code in REMARKS))
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
        rows += _window_rows(window, intervention.ended_on)
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
    return f"{own_direction(outcome_label(facts))}: daily {metric.aggregation}{unit}"


def _window_rows(window: WindowLike, ended_on: date | None) -> list[Row]:
    by_side = {cut.side: cut.reason for cut in window.cuts}
    rows = [
        Row("Baseline from", _with_reason(date_text(window.pre_start_on), by_side.get("pre"))),
        Row("Intervention from", date_text(window.started_on)),
    ]
    if window.fit_start_on > window.started_on:
        days = (window.fit_start_on - window.started_on).days
        rows.append(Row("Washout", f"{days} days, left out, to {date_text(window.fit_start_on)}"))
    if window.post_end_on >= window.fit_start_on:
        rows.append(
            Row("Counted to", _with_reason(date_text(window.post_end_on), by_side.get("post")))
        )
    if ended_on is not None:
        rows.append(Row("Intervention ended", date_text(ended_on)))
    return rows


def _with_reason(text: str, reason: str | None) -> str:
    return f"{text}: {reason}" if reason else text


def _day_rows(analysis: Analysis, window: WindowLike | None) -> list[Row]:
    """Return what was observed in each phase, of all the days that the window gives it."""
    daily, step = analysis.daily, analysis.spec.step
    rows = []
    for phase, name in (("pre", "before"), ("post", "since")):
        part = daily[daily["phase"] == phase]
        seen = part.loc[part["observed"].notna(), "day"]
        missing = len(part) - len(seen)
        first = ""
        if window is not None and step == "day":
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
        Row("Git commit", p.git_commit or NOT_RECORDED),
    ]
    if p.decided_at is not None:
        rows.append(Row("Decided", f"{p.decided_at:%Y-%m-%d %H:%M} UTC"))
    if p.computed_seconds is not None:
        rows.append(Row("Computed in", f"{p.computed_seconds:.1f} s"))
    if analysis is not None:
        spec = analysis.spec
        rows.append(
            Row("Sampler", f"{spec.chains} chains of {spec.draws:,} draws, {spec.tune:,} to tune")
        )
    if p.versions:
        rows.append(Row("Versions", ", ".join(f"{name} {v}" for name, v in p.versions.items())))
    return rows


def cent_sections(answers: Sequence[CentAnswer]) -> list[tuple[str, list[CentAnswer]]]:
    """Return a filled checklist by section, in the published order."""
    grouped = groupby(answers, key=lambda answer: answer.item.section)
    return [(section, list(part)) for section, part in grouped]
