"""Nodes over time constant, sd and dispersion: where the mass of a posterior with a link lies.

Days tell the sum of what lasts and of what disperses them well, and which of the two it is badly.
So the axes are the time constant, the sd of both together and the dispersion's share of the
variance; in their logs and logit, volumes are those of log sd and log dispersion.

What belongs here: the three axes, their priors, the box they span, nodes that lie as densely as the
mass, what is kept at each, and how well they tell. What does not: computing it (`latent`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from its_pipeline.its import priors
from its_pipeline.its.inference.quadrature import QUADRATURE_ERROR_MAX, halved_errors

Box = tuple[tuple[float, float], ...]

SMALLEST_SD, LARGEST_SD = 0.02, 5.0
"""In units of the link scale: below, it moves nothing; above, nothing is seen."""
_FARTHEST_SHARE = 9.0
WHOLE: Box = (
    (math.log(priors.LINKED_TAU_SHORTEST), math.log(priors.TAU_LONGEST)),
    (math.log(SMALLEST_SD), math.log(LARGEST_SD)),
    (-_FARTHEST_SHARE, _FARTHEST_SHARE),
)
"""Bounds of log time constant, log sd and logit of the dispersion's share."""
_CELLS = (16, 32, 16)
"""Of a box, in which the nodes' density is constant."""
_FLOOR = 9.0
"""Log of how far below the peak a coarse node may lie and still belong to the box."""
_BEYOND = 3.0
_NEAR = 12.0
"""Log of how far below the peak what is known still shapes the surface there."""
_FEWEST, _MOST = 60, 400
"""So many of the highest that are known, however far below the peak."""
_ABOVE = 6.0
"""Log of how far above all that is known a surface may rise."""
_FARTHER = 0.2
"""Share of nodes that lie where the root of the mass does."""
_PLASTIC = 1.2207440846057596
"""Root of x^4 = x + 1: steps of its powers fill a cube evenly (Roberts 2018)."""


@dataclass(frozen=True)
class Nodes:
    """Nodes of the noise.

    Parameters
    ----------
    at
        Log time constant, log sd and logit of the dispersion's share, shape (g, 3).
    scale
        Of the predictor; 0 where there is no dispersion.
    log_weights
        Log of the prior's density over that of the nodes, shape (g,); 0 where they only look.
    is_edge
        Whether a node lies in the outermost cells of a side where the prior goes on, shape (g,).
    """

    at: np.ndarray
    scale: float
    log_weights: np.ndarray
    is_edge: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """Return phi and sd of what lasts at the nodes, shape (g, 2)."""
        lasting = special.expit(-self.at[:, 2]) if self.scale > 0.0 else 1.0
        sd = np.exp(self.at[:, 1]) * np.sqrt(lasting)
        return np.column_stack([np.exp(-np.exp(-self.at[:, 0])), sd])

    @property
    def dispersions(self) -> np.ndarray:
        """Return the dispersions at the nodes, shape (g,); 1 where there is none."""
        if not self.scale > 0.0:
            return np.ones(len(self.at))
        return self.scale * np.exp(self.at[:, 1]) * np.sqrt(special.expit(self.at[:, 2]))

    def and_more(self, others: Nodes) -> Nodes:
        """Return these and others."""
        return replace(
            self,
            at=np.vstack([self.at, others.at]),
            log_weights=np.concatenate([self.log_weights, others.log_weights]),
            is_edge=np.concatenate([self.is_edge, others.is_edge]),
        )

    def only(self, numbers: np.ndarray) -> Nodes:
        """Return some of the nodes."""
        return replace(
            self,
            at=self.at[numbers],
            log_weights=self.log_weights[numbers],
            is_edge=self.is_edge[numbers],
        )


@dataclass(frozen=True)
class Grid:
    """A grid of nodes, the sd the fastest and the dispersion's share the slowest.

    Parameters
    ----------
    axes
        As of `Nodes.at`; an axis of one node is left out.
    scale
        As of `Nodes`.
    """

    axes: tuple[np.ndarray, ...]
    scale: float

    @classmethod
    def over(cls, box: Box, counts: tuple[int, int, int], scale: float) -> Grid:
        """Return so many nodes on each axis of a box; without a dispersion one share."""
        if not scale > 0.0:
            counts = (*counts[:2], 1)
        return cls(
            tuple(
                np.linspace(*ends, count) if count > 1 else np.array([0.5 * sum(ends)])
                for ends, count in zip(box, counts, strict=True)
            ),
            scale,
        )

    @property
    def nodes(self) -> Nodes:
        """Return the nodes."""
        share, constant, sd = np.meshgrid(self.axes[2], self.axes[0], self.axes[1], indexing="ij")
        at = np.column_stack([constant.ravel(), sd.ravel(), share.ravel()])
        return Nodes(at, self.scale, np.zeros(len(at)), np.zeros(len(at), dtype=bool))

    def corners(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nodes around points, and their shares in a linear interpolation.

        Parameters
        ----------
        at
            Shape (g, 3); beyond the grid's box its sides go on as they are.

        Returns
        -------
        tuple
            Numbers and shares, shape (corners, g).
        """
        numbers = np.zeros((1, len(at)), dtype=int)
        shares = np.ones((1, len(at)))
        strides = (len(self.axes[1]), 1, len(self.axes[0]) * len(self.axes[1]))
        for axis, values, stride in zip(self.axes, at.T, strides, strict=True):
            if len(axis) == 1:
                continue
            below = np.clip(np.searchsorted(axis, values) - 1, 0, len(axis) - 2)
            share = np.clip((values - axis[below]) / (axis[below + 1] - axis[below]), 0.0, 1.0)
            numbers = np.vstack([numbers + below * stride, numbers + (below + 1) * stride])
            shares = np.vstack([shares * (1.0 - share), shares * share])
        return numbers, shares

    def between(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return values at points, shape (g,), from those at the nodes."""
        numbers, shares = self.corners(at)
        return np.sum(shares * values[numbers], axis=0)

    def with_mass(self, heights: np.ndarray) -> Box:
        """Return the box that the mass lies in, one node's distance more on either side.

        Where mass lies at a side of this grid's own box, `_BEYOND` such distances more.

        Parameters
        ----------
        heights
            Log likelihoods of the nodes, shape (g,).
        """
        bounds = []
        for axis, at, whole in zip(self.axes, self.nodes.at.T, WHOLE, strict=True):
            kept = at[heights > heights.max() - _FLOOR]
            step = axis[1] - axis[0] if len(axis) > 1 else 0.0
            below = _BEYOND if kept.min() == axis[0] else 1.0
            above = _BEYOND if kept.max() == axis[-1] else 1.0
            low = max(kept.min() - below * step, whole[0])
            high = min(kept.max() + above * step, whole[1])
            bounds.append((float(low), float(high)))
        return tuple(bounds)

    def proposed(self, likelihood: Surface, first: int, n: int) -> Nodes:
        """Return nodes that lie as densely as the posterior mass between this grid's.

        They lie anywhere in the box, so that their weights hold whatever was missed.

        Parameters
        ----------
        likelihood
            The log likelihood as far as it is known.
        first, n
            Numbers of the first and of the one after the last of an endless sequence of nodes.
        """
        counts = [c if len(a) > 1 else 1 for c, a in zip(_CELLS, self.axes, strict=True)]
        box = [(a[0], a[-1]) for a in self.axes]
        widths = np.array([(high - low) / c for (low, high), c in zip(box, counts, strict=True)])
        cells = Grid(
            tuple(
                low + width * (np.arange(c) + 0.5)
                for (low, _), width, c in zip(box, widths, counts, strict=True)
            ),
            self.scale,
        )
        middles = cells.nodes.at
        logs = likelihood(middles) + _log_prior(cells.nodes)
        mass = np.exp(logs - logs.max())
        # Some lie farther out than the mass: what the grid missed there is seen.
        farther = np.sqrt(mass)
        mass = (1.0 - _FARTHER) * mass / mass.sum() + _FARTHER * farther / farther.sum()
        chosen, within = spread_evenly(mass.reshape(counts[2], counts[0], counts[1]), first, n)
        at = middles[chosen] + widths * (within[:, [1, 2, 0]] - 0.5)
        is_edge = np.zeros(len(at), dtype=bool)
        for axis, values, ends, whole in zip(
            cells.axes, middles[chosen].T, box, WHOLE, strict=True
        ):
            for outermost, bound, end in zip((axis[0], axis[-1]), ends, whole, strict=True):
                if len(axis) > 1 and abs(bound - end) > 1e-12:
                    is_edge |= values == outermost
        nodes = Nodes(at, self.scale, -np.log(mass[chosen]), is_edge)
        return replace(nodes, log_weights=nodes.log_weights + _log_prior(nodes))


@dataclass(frozen=True)
class Surface:
    """A log likelihood over nodes, smooth between those at which it is known.

    A sum of cubes of distances to them and a plane (radial basis functions: Wahba 1990, section
    2.4), where the grid alone puts it near the peak; else what the grid says.

    Parameters
    ----------
    grid, heights
        Nodes of a grid and what is known there, shape (g,).
    others, others_heights
        More nodes, shape (p, 3), and what is known there.
    """

    grid: Grid
    heights: np.ndarray
    others: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    others_heights: np.ndarray = field(default_factory=lambda: np.empty(0))

    def knowing(self, nodes: Nodes, masses: np.ndarray) -> Surface:
        """Return the surface that goes through more nodes as well, of such log masses, (g,)."""
        return replace(
            self,
            others=np.vstack([self.others, nodes.at]),
            others_heights=np.concatenate([self.others_heights, masses - nodes.log_weights]),
        )

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Return the log likelihood at points, shape (g, 3)."""
        told = self.grid.between(self.heights, at)
        if not len(self.others):
            return told
        near = np.flatnonzero(told > told.max() - _NEAR)
        known = np.vstack([self.grid.nodes.at, self.others])
        heights = np.concatenate([self.heights, self.others_heights])
        highest = heights.max()
        enough = np.clip(np.sum(heights > highest - _NEAR), _FEWEST, _MOST)
        kept = np.argsort(-heights)[:enough]
        axes = [number for number, axis in enumerate(self.grid.axes) if len(axis) > 1]
        steps = np.array([self.grid.axes[number][1] - self.grid.axes[number][0] for number in axes])
        known, wanted = known[kept][:, axes] / steps, at[near][:, axes] / steps
        smooth = _interpolated(known, heights[kept], wanted)
        told[near] = np.minimum(smooth, highest + _ABOVE)
        return told


def _interpolated(known: np.ndarray, heights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    n, size = len(known), known.shape[1] + 1
    middle = known.mean(axis=0)
    system = np.zeros((n + size, n + size))
    system[:n, :n] = _cubes(known, known)
    system[:n, n], system[:n, n + 1 :] = 1.0, known - middle
    system[n:, :n] = system[:n, n:].T
    found = np.linalg.solve(system, np.concatenate([heights, np.zeros(size)]))
    plane = found[n] + (wanted - middle) @ found[n + 1 :]
    return _cubes(wanted, known) @ found[:n] + plane


def _cubes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    squares = np.sum(first**2, axis=1)[:, None] + np.sum(second**2, axis=1) - 2.0 * first @ second.T
    np.maximum(squares, 0.0, out=squares)
    return squares * np.sqrt(squares)


def spread_evenly(mass: np.ndarray, first: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points that lie as densely as mass in cells does, and evenly.

    An additive recurrence in the unit cube, by the inverse distribution function of one axis after
    the other.

    Parameters
    ----------
    mass
        Of cells, shape (a, b, c), sum 1.
    first, n
        Numbers of the first point and of the one after the last.

    Returns
    -------
    tuple
        Flat numbers of the cells, shape (g,), and where in them the points lie, (g, 3), from 0 to
        1.
    """
    steps = _PLASTIC ** -np.arange(1.0, 4.0)
    even = (0.5 + np.arange(first + 1, n + 1)[:, None] * steps) % 1.0
    within = np.empty_like(even)
    rest = np.broadcast_to(mass.sum(axis=(1, 2)), (len(even), mass.shape[0]))
    first, within[:, 0] = _inverted(rest, even[:, 0])
    second, within[:, 1] = _inverted(mass.sum(axis=2)[first], even[:, 1])
    third, within[:, 2] = _inverted(mass[first, second], even[:, 2])
    return np.ravel_multi_index((first, second, third), mass.shape), within


def _inverted(mass: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return in which cell of each row, (n, c), a share of its mass lies, and where in the cell."""
    ends = np.cumsum(mass, axis=1)
    sought = at * ends[:, -1]
    cell = np.minimum(np.sum(ends <= sought[:, None], axis=1), mass.shape[1] - 1)
    rows = np.arange(len(mass))
    before = ends[rows, cell] - mass[rows, cell]
    return cell, np.clip((sought - before) / mass[rows, cell], 0.0, 1.0)


@dataclass(frozen=True)
class Sites:
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

    def and_more(self, others: Sites) -> Sites:
        """Return these and others."""
        return Sites(
            np.vstack([self.told, others.told]),
            np.vstack([self.errors, others.errors]),
            np.concatenate([self.rests, others.rests]),
        )

    def only(self, numbers: np.ndarray) -> Sites:
        """Return those of some of the nodes."""
        return Sites(self.told[numbers], self.errors[numbers], self.rests[numbers])

    def replaced(self, numbers: np.ndarray, others: Sites) -> Sites:
        """Return these with others in place of some."""
        told, errors, rests = self.told.copy(), self.errors.copy(), self.rests.copy()
        told[numbers], errors[numbers], rests[numbers] = others.told, others.errors, others.rests
        return Sites(told, errors, rests)


def between(knots: Grid, sites: Sites, nodes: Nodes) -> Sites:
    """Return the Gaussians at nodes between those at which there are some."""
    numbers, shares = knots.corners(nodes.at)
    told = np.einsum("cg,cgn->gn", shares, sites.told[numbers])
    errors = np.exp(np.einsum("cg,cgn->gn", shares, np.log(sites.errors)[numbers]))
    return Sites(told, errors, np.einsum("cg,cg->g", shares, sites.rests[numbers]))


def error_of_halves(
    weights: np.ndarray, kept: np.ndarray, means: np.ndarray, variances: np.ndarray
) -> float:
    """Return what every second node alone moves, in sds; see `quadrature.halved_errors`.

    Parameters
    ----------
    weights, kept
        Of nodes and components that matter, and their flat numbers, shape (p,).
    means, variances
        Of contrasts, shape (g, m, c).
    """
    is_second = (kept // means.shape[1]) % 2 == 1
    halved = np.stack([np.where(is_second, weights, 0.0), np.where(is_second, 0.0, weights)])
    totals = halved.sum(axis=1, keepdims=True)
    if not totals.all():
        return np.inf
    flat = (-1, means.shape[2])
    return float(
        halved_errors(
            weights,
            halved / totals,
            np.ascontiguousarray(means.reshape(flat)[kept].T),
            np.sqrt(np.ascontiguousarray(variances.reshape(flat)[kept].T)),
            QUADRATURE_ERROR_MAX,
        ).max()
    )


def _log_prior(nodes: Nodes) -> np.ndarray:
    """Return the log prior density of sds and dispersions up to a constant, shape (g,)."""
    logs = _log_half_student_t(nodes.points[:, 1], priors.SIGMA_SCALE)
    if nodes.scale > 0.0:
        logs = logs + _log_half_student_t(nodes.dispersions, priors.DISPERSION_SCALE)
    return logs


def _log_half_student_t(values: np.ndarray, scale: float) -> np.ndarray:
    """Return the log density of the log of a half-Student-t variable, up to a constant."""
    df = priors.SIGMA_DF
    return np.log(values) - 0.5 * (df + 1.0) * np.log1p(np.square(values / scale) / df)
