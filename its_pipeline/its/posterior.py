"""One model's posterior on one series, and what the rest of the house may ask of it.

What belongs here: the protocol both kinds of posterior keep, and the small records that cross it.
What does not: the two kinds themselves, one by quadrature (`exact`) and one sampled (`sampled`), or
what is made of the answers (`estimands`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.base import Likelihood
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.results import Diagnostics, PosteriorDraws, PosteriorGrid, WhatIf
from its_pipeline.its.series import PreparedSeries

INTERVAL = (0.025, 0.975)
"""Equal-tailed 95 % interval."""
INNER_INTERVAL = (0.25, 0.75)


class Marginal(Protocol):
    """Posterior of one quantity."""

    @property
    def mean(self) -> float:
        """Posterior mean."""
        ...

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        ...

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        ...

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        ...


@dataclass(frozen=True)
class MixtureMarginal:
    """One quantity of a mixture, in units of `scale`."""

    mixture: Mixture
    quantity: int
    scale: float

    @property
    def mean(self) -> float:
        """Posterior mean."""
        return float(self.scale * self.mixture.mean()[self.quantity])

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        return float(self.scale * self.mixture.sd()[self.quantity])

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        return float(self.scale * self.mixture.quantile(probability, self.quantity))

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        return float(1.0 - self.mixture.cdf(value / self.scale, self.quantity))


@dataclass(frozen=True)
class SampleMarginal:
    """One quantity as draws, shape (n_draws,)."""

    draws: np.ndarray

    @property
    def mean(self) -> float:
        """Posterior mean."""
        return float(np.mean(self.draws))

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        return float(np.std(self.draws, ddof=1))

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        return float(np.quantile(self.draws, probability))

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        return float(np.mean(self.draws > value))


@dataclass(frozen=True)
class WidenedMarginal:
    """One quantity whose distance from its mean is `factor` times what its model says."""

    told: Marginal
    factor: float

    @property
    def mean(self) -> float:
        """Posterior mean: the model's own."""
        return self.told.mean

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        return self.factor * self.told.sd

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        return self.mean + self.factor * (self.told.quantile(probability) - self.mean)

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        return self.told.above(self.mean + (value - self.mean) / self.factor)


def widened(marginal: Marginal, factor: float) -> Marginal:
    """Return a quantity with its distance from its mean times a factor; with 1 it is as it was."""
    return marginal if factor == 1.0 else WidenedMarginal(marginal, factor)


def widened_rows(rows: np.ndarray, factor: float) -> np.ndarray:
    """Return rows, of which the first holds means and the others quantiles, widened likewise."""
    return rows if factor == 1.0 else rows[0] + factor * (rows - rows[0])


def widened_draws(draws: np.ndarray, factor: float) -> np.ndarray:
    """Return draws, shape (quantities, n_draws), widened about each quantity's mean."""
    if factor == 1.0:
        return draws
    means = draws.mean(axis=1, keepdims=True)
    return means + factor * (draws - means)


@dataclass(frozen=True)
class EffectMarginals:
    """Posteriors of the effects in the outcome's own units; `sustained` None in a forecast.

    Parameters
    ----------
    counterfactual, immediate, sustained
        As in `results.Effects`.
    relative, ratio
        Where they do not follow from the others.
    """

    counterfactual: Marginal
    immediate: Marginal
    sustained: Marginal | None
    relative: Marginal | None = None
    ratio: Marginal | None = None


@dataclass(frozen=True)
class Bands:
    """What is shown of single days, in the outcome's own units.

    Parameters
    ----------
    fitted
        Expected outcome as the person drifts, shape (n_days,).
    counterfactual
        Mean, the 95 % interval's ends and the 50 % interval's, shape (5, n_days).
    effect, cumulative
        Mean and the 95 % interval's ends on post days, shape (3, n_post_days); NaN where a forecast
        has nothing to compare.
    """

    fitted: np.ndarray
    counterfactual: np.ndarray
    effect: np.ndarray
    cumulative: np.ndarray

    def widened(self, factor: float) -> Bands:
        """Return the same means with each interval's ends `factor` times as far away."""
        return Bands(
            self.fitted,
            widened_rows(self.counterfactual, factor),
            widened_rows(self.effect, factor),
            widened_rows(self.cumulative, factor),
        )


@dataclass(frozen=True)
class Fit:
    """What was fitted: a series, its columns and how the noise behaves.

    Parameters
    ----------
    series, design
        The series and its columns.
    problem
        The regression on the fitted rows.
    rows
        Rows that are fitted, shape (n_days,), bool.
    noise_model, likelihood
        How days resemble each other, and how the outcome scatters.
    """

    series: PreparedSeries
    design: DesignMatrix
    problem: Problem
    rows: np.ndarray
    noise_model: NoiseModel
    likelihood: Likelihood

    def innovations(
        self, coefficients: np.ndarray, parameters: Mapping[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised one-step innovations, and their rows' numbers, shape (n_fitted,).

        Parameters
        ----------
        coefficients
            Internal, shape (k,).
        parameters
            The noise's, "sigma" in standardised units.
        """
        rows = np.flatnonzero(self.rows)
        residuals = self.series.standardised[rows] - self.design.matrix[rows] @ coefficients
        return self.noise_model.whiten(residuals, self.series.steps[rows], parameters), rows


class Posterior(Protocol):
    """The posterior of one fit."""

    @property
    def fit(self) -> Fit:
        """What was fitted."""
        ...

    @property
    def diagnostics(self) -> Diagnostics:
        """The gate's verdict."""
        ...

    @property
    def trace(self) -> Mapping[str, np.ndarray]:
        """Chains of the nuisance parameters, (chain, draw); empty where nothing was sampled."""
        ...

    def effects(self) -> EffectMarginals:
        """Return the posteriors of the effects."""
        ...

    def bands(self) -> Bands:
        """Return what is shown of single days."""
        ...

    def mean_coefficients(self) -> np.ndarray:
        """Return the posterior mean of the internal coefficients, shape (k,)."""
        ...

    def mean_parameters(self) -> dict[str, float]:
        """Return posterior means of the noise's parameters, "sigma" standardised."""
        ...

    def innovations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised innovations, and their rows' numbers, shape (n_fitted,)."""
        ...

    def neighbours(self) -> tuple[float, float]:
        """Return the correlation of two neighbouring days: its mean and 97.5 % quantile."""
        ...

    def coefficients(self) -> dict[str, tuple[float, float]]:
        """Return mean and sd of the reported coefficients in the outcome's own units."""
        ...

    def phases(self) -> tuple[Marginal, ...]:
        """Return the effect in each group of phases on; none where the intervention is one change.

        Behind them, where there are several, the first one's less the mean of the later ones'.
        """
        ...

    def alike_probability(self) -> float | None:
        """Return how probable it is that phases differ little; None where the model has one."""
        ...

    def other_effects(self) -> tuple[tuple[Marginal, Marginal, float], ...]:
        """Return what is told of each other intervention.

        Its average effect, that effect and this one's together, and the correlation of the two.
        """
        ...

    def what_if(self) -> tuple[WhatIf, ...]:
        """Return the average effect under other beliefs about straight trends."""
        ...

    def kept(self) -> PosteriorDraws | PosteriorGrid:
        """Return what is stored of it."""
        ...
