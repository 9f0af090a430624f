"""What is told of comparison series: the effect with and without them, and how each one moved.

What belongs here: the rows and words that pages and the command line share. What does not: how it
is computed (`its.sensitivity.comparisons`), or the warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from its_pipeline.report.sentence import decimals_for, number_text, percent

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, Effect

CLAIM: Final = (
    "Declared as not affected by the intervention: what a comparison series shares with the "
    "outcome is not counted as the intervention's doing. That is a claim, and no computation can "
    "prove it; a series that it did move hides part of its effect, or makes one up"
)


@dataclass(frozen=True)
class ComparisonRow:
    """An average effect as text.

    Attributes
    ----------
    name
        Of what.
    mean, interval
        Posterior mean and 95 % interval.
    probability
        Of the likelier direction, in words.
    """

    name: str
    mean: str
    interval: str
    probability: str


@dataclass(frozen=True)
class ComparisonView:
    """What is shown of comparison series.

    Attributes
    ----------
    claim
        What declaring them says, in words.
    rows
        The outcome's effect with them and without any, then each series' own change.
    """

    claim: str
    rows: tuple[ComparisonRow, ...]


def comparison_view(analysis: Analysis) -> ComparisonView | None:
    """Return what is shown of comparison series; None where none is in the model.

    Parameters
    ----------
    analysis
        Any.
    """
    found = analysis.comparisons
    if found is None or analysis.effects is None:
        return None
    one = len(found.series) == 1
    words = "the comparison series" if one else "all comparison series"
    claim = CLAIM
    if analysis.spec.likelihood != "normal":
        claim += ". All but the effect with them is computed with normally scattered days"
    effects = (
        _row(f"With {words}", analysis.effects.counterfactual),
        _row(f"Without {'it' if one else 'any'}", found.without),
    )
    series = (_row(f"{each.name}: its own change", each.change) for each in found.series)
    return ComparisonView(f"{claim}.", (*effects, *series))


def _row(name: str, effect: Effect) -> ComparisonRow:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    lower, upper = (number_text(end, decimals) for end in (effect.ci_lower, effect.ci_upper))
    rose = effect.probability_positive >= effect.probability_negative
    surest = max(effect.probability_positive, effect.probability_negative)
    mean = number_text(effect.mean, decimals)
    return ComparisonRow(
        name, mean, f"{lower} to {upper}", f"{'rise' if rose else 'fall'} {percent(surest)}"
    )
