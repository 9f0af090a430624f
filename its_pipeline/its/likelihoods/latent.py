"""Posteriors of counts and successes: Gaussians stand for the days, and weights mend the rest.

What belongs here: the inference that every likelihood with a link shares. What does not: the
families' densities (`family_kernel`), the noise's filters (`noise`), or what is told on the scale
people read (`its.linked`).

The predictor is `h = X b + e` with the noise model's lasting part e, in units of the link scale.
Each day's likelihood is stood for by a Gaussian in h, that of the Gaussian approximation of the
whole posterior that is closest to it (Opper & Archambeau 2009, Neural Comput. 21, 786; taken at a
single point it is Laplace's). Given those, coefficients and noise are integrated as with normal
errors, over nodes of time constant, sd and dispersion. Draws of the result get weights, true
likelihood over Gaussian (importance sampling, e.g. Robert & Casella 2004, section 3.3), so that
what is told is of the model itself; how many independent draws they are worth says how good the
Gaussians were, and the gate asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nodes import systematic
from its_pipeline.its.inference.problem import Problem, padded
from its_pipeline.its.inference.quadrature import QUADRATURE_ERROR_MAX, halved_errors, refined
from its_pipeline.its.likelihoods.latent_grid import WHOLE, Grid

PROPOSALS = (4000, 40_000)
"""Draws that are weighed; the more where the fewer are worth less than `ENOUGH`."""
ENOUGH = 600.0
KEPT = 4000
"""Draws that are handed on."""
_COARSE = (3, 5, 5)
_KNOTS = (3, 7, 5)
_FINE = (5, 13, 7)
_MOST_NODES, _MOST_LOOKS = 49, 6
_WORTH_A_LOOK = 12.0
"""Log of how far below the peak a node may lie, by the knots around it, and still be computed."""
_COARSE_ROUNDS = 2
_KNOT_ROUNDS = 2
_LAST_ROUNDS = 1
_START_VARIANCE = 0.2
_NODES, _WEIGHTS = special.roots_hermitenorm(7)
_WEIGHED_STREAM = 5


@dataclass(frozen=True)
class Observations:
    """What a likelihood with a link is told of the outcome on the fitted rows.

    Parameters
    ----------
    family
        Its number in `family_kernel`.
    dispersed
        Whether it has a dispersion of its own.
    y, trials, offset
        Outcome, number of trials (1 for counts) and what is known of the predictor; shape (n,).
    centre, scale
        The predictor is `offset + centre + scale * h`.
    start
        A first guess of h, shape (n,).
    """

    family: int
    dispersed: bool
    y: np.ndarray
    trials: np.ndarray
    offset: np.ndarray
    centre: float
    scale: float
    start: np.ndarray

    @property
    def shift(self) -> np.ndarray:
        """Return the predictor at h = 0, shape (n,)."""
        return self.offset + self.centre


@dataclass(frozen=True)
class Weighed:
    """Draws of one posterior in units of the link scale.

    Parameters
    ----------
    coefficients
        Shape (d, k).
    paths
        The noise's lasting part on consecutive steps, shape (d, m).
    phi, sd, dispersion
        Shape (d,).
    weights
        Shape (d,), sum 1.
    error, edge
        As of `inference.mixture.Mixture`.
    """

    coefficients: np.ndarray
    paths: np.ndarray
    phi: np.ndarray
    sd: np.ndarray
    dispersion: np.ndarray
    weights: np.ndarray
    error: float
    edge: float

    @property
    def worth(self) -> float:
        """How many independent draws the weighed ones are worth (Kish 1965)."""
        return float(1.0 / np.sum(self.weights**2))

    def alike(self, order: np.ndarray) -> Weighed:
        """Return `KEPT` draws that are each as probable as any other.

        Parameters
        ----------
        order
            A quantity of each draw, shape (d,): what the choice disturbs least.
        """
        sorted_ = np.argsort(order, kind="stable")
        chosen = sorted_[systematic(self.weights[sorted_], KEPT)]
        # Neighbours are alike, so they are dealt out.
        chosen = chosen[np.random.default_rng(KEPT).permutation(KEPT)]
        return replace(
            self,
            coefficients=self.coefficients[chosen],
            paths=self.paths[chosen],
            phi=self.phi[chosen],
            sd=self.sd[chosen],
            dispersion=self.dispersion[chosen],
            weights=np.full(KEPT, 1.0 / KEPT),
        )


def weighed(
    problem: Problem, seen: Observations, contrasts: np.ndarray, steps: np.ndarray, seed: int
) -> Weighed:
    """Draw from the posterior of a regression with a link.

    Parameters
    ----------
    problem
        The regression; its outcome is not read.
    seen
        The outcome.
    contrasts
        Of the coefficients, shape (c, k): what the nodes are refined for.
    steps
        Consecutive steps that hold all of the problem's, shape (m,).
    seed
        Of the draws.
    """
    work = _Work(problem, seen)
    grid = Grid.over(WHOLE, work.counts(_COARSE))
    sites = work.improved(grid, work.first_guess(grid), _COARSE_ROUNDS)
    logs, _, _ = work.masses(grid, sites, contrasts[:0])
    coarse, knots = (grid, sites), Grid.over(grid.with_mass(logs), work.counts(_KNOTS))
    sites = work.improved(knots, _between(*coarse, knots), _KNOT_ROUNDS)
    logs, _, _ = work.masses(knots, sites, contrasts[:0])
    heights = logs.max(axis=1) - knots.log_weights
    box, counts = knots.with_mass(logs), work.counts(_FINE)
    looks = 0
    while True:
        grid = Grid.over(box, counts)
        numbers, shares = knots.corners(grid)
        likely = np.sum(shares * heights[numbers], axis=0)
        grid = grid.only(np.flatnonzero(likely > likely.max() - _WORTH_A_LOOK))
        here = _between(knots, sites, grid)
        logs, means, variances = work.masses(grid, here, contrasts)
        weights, halved, kept = grid.normalised(logs)
        errors = _halved_errors(weights, halved, kept, means, variances)
        box, looks = grid.with_mass(logs), looks + 1
        if not errors.max() > QUADRATURE_ERROR_MAX or looks >= _MOST_LOOKS:
            # What lies between knots is a guess: where the mass is, it is held against the days.
            worth = np.unique(kept // logs.shape[1])
            grid = grid.only(worth)
            here = work.improved(grid, here.only(worth), _LAST_ROUNDS)
            logs, means, variances = work.masses(grid, here, contrasts)
            weights, halved, kept = grid.normalised(logs)
            errors = _halved_errors(weights, halved, kept, means, variances)
            if not errors.max() > QUADRATURE_ERROR_MAX or looks >= _MOST_LOOKS:
                break
        more = np.zeros(len(counts), dtype=bool)
        more[np.array(counts) > 1] = errors > 0.5 * QUADRATURE_ERROR_MAX
        counts = refined(counts, more, _MOST_NODES)
    edge = float(weights[grid.on_open_edge()[kept // logs.shape[1]]].sum())
    quality = float(errors.max()), edge
    found = work.drawn(PROPOSALS[0], grid, here, weights, kept, steps, seed, quality)
    if found.worth < ENOUGH:
        found = work.drawn(PROPOSALS[1], grid, here, weights, kept, steps, seed, quality)
    return found


def _halved_errors(
    weights: np.ndarray,
    halved: np.ndarray,
    kept: np.ndarray,
    means: np.ndarray,
    variances: np.ndarray,
) -> np.ndarray:
    flat = (-1, means.shape[2])
    is_told = np.isfinite(halved).all(axis=1)
    errors = np.full(len(halved), np.inf)
    errors[is_told] = halved_errors(
        weights,
        np.ascontiguousarray(halved[is_told]),
        np.ascontiguousarray(means.reshape(flat)[kept].T),
        np.sqrt(np.ascontiguousarray(variances.reshape(flat)[kept].T)),
        QUADRATURE_ERROR_MAX,
    )
    return errors


@dataclass(frozen=True)
class _Sites:
    """Gaussians that stand for the days, at each node.

    Parameters
    ----------
    told, errors
        Their means and variances of h, shape (g, n).
    rests
        Log of what they leave out, on average, shape (g,).
    """

    told: np.ndarray
    errors: np.ndarray
    rests: np.ndarray

    def only(self, numbers: np.ndarray) -> _Sites:
        """Return those of some of the nodes."""
        return _Sites(self.told[numbers], self.errors[numbers], self.rests[numbers])


class _Work:
    """One regression with Gaussians in place of its days."""

    def __init__(self, problem: Problem, seen: Observations) -> None:
        self.problem = problem
        self.seen = seen
        self.order = problem.order
        self.design = np.ascontiguousarray(problem.design[:, self.order])
        self.precisions = 1.0 / np.square(problem.prior.sd[:, self.order])
        self.kernel: Any = compiled.load("its_pipeline.its.likelihoods.latent_kernel")

    def counts(self, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return nodes an axis; one where there is no dispersion."""
        return wanted if self.seen.dispersed else (*wanted[:2], 1)

    def first_guess(self, grid: Grid) -> _Sites:
        shape = (len(grid.at), len(self.seen.y))
        told, errors = np.empty(shape), np.full(shape, _START_VARIANCE)
        told[:] = self.seen.start
        return _Sites(told, errors, np.zeros(len(grid.at)))

    def improved(self, grid: Grid, sites: _Sites, rounds: int) -> _Sites:
        """Return the Gaussians that are closest to the days, from a first guess of them."""
        seen = self.seen
        told, errors, rests = sites.told.copy(), sites.errors.copy(), sites.rests.copy()
        self.kernel.improve(
            self.design,
            self.problem.gaps,
            self.precisions,
            np.log(self.problem.prior.weights),
            grid.points,
            grid.dispersions,
            seen.family,
            seen.y,
            seen.trials,
            seen.shift,
            seen.scale,
            _NODES,
            _WEIGHTS / math.sqrt(2.0 * math.pi),
            rounds,
            told,
            errors,
            rests,
        )
        return _Sites(told, errors, rests)

    def masses(
        self, grid: Grid, sites: _Sites, contrasts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return log masses of nodes and components (g, m), and the contrasts' moments there."""
        problem = self.problem
        sums, log_dets = self._whitened(grid, sites)
        shape = (len(grid.at), len(problem.prior.weights), len(contrasts))
        logs, means, variances = np.empty(shape[:2]), np.empty(shape), np.empty(shape)
        constants = compiled.gaussian_kernel().moments_given_noise(
            sums,
            np.zeros(len(grid.at)),
            problem.shared_precisions,
            problem.free_precisions,
            np.log(problem.prior.weights),
            np.ascontiguousarray(contrasts[:, self.order])[None],
            logs,
            means,
            variances,
        )
        logs += (constants + grid.log_weights - 0.5 * log_dets + sites.rests)[:, None]
        return logs, means, variances

    def drawn(
        self,
        n: int,
        grid: Grid,
        sites: _Sites,
        weights: np.ndarray,
        kept: np.ndarray,
        steps: np.ndarray,
        seed: int,
        quality: tuple[float, float],
    ) -> Weighed:
        """Draw from the Gaussians, and weigh the draws by the likelihood itself."""
        problem, seen, k = self.problem, self.seen, len(self.order)
        rng = np.random.default_rng([seed, _WEIGHED_STREAM])
        chosen, at = np.unique(kept[systematic(weights, n)], return_inverse=True)
        components = len(problem.prior.weights)
        used, node = np.unique(chosen // components, return_inverse=True)
        grid = grid.only(used)
        sites = sites.only(used)
        sums, _ = self._whitened(grid, sites)
        means, covariances = np.empty((len(chosen), k)), np.empty((len(chosen), k, k))
        compiled.gaussian_kernel().coefficient_moments(
            sums,
            node,
            np.zeros(len(chosen)),
            np.ascontiguousarray(self.precisions[chosen % components]),
            means,
            covariances,
        )
        lower = np.linalg.cholesky(covariances)
        normals = rng.standard_normal((n, k))
        coefficients = means[at] + np.einsum("nij,nj->ni", lower[at], normals)
        paths = rng.standard_normal((n, len(steps)))
        logs = np.empty(n)
        nodes = node[at]
        self.kernel.draw_and_weigh(
            self.design,
            problem.steps - steps[0],
            seen.family,
            seen.y,
            seen.trials,
            seen.shift,
            seen.scale,
            nodes,
            grid.points,
            grid.dispersions,
            sites.told,
            sites.errors,
            coefficients,
            paths,
            logs,
        )
        logs -= sites.rests[nodes]
        true = np.exp(logs - logs.max())
        points = grid.points[nodes]
        return Weighed(
            coefficients[:, np.argsort(self.order)],
            paths,
            points[:, 0],
            points[:, 1],
            grid.dispersions[nodes],
            true / true.sum(),
            *quality,
        )

    def _whitened(self, grid: Grid, sites: _Sites) -> tuple[np.ndarray, np.ndarray]:
        size = self.design.shape[1] + 1
        sums = np.empty((len(grid.at), size, padded(self.design[:1], np.zeros(1)).shape[1]))
        log_dets = np.empty(len(grid.at))
        self.kernel.whitened_products(
            self.design,
            self.problem.gaps,
            grid.points,
            sites.told,
            sites.errors,
            sums,
            log_dets,
        )
        return sums, log_dets


def _between(knots: Grid, sites: _Sites, grid: Grid) -> _Sites:
    """Return the Gaussians at nodes between those at which there are some."""
    numbers, shares = knots.corners(grid)
    told = np.einsum("cg,cgn->gn", shares, sites.told[numbers])
    errors = np.exp(np.einsum("cg,cgn->gn", shares, np.log(sites.errors)[numbers]))
    return _Sites(told, errors, np.einsum("cg,cg->g", shares, sites.rests[numbers]))
