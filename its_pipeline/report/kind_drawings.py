"""The pictures of a kind as SVG: the forest of its members, and the days on which each began.

What belongs here: SVG written by hand from numbers, coloured by the page's style sheet. What does
not: small intervals of tables (`drawing`), or which members are shown (`kind_page`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import floor, log10
from typing import Final

from markupsafe import Markup

from its_pipeline.report.kinds import Interval, Series
from its_pipeline.report.sentence import date_text, number_text

_WIDTH: Final = 760
_LEFT, _RIGHT = 168, 592
"""Pixels between which effects, or days, are drawn; names stand left of them, numbers right."""
_ROW: Final = 22
_TOP: Final = 34
#: Times the widest interval given the others up to which own intervals are shown whole.
_OWN_REACH: Final = 1.5
_MOST_TICKS: Final = 6
_BAND: Final = 46
_GRID: Final = Markup(
    '<path class="grid" d="M{x} {top}V{bottom}"/>'
    '<text class="m" x="{x}" y="{below}" text-anchor="{anchor}">{text}</text>'
)


@dataclass(frozen=True)
class ForestLine:
    """One line of a forest.

    Parameters
    ----------
    name
        At its left.
    told
        Its numbers in words, at its right.
    effect
        What is drawn boldly.
    own
        What its own days say alone, drawn thinly behind; None of the average and the next person.
    tone
        Class of the style sheet.
    """

    name: str
    told: str
    effect: Interval
    own: Interval | None
    tone: str


def forest_svg(
    summary: Sequence[ForestLine], members: Sequence[ForestLine], better: str, words: str
) -> Markup:
    """Draw effects one below the other on one scale, the average and the next person on top.

    Parameters
    ----------
    summary
        The average first.
    members
        In the order in which they are drawn.
    better
        Words at the side of zero that was hoped for, "lower" or "higher".
    words
        What the picture says, for those who cannot see it.
    """
    lines = [*summary, *members]
    low, high = _range(lines)
    scale = (_RIGHT - _LEFT) / (high - low)

    def x(value: float) -> float:
        return round(_LEFT + (min(max(value, low), high) - low) * scale, 1)

    gap = 14
    height = _TOP + _ROW * len(lines) + gap + 26
    bottom = height - 24
    decimals, ticks = _ticks(low, high)
    parts = [
        *[
            _GRID.format(
                x=x(tick),
                top=_TOP - 8,
                bottom=bottom,
                below=height - 8,
                anchor="middle",
                text=number_text(tick, decimals),
            )
            for tick in ticks
        ],
        Markup('<path class="z" d="M{} {}V{}"/>').format(x(0.0), _TOP - 12, bottom),
        Markup('<path class="avg" d="M{} {}V{}"/>').format(
            x(summary[0].effect.mean), _TOP - 8, bottom
        ),
        _side(x(0.0), better),
    ]
    y = float(_TOP + _ROW / 2 - 4)
    for number, line in enumerate(lines):
        if number == len(summary):
            parts.append(Markup('<path class="rule" d="M0 {0}H{1}"/>').format(y - 4, _WIDTH))
            y += gap
        is_summary = number < len(summary)
        weight = "n" if is_summary else ""
        parts.append(
            Markup('<text class="{}" x="0" y="{}">{}</text>').format(weight, y + 4, _cut(line.name))
        )
        parts.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="end">{}</text>').format(
                weight, _WIDTH, y + 4, line.told
            )
        )
        if line.own is not None:
            parts.append(_own(line.own, y, (low, high), x))
        left, right = x(line.effect.ci_lower), x(line.effect.ci_upper)
        parts.append(
            Markup('<g class="{}"><path class="b" d="M{} {}H{}"/>{}</g>').format(
                line.tone, left, y, max(right, left + 1), _mark(x(line.effect.mean), y, is_summary)
            )
        )
        y += _ROW
    return Markup(
        '<svg class="forest-plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, height, words, Markup("").join(parts))


@dataclass(frozen=True)
class StartLine:
    """One person's days and the day on which they began.

    Parameters
    ----------
    name
        At its left.
    series
        Daily values.
    started_on
        The first day with the intervention.
    """

    name: str
    series: Series
    started_on: date


def starts_svg(lines: Sequence[StartLine], words: str) -> Markup:
    """Draw one row a person over shared dates, the start marked: a multiple-baseline picture.

    Each row has a scale of its own; gaps are days without data.

    Parameters
    ----------
    lines
        In the order in which they are drawn.
    words
        What the picture says, for those who cannot see it.
    """
    first = min(line.series.days[0] for line in lines)
    last = max(line.series.days[-1] for line in lines)
    right = _WIDTH - 12
    scale = (right - _LEFT) / max((last - first).days, 1)

    def x(day: date) -> float:
        return round(_LEFT + (day - first).days * scale, 1)

    height = 8 + _BAND * len(lines) + 24
    parts = []
    for tick in _dates(first, last):
        parts.append(
            _GRID.format(
                x=x(tick),
                top=4,
                bottom=height - 22,
                below=height - 6,
                anchor="start" if tick == first else "end" if tick == last else "middle",
                text=date_text(tick),
            )
        )
    for number, line in enumerate(lines):
        top = 8 + _BAND * number
        start = x(line.started_on)
        end = x(line.series.days[-1])
        parts.append(
            Markup('<rect class="with" x="{}" y="{}" width="{}" height="{}"/>').format(
                start, top, max(round(end - start, 1), 1), _BAND - 8
            )
        )
        parts.append(Markup('<path class="line" d="{}"/>').format(_path(line.series, x, top)))
        parts.append(
            Markup('<path class="start" d="M{} {}v{}"/>').format(start, top - 3, _BAND - 2)
        )
        parts.append(
            Markup('<text x="0" y="{}">{}</text>').format(top + _BAND / 2, _cut(line.name))
        )
    return Markup(
        '<svg class="starts" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, height, words, Markup("").join(parts))


def _range(lines: Sequence[ForestLine]) -> tuple[float, float]:
    """Return the ends of the scale: all that is bold, and own intervals as far as they are near."""
    ends = [0.0]
    for line in lines:
        ends += [line.effect.ci_lower, line.effect.ci_upper]
    low, high = min(ends), max(ends)
    room = (_OWN_REACH - 1) / 2 * (high - low) or 1.0
    own = [line.own for line in lines if line.own is not None]
    low = max(low - room, min([low, *[each.ci_lower for each in own]]))
    high = min(high + room, max([high, *[each.ci_upper for each in own]]))
    pad = 0.02 * (high - low) or 1.0
    return low - pad, high + pad


def _ticks(low: float, high: float) -> tuple[int, list[float]]:
    """Return round numbers within a range, and how many decimals they have."""
    rough = (high - low) / _MOST_TICKS
    power = floor(log10(rough))
    step = next(m * 10.0**power for m in (1, 2, 5, 10) if m * 10.0**power >= rough)
    first = int(-(-low // step))
    ticks = [n * step for n in range(first, int(high // step) + 1)]
    return max(0, -floor(log10(step) + 1e-9)), ticks


def _side(zero: float, better: str) -> Markup:
    is_right = better == "higher"
    at, anchor = (zero + 8, "start") if is_right else (zero - 8, "end")
    text = "better →" if is_right else "← better"
    return Markup('<text class="m" x="{}" y="12" text-anchor="{}">{}</text>').format(
        at, anchor, text
    )


def _own(own: Interval, y: float, ends: tuple[float, float], x: Callable[[float], float]) -> Markup:
    left, right = x(own.ci_lower), x(own.ci_upper)
    heads = ""
    if own.ci_lower < ends[0]:
        heads += f"M{left - 5} {y}l7-4v8z"
    if own.ci_upper > ends[1]:
        heads += f"M{right + 5} {y}l-7-4v8z"
    circle = ""
    if ends[0] <= own.mean <= ends[1]:
        circle = Markup('<circle cx="{}" cy="{}" r="3.6"/>').format(x(own.mean), y)
    head = Markup('<path class="head" d="{}"/>').format(heads) if heads else ""
    return Markup('<g class="own"><path d="M{} {}H{}"/>{}{}</g>').format(
        left, y, right, head, circle
    )


def _mark(x: float, y: float, is_summary: bool) -> Markup:
    if is_summary:
        return Markup('<path class="d" d="M{} {}l6 6-6 6-6-6z"/>').format(x, y - 6)
    return Markup('<circle cx="{}" cy="{}" r="4"/>').format(x, y)


def _cut(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _dates(first: date, last: date) -> list[date]:
    """Return a few dates from the first to the last, evenly spread."""
    days = (last - first).days
    count = min(4, max(days, 1))
    return [first + timedelta(days=round(days * n / count)) for n in range(count + 1)]


def _path(series: Series, x: Callable[[date], float], top: float) -> str:
    known = [value for value in series.values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    scale = (_BAND - 14) / (high - low) if high > low else 0.0
    parts, pen = [], "M"
    previous: date | None = None
    for day, value in zip(series.days, series.values, strict=True):
        if value is None:
            pen = "M"
            continue
        if previous is not None and (day - previous).days > 1:
            pen = "M"
        y = round(top + _BAND - 11 - (value - low) * scale, 1)
        # A line of no length, so that a day between two gaps is seen as a dot.
        parts.append(f"{pen}{x(day)} {y}" + ("h0" if pen == "M" else ""))
        pen, previous = "L", day
    return "".join(parts)
