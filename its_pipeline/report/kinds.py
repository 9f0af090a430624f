"""What the pages of a kind are made from: small frozen records of what a pool said.

A kind is one intervention tried by several people for one outcome. Here belongs the shape of what
the page of a kind, the index of kinds and a member's section are given. Pooling belongs to
`its.pooling`; gathering to the caller; words to `kind_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite

#: Half of a 95 % interval of a Gaussian in its standard deviations.
HALF_WIDTH = 1.959964


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval, in the outcome's unit.

    Parameters
    ----------
    mean, sd, ci_lower, ci_upper
        Posterior mean, standard deviation and interval.

    Raises
    ------
    ValueError
        If a number is not finite, or the ends are the wrong way round.
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float

    def __post_init__(self) -> None:
        if not all(isfinite(n) for n in (self.mean, self.sd, self.ci_lower, self.ci_upper)):
            raise ValueError(f"an interval must be of finite numbers but got {self}")
        if not self.ci_lower <= self.ci_upper:
            raise ValueError(
                f"ci_lower must not exceed ci_upper but got {self.ci_lower} and {self.ci_upper}"
            )

    @classmethod
    def normal(cls, mean: float, sd: float) -> Interval:
        """Return a Gaussian's."""
        return cls(mean, sd, mean - HALF_WIDTH * sd, mean + HALF_WIDTH * sd)

    @property
    def covers_zero(self) -> bool:
        """Whether no change at all lies within it, ends INCLUSIVE."""
        return self.ci_lower <= 0 <= self.ci_upper


@dataclass(frozen=True)
class Series:
    """A member's daily values, with what was observed on them.

    Parameters
    ----------
    days
        Local dates, ascending.
    values
        One a day; None where nothing was observed.
    """

    days: tuple[date, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class KindMember:
    """One person of a kind.

    Parameters
    ----------
    user_id, intervention_id, started_on
        Whose experiment it is, and since when.
    own
        What its own days say of the effect alone.
    pooled
        The effect given all the others.
    probability_of_benefit
        P(the effect beats the minimum effect in the direction), given all the others.
    moved_in_sds
        How far the average moves without this member, in its standard deviations.
    weight
        Where members are Student-t: about 1, far below it for one that lies apart; None unknown.
    href
        Relative address of its page; None where there is none.
    picture
        PNG of its counterfactual; None where none is at hand.
    series
        Its daily values; None where none are at hand.
    """

    user_id: str
    intervention_id: str
    started_on: date
    own: Interval
    pooled: Interval
    probability_of_benefit: float
    moved_in_sds: float = 0.0
    weight: float | None = None
    href: str | None = None
    picture: bytes | None = None
    series: Series | None = None


@dataclass(frozen=True)
class KindSlope:
    """How effects change with one trait.

    Parameters
    ----------
    trait
        Its name as declared.
    effect
        Change of the effect per unit of the trait.
    trait_sd
        Sd of the trait between people.
    groups, n_in_higher_group
        The two values, where there are no more, and how many people have the higher one.
    """

    trait: str
    effect: Interval
    trait_sd: float
    groups: tuple[float, ...] | None = None
    n_in_higher_group: int | None = None


@dataclass(frozen=True)
class KindTraits:
    """Whom it helps more.

    Parameters
    ----------
    names
        The traits.
    refused
        Why nothing is told; empty where something is.
    n_people, n_without
        People in the comparison, and those with an estimate who lack a trait.
    slopes
        One a trait.
    spread, spread_without
        Of effects of people who are alike in the traits, and without a look at them.
    """

    names: tuple[str, ...]
    refused: str
    n_people: int
    n_without: int
    slopes: tuple[KindSlope, ...] = ()
    spread: Interval | None = None
    spread_without: Interval | None = None


@dataclass(frozen=True)
class KindBetweenCase:
    """The kind as single-case studies report it, beside ours.

    Parameters
    ----------
    refused
        Why there is no such number; empty where there is.
    design
        As the field names it.
    d, g, g_by_reml
        Without and with the correction for few degrees of freedom, by moments; and with it, by
        restricted maximum likelihood.
    n_cases, n_occasions
        People, and their observed values together.
    sd, own_sd, unit
        Of values over people and days, of people's own days without it, in which unit.
    ours
        The pool's average in sds of people's own days without it.
    """

    refused: str
    design: str
    d: float = 0.0
    g: Interval | None = None
    g_by_reml: Interval | None = None
    n_cases: int = 0
    n_occasions: int = 0
    sd: float = 0.0
    own_sd: float = 0.0
    ours: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class KindInput:
    """Everything the page of one kind is made from.

    Parameters
    ----------
    name, outcome, unit
        The intervention's and the outcome's names for people, and the unit effects are told in.
    direction, minimum_effect
        Which way a benefit points, and the smallest effect that counts, >= 0.
    made_on
        UTC day of the pool.
    mean, next_person
        The average effect, and the effect that one more person may expect.
    spread
        Standard deviation of effects between people.
    probability_helps_people, probability_next_benefits
        P(the average, or the next person's effect, beats the minimum effect in the direction).
    members
        In any order; one line each.
    without_estimate
        How many people have no estimate, by reason.
    imputed
        The average with those at no effect; None where everybody has an estimate.
    heavy_tailed
        The average where odd members count for less; None where it was not asked.
    is_staggered
        Whether the members' designs are one change each, on different days.
    is_standardised
        Whether effects are in sds of each person's own days without the intervention.
    traits
        Whom it helps more; None where no traits are declared.
    between_case
        As single-case studies report it; None where that is not known.

    Raises
    ------
    ValueError
        If the direction is unknown, or there is no member.
    """

    name: str
    outcome: str
    unit: str
    direction: str
    minimum_effect: float
    made_on: date
    mean: Interval
    next_person: Interval
    spread: Interval
    probability_helps_people: float
    probability_next_benefits: float
    members: tuple[KindMember, ...]
    without_estimate: Mapping[str, int] = field(default_factory=dict)
    imputed: Interval | None = None
    heavy_tailed: Interval | None = None
    is_staggered: bool = False
    is_standardised: bool = False
    traits: KindTraits | None = None
    between_case: KindBetweenCase | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("increase", "decrease"):
            raise ValueError(f"direction must be increase or decrease but got {self.direction!r}")
        if not self.members:
            raise ValueError(f"the kind {self.name!r} must have members but has none")

    @property
    def n_people(self) -> int:
        """How many people there are: one who tried it twice counts once."""
        return len({member.user_id for member in self.members})


@dataclass(frozen=True)
class KindRow:
    """One kind in the index of kinds.

    Parameters
    ----------
    name, outcome, unit, direction, minimum_effect
        As in `KindInput`.
    n_people
        With an estimate.
    mean
        The average effect; None where there are too few people to tell any number.
    probability_helps_people
        As in `KindInput`; None with it.
    href
        Relative address of its page; None where there is none.
    key
        Kind and metric as the store names them.
    """

    key: tuple[str, str]
    name: str
    outcome: str
    unit: str
    direction: str
    n_people: int
    mean: Interval | None = None
    probability_helps_people: float | None = None
    href: str | None = None
    minimum_effect: float = 0.0
