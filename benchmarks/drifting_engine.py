"""Exact posterior of an interrupted time series whose noise drifts, by quadrature.

What belongs here: the families of noise and their priors, the prior of trend and slope change as a
mixture of scales, where the quadrature's nodes lie, and how far off it is. What does not: compiled
loops (`drifting_kernel`), the columns of a regression, or what a reader is told.

Given the noise's two coordinates, its sd and a component of the prior, the coefficients are
Gaussian and are integrated out; the rest is a sum over nodes. So every linear contrast is a
mixture of Gaussians, the same whoever asks, without a sampler.

A first coarse look over all noises finds the box that holds the mass; the published numbers are
Clenshaw-Curtis sums over that box, whose every second node is a Clenshaw-Curtis rule of its own:
the error is what the two differ by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks import drifting_kernel as kernel

SD_SCALE, SD_DF = 1.0, 3.0
"""Half-Student-t prior of the noise's sd, in units of the baseline's."""

_COARSE = (9, 7)
_FINE = (17, 13)
_SD_NODES = np.linspace(-4.2, 6.6, 9)
_FLOOR = 10.0
"""Log of how far below the peak a coarse node may lie and still belong to the box."""
_TOLERANCE = 0.05
"""The halved rule errs far more than the full one: what it makes of the error is a bound."""
_MOST_LOOKS = 3
_NEGLIGIBLE = 14.0
_BLOCK = 4


@dataclass(frozen=True)
class Noise:
    """A family of noises with a prior.

    Parameters
    ----------
    kind
        "white_fading": AR(1) plus noise that is new every day, corr = (1 - share) phi**|s - t| for
        s != t; "fading": AR(1) alone; "walk_fading": AR(1) plus a random walk; "walk_white": a
        random walk plus noise that is new every day.
    shortest, longest
        Bounds of the time constant tau = -1 / log(phi) in days, uniform in its log
        ("white_fading"); of the walk's sd a day in units of the other part's, uniform in its log
        ("walk_...").
    share_a, share_b
        Share of the noise that is new every day ~ Beta(a, b).
    """

    kind: str = "white_fading"
    shortest: float = 2.0
    longest: float = 128.0
    share_a: float = 1.0
    share_b: float = 1.0

    @property
    def states(self) -> int:
        """Which states the filter has."""
        return {"walk_fading": kernel.BOTH, "walk_white": kernel.WANDERING}.get(
            self.kind, kernel.FADING
        )

    @property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Bounds of the two coordinates the quadrature runs over."""
        bounds = math.log(self.shortest), math.log(self.longest)
        return {
            "white_fading": (bounds, (0.0, 0.5 * math.pi)),
            "fading": ((-3.0, 5.0), (0.0, 0.0)),
            "walk_fading": (bounds, (0.0, 0.95)),
            "walk_white": (bounds, (0.0, 0.0)),
        }[self.kind]

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (phi, share, walk) at points, shape (g, 3), and the log prior density there.

        The density is with respect to (u, v), and to u alone where v's bounds coincide.
        """
        zeros = np.zeros_like(u)
        width = math.log(self.longest / self.shortest)
        if self.kind == "white_fading":
            a, b = self.share_a, self.share_b
            sine, cosine = np.sin(v), np.cos(v)
            with np.errstate(divide="ignore"):
                density = (2 * a - 1) * np.log(sine) + (2 * b - 1) * np.log(np.maximum(cosine, 0))
            beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
            noise = np.column_stack([np.exp(-np.exp(-u)), sine**2, zeros])
            return noise, density + math.log(2.0) - beta - math.log(width)
        if self.kind == "fading":
            density = -2.0 * np.log(np.cosh(u)) - math.log(2.0)
            return np.column_stack([np.tanh(u), zeros, zeros]), density
        if self.kind == "walk_fading":
            flat = np.full_like(u, -math.log(width * 0.95))
            return np.column_stack([v, zeros, np.exp(2.0 * u)]), flat
        return np.column_stack([zeros, zeros + 1.0, np.exp(2.0 * u)]), np.full_like(
            u, -math.log(width)
        )


@dataclass(frozen=True)
class Prior:
    """Normal priors of the coefficients: mixtures of scales for some, plain for the rest.

    Parameters
    ----------
    sd
        Shape (m, k): sds of the coefficients in each component.
    weights
        Prior weights of the components, shape (m,).
    """

    sd: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Posterior:
    """Posterior of some linear contrasts as mixtures of Gaussians.

    Parameters
    ----------
    weights
        Shape (p,), sum 1: noise, sd and component where they matter.
    means, sds
        Of each contrast, shape (c, p).
    noise, log_sd, component
        phi, share, walk, shape (p, 3); log sd and index of the component, shape (p,).
    components
        Posterior weights of the components of the prior, shape (m,).
    log_evidence
        log p(y).
    error
        The greatest difference that leaving out every second noise makes to a contrast's mean or
        sd, in units of its sd.
    edge
        Share of the mass in the outermost nodes of the box, where that is not the prior's own edge,
        and of the sd.
    looks
        How often nodes were laid anew until the error was small.
    """

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    noise: np.ndarray
    log_sd: np.ndarray
    component: np.ndarray
    components: np.ndarray
    log_evidence: float
    error: float
    edge: float
    looks: int

    def mean(self) -> np.ndarray:
        """Return the posterior means, shape (c,)."""
        return self.means @ self.weights

    def sd(self) -> np.ndarray:
        """Return the posterior sds, shape (c,)."""
        second = (self.sds**2 + self.means**2) @ self.weights
        return np.sqrt(np.maximum(second - self.mean() ** 2, 0.0))

    def cdf(self, value: float, contrast: int = 0) -> float:
        """Return P(contrast <= value)."""
        return kernel.mixture_cdf(self.weights, self.means[contrast], self.sds[contrast], value)[0]

    def quantile(self, probability: float, contrast: int = 0) -> float:
        """Return a quantile of one contrast."""
        return kernel.mixture_quantile(
            self.weights, self.means[contrast], self.sds[contrast], probability
        )


def posterior(
    design: np.ndarray,
    outcome: np.ndarray,
    steps: np.ndarray,
    noise: Noise,
    prior: Prior,
    contrasts: np.ndarray,
    fine: tuple[int, int] = _FINE,
) -> Posterior:
    """Compute the posterior of linear contrasts of the coefficients.

    Parameters
    ----------
    design
        Observed rows, shape (n, k).
    outcome
        Standardised outcome, shape (n,).
    steps
        Increasing whole time steps of the observed rows, shape (n,); gaps are exact.
    noise, prior
        What is believed beforehand.
    contrasts
        Shape (c, k).
    fine
        Nodes of the two coordinates of the noise; odd, and one less divisible by two again.
    """
    problem = _Problem(design, outcome, steps, prior)
    points = _nodes(noise, noise.box, _COARSE)
    found = problem.integrate(noise, points, _SD_NODES[::2])
    n_sd, n_components = len(_SD_NODES), len(prior.weights)
    looks = 0
    while True:
        box = _box_with_mass(points, found.log_weights)
        if looks > 0 and box == points.box:
            fine = 2 * fine[0] - 1, 2 * fine[1] - 1
        points = _nodes(noise, box, fine)
        peak = float(found.log_weights.max())
        found = problem.integrate(noise, points, _SD_NODES, peak, contrasts)
        where, weights, halved, means, sds, log_evidence = kernel.collect(
            found.log_weights, found.means, found.variances, points.log_half, _NEGLIGIBLE
        )
        error = _difference(weights, halved, means, sds)
        looks += 1
        if not error > _TOLERANCE or looks >= _MOST_LOOKS:
            break
    component = np.asarray(where % n_components)
    at_sd = where // n_components % n_sd
    at_noise = where // (n_components * n_sd)
    edge = (at_sd == 0) | (at_sd == n_sd - 1) | _open_edge(noise, points)[at_noise]
    return Posterior(
        weights=weights,
        means=means,
        sds=sds,
        noise=points.noise[at_noise],
        log_sd=found.log_sds[at_noise, at_sd],
        component=component,
        components=np.bincount(component, weights, minlength=n_components),
        log_evidence=log_evidence,
        error=error,
        edge=float(weights[edge].sum()),
        looks=looks,
    )


def log_density(
    design: np.ndarray,
    outcome: np.ndarray,
    steps: np.ndarray,
    noise: Noise,
    prior_sd: np.ndarray,
    point: np.ndarray,
    log_sd: float,
) -> float:
    """Return log p(y | noise, sd), coefficients integrated out.

    Parameters
    ----------
    point
        phi, share and walk.
    """
    k = design.shape[1]
    rows = _padded(design, outcome)
    sums = np.empty((1, k + 1, rows.shape[1]))
    log_dets = np.empty(1)
    gaps = np.diff(steps).astype(float)
    kernel.cross_products(noise.states, rows, gaps, point[None, :], k + 1, sums, log_dets)
    return kernel.log_marginal(
        sums[0], log_dets[0], 1.0 / np.square(prior_sd), log_sd, len(outcome)
    )


@dataclass(frozen=True)
class _Nodes:
    """Nodes over a box of the noise's two coordinates, shape (g,) each but for `noise`."""

    box: tuple[tuple[float, float], tuple[float, float]]
    u: np.ndarray
    v: np.ndarray
    noise: np.ndarray
    log_density: np.ndarray
    log_weight: np.ndarray
    log_half: np.ndarray


@dataclass(frozen=True)
class _Integral:
    log_weights: np.ndarray
    log_sds: np.ndarray
    means: np.ndarray
    variances: np.ndarray


class _Problem:
    """One regression, its columns in the order that elimination wants them."""

    def __init__(
        self,
        design: np.ndarray,
        outcome: np.ndarray,
        steps: np.ndarray,
        prior: Prior,
    ) -> None:
        alike = np.all(prior.sd == prior.sd[0], axis=0)
        order = np.concatenate([np.flatnonzero(alike), np.flatnonzero(~alike)])
        self.order = order
        self.rows = _padded(design[:, order], outcome)
        self.gaps = np.diff(steps).astype(float)
        self.k = len(order)
        self.shared = 1.0 / np.square(prior.sd[0, alike])
        self.free = np.ascontiguousarray(1.0 / np.square(prior.sd[:, ~alike]))
        self.log_components = np.log(prior.weights / prior.weights.sum())

    def integrate(
        self,
        noise: Noise,
        points: _Nodes,
        sd_nodes: np.ndarray,
        peak: float = -math.inf,
        contrasts: np.ndarray | None = None,
    ) -> _Integral:
        """Whiten under every noise and integrate over sd and components."""
        g, s, m = len(points.u), len(sd_nodes), len(self.log_components)
        wanted = np.zeros((0, self.k)) if contrasts is None else contrasts[:, self.order]
        wanted = np.ascontiguousarray(wanted, dtype=float)
        sums = np.empty((g, self.k + 1, self.rows.shape[1]))
        log_dets = np.empty(g)
        kernel.cross_products(
            noise.states, self.rows, self.gaps, points.noise, self.k + 1, sums, log_dets
        )
        shape = (g, s, m, len(wanted))
        found = _Integral(np.empty(shape[:3]), np.empty((g, s)), np.empty(shape), np.empty(shape))
        kernel.integrate(
            sums,
            log_dets,
            points.log_density + points.log_weight,
            self.shared,
            self.free,
            self.log_components,
            wanted,
            sd_nodes,
            np.full(s, math.log(sd_nodes[1] - sd_nodes[0])),
            SD_SCALE,
            SD_DF,
            len(self.rows),
            peak,
            found.log_weights,
            found.log_sds,
            found.means,
            found.variances,
        )
        return found


def _padded(design: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    n, k = design.shape
    rows = np.zeros((n, -(-(k + 1) // _BLOCK) * _BLOCK))
    rows[:, :k] = design
    rows[:, k] = outcome
    return rows


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


def _nodes(
    noise: Noise,
    box: tuple[tuple[float, float], tuple[float, float]],
    counts: tuple[int, int],
) -> _Nodes:
    axes, logs, halves = [], [], []
    for (low, high), wanted in zip(box, counts, strict=True):
        count = wanted if high > low else 1
        nodes, weights = clenshaw_curtis(count)
        half = np.zeros(count)
        half[::2] = clenshaw_curtis(count // 2 + 1)[1]
        axes.append(0.5 * (low + high) + 0.5 * (high - low) * nodes)
        logs.append(np.log(weights * (0.5 * (high - low) if high > low else 0.5)))
        with np.errstate(divide="ignore"):
            halves.append(np.log(half) - np.log(weights))
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
        log_half=np.repeat(halves[0], n_v) + np.tile(halves[1], n_u),
    )


def _box_with_mass(
    points: _Nodes, log_weights: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the coarse nodes' box that the mass lies in, one node more on either side."""
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


def _open_edge(noise: Noise, points: _Nodes) -> np.ndarray:
    """Whether a node lies on a side of its box where the prior goes on, shape (g,), bool."""
    found = np.zeros(len(points.u), dtype=bool)
    for axis, side, whole in zip((points.u, points.v), points.box, noise.box, strict=True):
        for bound, end in zip(side, whole, strict=True):
            if abs(bound - end) > 1e-12:
                found |= np.abs(axis - bound) < 1e-12
    return found


def _difference(
    weights: np.ndarray, halved: np.ndarray, means: np.ndarray, sds: np.ndarray
) -> float:
    worst = 0.0
    for centre, spread in zip(means, sds, strict=True):
        moments = []
        for each in (weights, halved):
            mean = each @ centre
            moments.append((mean, math.sqrt(max(each @ (spread**2 + centre**2) - mean**2, 0.0))))
        (mean, sd), (half_mean, half_sd) = moments
        worst = max(worst, abs(mean - half_mean) / sd, abs(sd - half_sd) / sd)
    return worst
