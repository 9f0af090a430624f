# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The Gaussian that stands for each day, given what the rest says of the day's predictor.

What belongs here: averages of a day's log probability over a normal predictor, and the Gaussian
that has the same slope and bend. What does not: where that predictor comes from (`latent_kernel`),
or the densities (`family_kernel`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, numba
from its_pipeline.its.inference.vector_kernel import exponentials, logarithms
from its_pipeline.its.likelihoods.family_kernel import (
    BETA_BINOMIAL,
    FARTHEST,
    NEGATIVE_BINOMIAL,
    POISSON,
    log_part,
)

_LEAST_INFORMATION = 1e-9
_FARTHEST_ABOVE = 4.0
"""How far above the predictor, in logs, a count may be said to lie: its slope grows with the count
while its bend does not, and one large count among none threw all days out of the world."""


@numba.njit(**FAST_OPTIONS)
def _curves(family, y, trials, dispersion, nodes, weights, is_told, work):
    """Fill slope, bend and mean of each day's log probability over a normal predictor.

    A Poisson count's are known (the mean of a log-normal variable); with a logistic slope they are
    sums over Gauss-Hermite nodes; others go through Stein's lemma: E[f'] = E[f x] / s and
    E[f''] = E[f (x^2 - 1)] / s^2 for a predictor m + s x. Where means are not asked for, some are
    left out.

    Parameters
    ----------
    work
        Shape (8, n): mean and sd of the predictors, and slope, bend and mean, which are filled.
    """
    eta, sd, slope, bend, mean, odds, away, spare = work
    n = len(y)
    if family == BETA_BINOMIAL:
        for t in range(n):
            slope[t], bend[t], mean[t] = 0.0, 0.0, 0.0
            for i in range(len(nodes)):
                x = nodes[i]
                value = log_part(family, y[t], trials[t], eta[t] + sd[t] * x, dispersion)
                mean[t] += weights[i] * value
                slope[t] += weights[i] * value * x / sd[t]
                bend[t] += weights[i] * value * (x * x - 1.0) / (sd[t] * sd[t])
        return
    if family == POISSON:
        for t in range(n):
            mean[t] = min(max(eta[t] + 0.5 * sd[t] * sd[t], -FARTHEST), FARTHEST)
        exponentials(mean, odds, spare)
        for t in range(n):
            slope[t] = y[t] - odds[t]
            bend[t] = -odds[t]
            mean[t] = y[t] * eta[t] - odds[t]
        return
    factor = dispersion * dispersion if family == NEGATIVE_BINOMIAL else 1.0
    for t in range(n):
        mean[t] = min(max(eta[t], -FARTHEST), FARTHEST)
    exponentials(mean, odds, spare)
    for t in range(n):
        odds[t] *= factor
        slope[t], bend[t], mean[t] = 0.0, 0.0, 0.0
    middle = len(nodes) // 2
    here, logs = np.empty(n), np.empty(n)
    away[:] = 1.0
    for i in range(middle, -1, -1):
        # The nodes lie evenly around 0: on the other side odds are divided by as much.
        if i < middle:
            for t in range(n):
                here[t] = sd[t] * nodes[i]
            exponentials(here, away, spare)
        weight = weights[i]
        for _ in range(2 if i < middle else 1):
            for t in range(n):
                here[t] = 1.0 + odds[t] * away[t]
                q = 1.0 / here[t]
                slope[t] += weight * (1.0 - q)
                bend[t] += weight * q * (1.0 - q)
                away[t] = 1.0 / away[t]
            if is_told:
                logarithms(here, logs, spare)
                for t in range(n):
                    mean[t] += weight * logs[t]
    for t in range(n):
        most = y[t] + 1.0 / factor if family == NEGATIVE_BINOMIAL else trials[t]
        slope[t] = y[t] - most * slope[t]
        bend[t] *= -most
        mean[t] = y[t] * eta[t] - most * mean[t]


@numba.njit(**FAST_OPTIONS)
def stand_in(
    family,
    y,
    trials,
    shift,
    scale,
    dispersion,
    nodes,
    weights,
    means,
    variances,
    told,
    errors,
    is_told,
    work,
):
    """Fill the Gaussians closest to the days for a predictor of these moments.

    Returns the mean log probability less that of the Gaussians; 0 where it is not asked for.
    """
    n = len(y)
    eta, sd, slope, bend, mean = work[0], work[1], work[2], work[3], work[4]
    for t in range(n):
        eta[t] = shift[t] + scale * means[t]
        sd[t] = scale * math.sqrt(variances[t])
    _curves(family, y, trials, dispersion, nodes, weights, is_told, work)
    rest = 0.0
    is_count = 1.0 if family in (POISSON, NEGATIVE_BINOMIAL) else 0.0
    for t in range(n):
        information = max(-bend[t], is_count * slope[t] / _FARTHEST_ABOVE) * scale * scale
        information = max(information, _LEAST_INFORMATION)
        errors[t] = 1.0 / information
        away = slope[t] * scale * errors[t]
        told[t] = means[t] + away
        rest += mean[t] + 0.5 * (away * away + variances[t]) * information
    if not is_told:
        return 0.0
    logarithms(errors, eta, sd)
    for t in range(n):
        rest += 0.5 * eta[t]
    return rest + 0.5 * n * math.log(2.0 * math.pi)
