"""What a page says of looking again and again: how sure it has become, and since when.

What belongs here: the words and the picture of the looks that were taken. What does not: what a
look may say (`its.decisions`), the answer itself (`sentence`), or the templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from its_pipeline.report.html import own_direction
from its_pipeline.report.sentence import date_text, decimals_for, number_text, percent
from its_pipeline.schedules.cadence import DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.its.decisions.looks import Look
    from its_pipeline.its.decisions.standing import Standing

PLAN_WORDS: Final[Mapping[str, str]] = {
    "daily": "every day, most of the error kept for the end (O'Brien-Fleming type)",
    "pocock": "every day, the error spent evenly (Pocock type)",
    "hwang_shih_decani": "every day, most of the error kept for the end (Hwang-Shih-DeCani)",
    "haybittle_peto": "every day, and before the end only what is beyond three standard errors",
    "at_end": "a verdict only at the end",
    "always_valid": "every day, without a last one",
}
_HIGHEST: Final = 5.0
_WIDTH: Final = 560.0
_HEIGHT: Final = 170.0


def looks_view(
    looks: Sequence[Look],
    standing: Standing | None,
    unit: str,
    calendar: Cadence = DAYS,
    times: float = 1.0,
) -> dict[str, Any] | None:
    """Return what is shown of the looks taken; None where there were none.

    Parameters
    ----------
    looks
        All of them, in order.
    standing
        What they come to.
    unit
        Unit of the outcome.
    calendar
        The unit of time of its days.
    times
        What effects are multiplied by to be in `unit`.
    """
    if standing is None or not looks:
        return None
    last, step = looks[-1], calendar.step
    words = (
        f"Looked at on {len(looks)} {step}{'s' * (len(looks) > 1)}, the last one "
        f"{date_text(last.looked_on, calendar)}, with {percent(standing.information_share)} of the "
        f"information that is planned until {date_text(last.planned_until_on, calendar)}. How: "
        f"{calendar.worded(PLAN_WORDS[last.plan])}"
    )
    return {
        "words": words,
        "picture": looks_svg(looks),
        "corrected": _corrected(standing, unit, step, times),
        "rows": [_row(look, calendar) for look in reversed(looks[-_SHOWN:])],
        "more": max(0, len(looks) - _SHOWN),
    }


_SHOWN: Final = 12


def _row(look: Look, calendar: Cadence) -> dict[str, str]:
    said = {"helped": "helped", "made_worse": "made it worse", "": "nothing yet"}
    return {
        "on": date_text(look.looked_on, calendar),
        "information": percent(min(1.0, look.information / look.planned_information)),
        "z": number_text(look.z, 2),
        "boundary": number_text(look.boundary, 2) if isfinite(look.boundary) else "none",
        "said": said[look.said],
    }


def _corrected(standing: Standing, unit: str, step: str, times: float) -> str:
    found = standing.corrected
    if found is None:
        return ""
    decimals = decimals_for(times * (found.ci_upper - found.ci_lower) / 4.0)
    mean, lower, upper = (
        number_text(times * value, decimals)
        for value in (found.mean, found.ci_lower, found.ci_upper)
    )
    told = f" {own_direction(unit)}" if unit else ""
    return (
        f"A verdict is reached on a {step} on which the effect looks large, so the estimate of "
        f"that {step} is too large on average. Corrected for having been reached then it is "
        f"{mean}{told} (95 % confidence interval {lower} to {upper}), too large as often "
        "as too small"
    )


def looks_svg(looks: Sequence[Look]) -> Markup:
    """Draw z and its boundaries over the information, both directions.

    Parameters
    ----------
    looks
        In order; at least one.
    """
    furthest = max(1.0, looks[-1].planned_information, looks[-1].information)

    def x(information: float) -> float:
        return 30.0 + (_WIDTH - 40.0) * information / furthest

    def y(z: float) -> float:
        return _HEIGHT / 2 - (_HEIGHT / 2 - 8.0) * min(max(z / _HIGHEST, -1.0), 1.0)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)

    reachable = [look for look in looks if look.boundary <= _HIGHEST]
    lines = [
        Markup('<path class="bound" d="{}"/>').format(
            path([(x(look.information), y(side * look.boundary)) for look in reachable])
        )
        for side in (1.0, -1.0)
        if reachable
    ]
    track = Markup('<path class="track" d="{}"/>').format(
        path([(x(look.information), y(look.z)) for look in looks])
    )
    points = Markup("").join(
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(
            "said" if look.said else "look", x(look.information), y(look.z), 4 if look.said else 2.2
        )
        for look in looks
    )
    words = (
        f"How sure a benefit is at each look against what it needs: {number_text(looks[-1].z, 1)} "
        + (
            f"now, {number_text(looks[-1].boundary, 1)} needed"
            if looks[-1].boundary < inf
            else "now, nothing can be said yet"
        )
    )
    return Markup(
        '<svg class="looks" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">'
        '<path class="zero" d="M30 {:.1f}H{:.0f}"/><path class="zero" d="M{:.1f} 4V{:.0f}"/>{}{}{}'
        '<text class="m" x="34" y="14">helped ↑</text>'
        '<text class="m" x="34" y="{:.0f}">made it worse ↓</text></svg>'
    ).format(
        _WIDTH,
        _HEIGHT,
        words,
        _HEIGHT / 2,
        _WIDTH - 8,
        x(looks[-1].planned_information),
        _HEIGHT - 4,
        Markup("").join(lines),
        track,
        points,
        _HEIGHT - 6,
    )
