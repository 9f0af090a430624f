"""The grid over a kind's mean and spread, and the posterior on it.

Given tau, what is known of mu (and of slopes) is nearly Gaussian, so the grid is one over tau times
one over mu in units of that Gaussian: a Clenshaw-Curtis rule in log(1 + tau / step), and the
trapezoid rule, which for smooth peaks that die out converges faster than any power (Trefethen &
Weideman 2014, SIAM Rev. 56, 385). Leaving out every second node of either axis bounds the error.

What belongs here: nodes, weights, errors. What does not: the members' sums (`integration`), or what
people are told (`pooled`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy import special
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline

from its_pipeline.its.inference.quadrature import (
    QUADRATURE_ERROR_MAX,
    axis_of,
    halved_errors,
)
from its_pipeline.its.pooling.frame import (
    Frame,
    Spread,
    log_prior_of_tau,
    place_of,
    prior_sds,
    tau_of,
)

REACH = 6.0
PLACES = 17
"""Nodes an axis of mu and slopes, from -6 to 6 of their sds given tau: the trapezoid rule of a
Gaussian is then right to 1e-15, and with half as many to 3e-4."""
_BETWEEN = 3
"""Parts that the distance of two nodes of mu is split in when its quantiles are told."""
_SMOOTH = 0.6
"""Sd of the kernel that stands for a node then, in node distances."""
_EDGE = 9.0
"""Log of how far below its peak the density of tau must be where the grid ends."""
_MATTERS = 1e-4
OFF_CENTRE, OFF_SCALE = 0.75, 0.3
"""How far mu given tau may lie from where the grid is centred, and the log of its sd likewise."""


@dataclass(frozen=True)
class Nodes:
    """The grid and what the members say at its nodes.

    Parameters
    ----------
    scale
        Sd of the baseline in the effects' unit.
    spread
        How members scatter.
    box, taus
        Bounds of the axis of tau, and its nodes, shape (t,).
    coefficients
        mu and slopes, shape (t, j, q).
    log_priors
        Log prior density times volume, shape (t, j).
    log_halves
        Log of what the weights become where every second node of tau, or of the rest, is left out,
        shape (2, t, j).
    kernel_sds
        Of mu and slopes, shape (t, q): how wide a node is when quantiles are told.
    on_edge
        Nodes at the ends of the axes of mu and slopes, or at the upper end of tau's, shape (t, j).
    summed
        Summed log likelihood of all members, shape (t, j).
    """

    scale: float
    spread: Spread
    box: tuple[float, float]
    taus: np.ndarray
    coefficients: np.ndarray
    log_priors: np.ndarray
    log_halves: np.ndarray
    kernel_sds: np.ndarray
    on_edge: np.ndarray
    summed: np.ndarray

    @cached_property
    def weights(self) -> np.ndarray:
        """Posterior weights, shape (t, j), sum 1."""
        log = self.log_priors + self.summed
        return np.exp(log - special.logsumexp(log))

    @cached_property
    def thinned(self) -> np.ndarray:
        """Weights where every second node of both axes is left out, shape (t, j), sum 1."""
        log = self.log_priors + self.summed + self.log_halves.sum(axis=0)
        return np.exp(log - special.logsumexp(log))

    @cached_property
    def halved(self) -> np.ndarray:
        """Weights where every second node of an axis is left out, shape (2, t, j)."""
        log = self.log_priors + self.summed + self.log_halves
        return np.exp(log - special.logsumexp(log, axis=(1, 2), keepdims=True))

    def as_mixture(self, column: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights, means and sds of Gaussians, (t, m) each: the posterior of mu or a slope.

        Each node becomes a kernel and moves towards the mean given tau, so that the variance given
        tau stays what it is. Without traits there are nodes between, by a spline of the log.
        """
        places, weights = self.coefficients[:, :, column], self.weights
        width = self.kernel_sds[:, column : column + 1]
        if self.coefficients.shape[2] == 1:
            n = PLACES
            fine = np.linspace(0.0, n - 1.0, _BETWEEN * (n - 1) + 1)
            log = CubicSpline(np.arange(n), (self.log_priors + self.summed).T)(fine).T
            of_tau = weights.sum(axis=1, keepdims=True)
            weights = np.exp(log - log.max(axis=1, keepdims=True))
            weights *= of_tau / weights.sum(axis=1, keepdims=True)
            places = places[:, :1] + fine / (n - 1.0) * (places[:, -1:] - places[:, :1])
            width = width / _BETWEEN
        total = weights.sum(axis=1, keepdims=True)
        shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0)
        means = (shares * places).sum(axis=1, keepdims=True)
        variance = (shares * (places - means) ** 2).sum(axis=1, keepdims=True)
        kept = np.maximum(1.0 - width**2 / np.maximum(variance, 1e-300), 0.0)
        drawn_in = means + np.sqrt(kept) * (places - means)
        sds = np.broadcast_to(np.minimum(width, np.sqrt(variance)), places.shape)
        return weights, drawn_in, np.maximum(sds, 1e-300)

    def tau_quantile(self, probability: float) -> float:
        """Return a quantile of tau, by a spline of its log density over its axis."""
        u, log_u, _ = axis_of(*self.box, len(self.taus))
        log = special.logsumexp(self.log_priors + self.summed, axis=1) - log_u
        fine = np.linspace(*self.box, 4001)
        density = np.exp(CubicSpline(u, log)(fine) - log.max())
        below = cumulative_trapezoid(density, fine, initial=0.0)
        return float(tau_of(np.interp(probability * below[-1], below, fine), self.scale))

    @cached_property
    def errors(self) -> np.ndarray:
        """The most that leaving out every second tau, or mu, moves what is told, in its sds."""
        weights, means, sds = self.as_mixture(0)
        of_tau = self.weights.sum(axis=1)
        half = self.halved[0].sum(axis=1)
        ratio = np.divide(half, of_tau, out=np.zeros_like(half), where=of_tau > 0.0)[:, None]
        wide = np.hypot(sds, self.taus[:, None])
        rows = np.stack([means.reshape(-1), means.reshape(-1)])
        told = halved_errors(
            weights.reshape(-1),
            (weights * ratio).reshape(1, -1),
            rows,
            np.stack([sds.reshape(-1), wide.reshape(-1)]),
            QUADRATURE_ERROR_MAX,
        )
        # Of tau, and of every second mu, moments alone: nodes are no kernels there.
        points = np.stack([self.coefficients[:, :, 0], np.broadcast_to(
            self.taus[:, None], self.log_priors.shape
        )]).reshape(2, -1)  # fmt: skip
        moments = halved_errors(
            self.weights.reshape(-1),
            self.halved.reshape(2, -1),
            points,
            np.zeros_like(points),
            -1.0,
        )
        return np.array([max(told[0], moments[0]), moments[1]])

    @property
    def holds(self) -> bool:
        """Whether the grid has all of the posterior, finely enough."""
        off, stretch, _ = misfit(self)
        return bool(
            self.errors.max() <= QUADRATURE_ERROR_MAX
            and widened_box(self) == self.box
            and np.abs(off).max() < 2.0 * OFF_CENTRE
            and np.abs(np.log(stretch)).max() < 2.0 * OFF_SCALE
        )


def laid_out(frame: Frame, spread: Spread, box: tuple[float, float], count: int) -> Nodes:
    """Return a grid with nothing said on it yet.

    Parameters
    ----------
    frame
        Where mu and slopes lie given tau.
    spread
        How members scatter.
    box, count
        Bounds of the axis of tau, and how many nodes it has.
    """
    u, log_u, log_half = axis_of(*box, count)
    taus, scale = tau_of(u, frame.scale), frame.scale
    axis, distance = np.linspace(-REACH, REACH, PLACES), 2.0 * REACH / (PLACES - 1)
    coefficients, lower = frame.placed(u, axis)
    q = coefficients.shape[2]
    number = np.array(list(product(range(PLACES), repeat=q)))
    log_prior = -0.5 * np.square(coefficients / prior_sds(q, scale)).sum(axis=2)
    log_tau = log_prior_of_tau(taus, scale) + u + log_u
    log_volume = np.log(np.einsum("tqq->tq", lower)).sum(axis=1)
    shape = log_prior.shape
    with np.errstate(divide="ignore"):
        half_z = np.log(np.all(number % 2 == 0, axis=1) * 2.0**q)
    is_end = np.any((number == 0) | (number == PLACES - 1), axis=1)
    on_edge = np.broadcast_to(is_end, shape).copy()
    on_edge[-1] = True
    return Nodes(
        scale=scale,
        spread=spread,
        box=box,
        taus=taus,
        coefficients=np.ascontiguousarray(coefficients),
        log_priors=log_prior + (log_tau + log_volume)[:, None],
        log_halves=np.stack(
            [np.broadcast_to(log_half[:, None], shape), np.broadcast_to(half_z, shape)]
        ),
        kernel_sds=_SMOOTH * distance * np.sqrt(np.square(lower).sum(axis=2)),
        on_edge=on_edge,
        summed=np.zeros(shape),
    )


def misfit(nodes: Nodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how far mu and slopes given tau lie from where the grid expected them.

    In the grid's sds, and as ratios of sds, shape (m, q) each, at the m nodes of tau that matter,
    and those nodes' places on the axis.
    """
    log = nodes.log_priors + nodes.summed
    of_tau = np.logaddexp.reduce(log, axis=1)
    matters = of_tau > of_tau.max() + math.log(_MATTERS)
    shares = np.exp(log[matters] - of_tau[matters][:, None])
    places = nodes.coefficients[matters]
    means = np.einsum("tj,tjq->tq", shares, places)
    sds = np.sqrt(np.einsum("tj,tjq->tq", shares, np.square(places - means[:, None])))
    expected = nodes.kernel_sds[matters] / (_SMOOTH * 2.0 * REACH / (PLACES - 1))
    u = place_of(nodes.taus[matters], nodes.scale)
    return (means - places.mean(axis=1)) / expected, np.maximum(sds / expected, 0.1), u


def widened_box(nodes: Nodes) -> tuple[float, float]:
    """Return the box of tau, wider where it ends before the mass does."""
    log = special.logsumexp(nodes.log_priors + nodes.summed, axis=1)
    _, log_u, _ = axis_of(*nodes.box, len(nodes.taus))
    height = log - log_u
    low, high = nodes.box
    width = high - low
    if height[-1] > height.max() - _EDGE:
        high += 0.5 * width
    if low > 0.0 and height[0] > height.max() - _EDGE:
        low = max(0.0, low - 0.5 * width)
    return low, high
