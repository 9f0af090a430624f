"""The answer about many: the average, how people differ, the next person, and each one given all.

What belongs here: what may be asked of a pool, told in the effects' unit. What does not: the grid
(`nodes`), the sums (`integration`), or checking what comes in (`pool`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.mixture import mixture_sd
from its_pipeline.its.pooling.estimates import FEWEST_MEMBERS, Estimate, Members
from its_pipeline.its.pooling.frame import HEAVY_DF, student_t_spread
from its_pipeline.its.pooling.integration import each_told, integrate, with_members
from its_pipeline.its.pooling.nodes import Nodes
from its_pipeline.its.pooling.traits import Trait, standardised
from its_pipeline.its.results import Effect

_TAILS = (0.025, 0.975)
_EDGE_MASS = 1e-3
"""Share of the weight at the grid's ends without a member from which on it gets its own grid."""
_IMPUTED = "without estimate"


@dataclass(frozen=True)
class SpreadOfEffects:
    """Posterior of tau, the sd of effects between members.

    Parameters
    ----------
    mean, sd
        Posterior mean and sd, in `unit`.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    unit
        Of the effects.
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    unit: str = ""


@dataclass(frozen=True)
class Regression:
    """How the effect changes with traits of the members, or of their designs.

    Parameters
    ----------
    mean
        Of a member whose traits are the average of all.
    slopes
        Change of the expected effect per unit of each trait.
    spread
        What members still differ by.
    spread_without
        What they differ by where no trait is told of.
    """

    mean: Effect
    slopes: Mapping[str, Effect]
    spread: SpreadOfEffects
    spread_without: SpreadOfEffects


@dataclass(frozen=True)
class HeavyTailed:
    """The same pool where members are Student-t about the average: one odd one counts for less.

    Parameters
    ----------
    mean, next_person
        As in `Pooled`.
    scale
        Of the Student-t with 4 degrees of freedom; its sd is 1.41 times that.
    weights
        Expected precision of each member's place in the spread by name, about 1; far below it for
        one that lies apart.
    """

    mean: Effect
    scale: SpreadOfEffects
    next_person: Effect
    weights: pd.Series


@dataclass(frozen=True, eq=False)
class Pooled:
    """What the members of one kind say together.

    Parameters
    ----------
    estimates
        The members' own likelihoods.
    nodes
        The posterior of mean and spread on its grid.
    direction
        Which way a benefit points: "increase" or "decrease".
    minimum_effect
        Smallest effect that counts as a benefit, in the effects' unit, >= 0.
    without_estimate
        How many people have no estimate, by reason.
    """

    estimates: Members
    nodes: Nodes
    direction: str
    minimum_effect: float
    without_estimate: Mapping[str, int]

    @cached_property
    def mean(self) -> Effect:
        """The average effect, mu."""
        return _effect(*self.nodes.as_mixture(0), self.estimates.unit)

    @cached_property
    def spread(self) -> SpreadOfEffects:
        """How much effects differ between people, tau."""
        return _spread(self.nodes, self.estimates.unit)

    @cached_property
    def next_person(self) -> Effect:
        """The effect that one more person of this kind may expect."""
        return _effect(*_predictive(self.nodes), self.estimates.unit)

    @property
    def probability_helps_people(self) -> float:
        """P(the average effect is in the beneficial direction, by at least the minimum effect)."""
        return self._beneficial(*self.nodes.as_mixture(0))

    @property
    def probability_next_benefits(self) -> float:
        """P(a next person benefits by at least the minimum effect)."""
        return self._beneficial(*_predictive(self.nodes))

    @property
    def error(self) -> float:
        """The most that half as many nodes move what is told, in its sds: a bound of the error."""
        return float(self.nodes.errors.max())

    @cached_property
    def members(self) -> pd.DataFrame:
        """Each member's own effect given all the others, its index their names.

        Columns own_mean and own_sd (of the likelihood alone), mean, sd, ci_lower, ci_upper,
        probability_positive and probability_of_benefit.
        """
        told = self._told
        own = self.estimates.moments()
        benefit = told[:, 5] if self.direction == "increase" else 1.0 - told[:, 5]
        return pd.DataFrame(
            {
                "own_mean": own[0],
                "own_sd": own[1],
                "mean": told[:, 0],
                "sd": told[:, 1],
                "ci_lower": told[:, 2],
                "ci_upper": told[:, 3],
                "probability_positive": told[:, 4],
                "probability_of_benefit": benefit,
            },
            index=pd.Index(self.estimates.names, name="name"),
        )

    @cached_property
    def leave_one_out(self) -> pd.DataFrame:
        """The average effect without each member: columns mean, sd, and how far it moved in sds."""
        told = self._told[:, 6:8].copy()
        for i in np.flatnonzero(self._told[:, 8] > _EDGE_MASS):
            others = np.delete(np.arange(len(self.estimates)), i)
            nodes = integrate(self.estimates.chosen(others), self.nodes.scale)
            weights, places = nodes.weights.reshape(-1), nodes.coefficients[:, :, 0].reshape(-1)
            told[i] = weights @ places, mixture_sd(weights, places[None], 0.0 * places[None])[0]
        moved = (told[:, 0] - self.mean.mean) / self.mean.sd
        return pd.DataFrame(
            {"mean": told[:, 0], "sd": told[:, 1], "moved_in_sds": moved},
            index=pd.Index(self.estimates.names, name="name"),
        )

    @cached_property
    def heavy_tailed(self) -> HeavyTailed:
        """The same with Student-t members (4 degrees of freedom): a check for an odd one."""
        nodes = integrate(self.estimates, self.nodes.scale, student_t_spread(HEAVY_DF))
        unit = self.estimates.unit
        weights = each_told(self.estimates, nodes, 0.0)[:, 9]
        return HeavyTailed(
            mean=_effect(*nodes.as_mixture(0), unit),
            scale=_spread(nodes, unit),
            next_person=_effect(*_predictive(nodes), unit),
            weights=pd.Series(weights, index=pd.Index(self.estimates.names, name="name")),
        )

    @cached_property
    def imputed(self) -> Pooled | None:
        """The same with everybody who has no estimate at no effect; None where everybody has one.

        Each is as uncertain as the median member.
        """
        missing = sum(self.without_estimate.values())
        if not missing:
            return None
        sd = float(np.median(self.estimates.moments()[1]))
        parts = np.array([[0.0], [0.0], [sd**2]])
        added = replace(
            self.estimates,
            names=(_IMPUTED,),
            offsets=np.array([0, 1]),
            parts=parts,
            counts=np.array([float(missing)]),
            columns=np.ones((1, 1)),
        )
        everybody = self.estimates.and_also(added)
        nodes = integrate(everybody, self.nodes.scale)
        return replace(self, estimates=everybody, nodes=nodes, without_estimate={})

    def of_members(self, names: Sequence[str]) -> Pooled:
        """Return the pool of some of the members, with the priors of the whole one.

        Parameters
        ----------
        names
            At least two of them, in any order.

        Raises
        ------
        ValueError
            If one is not in this pool, or there are fewer than two.
        """
        places = {name: i for i, name in enumerate(self.estimates.names)}
        unknown = [name for name in names if name not in places]
        if unknown or len(set(names)) < FEWEST_MEMBERS:
            raise ValueError(
                f"a part of a pool needs at least {FEWEST_MEMBERS} of its members but got "
                f"{len(set(names))}, of whom {unknown[:5]} are not in it"
            )
        chosen = np.array(sorted({places[name] for name in names}))
        if len(chosen) == len(self.estimates):
            return self
        part = self.estimates.chosen(chosen)
        return replace(self, estimates=part, nodes=integrate(part, self.nodes.scale))

    def with_member(self, estimate: Estimate) -> Pooled:
        """Return the pool with one more member: its log likelihood is added on the grid.

        The grid is laid out anew where it no longer holds the posterior.

        Parameters
        ----------
        estimate
            Of a new member, in the same unit.

        Raises
        ------
        ValueError
            If the name is taken, or the unit another.
        """
        if estimate.name in self.estimates.names:
            raise ValueError(
                f"{estimate.name!r} is in this pool already: each member counts once; pool anew "
                "where its estimate has changed"
            )
        if estimate.unit != self.estimates.unit:
            raise ValueError(
                f"{estimate.name!r} is in {estimate.unit!r} but the pool is in "
                f"{self.estimates.unit!r}: effects must be of one unit"
            )
        added = Members.of_one(estimate)
        everybody = self.estimates.and_also(added)
        nodes = with_members(self.nodes, added)
        if not nodes.holds:
            nodes = integrate(everybody, self.nodes.scale)
        return replace(self, estimates=everybody, nodes=nodes)

    def regression(self, traits: pd.DataFrame) -> Regression:
        """Return how the effect changes with one or two declared traits.

        A claim about a trait is as good as the reason for which it was declared: with many traits
        tried, one of them will look as if it mattered.

        Parameters
        ----------
        traits
            Numbers (or True and False), one or two columns, a row for each member by name.

        Raises
        ------
        ValueError
            If a member has no row, a value is not finite, or a trait is constant or the other one.
        """
        found: tuple[Trait, ...] = standardised(traits, self.estimates.names)
        columns = np.column_stack([np.ones(len(self.estimates)), *[t.values for t in found]])
        members = replace(self.estimates, columns=np.ascontiguousarray(columns))
        nodes = integrate(members, self.nodes.scale)
        unit = self.estimates.unit
        slopes = {}
        for column, trait in enumerate(found, start=1):
            weights, means, sds = nodes.as_mixture(column)
            told = f"{unit} per unit of {trait.name}".strip()
            slopes[trait.name] = _effect(weights, means / trait.sd, sds / trait.sd, told)
        return Regression(
            mean=_effect(*nodes.as_mixture(0), unit),
            slopes=slopes,
            spread=_spread(nodes, unit),
            spread_without=self.spread,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is told of the kind, without its members, as JSON-able values."""
        imputed = self.imputed
        return {
            "n_members": int(self.estimates.counts.sum()),
            "without_estimate": dict(self.without_estimate),
            "unit": self.estimates.unit,
            "direction": self.direction,
            "minimum_effect": self.minimum_effect,
            "baseline_sd": self.nodes.scale,
            "mean": self.mean.to_dict(),
            "spread": vars(self.spread).copy(),
            "next_person": self.next_person.to_dict(),
            "probability_helps_people": self.probability_helps_people,
            "probability_next_benefits": self.probability_next_benefits,
            "error": self.error,
            "imputed": None if imputed is None else imputed.to_dict(),
        }

    @cached_property
    def _told(self) -> np.ndarray:
        return each_told(self.estimates, self.nodes, self._threshold)

    @property
    def _threshold(self) -> float:
        return self.minimum_effect if self.direction == "increase" else -self.minimum_effect

    def _beneficial(self, weights: np.ndarray, means: np.ndarray, sds: np.ndarray) -> float:
        above = 1.0 - _cdf(weights, means, sds, self._threshold)
        return above if self.direction == "increase" else 1.0 - above


def _predictive(nodes: Nodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the effect of a next member as Gaussians, shape (m,) each."""
    weights, means, sds = nodes.as_mixture(0)
    shares, factors = np.exp(nodes.spread.log_shares), nodes.spread.factors
    spread = np.square(nodes.taus)[:, None, None] * factors
    wide = np.sqrt(np.square(sds)[:, :, None] + spread)
    return (
        (weights[:, :, None] * shares).reshape(-1),
        np.broadcast_to(means[:, :, None], wide.shape).reshape(-1),
        wide.reshape(-1),
    )


def _cdf(weights: np.ndarray, means: np.ndarray, sds: np.ndarray, value: float) -> float:
    flat = (np.ascontiguousarray(a).reshape(-1) for a in (weights, means, sds))
    return float(compiled.mixture_kernel().mixture_cdf(*flat, value)[0])


def _effect(weights: np.ndarray, means: np.ndarray, sds: np.ndarray, unit: str) -> Effect:
    weights, means, sds = (np.ascontiguousarray(a).reshape(-1) for a in (weights, means, sds))
    quantile = compiled.mixture_kernel().mixture_quantile
    lower, upper = (float(quantile(weights, means, sds, p, 4.0 * (p - 0.5))) for p in _TAILS)
    positive = 1.0 - _cdf(weights, means, sds, 0.0)
    return Effect(
        mean=float(weights @ means),
        sd=float(mixture_sd(weights, means[None], sds[None])[0]),
        ci_lower=lower,
        ci_upper=upper,
        probability_positive=positive,
        probability_negative=1.0 - positive,
        unit=unit,
    )


def _spread(nodes: Nodes, unit: str) -> SpreadOfEffects:
    weights = nodes.weights.sum(axis=1)
    mean = float(weights @ nodes.taus)
    lower, upper = (nodes.tau_quantile(p) for p in _TAILS)
    sd = float(np.sqrt(weights @ np.square(nodes.taus - mean)))
    return SpreadOfEffects(mean, sd, lower, upper, unit)
