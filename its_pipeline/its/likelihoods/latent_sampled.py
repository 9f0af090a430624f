"""Outcomes with a link by NUTS: the joint density of everything, and draws of it.

What belongs here: from a regression and its outcome to draws of `latent.Weighed`'s kind, as the
auditor of the weighed draws and in their place where they are worth too little. What does not: the
density (`latent_density_kernel`), or the verdict.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Chains, Density, SamplerSettings, sample
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.latent_draws import Weighed
from its_pipeline.its.likelihoods.latent_grid import LARGEST_SD, SMALLEST_SD
from its_pipeline.its.likelihoods.observations import Observations
from its_pipeline.its.noise.ar1_white_packing import pack_joint

_JITTER = 0.3
_LOG_SDS = math.log(SMALLEST_SD), math.log(LARGEST_SD)
"""Of what lasts and of what disperses days together, as the weighed draws have it: without a bound
chains wander off where hardly a day has an event, until rates are 0."""


def sampled(
    problem: Problem,
    seen: Observations,
    near: Weighed,
    steps: np.ndarray,
    settings: SamplerSettings,
    cores: int | None = None,
) -> tuple[Chains, Weighed]:
    """Sample the joint density with NUTS.

    Parameters
    ----------
    problem, seen
        As in `latent.weighed`.
    near
        Draws near the posterior: where sampling starts, and what whitens it.
    steps
        As in `latent.weighed`.
    settings, cores
        Of the sampler.

    Returns
    -------
    tuple
        The chains, and the draws one chain after the other. Their paths bridge unseen steps.
    """
    kernel: Any = compiled.load("its_pipeline.its.likelihoods.latent_density_kernel")
    k, n = problem.design.shape[1], len(seen.y)
    centre = near.weights @ near.coefficients
    away = near.coefficients - centre
    covariance = (away.T * near.weights) @ away + 1e-9 * np.eye(k)
    as_seen = Problem(problem.design, seen.y, problem.steps, problem.prior)
    log_tau = np.log(priors.LINKED_TAU_SHORTEST), np.log(priors.TAU_LONGEST)
    settings_of_outcome = np.array(
        [
            seen.family,
            seen.scale,
            seen.dispersed,
            priors.DISPERSION_SCALE,
            log_tau[0],
            *_LOG_SDS,
        ],
        dtype=float,
    )
    buffer = pack_joint(as_seen, centre, covariance, settings_of_outcome, seen.trials, seen.shift)
    first = k + 3 if seen.dispersed else k + 2
    start = np.zeros(first + n)
    near_tau = near.weights @ np.log(-1.0 / np.log(near.phi))
    start[k] = _logit(float(near_tau), log_tau)
    log_sd = near.weights @ np.log(near.sd)
    if seen.dispersed:
        log_dispersion = near.weights @ np.log(near.dispersion / seen.scale)
        start[k + 2] = 2.0 * (log_dispersion - log_sd)
        log_sd = 0.5 * np.logaddexp(2.0 * log_sd, 2.0 * log_dispersion)
    start[k + 1] = _logit(float(log_sd), _LOG_SDS)
    density = Density(kernel.latent_logp_callback.address, buffer, start, _JITTER)
    chains = sample(density, settings, cores)
    flat = np.ascontiguousarray(chains.position.reshape(-1, first + n))
    coefficients = np.empty((len(flat), k))
    student: Any = compiled.load("its_pipeline.its.noise.ar1_white_student_t_kernel")
    student.coefficients_of(flat, buffer, coefficients)
    phi = np.exp(-np.exp(-_between(flat[:, k], log_tau)))
    both = np.exp(_between(flat[:, k + 1], _LOG_SDS))
    dispersed = special.expit(flat[:, k + 2]) if seen.dispersed else np.zeros(len(flat))
    sd = both * np.sqrt(1.0 - dispersed)
    paths = _paths(flat[:, first:], phi, sd, problem.steps, steps, settings.seed)
    return chains, Weighed(
        coefficients[:, np.argsort(problem.order)],
        paths,
        phi,
        sd,
        seen.scale * both * np.sqrt(dispersed) if seen.dispersed else np.ones(len(flat)),
        np.full(len(flat), 1.0 / len(flat)),
        np.nan,
        np.nan,
    )


def _logit(value: float, ends: tuple[float, float]) -> float:
    """Return the logit of where a value lies between its bounds."""
    return float(special.logit((value - ends[0]) / (ends[1] - ends[0])))


def _between(logits: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return ends[0] + (ends[1] - ends[0]) * special.expit(logits)


def _paths(
    shocks: np.ndarray,
    phi: np.ndarray,
    sd: np.ndarray,
    seen_steps: np.ndarray,
    steps: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the noise on every step, what was not seen bridged at random."""
    told = np.zeros((len(shocks), len(steps)))
    errors = np.full(len(steps), np.inf)
    where = seen_steps - steps[0]
    errors[where] = 0.0
    kernel: Any = compiled.load("its_pipeline.its.noise.ar1_sites_kernel")
    points, seen = np.column_stack([phi, sd]), np.ascontiguousarray(shocks)
    kernel.courses(seen, np.diff(seen_steps).astype(float), points)
    told[:, where] = seen
    paths = np.random.default_rng([seed, len(steps)]).standard_normal(told.shape)
    kernel.draw_paths(told, errors, points, paths)
    return paths
