"""What a page says ahead of an experiment: how many days it needs, and which design needs fewest.

What belongs here: words, tables and the curve of a plan. What does not: computing it
(`its.planning`), or the templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from its_pipeline.report.html import own_direction
from its_pipeline.report.look_views import PLAN_WORDS
from its_pipeline.report.sentence import decimals_for, number_text, percent

if TYPE_CHECKING:
    from its_pipeline.its.planning.summary import PlanSummary
    from its_pipeline.schedules.cadence import Cadence

_LONGEST: Final = 365
"""Steps beyond which a plan does not look; `its.planning.plan.LONGEST_DAYS`."""
_WIDTH: Final = 560.0
_HEIGHT: Final = 170.0


def planned_view(planned: PlanSummary | None, unit: str) -> dict[str, Any] | None:
    """Return what is shown of a plan; None where there is none.

    Parameters
    ----------
    planned
        The plan in numbers.
    unit
        Unit of the outcome.
    """
    if planned is None:
        return None
    decimals = decimals_for(planned.baseline_sd)

    def amount(value: float) -> str:
        return f"{number_text(value, decimals)} {own_direction(unit)}".rstrip()

    step = planned.calendar.step
    beyond = beyond_text(planned.calendar)
    whose = f"this person's own {step}s" if planned.is_own else f"the {step}s of {_people(planned)}"
    needed = beyond.capitalize()
    if planned.days_needed is not None:
        needed = f"{planned.days_needed} {step}s"
    return {
        "headline": (
            f"{needed} with it, until an effect of {amount(planned.effect)} is told with a "
            f"probability of {percent(planned.power)}"
        ),
        "words": (
            f"Planned from {whose} ({planned.n_baseline} observed), as their noise, its drift and "
            f"missing {step}s may be. How it will be looked at: "
            f"{planned.calendar.worded(PLAN_WORDS[planned.looks])}"
        ),
        "step": step,
        "picture": power_svg(planned),
        "curve": [
            {"days": n, "powers": [percent(p, short=True) for p in powers]}
            for n, powers in planned.curve.items()
        ],
        "effects": [amount(factor * planned.effect) for factor in (0.5, 1.0, 2.0)],
        "detectable": [
            {"days": n, "effect": amount(value) if isfinite(value) else "none"}
            for n, value in planned.detectable.items()
        ],
        "designs": [
            {"name": planned.calendar.worded(name), "days": beyond if days is None else str(days)}
            for name, days in planned.by_design.items()
        ],
    }


def beyond_text(calendar: Cadence) -> str:
    """Return in words that a plan needs more than the longest that is planned for."""
    return "more than a year" if calendar.is_daily else f"more than {_LONGEST} {calendar.step}s"


def _people(planned: PlanSummary) -> str:
    if planned.n_people == 1:
        return "one other person, because nothing is known of this one yet"
    return f"{planned.n_people} other people, because too little is known of this one yet"


def power_svg(planned: PlanSummary) -> Markup:
    """Draw the probability of a verdict over the days, for half, once and twice the effect."""
    days, step = list(planned.curve), planned.calendar.step
    first, last = log(days[0]), log(days[-1])

    def x(n: float) -> float:
        return 30.0 + (_WIDTH - 44.0) * (log(n) - first) / (last - first)

    def y(power: float) -> float:
        return _HEIGHT - 22.0 - (_HEIGHT - 34.0) * power

    def line(powers: Sequence[float]) -> str:
        points = (f"{x(n):.1f} {y(p):.1f}" for n, p in zip(days, powers, strict=True))
        return "M" + "L".join(points)

    columns = list(zip(*planned.curve.values(), strict=True))
    lines = Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(kind, line(column))
        for kind, column in zip(("half", "whole", "twice"), columns, strict=True)
    )
    ticks = Markup("").join(
        Markup('<text class="m" x="{:.1f}" y="{:.0f}" text-anchor="middle">{}</text>').format(
            x(n), _HEIGHT - 6, n
        )
        for n in days
    )
    words = f"Probability of a verdict over the number of {step}s: " + ", ".join(
        f"{n} {step}s {percent(powers[1])}" for n, powers in planned.curve.items()
    )
    return Markup(
        '<svg class="looks" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">'
        '<path class="zero" d="M30 {:.1f}H{:.0f}"/>{}{}'
        '<text class="m" x="0" y="{:.1f}">{}</text></svg>'
    ).format(
        _WIDTH,
        _HEIGHT,
        words,
        y(planned.power),
        _WIDTH - 8,
        lines,
        ticks,
        y(planned.power) + 4,
        f"{100 * planned.power:.0f} %",
    )
