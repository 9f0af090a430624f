"""NUTS as the auditor of a quadrature: the same density, another method, its own gate.

What belongs here: sampling the collapsed density, and holding what it says of the wanted quantities
against the mixture. What does not: the density (`noise`), or what a failure means (`diagnostics`
judges, the engine decides).

Given each draw of the noise the quantities are Gaussian mixtures over the prior's components, so
their moments are averaged instead of drawn (Rao-Blackwell): what is left of the Monte Carlo error
is that of the noise's three parameters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.diagnostics import assess, is_short
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nuts import (
    Chains,
    Density,
    SamplerSettings,
    beside,
    sample,
    seed_of_run,
)
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Correlations, Targets
from its_pipeline.its.results import Diagnostics

AUDIT_DRAWS, AUDIT_TUNE, AUDIT_CHAINS, AUDIT_TARGET_ACCEPT = 600, 100, 4, 0.75
"""Of one run: nine in ten audits pass with it. Its density is whitened: little is to be tuned."""
MOST_RUNS = 3
"""Runs of so many chains whose draws count together, where fewer are too few to pass."""
ESCALATION_FACTOR = 4
ESCALATION_TARGET_ACCEPT = 0.95
"""How many times longer the stricter audit runs where those miss the gate, and its acceptance."""
_TAILS = (0.025, 0.975)
_ESTIMAND_STREAM = 4


@dataclass(frozen=True)
class Audit:
    """What the auditor found.

    Parameters
    ----------
    diagnostics
        The verdict on chains and quadrature.
    trace
        Chains of the noise's parameters and "sigma" in standardised units, (chain, draw).
    """

    diagnostics: Diagnostics
    trace: Mapping[str, np.ndarray]


class Audited(Correlations, Protocol):
    """What the auditor asks of a noise model besides."""

    def parameters(self, points: np.ndarray) -> Mapping[str, np.ndarray]:
        """Name the parameters at points (..., d)."""
        ...


class Collapsed(Protocol):
    """A density with the coefficients integrated out; see `noise.base.CollapsedDensity`."""

    @property
    def density(self) -> Density:
        """What is sampled."""
        ...

    @property
    def points(self) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """The way from positions to the noise's points and log sds."""
        ...


def audit(
    problem: Problem,
    noise: Audited,
    collapsed: Collapsed,
    mixture: Mixture,
    targets: np.ndarray | Callable[[np.ndarray], Targets],
    labels: tuple[str, ...],
    seed: int,
    cores: int | None = None,
    draws: int = AUDIT_DRAWS,
) -> Audit:
    """Sample the density a quadrature summed up, and hold its answers against the mixture's.

    Where chains are too few to pass, others beside them are asked as well: most of what misses the
    gate misses it by little, and what was drawn already counts on. What other chains cannot mend,
    and what they do not, is asked again of a longer and stricter run alone.

    Parameters
    ----------
    problem, noise
        What was integrated.
    collapsed
        The same posterior as a density of the noise and its sd.
    mixture, targets
        The quadrature's answer, and what it was asked.
    labels
        Names of the first quantities, in order: those that are audited.
    seed
        Of the chains.
    cores
        Chains that run at once.
    draws
        Kept a chain, before the stricter run.
    """

    def judged(chains: Chains, *, escalated: bool) -> Audit:
        points, log_sd = collapsed.points(chains.position)
        given = _moments(problem, noise, targets, points, log_sd, len(labels))
        trace = {**noise.parameters(points), "sigma": np.exp(log_sd)}
        drawn = _draws(given, seed, log_sd.shape)
        verdict = assess(
            {**trace, **dict(zip(labels, drawn, strict=True))},
            chains.energy,
            chains.diverging,
            chains.depth,
            escalated=escalated,
            quadrature=mixture,
            difference=_difference(mixture, given),
        )
        return Audit(verdict, trace)

    runs: list[Chains] = []
    for run in range(MOST_RUNS):
        settings = SamplerSettings(
            draws, AUDIT_TUNE, AUDIT_CHAINS, seed_of_run(seed, run), AUDIT_TARGET_ACCEPT
        )
        runs.append(sample(collapsed.density, settings, cores))
        found = judged(beside(runs), escalated=False)
        if found.diagnostics.converged:
            return found
        if not is_short(found.diagnostics):
            break
    longer = SamplerSettings(
        ESCALATION_FACTOR * draws,
        ESCALATION_FACTOR * AUDIT_TUNE,
        AUDIT_CHAINS,
        seed_of_run(seed, MOST_RUNS),
        ESCALATION_TARGET_ACCEPT,
    )
    return judged(sample(collapsed.density, longer, cores), escalated=True)


@dataclass(frozen=True)
class _Given:
    """Moments of quantities given draws of the noise: weights (p, m), the others (p, m, c)."""

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray


def _moments(
    problem: Problem,
    noise: Correlations,
    targets: np.ndarray | Callable[[np.ndarray], Targets],
    points: np.ndarray,
    log_sd: np.ndarray,
    n_quantities: int,
) -> _Given:
    flat = np.ascontiguousarray(points.reshape(-1, points.shape[-1]))
    spread = log_sd.reshape(-1)
    at = Targets(targets[None]) if isinstance(targets, np.ndarray) else targets(flat)
    sums, _ = noise.cross_products(problem, flat)
    loadings = np.ascontiguousarray(at.loadings[:, :n_quantities, problem.order])
    shape = (len(flat), len(problem.prior.weights), n_quantities)
    log_weights, means, variances = np.empty(shape[:2]), np.empty(shape), np.empty(shape)
    compiled.gaussian_kernel().moments_given_noise(
        sums,
        spread,
        problem.shared_precisions,
        problem.free_precisions,
        np.log(problem.prior.weights),
        loadings,
        log_weights,
        means,
        variances,
    )
    if at.offsets is not None:
        means += at.offsets[:, None, :n_quantities]
    if at.extra is not None:
        variances += np.exp(2.0 * spread)[:, None, None] * at.extra[:, None, :n_quantities]
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return _Given(weights, means, np.sqrt(variances))


def _draws(given: _Given, seed: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Draw each quantity exactly given each draw of the noise."""
    rng = np.random.default_rng([seed, _ESTIMAND_STREAM])
    n = len(given.weights)
    edges = np.cumsum(given.weights, axis=1)
    component = np.minimum((edges < rng.random(n)[:, None]).sum(axis=1), given.weights.shape[1] - 1)
    row = np.arange(n)
    means, sds = given.means[row, component], given.sds[row, component]
    values = means + sds * rng.standard_normal(means.shape)
    return [values[:, quantity].reshape(shape) for quantity in range(means.shape[1])]


def _difference(mixture: Mixture, given: _Given) -> float:
    """Return the most that a mean or a tail quantile differs, in the quadrature's sds."""
    kernel = compiled.mixture_kernel()
    spreads, centres = mixture.sd(), mixture.mean()
    weights = given.weights.ravel() / len(given.weights)
    worst = 0.0
    for quantity in range(given.means.shape[2]):
        means = np.ascontiguousarray(given.means[:, :, quantity].ravel())
        sds = np.ascontiguousarray(given.sds[:, :, quantity].ravel())
        away = abs(weights @ means - centres[quantity]) / spreads[quantity]
        worst = max(worst, float(away))
        for probability in _TAILS:
            at = mixture.quantile(probability, quantity)
            below, density, _ = kernel.mixture_cdf(weights, means, sds, at)
            if density > 0.0:
                worst = max(worst, abs(below - probability) / (density * spreads[quantity]))
    return float(worst)
