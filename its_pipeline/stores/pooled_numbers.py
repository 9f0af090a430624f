"""What a kind's record is made of: effects, spreads, slopes on traits, the between-case effect.

What belongs here: these small records. What does not: the record of a kind (`pooled_results`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MULTIPLE_BASELINE, REVERSAL = "multiple baseline", "reversal"
"""Designs of a kind as the single-case field names them."""


@dataclass(frozen=True)
class PooledEffect:
    """Posterior of an effect, in the unit of its result.

    Attributes
    ----------
    mean, sd
        Posterior mean and standard deviation.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    probability_positive
        That it is above zero.
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float


@dataclass(frozen=True)
class PooledSpread:
    """Posterior of the sd of effects between people, in the unit of its result.

    Attributes
    ----------
    mean, sd
        Posterior mean and standard deviation.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float


@dataclass(frozen=True)
class PooledSlope:
    """How the expected effect changes with one trait.

    Attributes
    ----------
    trait
        Its name.
    mean, sd, ci_lower, ci_upper, probability_positive
        Of the change per unit of the trait, as in `PooledEffect`.
    trait_sd
        Sd of the trait between people.
    groups
        The two values, where there are no more: two groups of people.
    n_in_higher_group
        How many people have the higher of the two; None where there are more values.
    """

    trait: str
    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float
    trait_sd: float
    groups: tuple[float, ...] | None = None
    n_in_higher_group: int | None = None


@dataclass(frozen=True)
class PooledTraits:
    """Whom it helps more: effects regressed on declared traits.

    Attributes
    ----------
    names
        The traits.
    needed
        Of groups of fewer people nothing was told.
    refused
        Why nothing is told; empty where something is.
    n_people, n_without
        How many people are in the regression, and how many have an estimate but not all traits;
        None where nothing is told.
    slopes
        One a trait.
    spread, spread_without
        What effects of people with the same traits differ by, and what those of the same people
        differ by where no trait is told of.
    """

    names: tuple[str, ...]
    needed: int
    refused: str
    n_people: int | None
    n_without: int | None
    slopes: tuple[PooledSlope, ...] = ()
    spread: PooledSpread | None = None
    spread_without: PooledSpread | None = None


@dataclass(frozen=True)
class PooledBetweenCase:
    """The kind's effect as the single-case field reports it, over cases and occasions.

    Attributes
    ----------
    design
        `MULTIPLE_BASELINE` or `REVERSAL`.
    refused
        Why there is none; empty where there is one, and None everything else where there is not.
    n_cases, n_occasions
        People, and their observed occasions together.
    mean_change
        Average change within cases, each case alike, in the outcome's unit.
    sd, own_sd
        Of an outcome over cases and occasions, in its unit; and of a case's own occasions without
        the intervention, the median over cases.
    d, g, g_se
        The change in such sds; corrected for few degrees of freedom; and its standard error.
    df
        Degrees of freedom of that sd.
    autocorrelation, intraclass_correlation
        Of neighbouring occasions of a case; share of the variance that lies between cases.
    g_by_reml, g_by_reml_se, df_by_reml
        By restricted maximum likelihood, where all else here is by moments.
    """

    design: str
    refused: str
    n_cases: int | None = None
    n_occasions: int | None = None
    mean_change: float | None = None
    sd: float | None = None
    own_sd: float | None = None
    d: float | None = None
    g: float | None = None
    g_se: float | None = None
    df: float | None = None
    autocorrelation: float | None = None
    intraclass_correlation: float | None = None
    g_by_reml: float | None = None
    g_by_reml_se: float | None = None
    df_by_reml: float | None = None


def traits_from_dict(plain: Mapping[str, Any] | None) -> PooledTraits | None:
    """Read the JSON form of a regression on traits; None where there is none."""
    if plain is None:
        return None
    slopes = tuple(
        PooledSlope(**{**each, "groups": each["groups"] and tuple(each["groups"])})
        for each in plain["slopes"]
    )
    spreads = {
        name: plain[name] and PooledSpread(**plain[name]) for name in ("spread", "spread_without")
    }
    return PooledTraits(**{**plain, **spreads, "names": tuple(plain["names"]), "slopes": slopes})
