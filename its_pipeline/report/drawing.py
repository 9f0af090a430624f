"""Small drawings that go straight into HTML: an interval on a line.

Here belongs SVG written by hand from numbers, escaped and without styles of its own (the page's
style sheet colours it by class). The figures of an analysis belong to `its.plots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from markupsafe import Markup

from its_pipeline.report.finding import Kind
from its_pipeline.stores.verdict import Status

#: Classes of the style sheet.
Tone = Literal["good", "bad", "open", "warn"]

#: The tone of each answer.
TONES: Final[dict[Kind, Tone]] = {
    "helped": "good",
    "harmed": "bad",
    "negligible": "open",
    "unclear": "open",
    "open": "open",
}

#: Pixels of a small interval drawing, as the style sheet has them, and half of what it may use.
INTERVAL_WIDTH: Final = 150
INTERVAL_HALF: Final = 67
# Pixels that the words at one end of the large scale and those below zero take side by side.
_ROOM: Final = 100


@dataclass(frozen=True)
class Span:
    """A value with its 95 % interval, and how it is meant.

    Parameters
    ----------
    mean, lower, upper
        In outcome units.
    tone
        The class that colours it.
    """

    mean: float
    lower: float
    upper: float
    tone: Tone


def status_tone(status: Status) -> Tone:
    """Return the tone of an experiment that has no answer."""
    return "open" if status in ("waiting", "closed") else "warn"


def dates_svg(probabilities: list[float], declared: int, words: str) -> Markup:
    """Draw how probable each of some dates is, the declared one marked.

    Parameters
    ----------
    probabilities
        In the order of their dates.
    declared
        Number of the declared one.
    words
        What the picture says, for those who cannot see it.
    """
    width, height = 560.0, 90.0
    step = width / len(probabilities)
    highest = max(probabilities)
    bar = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    bars = [
        bar.format(i * step + 1, height - 78 * p / highest, step - 2, 78 * p / highest)
        for i, p in enumerate(probabilities)
    ]
    at = (declared + 0.5) * step
    return Markup(
        '<svg class="dates" viewBox="0 0 560 92" role="img" aria-label="{}">'
        '<g class="bars">{}</g><path class="zero" d="M{} 0V92"/></svg>'
    ).format(words, Markup("").join(bars), f"{at:.1f}")


def lot_svg(edges: Sequence[float], counts: Sequence[int], observed: float, words: str) -> Markup:
    """Draw how a statistic spreads over what a lot could have drawn, the observed one marked.

    Parameters
    ----------
    edges, counts
        A histogram: one edge more than counts.
    observed
        The statistic of what was drawn.
    words
        What the picture says, for those who cannot see it.
    """
    width, height = 560.0, 90.0
    low, high = edges[0], edges[-1]
    scale = width / (high - low) if high > low else 0.0
    highest = max(counts)
    bar = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    bars = [
        bar.format(
            (left - low) * scale + 0.5,
            height - 78 * count / highest,
            max((right - left) * scale - 1, 0.5),
            78 * count / highest,
        )
        for (left, right), count in zip(pairwise(edges), counts, strict=True)
        if count
    ]
    at = f"{_clamp((observed - low) * scale, 1.0, width - 1.0):.1f}"
    return Markup(
        '<svg class="dates" viewBox="0 0 560 92" role="img" aria-label="{}">'
        '<g class="bars">{}</g><path class="zero" d="M{} 0V92"/></svg>'
    ).format(words, Markup("").join(bars), at)


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def interval_svg(span: Span, reach: float) -> Markup:
    """Draw an interval on a line from `-reach` to `reach`, as few bytes as can be.

    Parts beyond the reach are cut and end in an arrow head, so that one wide interval does not
    flatten all others. The mark at zero comes from the style sheet, the numbers stand beside it as
    text, so it is hidden from those who read the page aloud.

    Parameters
    ----------
    span
        What to draw.
    reach
        Half of the scale in outcome units, > 0.

    Raises
    ------
    ValueError
        If `reach` is not positive.
    """
    if not reach > 0:
        raise ValueError(f"reach must be > 0 but got {reach}")

    def x(value: float) -> int:
        return round(INTERVAL_WIDTH / 2 + INTERVAL_HALF * _clamp(value / reach, -1.0, 1.0))

    left, right = x(span.lower), x(span.upper)
    heads = ""
    if span.lower < -reach:
        heads += f"M{left - 5} 9l6-4v8z"
    if span.upper > reach:
        heads += f"M{right + 5} 9l-6-4v8z"
    return Markup(
        '<svg class="iv {}" aria-hidden="true"><path class="b" d="M{} 9H{}"/>{}'
        '<circle cx="{}" cy="9" r="3.4"/></svg>'
    ).format(
        span.tone,
        left,
        max(right, left + 1),
        Markup('<path d="{}"/>').format(heads) if heads else "",
        x(span.mean),
    )


def scale_svg(
    span: Span, labels: tuple[str, str, str], minimum: float, increase: bool, title: str
) -> Markup:
    """Draw the report's large interval with zero, the minimum effect and which side is better.

    Parameters
    ----------
    span
        What to draw.
    labels
        Texts of lower bound, mean and upper bound.
    minimum
        Smallest effect that counts, in outcome units; 0 draws none.
    increase
        Whether a rise is the benefit.
    title
        Text for readers who do not see it.
    """
    threshold = minimum if increase else -minimum
    points = (span.lower, span.upper, 0.0, threshold)
    low, high = min(points), max(points)
    pad = 0.12 * (high - low) or 1.0
    low, high = low - pad, high + pad
    width, y = 380, 44

    def x(value: float) -> float:
        return round(16 + (width - 32) * (value - low) / (high - low), 1)

    zero = x(0.0)
    worse, better = ("worse", "better") if increase else ("better", "worse")
    parts = [
        _line("axis", 10, width - 10, y, y),
        _line("z", zero, zero, 22, 66),
        _text(zero, 80, "m", "no change"),
    ]
    if threshold:
        at = x(threshold)
        parts.append(_line("t", at, at, 26, 62))
        if abs(at - zero) > 78:
            parts.append(_text(at, 80, "m", "least wanted"))
    left, right = x(span.lower), x(span.upper)
    parts.append(_line("b", left, right, y, y))
    parts.append(Markup('<circle cx="{}" cy="{}" r="6.5"/>').format(x(span.mean), y))
    if zero > _ROOM:
        parts.append(_text(12, 80, "m", f"← {worse}", "start"))
    if zero < width - _ROOM:
        parts.append(_text(width - 12, 80, "m", f"{better} →", "end"))
    anchors = ((left, labels[0]), (x(span.mean), labels[1]), (right, labels[2]))
    if right - left < 96:
        anchors = ((x(span.mean), f"{labels[1]}  ({labels[0]} to {labels[2]})"),)
    for at, label in anchors:
        place = _clamp(at, 24, width - 24) if len(anchors) == 3 else _clamp(at, 90, width - 90)
        weight = "n" if label == labels[1] or len(anchors) == 1 else "m"
        parts.append(_text(place, 16, weight, label))
    return Markup(
        '<svg class="iv scale {}" viewBox="0 0 {} 88" role="img" aria-label="{}">{}</svg>'
    ).format(span.tone, width, title, Markup("").join(parts))


def _text(x: float, y: float, kind: str, text: str, anchor: str = "middle") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )


def _line(kind: str, x1: float, x2: float, y1: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(kind, x1, x2, y1, y2)
