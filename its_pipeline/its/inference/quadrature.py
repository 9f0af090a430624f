"""Posteriors by quadrature: exact, deterministic, a few milliseconds, no sampler.

Given the noise's parameters every linear contrast of the coefficients is Gaussian, so its posterior
is a mixture of Gaussians over a grid. What belongs here: such mixtures, and a grid that is laid
where the mass is. What does not: the density at a point, which a noise model brings (`noise`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from its_pipeline.its.inference.problem import Problem

_FINE = 23
"""Points an axis of the second grid has."""
_BELOW, _ABOVE = 4.5, 5.0
"""How far the second grid reaches from the mean, in standard deviations of the first."""
_LEAST_FREEDOM = 3


@dataclass(frozen=True)
class Mixture:
    """Posterior of some linear contrasts as Gaussian mixtures.

    Parameters
    ----------
    points
        Grid of the noise's parameters on its own unbounded scales, shape (g, d).
    weights
        Posterior weights, shape (g,), sum 1.
    means, variances
        Of each contrast at each point, shape (g, c).
    log_evidence
        log p(y) of the standardised outcome, up to the grid's error.
    """

    points: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    log_evidence: float

    def mean(self) -> np.ndarray:
        """Return the posterior means, shape (c,)."""
        return self.weights @ self.means

    def sd(self) -> np.ndarray:
        """Return the posterior standard deviations, shape (c,)."""
        second = self.weights @ (self.variances + self.means**2)
        return np.sqrt(np.maximum(second - self.mean() ** 2, 0.0))

    def cdf(self, value: float, contrast: int = 0) -> float:
        """Return P(contrast <= value)."""
        scaled = (value - self.means[:, contrast]) / np.sqrt(self.variances[:, contrast])
        return float(self.weights @ special.ndtr(scaled))

    def quantile(self, probability: float, contrast: int = 0) -> float:
        """Return a quantile of one contrast by bisection."""
        spread = np.sqrt(self.variances[:, contrast])
        low = float(np.min(self.means[:, contrast] - 9.0 * spread))
        high = float(np.max(self.means[:, contrast] + 9.0 * spread))
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self.cdf(middle, contrast) < probability:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


@dataclass(frozen=True)
class Evaluation:
    """What a noise model knows at the points of a grid.

    Parameters
    ----------
    points
        Shape (g, d).
    log_weights
        Log posterior density at each, up to p(y), shape (g,).
    means, variances
        Of each contrast given each point, shape (g, c).
    """

    points: np.ndarray
    log_weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def normalised(self) -> tuple[np.ndarray, float]:
        """Return the weights, sum 1, and the log of what they were divided by."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        total = float(weights.sum())
        return weights / total, float(self.log_weights.max()) + math.log(total)


Evaluate = Callable[[np.ndarray, Sequence[np.ndarray]], Evaluation]
"""Takes contrasts of shape (c, k) and one array of values an axis."""


def integrate(
    evaluate: Evaluate, contrasts: np.ndarray, centre: Sequence[float], coarse: Sequence[np.ndarray]
) -> Mixture:
    """Compute the posterior of linear contrasts on a grid that is laid where the mass is.

    A coarse grid finds the mean and the spread of the noise's parameters, a second one covers them.

    Parameters
    ----------
    evaluate
        The noise model's density and moments on a grid.
    contrasts
        Shape (c, k).
    centre, coarse
        The coarse grid's axes are `centre` plus `coarse`, evenly spaced.
    """
    at = evaluate(contrasts[:1], [c + axis for c, axis in zip(centre, coarse, strict=True)])
    weights, _ = at.normalised()
    mean = weights @ at.points
    steps = np.array([axis[1] - axis[0] for axis in coarse])
    spread = np.sqrt(weights @ (at.points - mean) ** 2) + 0.5 * steps
    axes = [
        np.linspace(mean[i] - _BELOW * spread[i], mean[i] + _ABOVE * spread[i], _FINE)
        for i in range(len(coarse))
    ]
    fine = evaluate(contrasts, axes)
    weights, log_total = fine.normalised()
    volume = math.prod(float(axis[1] - axis[0]) for axis in axes)
    evidence = log_total + math.log(volume)
    return Mixture(fine.points, weights, fine.means, fine.variances, evidence)


def log_residual_sd(problem: Problem) -> float:
    """Return the log residual standard deviation of ordinary least squares.

    Where columns are nearly as many as rows the residuals say nothing, and zero is returned: the
    outcome's own standard deviation.
    """
    coefficients = np.linalg.lstsq(problem.design, problem.outcome, rcond=None)[0]
    rest = problem.outcome - problem.design @ coefficients
    freedom = len(problem.outcome) - problem.design.shape[1]
    if freedom < _LEAST_FREEDOM:
        return 0.0
    return 0.5 * math.log(max(float(rest @ rest) / freedom, 1e-8))
