"""The nodes of a quadrature with all coefficients at each: bands, draws, and where sampling starts.

What belongs here: a few hundred nodes that stand for the whole mixture, what the coefficients are
given each, and exact draws. What does not: the quadrature of single quantities (`quadrature`),
whose few numbers a node are computed for every node.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Correlations, Targets


@dataclass(frozen=True)
class Nodes:
    """Nodes of a quadrature with the moments of the coefficients given each.

    Parameters
    ----------
    weights
        Shape (p,), sum 1.
    points
        The noise's own parameters, shape (p, d).
    log_sd
        Log of the noise's marginal sd, shape (p,).
    means, covariances
        Of the coefficients in the problem's own order, shapes (p, k) and (p, k, k).
    """

    weights: np.ndarray
    points: np.ndarray
    log_sd: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def mean(self) -> np.ndarray:
        """Return the coefficients' posterior mean, shape (k,)."""
        return self.weights @ self.means

    def covariance(self) -> np.ndarray:
        """Return the coefficients' posterior covariance, shape (k, k)."""
        away = self.means - self.mean()
        within = np.tensordot(self.weights, self.covariances, axes=1)
        return within + (away.T * self.weights) @ away

    def moments(self, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
        """Return means and sds of targets at these nodes, shapes (c, p)."""
        loadings = np.broadcast_to(
            targets.loadings, (len(self.weights), *targets.loadings.shape[1:])
        )
        means = np.matmul(loadings, self.means[:, :, None])[..., 0]
        variances = np.sum(np.matmul(loadings, self.covariances) * loadings, axis=2)
        if targets.offsets is not None:
            means = means + targets.offsets
        if targets.extra is not None:
            variances = variances + np.exp(2.0 * self.log_sd)[:, None] * targets.extra
        return means.T, np.sqrt(np.maximum(variances, 0.0)).T

    def quantiles(
        self, means: np.ndarray, sds: np.ndarray, probabilities: tuple[float, ...]
    ) -> np.ndarray:
        """Return quantiles of mixtures over these nodes, (c, p) each, shape (q, c)."""
        wanted = np.array(probabilities)
        starts = np.clip(4.0 * (wanted - 0.5), -1.96, 1.96)
        found = np.empty((len(wanted), len(means)))
        compiled.mixture_kernel().row_mixture_quantiles(
            self.weights,
            np.ascontiguousarray(means),
            np.ascontiguousarray(np.maximum(sds, 1e-12)),
            wanted,
            starts,
            found,
        )
        return found

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw coefficients: numbers of nodes, shape (n,), and coefficients, shape (n, k)."""
        chosen = rng.permutation(systematic(self.weights, n))
        lower = np.linalg.cholesky(self.covariances)
        normals = rng.standard_normal((n, self.means.shape[1]))
        draws = self.means[chosen] + np.einsum("nij,nj->ni", lower[chosen], normals)
        return chosen, draws


def systematic(weights: np.ndarray, n: int) -> np.ndarray:
    """Return n node numbers, each as often as its weight says to within one."""
    edges = np.cumsum(weights)
    return np.minimum(np.searchsorted(edges, (np.arange(n) + 0.5) / n * edges[-1]), len(edges) - 1)


def thinned(mixture: Mixture, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most n nodes that stand for a mixture: their numbers, and their weights."""
    numbers, counts = np.unique(systematic(mixture.weights, n), return_counts=True)
    return numbers, counts / n


def nodes_of(
    problem: Problem,
    noise: Correlations,
    weights: np.ndarray,
    points: np.ndarray,
    log_sd: np.ndarray,
    component: np.ndarray,
) -> Nodes:
    """Compute the coefficients' moments at nodes.

    Parameters
    ----------
    problem, noise
        What was integrated.
    weights, points, log_sd, component
        Of the nodes, first axes of length p.
    """
    unique, at = np.unique(points, axis=0, return_inverse=True)
    sums, _ = noise.cross_products(problem, unique)
    order = problem.order
    k = len(order)
    means, covariances = np.empty((len(weights), k)), np.empty((len(weights), k, k))
    precisions = 1.0 / np.square(problem.prior.sd[component][:, order])
    compiled.gaussian_kernel().coefficient_moments(
        sums, at.reshape(-1), log_sd, np.ascontiguousarray(precisions), means, covariances
    )
    back = np.argsort(order)
    return Nodes(
        weights=weights,
        points=points,
        log_sd=log_sd,
        means=means[:, back],
        covariances=covariances[:, back][:, :, back],
    )
