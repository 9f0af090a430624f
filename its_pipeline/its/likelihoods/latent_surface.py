"""Where nodes of the noise are laid: a smooth surface of the likelihood, and points by its mass.

What belongs here: the log likelihood between nodes at which it is known, and nodes that lie as
densely as the posterior that it makes. What does not: the axes and their priors (`latent_grid`), or
computing the likelihood (`latent`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from its_pipeline.its.inference import compiled
from its_pipeline.its.likelihoods.latent_grid import WHOLE, Grid, Nodes, log_prior

_CELLS = (16, 32, 16)
"""Of a box, in which the nodes' density is constant."""
_SHAPING = 12.0
"""Log of how far below the peak what is known still shapes the surface."""
_SMOOTH = 30.0
"""Log of how far below the peak the grid may put a point that the surface is asked for: the mass
lies along a bent ridge, and a straight line from node to node cuts its bends off."""
_FEWEST, _MOST = 60, 400
"""So many of the highest that are known, however far below the peak."""
_ABOVE = 6.0
"""Log of how far above all that is known a surface may rise."""
_FARTHER = 0.2
"""Share of nodes that lie where the root of the mass does."""
_PLASTIC = 1.2207440846057596
"""Root of x^4 = x + 1: steps of its powers fill a cube evenly (Roberts 2018)."""


@dataclass(frozen=True)
class Surface:
    """A log likelihood over nodes, smooth between those at which it is known.

    A sum of cubes of distances to them and a plane (radial basis functions: Wendland 2005, chapter
    8), where the grid does not put it far below the peak; else what the grid says.

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
        near = np.flatnonzero(told > told.max() - _SMOOTH)
        known = np.vstack([self.grid.nodes.at, self.others])
        heights = np.concatenate([self.heights, self.others_heights])
        highest = heights.max()
        enough = np.clip(np.sum(heights > highest - _SHAPING), _FEWEST, _MOST)
        kept = np.argsort(-heights)[:enough]
        # An axis of one node is the same everywhere.
        steps = [axis[1] - axis[0] if len(axis) > 1 else 1.0 for axis in self.grid.axes]
        smooth = _interpolated(known[kept] / steps, heights[kept], at[near] / steps)
        told[near] = np.minimum(smooth, highest + _ABOVE)
        return told


def _interpolated(known: np.ndarray, heights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the smooth surface at points, (g, 3), from its heights at others, (p, 3)."""
    kernel: Any = compiled.load("its_pipeline.its.likelihoods.latent_surface_kernel")
    middle = known.mean(axis=0)
    n, varies = len(known), np.ptp(known, axis=0) > 0.0
    size = 1 + int(varies.sum())
    system = np.zeros((n + size, n + size))
    away = known - middle
    lengths = np.sum(away**2, axis=1)
    squares = np.maximum(lengths[:, None] + lengths - 2.0 * away @ away.T, 0.0)
    system[:n, :n] = squares * np.sqrt(squares)
    system[:n, n], system[:n, n + 1 :] = 1.0, away[:, varies]
    system[n:, :n] = system[:n, n:].T
    found = np.linalg.solve(system, np.concatenate([heights, np.zeros(size)]))
    told = found[n] + (wanted - middle)[:, varies] @ found[n + 1 :]
    kernel.add_cubes(known, found[:n], np.ascontiguousarray(wanted.T), told)
    return told


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
    a, within[:, 0] = _inverted(rest, even[:, 0])
    b, within[:, 1] = _inverted(mass.sum(axis=2)[a], even[:, 1])
    c, within[:, 2] = _inverted(mass[a, b], even[:, 2])
    return np.ravel_multi_index((a, b, c), mass.shape), within


def _inverted(mass: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return in which cell of each row, (n, c), a share of its mass lies, and where in the cell."""
    ends = np.cumsum(mass, axis=1)
    sought = at * ends[:, -1]
    cell = np.minimum(np.sum(ends <= sought[:, None], axis=1), mass.shape[1] - 1)
    rows = np.arange(len(mass))
    before = ends[rows, cell] - mass[rows, cell]
    return cell, np.clip((sought - before) / mass[rows, cell], 0.0, 1.0)


def proposed(grid: Grid, likelihood: Surface, first: int, n: int) -> Nodes:
    """Return nodes that lie as densely as the posterior mass between a grid's.

    They lie anywhere in the box, so that their weights hold whatever was missed.

    Parameters
    ----------
    grid
        Whose box they lie in.
    likelihood
        The log likelihood as far as it is known.
    first, n
        Numbers of the first and of the one after the last of an endless sequence of nodes.
    """
    counts = [c if len(a) > 1 else 1 for c, a in zip(_CELLS, grid.axes, strict=True)]
    box = [(a[0], a[-1]) for a in grid.axes]
    widths = np.array([(high - low) / c for (low, high), c in zip(box, counts, strict=True)])
    cells = Grid(
        tuple(
            low + width * (np.arange(c) + 0.5)
            for (low, _), width, c in zip(box, widths, counts, strict=True)
        ),
        grid.scale,
    )
    middles = cells.nodes.at
    logs = likelihood(middles) + log_prior(cells.nodes)
    mass = np.exp(logs - logs.max())
    # Some lie farther out than the mass: what the grid missed there is seen.
    farther = np.sqrt(mass)
    mass = (1.0 - _FARTHER) * mass / mass.sum() + _FARTHER * farther / farther.sum()
    chosen, within = spread_evenly(mass.reshape(counts[2], counts[0], counts[1]), first, n)
    at = middles[chosen] + widths * (within[:, [1, 2, 0]] - 0.5)
    is_edge = np.zeros(len(at), dtype=bool)
    for axis, values, ends, whole in zip(cells.axes, middles[chosen].T, box, WHOLE, strict=True):
        for outermost, bound, end in zip((axis[0], axis[-1]), ends, whole, strict=True):
            if len(axis) > 1 and abs(bound - end) > 1e-12:
                is_edge |= values == outermost
    nodes = Nodes(at, grid.scale, -np.log(mass[chosen]), is_edge)
    return replace(nodes, log_weights=nodes.log_weights + log_prior(nodes))
