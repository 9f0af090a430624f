"""A person's days as a small picture on which they choose the first one.

What belongs here: the drawing. What does not: reading the days (`workers.file_jobs`), or the figure
of an answer (`its.plots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from markupsafe import Markup

from its_pipeline.schedules.cadence import DAYS, Cadence, session_of

_WIDTH: Final = 640.0
_HEIGHT: Final = 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 8.0, 8.0, 26.0


def days_svg(
    days: Sequence[tuple[date, float | None]],
    marked_on: date | None,
    words: str,
    calendar: Cadence = DAYS,
) -> Markup:
    """Draw values over days, a chosen one marked.

    The page's script reads which day is pointed at from the first and last day and the margins,
    which are in the drawing.

    Parameters
    ----------
    days
        In order; None is a day without a value.
    marked_on
        The chosen day, or None.
    words
        What the picture shows, for those who cannot see it.
    calendar
        The days' unit of time: of sessions the script is told the numbers.
    """
    known = [(day, value) for day, value in days if value is not None]
    if not known:
        return Markup("")
    first, last = days[0][0], days[-1][0]
    span = max((last - first).days, 1)
    values = [value for _, value in known]
    low, high = min(values), max(values)
    height = (high - low) or 1.0

    def x(day: date) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (day - first).days / span

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - low) / height

    def named(day: date) -> object:
        return session_of(day) if calendar.is_sessions else day

    radius = 3.0 if len(known) <= 150 else 1.6
    dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}"/>')
    dots = Markup("").join(dot.format(x(day), y(value), radius) for day, value in known)
    at = x(min(max(marked_on, first), last)) if marked_on is not None else -9.0
    return Markup(
        '<svg class="days-chart" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}" '
        'data-first="{}" data-last="{}" data-left="{}" data-right="{}">'
        '<path class="axis" d="M{} {:.1f}H{}"/>{}'
        '<text x="{}" y="14" text-anchor="end">{:.4g}</text>'
        '<text x="{}" y="{:.0f}" text-anchor="end">{:.4g}</text>'
        '<path class="mark" d="M{:.1f} 4V{:.1f}"/>'
        '<text x="{}" y="{:.0f}">{}</text>'
        '<text x="{:.0f}" y="{:.0f}" text-anchor="end">{}</text></svg>'
    ).format(
        _WIDTH,
        _HEIGHT,
        words,
        named(first),
        named(last),
        _LEFT,
        _RIGHT,
        _LEFT,
        _HEIGHT - _BOTTOM + 6,
        _WIDTH - _RIGHT,
        dots,
        _LEFT - 8,
        high,
        _LEFT - 8,
        _HEIGHT - _BOTTOM,
        low,
        at,
        _HEIGHT - _BOTTOM + 6,
        _LEFT,
        _HEIGHT - 4,
        calendar.told(first),
        _WIDTH - _RIGHT,
        _HEIGHT - 4,
        calendar.told(last),
    )
