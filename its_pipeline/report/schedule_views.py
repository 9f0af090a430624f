"""What a page tells of a schedule: phases, likeness, days drawn by lot, other interventions.

What belongs here: from an answer's schedule to rows and words. What does not: the drawings
(`drawing`), or what every page tells (`views`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from its_pipeline.report.drawing import Span, Tone, interval_svg, lot_svg
from its_pipeline.report.sentence import date_text, decimals_for, number_text, percent

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, Effect
    from its_pipeline.its.decisions.randomisation import Randomisation
    from its_pipeline.its.schedule_results import Likeness, ScheduleResults

MOST_PHASES: Final = 24
"""Rows of phases that a page shows; days by lot may have hundreds."""

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
    phases = _phase_rows(found) if found.is_on_and_off else []
    return {
        "phases": phases[:MOST_PHASES],
        "more": max(len(phases) - MOST_PHASES, 0),
        "likeness": likeness_text(found.likeness),
        "as_done": _as_done(found),
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


def _phase_rows(found: ScheduleResults) -> list[PhaseRow]:
    ends = [
        abs(b) for p in found.phases if p.effect for b in (p.effect.ci_lower, p.effect.ci_upper)
    ]
    reach = max(ends, default=1.0) or 1.0
    rows = []
    for phase in found.phases:
        effect = phase.effect
        days = date_text(phase.from_on)
        if phase.to_on != phase.from_on:
            days += f" to {date_text(phase.to_on)}"
        spread = effect.sd if effect else 0.0
        rows.append(
            PhaseRow(
                days=days,
                state="on" if phase.on else "off",
                n=str(phase.n),
                mean=number_text(phase.mean, decimals_for(spread, phase.mean)) if phase.n else "–",
                effect=_interval(effect) if effect else "",
                picture=interval_svg(_span(effect), reach) if effect else Markup(""),
            )
        )
    return rows


def _span(effect: Effect) -> Span:
    tone: Tone = "open" if effect.ci_lower <= 0.0 <= effect.ci_upper else "good"
    return Span(effect.mean, effect.ci_lower, effect.ci_upper, tone)


def _interval(effect: Effect) -> str:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    mean, lower, upper = (
        number_text(value, decimals) for value in (effect.mean, effect.ci_lower, effect.ci_upper)
    )
    return f"{mean} ({lower} to {upper})"


def _as_done(found: ScheduleResults) -> str:
    if found.as_done is None:
        return ""
    n = len(found.schedule.done_otherwise)
    return (
        f"On {n} day{'s' * (n != 1)} the person did otherwise. Everything else on this page is "
        f"told of the days as they were scheduled; of the days as they were done the average "
        f"effect is {_interval(found.as_done)}."
    )


def _lot(tested: Randomisation) -> dict[str, Any]:
    among = (
        f"all {tested.n_assignments:,} schedules that the lot could have drawn"
        if tested.exact
        else f"{tested.n_assignments:,} of the schedules that the lot could have drawn"
    )
    p_value = f"= {tested.p_value:.4f}" if tested.p_value < 0.01 else f"= {tested.p_value:.3f}"
    if tested.p_value < 0.0001:
        p_value = "< 0.0001"
    words = (
        f"Had the intervention done nothing, the lot alone would have made a difference at least "
        f"as large in {percent(tested.p_value)} of {among} (p {p_value})"
    )
    return {
        "words": words,
        "picture": lot_svg(tested.bin_edges, tested.bin_counts, tested.statistic, words),
    }


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
