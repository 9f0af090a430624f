"""The answer in two plain sentences, written by rules.

Here belong the words for probabilities, in one table, and the rules that turn numbers into
sentences that claim no more than the numbers carry. Where the numbers come from belongs to `its`;
how they are laid out to `page`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import floor, log10
from typing import TYPE_CHECKING, Final

from its_pipeline.report.finding import Finding, Kind
from its_pipeline.report.html import own_direction
from its_pipeline.schedules.cadence import DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.its.decisions.standing import Standing

#: From which probability on a word may be used, INCLUSIVE. The five plain levels of the IPCC's
#: guidance note on uncertainty (Mastrandrea et al. 2010, table 1). Its stronger words ("virtually
#: certain") are left out on purpose: one change in one person cannot carry them.
PROBABILITY_WORDS: Final[tuple[tuple[float, str], ...]] = (
    (0.90, "very likely"),
    (0.66, "likely"),
    (0.33, "about as likely as not"),
    (0.10, "unlikely"),
    (0.0, "very unlikely"),
)

PROVISO: Final = "if nothing else changed at that time"
PROVISO_ON_AND_OFF: Final = "if nothing else came and went with it"
PROVISO_BY_LOT: Final = "as the lot alone decided the days"


@dataclass(frozen=True)
class Answer:
    """What a person is told.

    Parameters
    ----------
    headline
        A few words for a badge.
    sentences
        The finding with its interval, then the probability with its limits.
    kind
        Which answer it is.
    """

    headline: str
    sentences: tuple[str, str]
    kind: Kind

    @property
    def text(self) -> str:
        """Both sentences."""
        return " ".join(self.sentences)


def answer_sentences(finding: Finding) -> Answer:
    """Write the answer.

    An interval that covers zero is said so and never gets a stronger word than "likely"; so does
    any answer with warnings, and "possible" where a warning contradicts it. While days still come,
    an answer holds "so far"; of an experiment that is looked at again and again, nothing is said to
    have helped ahead of the boundary. No sentence calls anything significant, proved or certain.
    """
    effect = _effect_sentence(finding)
    if finding.multiplied:
        effect = f"{effect.removesuffix('.')}; {finding.multiplied}."
    return Answer(_headline(finding), (effect, _verdict(finding)), finding.kind)


def probability_word(probability: float, capped: bool = False) -> str:
    """Return the word for a probability; with `capped`, none stronger than (un)likely."""
    word = next(word for bound, word in PROBABILITY_WORDS if probability >= bound)
    return word.removeprefix("very ") if capped else word


def _word(finding: Finding, probability: float) -> str:
    """Return the word for a probability that interval and warnings leave standing."""
    capped = finding.covers_zero or bool(finding.doubts) or finding.kind in ("open", "unclear")
    word = probability_word(probability, capped=capped)
    return "possible" if finding.contradicted and word == "likely" else word


def _likely(finding: Finding) -> str:
    """Return the strongest word that an interval which covers zero may have."""
    return "possibly" if finding.contradicted else "likely"


def _proviso(finding: Finding) -> str:
    if finding.by_lot:
        return finding.calendar.worded(PROVISO_BY_LOT)
    return PROVISO_ON_AND_OFF if finding.is_on_and_off else PROVISO


def _so_far(finding: Finding) -> str:
    return "" if finding.ongoing_until is None else " so far"


def percent(probability: float, short: bool = False) -> str:
    """Return a probability for people: whole percent, never 0 or 100; `short` for tables."""
    if probability > 0.99:
        return "> 99 %" if short else "more than 99 %"
    if probability < 0.01:
        return "< 1 %" if short else "less than 1 %"
    return f"{100 * probability:.0f} %"


def decimals_for(sd: float, *numbers: float) -> int:
    """Return the decimals that an uncertainty deserves: two digits of `sd`, 0 to 4 of them.

    One more where a number that is not zero would read as zero.
    """
    reference = sd if sd > 0 else max((abs(number) for number in numbers), default=0.0)
    decimals = 0 if reference == 0 else min(4, max(0, 1 - floor(log10(reference))))
    while decimals < 4 and any(n != 0 and round(abs(n), decimals) == 0 for n in numbers):
        decimals += 1
    return decimals


def number_text(value: float, decimals: int) -> str:
    """Return a number with a true minus sign and thousands separators."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "−")


def date_text(day: date, calendar: Cadence = DAYS) -> str:
    """Return a date as people write it, e.g. "15 August 2026"; the same in every locale.

    Of a series that is numbered by sessions, "session 12".
    """
    if calendar.is_sessions:
        return calendar.told(day)
    months = "January February March April May June July August September October November December"
    return f"{day.day} {months.split()[day.month - 1]} {day.year}"


def unit_text(number: str, unit: str) -> str:
    """Return a unit as it agrees with a number that is written before it: "1 point", "2 points".

    Parameters
    ----------
    number
        As written; 1.0 takes the plural, as in speech.
    unit
        As declared, in the plural: its last word is what is counted, or the one ahead of "per",
        "of", "a" and the like.
    """
    words = unit.split()
    if number.lstrip("−-+") != "1" or not words:
        return unit
    joined = [at for at, word in enumerate(words) if at and word in ("per", "of", "a", "an", "/")]
    counted = (joined[0] if joined else len(words)) - 1
    word = words[counted]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        words[counted] = word[:-1]
    return " ".join(words)


def amount_text(value: float, unit: str, decimals: int) -> str:
    """Return how large a change is, whatever its side, with its unit."""
    number = number_text(abs(value), decimals)
    return f"{number} {own_direction(unit_text(number, unit))}".rstrip()


def _side(value: float) -> str:
    return "higher" if value > 0 else "lower"


def _effect_sentence(finding: Finding) -> str:
    """Say how far the outcome lay from its counterfactual, and how sure that is."""
    lower, upper = finding.ci_lower, finding.ci_upper
    decimals = decimals_for(finding.sd, lower, upper)
    outcome = own_direction(finding.outcome[:1].upper() + finding.outcome[1:])
    name, step = own_direction(finding.name), finding.calendar.step
    if round(abs(finding.mean), decimals) == 0:
        where = f"on {step}s with “{name}” " if finding.is_on_and_off else ""
        without = "it" if finding.is_on_and_off else f"“{name}”"
        lead = (
            f"{outcome} has been {where}on average about where it was expected to be without "
            f"{without}"
        )
    else:
        amount = amount_text(finding.mean, finding.unit, decimals)
        when = f"on {step}s with “{name}”" if finding.is_on_and_off else f"since “{name}” began"
        lead = (
            f"{outcome} has been on average {amount} {_side(finding.mean)} {when} than expected "
            "without it"
        )
    return with_interval(lead, lower, upper, finding.unit, decimals)


def with_interval(lead: str, lower: float, upper: float, unit: str, decimals: int) -> str:
    """Return a sentence about an effect with its 95 % interval behind it.

    Parameters
    ----------
    lead
        The sentence without its full stop.
    lower, upper
        Of the interval, in `unit`; one that covers zero is said so.
    unit
        As declared; may be empty.
    decimals
        Of all numbers.
    """
    if lower <= 0 <= upper:
        low, high = change_text(lower, unit, decimals), change_text(upper, unit, decimals)
        if low == high:
            return f"{lead}."
        return f"{lead}, but the 95 % interval goes from {low} to {high} and includes no change."
    near, far = sorted((lower, upper), key=abs)
    return (
        f"{lead} (95 % interval {number_text(abs(near), decimals)} to "
        f"{change_text(far, unit, decimals)})."
    )


def change_text(value: float, unit: str, decimals: int) -> str:
    """Return a change as an amount and its side, e.g. "2.1 points lower"; zero is "no change"."""
    if value == 0:
        return "no change"
    return f"{amount_text(value, unit, decimals)} {_side(value)}"


def _verdict(finding: Finding) -> str:
    """Say how probable a benefit is, in words that the numbers carry."""
    kind = finding.kind
    if finding.standing is not None and finding.standing.is_doubted:
        core = _doubted(finding, finding.standing)
    elif kind == "helped":
        core = _helped(finding)
    elif kind == "harmed":
        word = _word(finding, 1 - finding.probability_of_any_benefit)
        core = (
            f"It is {word} that it made things worse{_so_far(finding)}, {_proviso(finding)}: the "
            f"probability that it helped is {percent(finding.probability_of_any_benefit)}"
            f"{_reached(finding)}"
        )
    elif kind == "negligible":
        smallest = _minimum(finding)
        core = (
            f"If there is an effect{_so_far(finding)}, it is {_likely(finding)} smaller than "
            f"the {smallest} named as the least that matters: the probability that it helped by at "
            f"least as much is {percent(finding.probability_of_benefit)}"
        )
    elif kind == "open" and finding.standing is not None:
        core = (
            f"So far it is not sure whether it helped: {_undecided(finding)}, and the "
            f"{finding.calendar.step}s hold "
            f"{percent(finding.standing.information_share)} of the information planned until "
            f"{date_text(finding.standing.last.planned_until_on, finding.calendar)}"
        )
    elif kind == "open" and finding.ongoing_until is not None:
        core = (
            f"It is too early to tell whether it helped: {_undecided(finding)}, and "
            f"{finding.calendar.step}s are counted until "
            f"{date_text(finding.ongoing_until, finding.calendar)}"
        )
    else:
        core = f"The data do not tell whether it helped: {_undecided(finding)}"
    if not finding.doubts:
        return f"{core}."
    return f"{core}; but the warnings weaken this ({'; '.join(finding.doubts)})."


def _helped(finding: Finding) -> str:
    """Say how probable a benefit is, and separately one as large as was asked for."""
    anyhow, so_far = finding.probability_of_any_benefit, _so_far(finding)
    lead = f"It is {_word(finding, anyhow)} that it helped{so_far}, {_proviso(finding)}"
    if finding.minimum_effect == 0:
        return f"{lead}: the probability is {percent(anyhow)}{_reached(finding)}"
    wanted = finding.probability_of_benefit
    return (
        f"{lead} (probability {percent(anyhow)}), and {_word(finding, wanted)} that it helped by "
        f"at least {_minimum(finding)} ({percent(wanted)}){_reached(finding)}"
    )


def _reached(finding: Finding) -> str:
    """Say when a verdict was reached, and what the days since make of it."""
    standing = finding.standing
    if standing is None or standing.crossed is None:
        return ""
    return f"; this was reached on {date_text(standing.crossed.looked_on, finding.calendar)}"


def _doubted(finding: Finding, standing: Standing) -> str:
    """Say what was reached, and that later days speak less for it."""
    what = "helped" if finding.kind == "helped" else "made things worse"
    if standing.crossed is None:
        raise ValueError(f"a doubted verdict should have a look that reached it: {finding.name}")
    return (
        f"On {date_text(standing.crossed.looked_on, finding.calendar)} it was sure enough that it "
        f"{what}, {_proviso(finding)}, but the {finding.calendar.step}s since leave it less sure: "
        f"the probability that it helped is now "
        f"{percent(finding.probability_of_any_benefit)}"
    )


def _undecided(finding: Finding) -> str:
    """State the probability behind an answer that stays open, never beyond "likely"."""
    anyhow = finding.probability_of_any_benefit
    text = f"the probability is {percent(anyhow)} ({_word(finding, anyhow)})"
    if finding.minimum_effect == 0:
        return text
    return (
        f"{text}, and {percent(finding.probability_of_benefit)} that it helped by at least "
        f"{_minimum(finding)}"
    )


def _minimum(finding: Finding) -> str:
    number = f"{finding.minimum_effect:g}"
    return f"{number} {own_direction(unit_text(number, finding.unit))}".rstrip()


def _headline(finding: Finding) -> str:
    """Return the badge's words."""
    if finding.kind == "open":
        word = _word(finding, finding.probability_of_any_benefit)
        if finding.standing is None or word == "about as likely as not":
            return "Too early to tell"
        return f"{word.capitalize()}, not yet sure"
    if finding.kind == "unclear":
        return "No clear effect"
    if finding.kind == "negligible" and finding.standing is not None:
        return f"No effect as large as {_minimum(finding)}"
    if finding.kind == "negligible":
        return f"{_likely(finding).capitalize()} too small to matter{_so_far(finding)}"
    if finding.standing is not None and finding.standing.is_doubted:
        return f"{'Helped' if finding.kind == 'helped' else 'Made it worse'}, less sure since"
    anyhow = finding.probability_of_any_benefit
    if finding.kind == "harmed":
        return f"{_adverb(finding, 1 - anyhow)} made it worse{_so_far(finding)}"
    helped = f"{_adverb(finding, anyhow)} helped{_so_far(finding)}"
    if finding.minimum_effect == 0 or finding.probability_of_benefit >= 0.66:
        return helped
    doubt = "maybe" if finding.probability_of_benefit >= 0.33 else "but likely"
    return f"{helped}, {doubt} too little"


def _adverb(finding: Finding, probability: float) -> str:
    return {"possible": "Possibly"}.get(word := _word(finding, probability), word.capitalize())
