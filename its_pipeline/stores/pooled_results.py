"""What is told of a kind: what people who tried the same change on the same outcome came to.

What belongs here: the records of a kind and their JSON form. What does not: where they lie
(`pooled_store`), who belongs to a kind (`experiments.kinds`), when it is made again
(`experiments.pooling`), the statistics (`its.pooling`), or how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.pooled_numbers import (
    PooledBetweenCase,
    PooledEffect,
    PooledSpread,
    PooledTraits,
    traits_from_dict,
)

VERSION: Final = 1
"""Of the records' form; another one's files are made again."""

CHANGE, ON_AND_OFF, BY_LOT = "change", "on_and_off", "by_lot"
"""Designs of a member: one change, on and off again, on and off by a lot that was drawn."""

WITHOUT_ESTIMATE: Final = ("waiting", "stopped early", "not converged", "refused")
"""Why somebody who tried it has no estimate."""


@dataclass(frozen=True)
class Imputed:
    """The answer if those without an estimate are taken to have no effect.

    Attributes
    ----------
    n_people
        How many are imputed.
    mean, next_person, spread, probability_helps_people, probability_next_benefits
        As in `PooledResult`.
    """

    n_people: int
    mean: PooledEffect
    next_person: PooledEffect
    spread: PooledSpread
    probability_helps_people: float
    probability_next_benefits: float


@dataclass(frozen=True)
class HeavyTailedResult:
    """The answer where one odd member counts for less: members Student-t about the average.

    Attributes
    ----------
    mean, next_person
        As in `PooledResult`.
    scale
        Of the Student-t with 4 degrees of freedom.
    """

    mean: PooledEffect
    next_person: PooledEffect
    scale: PooledSpread


@dataclass(frozen=True)
class PooledMember:
    """One person of a kind.

    Attributes
    ----------
    user_id, intervention_id
        Their experiment.
    started_on
        First day of the intervention, ISO 8601.
    design
        `CHANGE`, `ON_AND_OFF` or `BY_LOT`.
    n_days
        Observed days, with and without the intervention together.
    fingerprint
        Of the analysis that the estimate is of.
    own_mean, own_sd
        What their own days alone say.
    mean, sd, ci_lower, ci_upper
        Their effect given all the others.
    probability_of_benefit
        That it is a benefit of at least the minimum effect, given all the others.
    moved_in_sds
        How far the average moves without them, in its sds.
    weight
        Of their place in the heavy-tailed answer, about 1; far below for one that lies apart. None
        where there is no such answer.
    """

    user_id: str
    intervention_id: str
    started_on: str
    design: str
    n_days: int
    fingerprint: str
    own_mean: float
    own_sd: float
    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_of_benefit: float
    moved_in_sds: float
    weight: float | None


@dataclass(frozen=True)
class TooFewPeople:
    """A kind of which nothing is told yet: too few people have an estimate.

    Attributes
    ----------
    kind, metric
        Which.
    made_at
        UTC instant, ISO 8601.
    fingerprint
        Of what it was made from.
    n_with_estimate, needed
        How many people have an estimate, and how many have to.
    without_estimate
        How many have none, by reason.
    """

    kind: str
    metric: str
    made_at: str
    fingerprint: str
    n_with_estimate: int
    needed: int
    without_estimate: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_people(self) -> int:
        """How many people tried it."""
        return self.n_with_estimate + sum(self.without_estimate.values())


@dataclass(frozen=True)
class PooledResult:
    """What the people of one kind say together.

    Attributes
    ----------
    kind, metric
        Which.
    unit
        Of all effects: the metric's, or "sd of the baseline".
    pooled_in
        "unit" or "baseline_sd", see `events.metrics.OutcomeMetric.pooled_in`.
    direction
        Which way a benefit points: "increase" or "decrease"; as most members declared.
    minimum_effect
        Smallest effect that counts as a benefit, in `unit`; the members' median.
    baseline_sd
        Typical sd of a person's days without the intervention, in `unit`.
    made_at
        UTC instant, ISO 8601.
    fingerprint
        Of what it was made from: members' analyses, who has none, settings.
    mean, next_person
        The average effect, and the effect that one more person may expect.
    spread
        How much effects differ between people.
    probability_helps_people, probability_next_benefits
        That the average, and that a next person's effect, is a benefit of at least the minimum.
    error
        The most by which the quadrature's error may have moved what is told, in its sds.
    without_estimate
        How many people tried it and have no estimate, by reason.
    imputed
        None where everybody has an estimate.
    heavy_tailed
        The same with heavy tails; None among very many people, where no single one counts for much.
    members
        One a person, sorted by `user_id`; those alone that may be seen, see `with_rows_of`.
    n_with_estimate
        How many people have an estimate, whether or not their rows may be seen.
    traits
        Whom it helps more; None where the metric declares no traits.
    between_case
        As the single-case field reports it; None in what was stored before there was one.
    """

    kind: str
    metric: str
    unit: str
    pooled_in: str
    direction: str
    minimum_effect: float
    baseline_sd: float
    made_at: str
    fingerprint: str
    mean: PooledEffect
    next_person: PooledEffect
    spread: PooledSpread
    probability_helps_people: float
    probability_next_benefits: float
    error: float
    without_estimate: Mapping[str, int]
    imputed: Imputed | None
    heavy_tailed: HeavyTailedResult | None
    members: tuple[PooledMember, ...]
    n_with_estimate: int
    traits: PooledTraits | None = None
    between_case: PooledBetweenCase | None = None

    @property
    def n_people(self) -> int:
        """How many people tried it."""
        return self.n_with_estimate + sum(self.without_estimate.values())

    def member(self, user_id: str) -> PooledMember | None:
        """Return one person's row; None where they have none."""
        return next((each for each in self.members if each.user_id == user_id), None)

    def with_rows_of(self, may_see: Callable[[str], bool]) -> PooledResult:
        """Return the same with the rows of those alone whose `user_id` may be seen."""
        return replace(self, members=tuple(m for m in self.members if may_see(m.user_id)))


def design_of(verdict: Outline) -> str:
    """Return a member's design: `CHANGE`, `ON_AND_OFF` or `BY_LOT`."""
    if verdict.by_lot:
        return BY_LOT
    return ON_AND_OFF if verdict.is_on_and_off else CHANGE


KindRecord = PooledResult | TooFewPeople


def to_dict(record: KindRecord) -> dict[str, Any]:
    """Return the JSON form; `from_dict` is its inverse."""
    if isinstance(record, TooFewPeople):
        return {"version": VERSION, **asdict(record)}
    # Members are flat, and may be very many: they need not be copied in depth.
    members = [dict(vars(member)) for member in record.members]
    return {"version": VERSION, **asdict(replace(record, members=())), "members": members}


def from_dict(plain: Mapping[str, Any]) -> KindRecord:
    """Read what `to_dict` wrote.

    Raises
    ------
    ValueError, TypeError, LookupError
        It is not what `to_dict` writes.
    """
    values = {name: value for name, value in plain.items() if name != "version"}
    if "members" not in values:
        return TooFewPeople(**values)
    imputed, heavy = values["imputed"], values["heavy_tailed"]
    values["mean"] = PooledEffect(**values["mean"])
    values["next_person"] = PooledEffect(**values["next_person"])
    values["spread"] = PooledSpread(**values["spread"])
    if heavy is not None:
        values["heavy_tailed"] = HeavyTailedResult(
            PooledEffect(**heavy["mean"]),
            PooledEffect(**heavy["next_person"]),
            PooledSpread(**heavy["scale"]),
        )
    if imputed is not None:
        values["imputed"] = Imputed(
            **{
                **imputed,
                "mean": PooledEffect(**imputed["mean"]),
                "next_person": PooledEffect(**imputed["next_person"]),
                "spread": PooledSpread(**imputed["spread"]),
            }
        )
    values["traits"] = traits_from_dict(values.get("traits"))
    between = values.get("between_case")
    values["between_case"] = None if between is None else PooledBetweenCase(**between)
    values["members"] = tuple(PooledMember(**each) for each in values["members"])
    return PooledResult(**values)
