"""The same posterior by quadrature: exact, deterministic, a few milliseconds, no sampler.

For questions beside the main answer, where thousands of draws would be waste: placebo dates, the
effect without a covariate, the other estimator. The answer itself comes from `posterior`, whose
chains can be judged. Given (rho, sigma) every linear contrast is Gaussian, so its posterior is a
mixture of Gaussians over the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from its_pipeline.its.inference import compiled
from its_pipeline.its.noise.ar1_packing import pack

_COARSE_Z = np.linspace(-2.5, 3.5, 21)
_COARSE_S = np.linspace(-1.4, 2.6, 23)
_FINE = 23
_BELOW, _ABOVE = 4.5, 5.0
_LEAST_FREEDOM = 3


@dataclass(frozen=True)
class Mixture:
    """Posterior of some linear contrasts as Gaussian mixtures.

    Parameters
    ----------
    points
        Grid of (atanh rho, log sigma), shape (g, 2).
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


def grid_posterior(
    design: np.ndarray,
    outcome: np.ndarray,
    steps: np.ndarray,
    prior_sd: np.ndarray,
    contrasts: np.ndarray,
) -> Mixture:
    """Compute the posterior of linear contrasts of the coefficients on a grid.

    Parameters
    ----------
    design
        Observed rows, shape (n, k).
    outcome
        Standardised outcome, shape (n,).
    steps
        Increasing time steps, shape (n,).
    prior_sd
        Prior standard deviations, shape (k,).
    contrasts
        Shape (c, k).
    """
    buffer = pack(design, outcome, steps, prior_sd)
    centre = log_residual_sd(design, outcome)
    points, weights, *_ = _evaluate(buffer, contrasts[:1], _COARSE_Z, centre + _COARSE_S)
    mean = weights @ points
    steps_of_grid = np.array([_COARSE_Z[1] - _COARSE_Z[0], _COARSE_S[1] - _COARSE_S[0]])
    spread = np.sqrt(weights @ (points - mean) ** 2) + 0.5 * steps_of_grid
    axes = [
        np.linspace(mean[i] - _BELOW * spread[i], mean[i] + _ABOVE * spread[i], _FINE)
        for i in range(2)
    ]
    points, weights, means, variances, peak = _evaluate(buffer, contrasts, axes[0], axes[1])
    area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    return Mixture(points, weights, means, variances, peak + math.log(area))


def log_residual_sd(design: np.ndarray, outcome: np.ndarray) -> float:
    """Return the log residual standard deviation of ordinary least squares.

    Where columns are nearly as many as rows the residuals say nothing, and zero is returned: the
    outcome's own standard deviation.
    """
    coefficients = np.linalg.lstsq(design, outcome, rcond=None)[0]
    rest = outcome - design @ coefficients
    freedom = len(outcome) - design.shape[1]
    if freedom < _LEAST_FREEDOM:
        return 0.0
    return 0.5 * math.log(max(float(rest @ rest) / freedom, 1e-8))


def _evaluate(
    buffer: np.ndarray, contrasts: np.ndarray, z: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    points = np.column_stack([np.repeat(z, len(s)), np.tile(s, len(z))])
    log_weights = np.empty(len(points))
    means = np.empty((len(points), len(contrasts)))
    variances = np.empty_like(means)
    compiled.kernel().grid_moments(
        points, np.ascontiguousarray(contrasts), buffer, log_weights, means, variances
    )
    weights = np.exp(log_weights - log_weights.max())
    total = float(weights.sum())
    return points, weights / total, means, variances, float(log_weights.max()) + math.log(total)
