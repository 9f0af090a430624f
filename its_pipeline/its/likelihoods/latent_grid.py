"""Nodes over time constant, sd and dispersion: where the mass of a posterior with a link lies.

Days tell the sum of what lasts and of what disperses them well, and which of the two it is badly.
So the axes are the time constant, the sd of both together and the dispersion's share of the
variance; in their logs and logit, volumes are those of log sd and log dispersion.

What belongs here: the three axes, their priors, the box they span, what is kept at each node, and
how well they tell. What does not: computing it (`latent`), or laying nodes where the mass is
(`latent_surface`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
_FLOOR = 9.0
"""Log of how far below the peak a coarse node may lie and still belong to the box."""
_BEYOND = 3.0
"""How many nodes' distances a box goes on where mass lies at its side."""


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

        Where mass lies at a side of this grid's own box, `_BEYOND` such distances.

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


def log_prior(nodes: Nodes) -> np.ndarray:
    """Return the log prior density of sds and dispersions up to a constant, shape (g,)."""
    logs = _log_half_student_t(nodes.points[:, 1], priors.SIGMA_SCALE)
    if nodes.scale > 0.0:
        logs = logs + _log_half_student_t(nodes.dispersions, priors.DISPERSION_SCALE)
    return logs


def _log_half_student_t(values: np.ndarray, scale: float) -> np.ndarray:
    """Return the log density of the log of a half-Student-t variable, up to a constant."""
    df = priors.SIGMA_DF
    return np.log(values) - 0.5 * (df + 1.0) * np.log1p(np.square(values / scale) / df)
