"""Posteriors by quadrature: exact, deterministic, a few milliseconds, no sampler.

Given the noise's two coordinates, its sd and a component of the prior, the coefficients are
Gaussian and are integrated out; the rest is a sum over nodes. So every linear quantity's posterior
is a mixture of Gaussians, the same whoever asks.

A first coarse look over all noises finds the box that holds the mass; the published numbers are
Clenshaw-Curtis sums over that box (Clenshaw & Curtis 1960, Numer. Math. 2, 197). Every second node
of such a rule is a rule of its own, so what the two differ by bounds the error; where it is too
large, the axis that causes it gets twice as many nodes.

What belongs here: nodes and the error. What does not: which noises there are and how they whiten
columns, which a noise model brings (`noise`), or what is asked of the answer (`mixture`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.mixture import NORMAL_TAIL, Mixture, merged, mixture_sd
from its_pipeline.its.inference.problem import Problem

Box = tuple[tuple[float, float], tuple[float, float]]

QUADRATURE_ERROR_MAX = 0.02
"""Nodes are added until leaving out every second one moves no mean, sd or quantile of the wanted
quantities by more than this share of its sd; the gate refuses what stays above it."""

_COARSE = (9, 7)
_FINE = (17, 13)
_ROUGH = (7, 5)
_MOST_NODES = 65
_MOST_LOOKS = 5
_SD_NODES = np.linspace(-4.2, 6.6, 9)
_COARSE_SD_NODES = _SD_NODES[::2]
_WORTH_SHRINKING = 0.7
"""An axis whose mass lies in less of it than this gets its nodes there before it gets more."""
_FLOOR = 10.0
"""Log of how far below the peak a coarse node may lie and still belong to the box."""
_NEGLIGIBLE = 14.0
_TAILS = (0.025, 0.975)


class Correlations(Protocol):
    """What the quadrature asks of a noise model; see `noise.base.NoiseModel`."""

    @property
    def box(self) -> Box:
        """Bounds of the two coordinates; equal bounds where there is nothing to integrate."""
        ...

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise's own parameters at coordinates (g,), and the log prior density."""
        ...

    def cross_products(self, problem: Problem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return upper triangles of the whitened `problem.rows`' products, and log|R|."""
        ...


@dataclass(frozen=True)
class Targets:
    """Quantities `offset + loadings @ coefficients + sd * N(0, extra)`, given each noise.

    Parameters
    ----------
    loadings
        Shape (g, c, k), or (1, c, k) where they are the same for every noise.
    offsets, extra
        Shape (g, c); None where they are zero.
    """

    loadings: np.ndarray
    offsets: np.ndarray | None = None
    extra: np.ndarray | None = None

    def at(self, noise: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return loadings (c, k), offsets (c,) and extra (c,) at one noise."""
        loadings = self.loadings[noise if len(self.loadings) > 1 else 0]
        nothing = np.zeros(len(loadings))
        offsets = nothing if self.offsets is None else self.offsets[noise]
        return loadings, offsets, nothing if self.extra is None else self.extra[noise]


def integrate(
    problem: Problem,
    noise: Correlations,
    targets: np.ndarray | Callable[[np.ndarray], Targets],
    tolerance: float = QUADRATURE_ERROR_MAX,
    n_judged: int | None = None,
) -> Mixture:
    """Compute the posterior of quantities that are linear in the coefficients.

    Parameters
    ----------
    problem
        The regression.
    noise
        How one day resembles the next.
    targets
        Contrasts of shape (c, k), or what gives the targets at the noise's parameters (g, d).
    tolerance
        Nodes are added while the error is larger than this.
    n_judged
        How many of the targets, from the first, the error is measured of; all by default.
    """
    work = _Work(problem, noise, targets)
    counts = _FINE
    points = _nodes_seen_before(noise, noise.box, _COARSE)
    found = work.over(points, _COARSE_SD_NODES)
    box = _box_with_mass(points, found.log_weights)
    looks = 0
    while True:
        points = _nodes(noise, box, counts)
        found = work.over(points, _SD_NODES, float(found.log_weights.max()), with_targets=True)
        where, weights, halved, means, sds, evidence = compiled.gaussian_kernel().collect(
            found.log_weights, found.means, found.variances, points.log_halves, _NEGLIGIBLE
        )
        errors = halved_errors(weights, halved, means[:n_judged], sds[:n_judged], tolerance)
        looks += 1
        if not errors.max() > tolerance or looks >= _MOST_LOOKS:
            break
        smaller = _box_with_mass(points, found.log_weights)
        is_wide = _widths(smaller) < _WORTH_SHRINKING * _widths(box)
        counts = refined(counts, (errors > 0.5 * tolerance) & ~is_wide, _MOST_NODES)
        box = smaller
    n_sd, n_components = found.log_weights.shape[1:]
    at_sd = where // n_components % n_sd
    at_noise = where // (n_components * n_sd)
    edge = (at_sd == 0) | (at_sd == n_sd - 1) | _open_edge(noise, points)[at_noise]
    return Mixture(
        weights=weights,
        means=means,
        sds=sds,
        points=points.noise[at_noise],
        log_sd=found.log_sds[at_noise, at_sd],
        component=where % n_components,
        log_evidence=evidence,
        error=float(errors.max()),
        edge=float(weights[edge].sum()),
    )


def rough_log_evidence(problem: Problem, noise: Correlations) -> float:
    """Return log p(y) from a coarse look alone, to some tenths: for comparing many problems."""
    nothing = np.zeros((0, problem.design.shape[1]))
    points = _nodes_seen_before(noise, noise.box, _ROUGH)
    found = _Work(problem, noise, nothing).over(points, _COARSE_SD_NODES)
    peak = float(found.log_weights.max())
    return peak + math.log(float(np.exp(found.log_weights - peak).sum()))


@dataclass(frozen=True)
class _Nodes:
    """Nodes over a box of the noise's two coordinates, each array of shape (g,) or (g, d)."""

    box: Box
    u: np.ndarray
    v: np.ndarray
    noise: np.ndarray
    log_density: np.ndarray
    log_weight: np.ndarray
    log_halves: np.ndarray


@dataclass(frozen=True)
class _Integral:
    log_weights: np.ndarray
    log_sds: np.ndarray
    means: np.ndarray
    variances: np.ndarray


class _Work:
    """One regression, whitened under any nodes of one noise model."""

    def __init__(
        self,
        problem: Problem,
        noise: Correlations,
        targets: np.ndarray | Callable[[np.ndarray], Targets],
    ) -> None:
        self.problem = problem
        self.noise = noise
        self.targets = targets
        self.nothing = np.zeros((1, 0, problem.design.shape[1]))

    def over(
        self,
        points: _Nodes,
        sd_nodes: np.ndarray,
        peak: float = -math.inf,
        *,
        with_targets: bool = False,
    ) -> _Integral:
        problem = self.problem
        sums, log_dets = self.noise.cross_products(problem, points.noise)
        targets = self._targets_at(points.noise) if with_targets else Targets(self.nothing)
        wanted = np.ascontiguousarray(targets.loadings[:, :, problem.order], dtype=float)
        prior = problem.prior
        shape = (len(points.u), len(sd_nodes), len(prior.weights), wanted.shape[1])
        found = _Integral(
            np.empty(shape[:3]), np.empty(shape[:2]), np.zeros(shape), np.zeros(shape)
        )
        compiled.gaussian_kernel().integrate(
            sums,
            log_dets,
            points.log_density + points.log_weight,
            problem.shared_precisions,
            problem.free_precisions,
            np.log(prior.weights),
            wanted,
            sd_nodes,
            math.log(sd_nodes[1] - sd_nodes[0]),
            priors.SIGMA_SCALE,
            priors.SIGMA_DF,
            len(problem.outcome),
            peak,
            found.log_weights,
            found.log_sds,
            found.means,
            found.variances,
        )
        if targets.offsets is not None:
            found.means[...] += targets.offsets[:, None, None, :]
        if targets.extra is not None:
            variance = np.exp(2.0 * found.log_sds)[:, :, None, None]
            found.variances[...] += variance * targets.extra[:, None, None, :]
        return found

    def _targets_at(self, noise: np.ndarray) -> Targets:
        if isinstance(self.targets, np.ndarray):
            return Targets(self.targets[None])
        return self.targets(noise)


@lru_cache
def clenshaw_curtis(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes in [-1, 1] and weights that sum to 2; one node is the middle, of weight 2."""
    if n == 1:
        return np.zeros(1), np.full(1, 2.0)
    angle = np.pi * np.arange(n) / (n - 1)
    order = np.arange(1, (n - 1) // 2 + 1)
    factor = np.where(2 * order == n - 1, 1.0, 2.0)
    inner = 1.0 - (np.cos(2.0 * np.outer(angle, order)) * factor / (4.0 * order**2 - 1.0)).sum(1)
    weights = inner * 2.0 / (n - 1)
    weights[[0, -1]] *= 0.5
    return -np.cos(angle), weights


def axis_of(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes of an axis, their log weights, and those of every second over those of all.

    One node is the middle, of weight 1: there is nothing to integrate.
    """
    nodes, weights = clenshaw_curtis(count)
    half = np.zeros(count)
    half[::2] = clenshaw_curtis(count // 2 + 1)[1]
    with np.errstate(divide="ignore"):
        log_half = np.log(half) - np.log(weights)
    at = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    return at, np.log(weights * (0.5 * (high - low) if count > 1 else 0.5)), log_half


def _nodes(noise: Correlations, box: Box, counts: tuple[int, ...]) -> _Nodes:
    axes, logs, halves = zip(
        *(
            axis_of(low, high, wanted if high > low else 1)
            for (low, high), wanted in zip(box, counts, strict=True)
        ),
        strict=True,
    )
    n_u, n_v = len(axes[0]), len(axes[1])
    u, v = np.repeat(axes[0], n_v), np.tile(axes[1], n_u)
    at, density = noise.at(u, v)
    return _Nodes(
        box=box,
        u=u,
        v=v,
        noise=at,
        log_density=density,
        log_weight=np.repeat(logs[0], n_v) + np.tile(logs[1], n_u),
        log_halves=np.stack([np.repeat(halves[0], n_v), np.tile(halves[1], n_u)]),
    )


@lru_cache(maxsize=16)
def _nodes_seen_before(noise: Correlations, box: Box, counts: tuple[int, ...]) -> _Nodes:
    """Return the nodes over all of a noise's box, which are the same for every problem."""
    return _nodes(noise, box, counts)


def _box_with_mass(points: _Nodes, log_weights: np.ndarray) -> Box:
    """Return the nodes' box that the mass lies in, one node more on either side."""
    heights = log_weights.max(axis=(1, 2)) - points.log_weight
    heights = np.where(np.isfinite(heights), heights, -np.inf)
    bounds = []
    for axis in (points.u, points.v):
        nodes = np.unique(axis)
        kept = np.unique(axis[heights > heights.max() - _FLOOR])
        first = max(np.searchsorted(nodes, kept[0]) - 1, 0)
        last = min(np.searchsorted(nodes, kept[-1]) + 1, len(nodes) - 1)
        bounds.append((float(nodes[first]), float(nodes[last])))
    return bounds[0], bounds[1]


def _widths(box: Box) -> np.ndarray:
    return np.array([high - low for low, high in box])


def refined(counts: tuple[int, ...], axes: np.ndarray, most: int) -> tuple[int, ...]:
    """Return counts with half as many intervals again on some axes, an even number of them.

    Parameters
    ----------
    counts, axes
        Nodes an axis, and which of the axes get more.
    most
        Nodes an axis may have.
    """
    return tuple(
        min(2 * math.ceil(0.75 * (count - 1)) + 1, most) if more else count
        for count, more in zip(counts, axes, strict=True)
    )


def _open_edge(noise: Correlations, points: _Nodes) -> np.ndarray:
    """Whether a node lies on a side of its box where the prior goes on, shape (g,), bool."""
    found = np.zeros(len(points.u), dtype=bool)
    for axis, side, whole in zip((points.u, points.v), points.box, noise.box, strict=True):
        for bound, end in zip(side, whole, strict=True):
            if abs(bound - end) > 1e-12:
                found |= np.abs(axis - bound) < 1e-12
    return found


def halved_errors(
    weights: np.ndarray,
    halved: np.ndarray,
    means: np.ndarray,
    sds: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """Return the most that each halved rule moves a mean, sd or tail quantile, in sds.

    Quantiles are left out where the rest is beyond the tolerance already.
    """
    kernel: Any = compiled.mixture_kernel()
    whole, spread = means @ weights, mixture_sd(weights, means, sds)
    worst = np.zeros(len(halved))
    for rule, half in enumerate(halved):
        moved = np.abs(means @ half - whole) / spread
        widened = np.abs(mixture_sd(half, means, sds) - spread) / spread
        worst[rule] = max(moved.max(), widened.max())
    if worst.max() > tolerance:
        return worst
    for row in range(len(means)):
        bins = merged(weights, halved, means[row], sds[row])
        for probability, start in zip(_TAILS, (-NORMAL_TAIL, NORMAL_TAIL), strict=True):
            at = kernel.mixture_quantile(*bins[:3], probability, start)
            for rule, half in enumerate(bins[3]):
                below, density, _ = kernel.mixture_cdf(half, bins[1], bins[2], at)
                if density > 0.0:
                    away = abs(below - probability) / (density * spread[row])
                    worst[rule] = max(worst[rule], away)
    return worst
