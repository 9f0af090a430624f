"""What one member's own days say of its effect: a likelihood, as a few Gaussians.

What belongs here: the record, and how it is made of a posterior's Gaussians, of mean and sd, or of
draws, the prior that they were made under divided out. What does not: reading an `Analysis`
(`its.effect_likelihood`), or adding members up (`integration`).

A likelihood is kept as Gaussians and not as heights on a grid because its average over
Normal(mu, tau) is then exact at every tau, zero included: there is no quadrature over the effect
whose error could be asked for. What is left is the error of merging Gaussians that are alike: none
in mean and sd, less than .01 in total variation, less than .02 sd in the 0.5 % quantiles (a test
holds it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from its_pipeline.its.inference.mixture import mixture_sd

_MEANS, _SPREADS = 5, 8
"""Bins that Gaussians are merged in by mean and by log sd: a tail is made by the wide ones, so sds
are told apart more finely. Three numbers each: less than 1 KB."""
_REACH = (2.0, 3.0)
"""How far the bins reach, in sds of the means and of the log sds: the last holds the rest."""
_WIDEST_SHARE = 0.999
"""Of the prior's variance that a posterior's may be: beyond it the days said nothing at all."""
_ROUNDING = 1e-12
_REACH_OF_KERNELS = 5.0
_KERNELS_A_BANDWIDTH = 0.84
BANDWIDTH = 0.3
"""Sd of the kernels that draws become, in sds of the draws; points are drawn in towards the mean so
that the sd stays the draws' own (West 1993, J. R. Stat. Soc. B 55, 409)."""


@dataclass(frozen=True, eq=False)
class EffectLikelihood:
    """L(e), up to a constant: sum of weight * Normal(e; mean, sd).

    Parameters
    ----------
    parts
        Weights (sum 1), means and sds of the Gaussians, shape (3, k), in one unit.

    Raises
    ------
    ValueError
        If a number is not finite, a weight is negative, or an sd is not positive.
    """

    parts: np.ndarray

    def __post_init__(self) -> None:
        parts = np.ascontiguousarray(self.parts, dtype=float)
        _check(parts, np.zeros(1, int))
        total = parts[0].sum()
        if abs(total - 1.0) > _ROUNDING:
            # What was kept comes back as it was: dividing once more would change its last bits.
            parts[0] /= total
        object.__setattr__(self, "parts", parts)

    @classmethod
    def several(cls, parts: np.ndarray, sizes: np.ndarray) -> list[EffectLikelihood]:
        """Return many likelihoods that were kept side by side: checked together, not one by one.

        Parameters
        ----------
        parts
            As of one, of all of them, shape (3, sum of sizes).
        sizes
            How many Gaussians each one has, shape (n,), each at least 1.

        Raises
        ------
        ValueError
            As for one, or the weights of one do not sum to 1.
        """
        ends = np.cumsum(sizes)
        if not len(sizes) or sizes.min() < 1 or parts.ndim != 2 or parts.shape[1] != ends[-1]:
            raise ValueError(
                f"{len(sizes)} likelihoods must have at least one Gaussian each and "
                f"{int(np.sum(sizes))} together but parts have shape {parts.shape}"
            )
        starts = ends - sizes
        _check(parts, starts)
        off = np.abs(np.add.reduceat(parts[0], starts) - 1.0).max()
        if off > 1e3 * _ROUNDING:
            raise ValueError(f"weights must sum to 1 but those of one are off by {off:g}")
        found = []
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            one = object.__new__(cls)
            object.__setattr__(one, "parts", parts[:, start:end])
            found.append(one)
        return found

    @classmethod
    def normal(cls, mean: float, sd: float) -> EffectLikelihood:
        """Return the likelihood of an estimate with a standard error.

        Parameters
        ----------
        mean, sd
            Estimate and standard error, in one unit.

        Raises
        ------
        ValueError
            If one is not finite, or `sd` is not positive.
        """
        return cls(np.array([[1.0], [mean], [sd]], dtype=float))

    @classmethod
    def divided(
        cls, weights: np.ndarray, means: np.ndarray, sds: np.ndarray, prior_sds: np.ndarray
    ) -> EffectLikelihood:
        """Return a posterior of Gaussians with the prior divided out, node by node.

        Given a node of what is unknown beside the effect, N(e; m, v) / N(e; 0, v0) is a Gaussian
        again, of precision 1/v - 1/v0. What is unknown beside the effect keeps its own prior, which
        does not depend on the effect.

        Parameters
        ----------
        weights, means, sds
            The posterior's Gaussians, shape (p,).
        prior_sds
            Of the effect given each node, mean zero, shape (p,); infinite where it had no prior.

        Raises
        ------
        ValueError
            If the posterior is as wide as the prior: the days say nothing of the effect.
        """
        variance, prior = np.square(sds), np.square(prior_sds)
        told = (weights > 0.0) & (variance < _WIDEST_SHARE * prior)
        if not weights[told].sum() > 0.5 * weights.sum():
            raise ValueError(
                f"the posterior's sd {float(np.sqrt(weights @ variance)):.4g} is that of the prior "
                f"({float(np.min(prior_sds)):.4g}): the days say nothing of the effect; count this "
                "member in `without_estimate`"
            )
        weights, means, variance, prior = (a[told] for a in (weights, means, variance, prior))
        own = 1.0 / (1.0 / variance - 1.0 / prior)
        centre = own * means / variance
        # N(e; m, v) / N(e; 0, v0) = N(e; centre, own) / N(centre; 0, own + v0), and an infinite v0
        # divides by a constant.
        finite = np.isfinite(prior)
        total = np.where(finite, own + np.where(finite, prior, 0.0), 1.0)
        log = np.log(weights) + np.where(finite, 0.5 * (np.log(total) + centre**2 / total), 0.0)
        return cls.merged(np.exp(log - log.max()), centre, np.sqrt(own))

    @classmethod
    def merged(cls, weights: np.ndarray, means: np.ndarray, sds: np.ndarray) -> EffectLikelihood:
        """Return Gaussians with those merged that are alike.

        Parameters
        ----------
        weights, means, sds
            Of the Gaussians, shape (p,).
        """
        weights = weights / weights.sum()
        if len(weights) > _MEANS * _SPREADS:
            bins = _bins(weights, means, _MEANS, _REACH[0]) * _SPREADS
            _, at = np.unique(
                bins + _bins(weights, np.log(sds), _SPREADS, _REACH[1]), return_inverse=True
            )
            total = np.bincount(at, weights)
            centres = np.bincount(at, weights * means) / total
            squares = np.bincount(at, weights * (sds**2 + np.square(means - centres[at])))
            weights, means, sds = total, centres, np.sqrt(squares / total)
        return cls(np.stack([weights, means, sds]))

    @classmethod
    def of_draws(
        cls,
        draws: np.ndarray,
        log_prior: np.ndarray | None = None,
        *,
        bandwidth: float = BANDWIDTH,
    ) -> EffectLikelihood:
        """Return the likelihood that draws of a posterior tell: their density over the prior's.

        Parameters
        ----------
        draws
            Equally probable draws of the effect, shape (n,), n >= 100.
        log_prior
            Log density, up to a constant, of the prior that they were made under, at each draw;
            None where it was flat.
        bandwidth
            Sd of a kernel in sds of the draws, in (0, 1).

        Raises
        ------
        ValueError
            If there are too few draws, one is not finite, or all are the same.
        """
        draws = np.asarray(draws, dtype=float).reshape(-1)
        if len(draws) < 100:
            raise ValueError(f"draws must be at least 100 but got {len(draws)}; give mean and sd")
        log = np.zeros(len(draws)) if log_prior is None else -np.asarray(log_prior, dtype=float)
        if not (np.isfinite(draws).all() and np.isfinite(log).all() and len(log) == len(draws)):
            raise ValueError("draws and their log prior must be finite and of one length")
        weights = np.exp(log - log.max())
        weights /= weights.sum()
        mean = float(weights @ draws)
        sd = float(np.sqrt(weights @ np.square(draws - mean)))
        if not sd > 1e-12 * abs(mean):
            raise ValueError(
                f"draws must differ but all are {mean:g}: an effect that is known without error is "
                "no estimate"
            )
        places = mean + np.sqrt(1.0 - bandwidth**2) * (draws - mean)
        n = math.ceil(2.0 * _REACH_OF_KERNELS * _KERNELS_A_BANDWIDTH / bandwidth)
        edges = mean + sd * np.linspace(-_REACH_OF_KERNELS, _REACH_OF_KERNELS, n + 1)
        at = np.clip(np.searchsorted(edges, places) - 1, 0, n - 1)
        mass = np.bincount(at, weights, n)
        seen = mass > 0.0
        total = mass[seen]
        centres = np.bincount(at, weights * places, n)[seen] / total
        squares = np.bincount(at, weights * np.square(places - mean), n)[seen] / total
        within = np.maximum(squares - np.square(centres - mean), 0.0)
        return cls(np.stack([total, centres, np.sqrt(within + np.square(bandwidth * sd))]))

    @property
    def mean(self) -> float:
        """Mean of the effect under a flat prior."""
        return float(self.parts[0] @ self.parts[1])

    @property
    def sd(self) -> float:
        """Sd of the effect under a flat prior."""
        return float(mixture_sd(self.parts[0], self.parts[1][None], self.parts[2][None])[0])

    def scaled(self, factor: float) -> EffectLikelihood:
        """Return the likelihood of a multiple of the effect.

        Parameters
        ----------
        factor
            What the effect is multiplied by.
        """
        weights, means, sds = self.parts
        return EffectLikelihood(np.stack([weights, factor * means, abs(factor) * sds]))

    def widened(self, factor: float) -> EffectLikelihood:
        """Return the likelihood with every distance from its mean larger.

        Parameters
        ----------
        factor
            By how much.
        """
        weights, means, sds = self.parts
        centre = self.mean
        return EffectLikelihood(
            np.stack([weights, centre + factor * (means - centre), factor * sds])
        )

    def at(self, effects: np.ndarray) -> np.ndarray:
        """Return L at effects, shape (n,); it integrates to 1.

        Parameters
        ----------
        effects
            In the likelihood's unit, shape (n,).
        """
        weights, means, sds = self.parts
        z = (np.asarray(effects, dtype=float)[:, None] - means) / sds
        return np.exp(-0.5 * z**2) @ (weights / (sds * np.sqrt(2.0 * np.pi)))


def _bins(weights: np.ndarray, values: np.ndarray, n: int, reach: float) -> np.ndarray:
    """Return in which of n equal bins about their mean values lie, shape (p,)."""
    away = values - weights @ values
    sd = float(np.sqrt(weights @ np.square(away)))
    place = away / sd if sd > 0.0 else np.zeros_like(away)
    return np.clip((place / reach + 1.0) * (0.5 * n), 0, n - 1).astype(int)


def _check(parts: np.ndarray, starts: np.ndarray) -> None:
    """Check likelihoods side by side, each from one of `starts`, shape (n,), on."""
    if parts.ndim != 2 or len(parts) != 3 or parts.shape[1] < 1:
        raise ValueError(f"parts must have shape (3, k), k >= 1, but got {parts.shape}")
    if not np.isfinite(parts).all():
        raise ValueError(
            "a likelihood must be finite but its parts hold NaN or infinity: leave the member "
            "out and count it in `without_estimate`"
        )
    totals = np.add.reduceat(parts[0], starts)
    if parts[0].min() < 0.0 or not totals.min() > 0.0 or not parts[2].min() > 0.0:
        raise ValueError(
            f"weights must be >= 0 and sds > 0 but the least are {parts[0].min():g} and "
            f"{parts[2].min():g}: an effect that is known without error is no estimate"
        )
