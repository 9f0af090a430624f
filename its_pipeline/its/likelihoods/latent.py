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
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.diagnostics import EDGE_MASS_MAX
from its_pipeline.its.inference.nodes import systematic
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import QUADRATURE_ERROR_MAX
from its_pipeline.its.likelihoods.latent_draws import Weighed, widened
from its_pipeline.its.likelihoods.latent_grid import (
    WHOLE,
    Grid,
    Nodes,
    Sites,
    between,
    error_of_halves,
)
from its_pipeline.its.likelihoods.latent_surface import Surface, proposed
from its_pipeline.its.likelihoods.observations import Observations

PROPOSALS = (4000, 12_000, 40_000)
"""Draws that are weighed; the more where the fewer are worth less than `ENOUGH`."""
ENOUGH = 1000.0
_COARSE = (4, 7, 5)
_KNOTS = ((3, 7, 5), (5, 13, 9), (9, 25, 17))
"""Where Gaussians are found first, those of nodes between starting from theirs; one after the
other, each where the one before saw the mass, until draws are worth enough."""
_ZOOMS = 4
"""How often the first of them are laid anew at most, until so many lie near the peak."""
_NEAR, _RESOLVED = 9.0, 0.2
"""Log of how far below the peak that is, and the share that shows the peak's shape."""
_WORTH_A_LOOK = 30.0
"""Log of how far below the peak a knot may lie, by the knots before it, and still be improved: by
straight lines between those, which cut off the bends of a ridge (a long time constant with a large
sd explains the same days as a short one with a small sd)."""
_SCOUTS = (150, 550, 950)
"""Ends of a sequence of nodes. The first tell where the mass lies between the knots; those to the
second end, or to the third, are enough where half of them agree with all."""
_NODES = (1700, 2500, 4500)
"""Ends of the sequence of nodes where they do not, laid by all before them; the more by the same
rule. No two of all these nodes are the same."""
_ROUNDS, _LAST_ROUNDS = (2, 20), (1, 1)
"""How often the Gaussians are improved, at knots and at nodes between them: at least, and at most
where the predictor is still moving. What has not settled at a knot looks as if it had no mass, and
the mass is then looked for elsewhere: counts that grow a hundredfold need three or four rounds."""
_NEGLIGIBLE = 1e-4
"""Of the largest weight."""
_START_VARIANCE = 0.2
_Masses = tuple[np.ndarray, np.ndarray, np.ndarray]
_HERMITE, _HERMITE_WEIGHTS = special.roots_hermitenorm(5)
_WEIGHED_STREAM = 5


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
    knots = work.coarse()
    for _ in range(_ZOOMS):
        knots = work.zoomed(knots, _KNOTS[0])
        if np.mean(knots.heights > knots.heights.max() - _NEAR) > _RESOLVED:
            break
    integral = work.integrated(knots, contrasts)
    for counts in _KNOTS[1:]:
        if integral.is_fine and not integral.edge > EDGE_MASS_MAX:
            break
        knots = work.zoomed(knots, counts)
        integral = work.integrated(knots, contrasts)
    found = work.drawn(PROPOSALS[0], integral, contrasts[0], steps, seed)
    for n in PROPOSALS[1:]:
        if found.worth > ENOUGH:
            break
        found = work.drawn(n, integral, contrasts[0], steps, seed)
    return found


@dataclass(frozen=True)
class _Knots:
    """A grid with the Gaussians at each of its nodes, and the log likelihoods, shape (g,)."""

    grid: Grid
    sites: Sites
    heights: np.ndarray


@dataclass(frozen=True)
class _Integral:
    """Nodes with the mass at each.

    Parameters
    ----------
    nodes, sites, masses
        The nodes, what stands for the days there, and what `_Work.masses` says of them.
    weights, kept
        Of nodes and components that matter, and their flat numbers, shape (p,).
    error, edge
        What half of the nodes moves, in sds, and the mass at an edge of the nodes' box.
    """

    nodes: Nodes
    sites: Sites
    masses: _Masses
    weights: np.ndarray
    kept: np.ndarray
    error: float
    edge: float

    @property
    def is_fine(self) -> bool:
        """Whether half of the nodes say nearly the same as all."""
        return not self.error > QUADRATURE_ERROR_MAX

    def known_to(self, surface: Surface) -> Surface:
        """Return a surface that goes through these nodes as well."""
        return surface.knowing(self.nodes, np.logaddexp.reduce(self.masses[0], axis=1))

    def and_more(self, others: _Integral) -> _Integral:
        """Return these nodes and others of the same sequence."""
        pairs = zip(self.masses, others.masses, strict=True)
        logs, means, variances = (np.concatenate(pair) for pair in pairs)
        return _integral(
            self.nodes.and_more(others.nodes),
            self.sites.and_more(others.sites),
            (logs, means, variances),
        )


def _integral(nodes: Nodes, sites: Sites, masses: _Masses) -> _Integral:
    """Return what so many nodes come to."""
    logs, means, variances = masses
    mass = np.exp(logs - logs.max()).ravel()
    kept = np.flatnonzero(mass > _NEGLIGIBLE)
    weights = mass[kept] / mass[kept].sum()
    error = error_of_halves(weights, kept, means, variances)
    edge = float(weights[nodes.is_edge[kept // logs.shape[1]]].sum())
    return _Integral(nodes, sites, masses, weights, kept, error, edge)


class _Work:
    """One regression with Gaussians in place of its days."""

    def __init__(self, problem: Problem, seen: Observations) -> None:
        self.problem = problem
        self.seen = seen
        self.order = problem.order
        self.design = np.ascontiguousarray(problem.design[:, self.order])
        self.precisions = 1.0 / np.square(problem.prior.sd[:, self.order])
        self.kernel: Any = compiled.load("its_pipeline.its.likelihoods.latent_kernel")

    @property
    def dispersed_scale(self) -> float:
        """Return the predictor's scale; 0 where days have no dispersion of their own."""
        return self.seen.scale if self.seen.dispersed else 0.0

    def coarse(self) -> _Knots:
        """Return knots everywhere, each begun with what the next larger sd came to.

        With a large sd the predictor follows the days, and there is little to find.
        """
        grid = Grid.over(WHOLE, _COARSE, self.dispersed_scale)
        nodes, shape = grid.nodes, (len(grid.nodes.at), len(self.seen.y))
        sites = Sites(np.empty(shape), np.full(shape, _START_VARIANCE), np.zeros(len(nodes.at)))
        sites.told[:] = self.seen.start
        by_sd = np.arange(len(nodes.at)).reshape(-1, _COARSE[1])
        for column in range(_COARSE[1])[::-1]:
            numbers = by_sd[:, column]
            begun = sites.only(by_sd[:, min(column + 1, _COARSE[1] - 1)])
            found = self.improved(nodes.only(numbers), begun, _ROUNDS)
            sites = sites.replaced(numbers, found)
        return _Knots(grid, sites, self.heights(nodes, sites))

    def zoomed(self, knots: _Knots, counts: tuple[int, int, int]) -> _Knots:
        """Return so many knots in the box of the mass that others saw."""
        finer = Grid.over(knots.grid.with_mass(knots.heights), counts, self.dispersed_scale)
        nodes = finer.nodes
        sites = between(knots.grid, knots.sites, nodes)
        heights = knots.grid.between(knots.heights, nodes.at)
        near = np.flatnonzero(heights > heights.max() - _WORTH_A_LOOK)
        better = self.improved(nodes.only(near), sites.only(near), _ROUNDS)
        heights[near] = self.heights(nodes.only(near), better)
        return _Knots(finer, sites.replaced(near, better), heights)

    def improved(self, nodes: Nodes, sites: Sites, rounds: tuple[int, int]) -> Sites:
        """Return the Gaussians that are closest to the days, from a first guess of them."""
        seen = self.seen
        told, errors, rests = sites.told.copy(), sites.errors.copy(), sites.rests.copy()
        self.kernel.improve(
            self.design,
            self.problem.gaps,
            self.precisions,
            np.log(self.problem.prior.weights),
            nodes.points,
            nodes.dispersions,
            seen.family,
            seen.y,
            seen.trials,
            seen.kinds_of_days,
            seen.shift,
            seen.scale,
            _HERMITE,
            _HERMITE_WEIGHTS / math.sqrt(2.0 * math.pi),
            *rounds,
            told,
            errors,
            rests,
        )
        return Sites(told, errors, rests)

    def heights(self, nodes: Nodes, sites: Sites) -> np.ndarray:
        """Return the log likelihood of each node, shape (g,)."""
        nothing = np.zeros((0, len(self.order)))
        return np.logaddexp.reduce(self.masses(nodes, sites, nothing)[0], axis=1)

    def masses(self, nodes: Nodes, sites: Sites, contrasts: np.ndarray) -> _Masses:
        """Return log masses of nodes and components (g, m), and the contrasts' moments there."""
        problem = self.problem
        sums, log_dets = self._whitened(nodes, sites)
        shape = (len(nodes.at), len(problem.prior.weights), len(contrasts))
        logs, means, variances = np.empty(shape[:2]), np.empty(shape), np.empty(shape)
        constants = compiled.gaussian_kernel().moments_given_noise(
            sums,
            np.zeros(len(nodes.at)),
            problem.shared_precisions,
            problem.free_precisions,
            np.log(problem.prior.weights),
            np.ascontiguousarray(contrasts[:, self.order])[None],
            logs,
            means,
            variances,
        )
        logs += (constants + nodes.log_weights - 0.5 * log_dets + sites.rests)[:, None]
        return logs, means, variances

    def integrated(self, knots: _Knots, contrasts: np.ndarray) -> _Integral:
        """Return nodes between knots with their masses, as many as tell the contrasts well."""
        surface = Surface(knots.grid, knots.heights)
        first, n, more = _SCOUTS
        surface = self.among(knots, surface, 0, first, contrasts).known_to(surface)
        integral = self.among(knots, surface, first, n, contrasts)
        if not integral.is_fine:
            integral = integral.and_more(self.among(knots, surface, n, more, contrasts))
        if integral.is_fine:
            return integral
        surface = integral.known_to(surface)
        integral = self.among(knots, surface, more, _NODES[0], contrasts)
        for first, n in pairwise(_NODES):
            if integral.is_fine:
                break
            integral = integral.and_more(self.among(knots, surface, first, n, contrasts))
        return integral

    def among(
        self, knots: _Knots, surface: Surface, first: int, n: int, contrasts: np.ndarray
    ) -> _Integral:
        """Return nodes where a surface says that the mass lies, the `first` to the `n`-th."""
        nodes = proposed(knots.grid, surface, first, n)
        sites = self.improved(nodes, between(knots.grid, knots.sites, nodes), _LAST_ROUNDS)
        return _integral(nodes, sites, self.masses(nodes, sites, contrasts))

    def drawn(
        self,
        n: int,
        integral: _Integral,
        contrast: np.ndarray,
        steps: np.ndarray,
        seed: int,
    ) -> Weighed:
        """Draw from the Gaussians, and weigh the draws by the likelihood itself.

        A share of the draws goes farther along the contrast, and their weights know it: tails of
        the posterior that the Gaussians do not have are seen (defensive mixture, Hesterberg 1995,
        Technometrics 37, 185).
        """
        problem, seen, k = self.problem, self.seen, len(self.order)
        rng = np.random.default_rng([seed, _WEIGHED_STREAM])
        chosen, at = np.unique(integral.kept[systematic(integral.weights, n)], return_inverse=True)
        components = len(problem.prior.weights)
        used, number = np.unique(chosen // components, return_inverse=True)
        nodes, sites = integral.nodes.only(used), integral.sites.only(used)
        sums, _ = self._whitened(nodes, sites)
        means, covariances = np.empty((len(chosen), k)), np.empty((len(chosen), k, k))
        compiled.gaussian_kernel().coefficient_moments(
            sums,
            number,
            np.zeros(len(chosen)),
            np.ascontiguousarray(self.precisions[chosen % components]),
            means,
            covariances,
        )
        lower = np.linalg.cholesky(covariances)
        normals = rng.standard_normal((n, k))
        along = contrast[self.order] @ lower
        farther = widened(normals, (along / np.linalg.norm(along, axis=1)[:, None])[at])
        coefficients = means[at] + np.einsum("nij,nj->ni", lower[at], normals)
        paths = rng.standard_normal((n, len(steps)))
        logs = np.empty(n)
        at_node = number[at]
        self.kernel.draw_and_weigh(
            self.design,
            problem.steps - steps[0],
            seen.family,
            seen.y,
            seen.trials,
            seen.kinds_of_days,
            seen.shift,
            seen.scale,
            at_node,
            nodes.points,
            nodes.dispersions,
            sites.told,
            sites.errors,
            coefficients,
            paths,
            logs,
        )
        logs -= sites.rests[at_node] + farther
        true = np.exp(logs - logs.max())
        points = nodes.points[at_node]
        return Weighed(
            coefficients[:, np.argsort(self.order)],
            paths,
            points[:, 0],
            points[:, 1],
            nodes.dispersions[at_node],
            true / true.sum(),
            integral.error,
            integral.edge,
        )

    def _whitened(self, nodes: Nodes, sites: Sites) -> tuple[np.ndarray, np.ndarray]:
        size = self.design.shape[1] + 1
        sums = np.empty((len(nodes.at), size, size))
        log_dets = np.empty(len(nodes.at))
        self.kernel.whitened_products(
            self.design,
            self.problem.gaps,
            nodes.points,
            sites.told,
            sites.errors,
            sums,
            log_dets,
        )
        return sums, log_dets
