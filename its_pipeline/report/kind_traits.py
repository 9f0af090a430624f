"""Whom it helps more, and the kind as single-case studies report it, in plain sentences.

Here belong the sentences about traits and about the between-case effect, for pages and for the
command line. Sentences about the average, the spread and the next person are `kind_words`'; where
the numbers come from belongs to `experiments`.
"""

from __future__ import annotations

from typing import Final

from its_pipeline.report.html import own_direction
from its_pipeline.report.kinds import KindBetweenCase, KindSlope, KindTraits
from its_pipeline.report.sentence import amount_text, decimals_for, number_text

#: Who has the higher value of a trait: of designs; everything else is named as declared.
_DESIGNS: Final = {
    "baseline_days": "People with more baseline days",
    "on_and_off": "People who went on and off again",
    "by_lot": "People whose days a lot drew",
    "normal_likelihood": "People whose days were analysed as normal",
}


def trait_sentences(traits: KindTraits, unit: str, direction: str) -> list[str]:
    """Say of each trait who benefits more, and what the traits leave open.

    Parameters
    ----------
    traits
        The regression.
    unit, direction
        Of the kind's effects, and which way a benefit points.
    """
    named = " and ".join(_title(name) for name in traits.names)
    if traits.refused:
        return [f"Whether it helps some more by {named} is not told: {traits.refused}."]
    said = [_slope_sentence(slope, traits, unit, direction) for slope in traits.slopes]
    if traits.spread is not None and traits.spread_without is not None:
        after, before = traits.spread, traits.spread_without
        decimals = decimals_for(after.sd, after.mean)
        said.append(
            f"People who are alike in {named} still differ by about "
            f"{amount_text(after.mean, unit, decimals)} (standard deviation); "
            f"without a look at {named} it is {number_text(before.mean, decimals)}."
        )
    if traits.n_without:
        has = "person with an estimate has" if traits.n_without == 1 else "with an estimate have"
        said.append(f"{traits.n_without} {has} no value of {named} and no part in this comparison.")
    said.append("Nobody drew lots for traits: something that goes along with one may be behind it.")
    return said


def _slope_sentence(slope: KindSlope, traits: KindTraits, unit: str, direction: str) -> str:
    who, beside, step = _who(slope, traits)
    sign = 1.0 if direction == "increase" else -1.0
    ends = (slope.effect.ci_lower, slope.effect.ci_upper)
    low, high = sorted(sign * step * end for end in ends)
    mean, sd = sign * step * slope.effect.mean, step * slope.effect.sd
    decimals = decimals_for(sd, low, high)
    amount, more = amount_text(mean, unit, decimals), "more" if mean > 0 else "less"
    if low <= 0 <= high:
        lowest, highest = (number_text(end, decimals) for end in (low, high))
        return (
            f"{who} may benefit as much as others: the difference is {amount} {more} benefit"
            f"{beside} (95 % interval {lowest} to {highest})."
        )
    near, far = sorted((abs(low), abs(high)))
    return (
        f"{who} benefit {more}: by {amount}{beside} (95 % interval "
        f"{number_text(near, decimals)} to {number_text(far, decimals)})."
    )


def _who(slope: KindSlope, traits: KindTraits) -> tuple[str, str, float]:
    """Return who is compared with the others, per what, and how much of the trait that is."""
    title = _title(slope.trait)
    if slope.groups is None:
        decimals = decimals_for(slope.trait_sd)
        per = f" for every {number_text(slope.trait_sd, decimals)} more, one standard deviation"
        who = _DESIGNS.get(slope.trait, f"People with higher {title}")
        return who, per, slope.trait_sd
    low, high = slope.groups
    who = _DESIGNS.get(slope.trait, f"People with {title}")
    if (low, high) != (0.0, 1.0):
        who = f"People with {title} {high:g}, not {low:g},"
    count = f" ({slope.n_in_higher_group} of {traits.n_people})"
    return who + count, "", high - low


def between_case_sentences(found: KindBetweenCase) -> list[str]:
    """Say what single-case studies would report, and why ours is another number.

    Parameters
    ----------
    found
        The estimator's numbers beside ours.
    """
    if found.refused:
        return [f"The between-case effect of single-case studies is not there: {found.refused}."]
    g = found.g
    if g is None:
        raise ValueError("a between-case effect that is not refused should have its numbers")
    numbers = (found.d, g.mean, g.ci_lower, g.ci_upper, found.ours)
    d, mean, low, high, ours = (number_text(n, 2) for n in numbers)
    reml = ""
    if found.g_by_reml is not None:
        by = found.g_by_reml
        ends = (number_text(n, 2) for n in (by.mean, by.ci_lower, by.ci_upper))
        reml = "; by restricted maximum likelihood g = {} ({} to {})".format(*ends)
    unit = found.unit
    decimals = decimals_for(0.1 * found.sd, found.sd)
    both, own = (amount_text(n, unit, decimals) for n in (found.sd, found.own_sd))
    return [
        f"In the terms of single-case studies ({found.design} over {found.n_cases} people and "
        f"{found.n_occasions} observed values), the effect is g = {mean} (95 % interval {low} to "
        f"{high}; without the correction for few degrees of freedom d = {d}){reml}. The average "
        f"above is {ours} standard deviations of people's own days without it.",
        "The two are not the same quantity: g counts every person alike and divides by how much "
        f"values vary over people and days together ({both}), so it is small where people differ "
        "in level; ours counts people by what their days say and divides by how much each one's "
        f"own days vary ({own}). g is the one to compare with studies of groups.",
    ]


def _title(name: str) -> str:
    return own_direction(name.replace("_", " "))
