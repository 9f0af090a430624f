"""The posterior of some quantities as mixtures of Gaussians, and what may be asked of it.

What belongs here: means, sds, probabilities and quantiles. What does not: how the mixture is come
by (`quadrature`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from its_pipeline.its.inference import compiled

NORMAL_TAIL = 1.96
"""Where the search for a 2.5 % quantile starts, in sds."""
_BIN_WIDTH = 0.05
_MOST_BINS = (200, 40)
"""Gaussians of a mixture whose means lie within this share of its sd, and whose sds are alike, are
merged before its quantiles are sought: that moves them by less than 1e-4 sd."""


@dataclass(frozen=True)
class Mixture:
    """Posterior of some quantities as mixtures of Gaussians over the nodes that matter.

    Parameters
    ----------
    weights
        Posterior weights of the nodes, shape (p,), sum 1.
    means, sds
        Of each quantity given each node, shape (c, p).
    points
        The noise's own parameters at each node, shape (p, d).
    log_sd
        Log of the noise's marginal sd at each node, shape (p,).
    component
        Number of the prior's component, shape (p,).
    log_evidence
        log p(y) of the standardised outcome.
    error
        The most that leaving out every second node of an axis moves a quantity's mean, sd or tail
        quantile, in units of its sd.
    edge
        Share of the mass in nodes on a side of the box where the prior goes on.
    """

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    points: np.ndarray
    log_sd: np.ndarray
    component: np.ndarray
    log_evidence: float
    error: float
    edge: float
    _merges: dict[int, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def mean(self) -> np.ndarray:
        """Return the posterior means, shape (c,)."""
        return self.means @ self.weights

    def sd(self) -> np.ndarray:
        """Return the posterior standard deviations, shape (c,)."""
        return mixture_sd(self.weights, self.means, self.sds)

    def cdf(self, value: float, quantity: int = 0) -> float:
        """Return P(quantity <= value)."""
        return compiled.mixture_kernel().mixture_cdf(*self._merged(quantity), value)[0]

    def quantile(self, probability: float, quantity: int = 0) -> float:
        """Return a quantile of one quantity."""
        start = min(max(4.0 * (probability - 0.5), -NORMAL_TAIL), NORMAL_TAIL)
        return compiled.mixture_kernel().mixture_quantile(
            *self._merged(quantity), probability, start
        )

    def _merged(self, quantity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if quantity not in self._merges:
            no_others = np.zeros((0, len(self.weights)))
            found = merged(self.weights, no_others, self.means[quantity], self.sds[quantity])
            self._merges[quantity] = found[:3]
        return self._merges[quantity]

    def given(self, nodes: np.ndarray) -> Mixture:
        """Return the posterior given that one of some nodes, shape (p,), bool, is true."""
        weights = self.weights[nodes]
        return replace(
            self,
            weights=weights / weights.sum(),
            means=self.means[:, nodes],
            sds=self.sds[:, nodes],
            points=self.points[nodes],
            log_sd=self.log_sd[nodes],
            component=self.component[nodes],
        )


def mixture_sd(weights: np.ndarray, means: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """Return sds of mixtures, shape (c,), of means and sds of shape (c, p)."""
    away = means - (means @ weights)[:, None]
    return np.sqrt((away**2 + sds**2) @ weights)


def merged(
    weights: np.ndarray, others: np.ndarray, means: np.ndarray, sds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Merge Gaussians that are nearly alike; weight, mean and variance are kept.

    Parameters
    ----------
    weights
        Shape (p,).
    others
        Other weights of the same Gaussians, shape (h, p).
    means, sds
        Shape (p,).

    Returns
    -------
    tuple
        Weights, means and sds, shape (b,), and the other weights, shape (h, b).
    """
    width = _BIN_WIDTH * float(mixture_sd(weights, means[None], sds[None])[0])
    kernel: Any = compiled.mixture_kernel()
    return kernel.binned(weights, others, means, np.maximum(sds, 1e-300), width, *_MOST_BINS)
