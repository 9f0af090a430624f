"""What a page tells of a schedule: phases, likeness, days drawn by lot, other interventions.

What belongs here: from an answer's schedule to rows and words. What does not: the drawings
(`drawing`), or what every page tells (`views`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from its_pipeline.report.drawing import Span, Tone, interval_svg, lot_svg
from its_pipeline.report.sentence import date_text, decimals_for, number_text, percent
from its_pipeline.schedules.cadence import DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, AnalysisSpec, Effect
    from its_pipeline.its.decisions.randomisation import Randomisation
    from its_pipeline.its.schedule_results import Likeness, ScheduleResults

MOST_PHASES: Final = 24
"""Rows of phases that a page shows; days by lot may have hundreds."""

_SMALLEST_P: Final = 0.0001

_LIKENESS: Final = {
    "same": "The effect was about the same each time",
    "first_only": "Only the first time shows an effect",
    "varies": "The effect differed from time to time",
    "unclear": "Whether the effect was the same each time cannot be told yet",
}


@dataclass(frozen=True)
class PhaseRow:
    """One phase, as text."""

    days: str
    state: str
    n: str
    mean: str
    effect: str
    picture: Markup


@dataclass(frozen=True)
class OtherRow:
    """One other intervention in the model, as text."""

    name: str
    effect: str
    together: str
    correlation: str


def schedule_view(analysis: Analysis) -> dict[str, Any] | None:
    """Return what is told of the schedule; None where there is one change and nothing else."""
    found = analysis.by_schedule
    if found is None or not (found.is_on_and_off or found.others or found.randomisation):
        return None
    phases = _phase_rows(found, analysis.spec) if found.is_on_and_off else []
    return {
        "step": analysis.spec.step,
        "phases": phases[:MOST_PHASES],
        "more": max(len(phases) - MOST_PHASES, 0),
        "shared": bool(phases) and _shared(found),
        "likeness": likeness_text(found.likeness),
        "as_done": _as_done(found, analysis.spec.calendar),
        "lot": None if found.randomisation is None else _lot(found.randomisation),
        "others": _other_rows(found),
    }


def likeness_text(likeness: Likeness | None) -> str:
    """Return in a sentence how alike the phases' effects were; empty without two of them."""
    if likeness is None:
        return ""
    effect = likeness.first_less_later
    text = f"{_LIKENESS[likeness.word]}: the first time less the later ones is {_interval(effect)}"
    if likeness.probability_alike == likeness.probability_alike:  # not a number when sampled
        text += f"; the probability that the times differ little is {_percent(likeness)}"
    return f"{text}."


def _percent(likeness: Likeness) -> str:
    return percent(likeness.probability_alike)


def days_text(from_on: date, to_on: date, calendar: Cadence = DAYS) -> str:
    """Return a stretch of days as people write it, with the year once where it is the same."""
    last = date_text(to_on, calendar)
    if from_on == to_on:
        return last
    first = date_text(from_on, calendar)
    if from_on.year == to_on.year and not calendar.is_sessions:
        first = first.rpartition(" ")[0]
    return f"{first} to {last}"


def _shared(found: ScheduleResults) -> bool:
    """Tell whether neighbouring times share an effect, as they do where there are many."""
    told = [phase.effect for phase in found.phases if phase.effect]
    return any(before == after for before, after in pairwise(told))


def _phase_rows(found: ScheduleResults, spec: AnalysisSpec) -> list[PhaseRow]:
    ends = [
        abs(b) for p in found.phases if p.effect for b in (p.effect.ci_lower, p.effect.ci_upper)
    ]
    reach = max(ends, default=1.0) or 1.0
    rows = []
    # The spread of all effects alike, so that the means of all rows have the same decimals.
    spread = max((phase.effect.sd for phase in found.phases if phase.effect), default=0.0)
    for phase in found.phases:
        effect = phase.effect
        rows.append(
            PhaseRow(
                days=days_text(phase.from_on, phase.to_on, spec.calendar),
                state="on" if phase.on else "off",
                n=str(phase.n),
                mean=number_text(phase.mean, decimals_for(spread)) if phase.n else "–",
                effect=_interval(effect) if effect else "",
                picture=interval_svg(_span(effect, spec.direction), reach)
                if effect
                else Markup(""),
            )
        )
    return rows


def _span(effect: Effect, direction: str) -> Span:
    tone: Tone = "good" if (effect.mean > 0.0) == (direction == "increase") else "bad"
    if effect.ci_lower <= 0.0 <= effect.ci_upper:
        tone = "open"
    return Span(effect.mean, effect.ci_lower, effect.ci_upper, tone)


def _interval(effect: Effect) -> str:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    mean, lower, upper = (
        number_text(value, decimals) for value in (effect.mean, effect.ci_lower, effect.ci_upper)
    )
    return f"{mean} ({lower} to {upper})"


def _as_done(found: ScheduleResults, calendar: Cadence) -> str:
    if found.as_done is None:
        return ""
    n, step = len(found.schedule.done_otherwise), calendar.step
    return (
        f"On {n} {step}{'s' * (n != 1)} the person did otherwise. Everything else on this page is "
        f"told of the {step}s as they were scheduled; of the {step}s as they were done the average "
        f"effect is {_interval(found.as_done)}."
    )


def _lot(tested: Randomisation) -> dict[str, Any]:
    among = (
        f"all {tested.n_assignments:,} schedules that the lot could have drawn"
        if tested.exact
        else f"{tested.n_assignments:,} schedules drawn at random from those that the lot could "
        "have drawn"
    )
    words = (
        f"Had the intervention done nothing, the lot alone would have made a difference at least "
        f"as large in {percent(tested.p_value)} of {among} ({_p_text(tested.p_value)})"
    )
    return {
        "words": words,
        "picture": lot_svg(tested.bin_edges, tested.bin_counts, tested.statistic, words),
    }


def _p_text(p_value: float) -> str:
    if p_value < _SMALLEST_P:
        return f"p < {_SMALLEST_P}"
    return f"p = {p_value:.4f}" if p_value < 0.01 else f"p = {p_value:.3f}"


def _other_rows(found: ScheduleResults) -> list[OtherRow]:
    return [
        OtherRow(
            other.name,
            _interval(other.effect),
            _interval(other.together),
            number_text(other.correlation, 2),
        )
        for other in found.others
    ]
