"""Nodes over time constant, sd and dispersion: where the mass of a posterior with a link lies.

What belongs here: the three axes, their priors and quadrature weights, and the box they span. What
does not: what is computed at the nodes (`latent`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.quadrature import axis_of

Box = tuple[tuple[float, float], ...]

SMALLEST_SD, LARGEST_SD = 0.02, 4.0
"""Of the noise, in units of the link scale: below, it moves nothing; above, nothing is seen."""
LEAST_DISPERSED, MOST_DISPERSED = 0.03, 3.0
WHOLE: Box = (
    (math.log(priors.LINKED_TAU_SHORTEST), math.log(priors.TAU_LONGEST)),
    (math.log(SMALLEST_SD), math.log(LARGEST_SD)),
    (math.log(LEAST_DISPERSED), math.log(MOST_DISPERSED)),
)
"""Bounds of log time constant, log sd and log dispersion."""
_FLOOR = 7.0
"""Log of how far below the peak a coarse node may lie and still belong to the box."""
_NEGLIGIBLE = 9.0


@dataclass(frozen=True)
class Grid:
    """Nodes, the dispersion the slowest.

    Parameters
    ----------
    axes
        Of log time constant, log sd and log dispersion.
    at
        Coordinates of the nodes, shape (g, 3).
    log_weights
        Log prior density and quadrature weight, shape (g,).
    log_halves
        Log of the weight in a rule of every second node over that in the full one, a row for each
        axis of more than one node, shape (h, g).
    """

    axes: tuple[np.ndarray, ...]
    at: np.ndarray
    log_weights: np.ndarray
    log_halves: np.ndarray

    @classmethod
    def over(cls, box: Box, counts: tuple[int, ...]) -> Grid:
        """Return so many nodes on each axis of a box; an axis of one node is left out."""
        found = [axis_of(*ends, count) for ends, count in zip(box, counts, strict=True)]
        axes, logs, halves = (list(each) for each in zip(*found, strict=True))
        mesh = np.meshgrid(*(np.arange(counts[axis]) for axis in (2, 0, 1)), indexing="ij")
        dispersion, constant, sd = (number.ravel() for number in mesh)
        numbers = (constant, sd, dispersion)
        at = np.column_stack([axis[number] for axis, number in zip(axes, numbers, strict=True)])
        logs[1] = logs[1] + _log_prior(axes[1], priors.SIGMA_SCALE)
        if counts[2] > 1:
            logs[2] = logs[2] + _log_prior(axes[2], priors.DISPERSION_SCALE)
        constant_density = -math.log(math.log(priors.TAU_LONGEST / priors.LINKED_TAU_SHORTEST))
        density = constant_density + sum(
            (log[number] for log, number in zip(logs, numbers, strict=True)), np.zeros(len(at))
        )
        integrated = [axis for axis in range(3) if counts[axis] > 1]
        by_axis = np.stack([halves[axis][numbers[axis]] for axis in integrated])
        return cls(tuple(axes), at, density, by_axis)

    @property
    def points(self) -> np.ndarray:
        """Return phi and sd at the nodes, shape (g, 2)."""
        return np.column_stack([np.exp(-np.exp(-self.at[:, 0])), np.exp(self.at[:, 1])])

    def only(self, numbers: np.ndarray) -> Grid:
        """Return some of the nodes."""
        return replace(
            self,
            at=self.at[numbers],
            log_weights=self.log_weights[numbers],
            log_halves=self.log_halves[:, numbers],
        )

    @property
    def dispersions(self) -> np.ndarray:
        """Return the dispersions at the nodes, shape (g,)."""
        return np.exp(self.at[:, 2])

    def corners(self, other: Grid) -> tuple[np.ndarray, np.ndarray]:
        """Return the nodes around another grid's, and their shares in a linear interpolation.

        Parameters
        ----------
        other
            Within this one's box.

        Returns
        -------
        tuple
            Numbers and shares, shape (corners, g of `other`).
        """
        numbers = np.zeros((1, len(other.at)), dtype=int)
        shares = np.ones((1, len(other.at)))
        strides = (len(self.axes[1]), 1, len(self.axes[0]) * len(self.axes[1]))
        for axis, at, stride in zip(self.axes, other.at.T, strides, strict=True):
            if len(axis) == 1:
                continue
            below = np.clip(np.searchsorted(axis, at) - 1, 0, len(axis) - 2)
            share = (at - axis[below]) / (axis[below + 1] - axis[below])
            numbers = np.vstack([numbers + below * stride, numbers + (below + 1) * stride])
            shares = np.vstack([shares * (1.0 - share), shares * share])
        return numbers, shares

    def with_mass(self, logs: np.ndarray) -> Box:
        """Return the box that the mass lies in, one node more on either side.

        Parameters
        ----------
        logs
            Log masses of nodes and components, shape (g, m).
        """
        heights = logs.max(axis=1) - self.log_weights
        bounds = []
        for nodes, at in zip(self.axes, self.at.T, strict=True):
            kept = np.unique(at[heights > heights.max() - _FLOOR])
            first = max(np.searchsorted(nodes, kept[0]) - 1, 0)
            last = min(np.searchsorted(nodes, kept[-1]) + 1, len(nodes) - 1)
            bounds.append((float(nodes[first]), float(nodes[last])))
        return tuple(bounds)

    def normalised(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights that matter, those of the halved rules (h, p), and their flat numbers."""
        flat = logs.ravel()
        kept = np.flatnonzero(flat > flat.max() - _NEGLIGIBLE)
        mass = np.exp(flat[kept] - flat.max())
        halved = mass * np.exp(self.log_halves[:, kept // logs.shape[1]])
        totals = halved.sum(axis=1, keepdims=True)
        # A rule of every second node that misses all of the mass says nothing: its error is all.
        halved = np.divide(halved, totals, out=np.full_like(halved, np.nan), where=totals > 0.0)
        return mass / mass.sum(), halved, kept

    def on_open_edge(self) -> np.ndarray:
        """Whether a node lies on a side of the box where the prior goes on, shape (g,), bool."""
        found = np.zeros(len(self.at), dtype=bool)
        for nodes, at, whole in zip(self.axes, self.at.T, WHOLE, strict=True):
            for bound, end in zip((nodes[0], nodes[-1]), whole, strict=True):
                if len(nodes) > 1 and abs(bound - end) > 1e-12:
                    found |= np.abs(at - bound) < 1e-12
        return found


def _log_prior(axis: np.ndarray, scale: float) -> np.ndarray:
    """Return the log density of the log of a half-Student-t variable on an axis."""
    density: Any = compiled.gaussian_kernel().log_half_student_t
    return np.array([density(float(value), scale, priors.SIGMA_DF) for value in axis])
