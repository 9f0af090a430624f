"""What is said of a kind in plain sentences, written by rules.

Here belong the sentences about the average, the next person, how people differ, who is missing and
who moves the average, and what one person should believe given the others. Words for probabilities
and the form of numbers are `sentence`'s; layout belongs to `kind_page`.
"""

from __future__ import annotations

from typing import Final

from its_pipeline.events.keys import shown_id
from its_pipeline.report.html import own_direction
from its_pipeline.report.kinds import Interval, KindInput, KindMember
from its_pipeline.report.sentence import (
    amount_text,
    change_text,
    decimals_for,
    number_text,
    percent,
    probability_word,
    unit_text,
    with_interval,
)

#: Spread of effects between people against the average effect, from which on, INCLUSIVE, it is
#: called more than the average itself, and below which it is called little beside it.
MUCH_SPREAD: Final = 1.0
LITTLE_SPREAD: Final = 1 / 3
#: A member's sd given the others against its own: from the first on, INCLUSIVE, the others hardly
#: change it (they add less than a quarter of the information), below the second they say more than
#: the own days do (more than half of the information is theirs).
OWN_SPEAKS: Final = 0.75**0.5
OTHERS_SPEAK: Final = 0.5**0.5
#: In sds of the average; of members whose going would move it by less, none is named.
MOVES_IT: Final = 0.25

_REASONS: Final = {"waiting": "waiting for days", "not converged": "with no converged answer"}


def headline(
    mean: Interval, direction: str, probability_helps_people: float, minimum_effect: float
) -> str:
    """Return the badge's words: what it does on average, no stronger than the interval allows."""
    if mean.covers_zero:
        return "No clear effect on average"
    if (mean.mean > 0) != (direction == "increase"):
        return "Makes it worse on average"
    if minimum_effect == 0 or probability_helps_people >= 0.66:
        return f"{probability_word(probability_helps_people).capitalize()} helps on average"
    return "Helps on average, maybe too little"


def average_sentence(kind: KindInput) -> str:
    """Say what the average effect is."""
    mean = kind.mean
    decimals = decimals_for(mean.sd, mean.ci_lower, mean.ci_upper)
    outcome, name = own_direction(kind.outcome), own_direction(kind.name)
    if round(abs(mean.mean), decimals) == 0:
        lead = (
            f"On average, {_inside(outcome)} of the {kind.n_people} people has been about where "
            f"it was expected to be without “{name}”"
        )
    else:
        lead = (
            f"On average, {_inside(outcome)} of the {kind.n_people} people has been "
            f"{change_text(mean.mean, kind.unit, decimals)} with “{name}” than expected without it"
        )
    return with_interval(lead, mean.ci_lower, mean.ci_upper, kind.unit, decimals)


def next_sentence(kind: KindInput) -> str:
    """Say what one more person may expect."""
    expected = kind.next_person
    decimals = decimals_for(expected.sd, expected.ci_lower, expected.ci_upper)
    low, high = (
        change_text(value, kind.unit, decimals) for value in (expected.ci_lower, expected.ci_upper)
    )
    least = f" by at least {_minimum(kind)}" if kind.minimum_effect else ""
    return (
        f"A next person may expect between {low} and {high} (95 %); "
        f"{of_ten(kind.probability_next_benefits)} people would benefit{least}."
    )


def of_ten(probability: float) -> str:
    """Return a probability as a frequency, never none and never all of ten."""
    count = round(10 * probability)
    if count == 0:
        return "fewer than 1 of 10"
    return "more than 9 of 10" if count == 10 else f"about {count} of 10"


def spread_sentence(kind: KindInput) -> str:
    """Say how much people differ, beside the average."""
    spread = kind.spread
    decimals = decimals_for(spread.sd, spread.ci_lower, spread.ci_upper)
    low, high = (number_text(n, decimals) for n in (spread.ci_lower, spread.ci_upper))
    ratio = spread.mean / abs(kind.mean.mean) if kind.mean.mean else float("inf")
    if ratio >= MUCH_SPREAD:
        meaning = "more than the average itself, so what holds on average need not hold for one"
    elif ratio < LITTLE_SPREAD:
        meaning = "little beside the average, so most may expect about the same"
    else:
        meaning = "enough for one person's effect to lie well above or below the average"
    return (
        f"Effects differ between people by about {amount_text(spread.mean, kind.unit, decimals)} "
        f"(standard deviation; 95 % interval {low} to {high}): {meaning}."
    )


def missing_sentence(kind: KindInput) -> str:
    """Say who has no estimate and why, and what they may change."""
    total = sum(kind.without_estimate.values())
    if not total:
        return "Everybody who tried it has an estimate, so nobody is left out of the average."
    reasons = ", ".join(
        f"{count} {_REASONS.get(reason, reason)}"
        for reason, count in sorted(kind.without_estimate.items())
        if count
    )
    lead = f"{total} more {_people(total)} no estimate and so no part in this: {reasons}."
    if kind.imputed is None:
        return lead
    filled = kind.imputed
    decimals = decimals_for(filled.sd, filled.ci_lower, filled.ci_upper)
    before, after = (number_text(n, decimals) for n in (kind.mean.mean, filled.mean))
    low, high = (number_text(n, decimals) for n in (filled.ci_lower, filled.ci_upper))
    moved = (
        f"the average stays {after}"
        if before == after
        else f"the average goes from {before} to {after}"
    )
    unit = own_direction(unit_text(after, kind.unit))
    return (
        f"{lead} If it changed nothing for {'them' if total > 1 else 'that one'}, {moved} {unit} "
        f"(95 % interval {low} to {high})."
    ).replace("  ", " ")


def odd_sentence(kind: KindInput) -> str:
    """Say what becomes of the average where odd members count for less, and who moves it most."""
    decimals = decimals_for(kind.mean.sd, kind.mean.ci_lower, kind.mean.ci_upper)
    most = max(kind.members, key=lambda member: abs(member.moved_in_sds))
    parts = []
    if kind.heavy_tailed is not None:
        now, then = (number_text(n, decimals) for n in (kind.mean.mean, kind.heavy_tailed.mean))
        told = f"stays {now}" if now == then else f"is {then} instead of {now}"
        parts.append(f"where odd ones count for less, the average {told}")
    if abs(most.moved_in_sds) < MOVES_IT:
        parts.append("nobody alone moves it noticeably")
    else:
        way = "higher" if most.moved_in_sds > 0 else "lower"
        moved = abs(most.moved_in_sds) * kind.mean.sd
        parts.append(
            f"{shown_id(most.user_id)} moves it most: without them it would be "
            f"{amount_text(moved, kind.unit, decimals)} {way}"
        )
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def alone_sentence(kind: KindInput, member: KindMember) -> str:
    """Say what a person's own days say alone, and what they say given the others."""
    own, pooled = member.own, member.pooled
    decimals = decimals_for(pooled.sd, pooled.ci_lower, pooled.ci_upper)
    others = kind.n_people - 1
    return (
        f"These days alone say {_told(own, kind.unit, decimals)}. Given what the days of {others} "
        f"other {'person' if others == 1 else 'people'} say of the same, it is "
        f"{_told(pooled, kind.unit, decimals)}."
    )


def meaning_sentence(kind: KindInput, member: KindMember) -> str:
    """Say in plain words what the others change in what one person should believe."""
    ratio = member.pooled.sd / member.own.sd if member.own.sd > 0 else 1.0
    if ratio >= OWN_SPEAKS:
        said = "These days say enough by themselves: the others hardly change what to believe"
    elif ratio >= OTHERS_SPEAK:
        said = "These days say most of it, and the others make it surer"
    else:
        said = "These days alone leave much open, so what others found counts for more than they do"
    anyhow = member.probability_of_benefit
    word = probability_word(anyhow, capped=member.pooled.covers_zero)
    least = f" by at least {_minimum(kind)}" if kind.minimum_effect else ""
    return f"{said}. With all of it, it is {word} that it helps here{least} ({percent(anyhow)})."


def effect_text(effect: Interval, unit: str, decimals: int | None = None) -> tuple[str, str]:
    """Return an effect's mean with its unit, and its interval, for tables.

    Parameters
    ----------
    effect, unit
        What it is, and in what.
    decimals
        Of all numbers, where several stand below each other; by default as many as it deserves.
    """
    if decimals is None:
        decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    numbers = (effect.mean, effect.ci_lower, effect.ci_upper)
    mean, low, high = (number_text(number, decimals) for number in numbers)
    sign = "+" if effect.mean > 0 and mean.strip("0.,") else ""
    return f"{sign}{mean} {own_direction(unit_text(mean, unit))}".rstrip(), f"{low} to {high}"


def _told(effect: Interval, unit: str, decimals: int) -> str:
    low, high = (number_text(n, decimals) for n in (effect.ci_lower, effect.ci_upper))
    told = change_text(round(effect.mean, decimals), unit, decimals)
    return f"{told} (95 % interval {low} to {high})"


def _inside(outcome: str) -> str:
    """Return an outcome's name as it stands within a sentence: "Mood" as "mood", "HRV" as it is."""
    return outcome[:1].lower() + outcome[1:] if outcome[1:2].islower() else outcome


def _minimum(kind: KindInput) -> str:
    number = f"{kind.minimum_effect:g}"
    return f"{number} {own_direction(unit_text(number, kind.unit))}".rstrip()


def _people(count: int) -> str:
    return "person has" if count == 1 else "people have"
