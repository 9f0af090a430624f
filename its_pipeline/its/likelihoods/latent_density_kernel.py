# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The joint log-density of coefficients, noise and its every day, for outcomes with a link.

What belongs here: the density and its gradient, for the sampler that audits the Gaussians of
`latent_kernel` and stands in for them where they fail. What does not: the families
(`family_kernel`). Loaded through `compiled`.

Positions: whitened coefficients and normal scores as with Student-t innovations
(`noise.ar1_white_student_t_kernel`), the axes of `latent_grid` (time constant, sd, and the
dispersion's share of the variance where there is one), and a standard normal shock a row. The time
constant and the sd have bounds, the same as there: the logit of where their logs lie between them.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import log_half_student_t
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, LOGP_SIGNATURE, OPTIONS, numba
from its_pipeline.its.likelihoods.family_kernel import log_base, log_part, slopes
from its_pipeline.its.noise.ar1_sites_kernel import fade, fade_slope
from its_pipeline.its.noise.ar1_white_packing import (
    COMPONENTS,
    HEADER,
    LOG_TAU_HIGH,
    N_COLUMNS,
    N_FREE,
    N_OBSERVED,
    SD_DF,
    SD_SCALE,
    WIDTH,
)
from its_pipeline.its.noise.ar1_white_student_t_kernel import (
    carry_back,
    coefficients_at,
    with_prior_of_coefficients,
)

FAMILY, SCALE, DISPERSED, DISPERSION_SCALE = range(4)
LOG_TAU_LOW, LOG_SD_LOW, LOG_SD_HIGH, SETTINGS = range(4, 8)
"""What is laid behind the problem, then trials and the predictor's shift, a number a row each."""


@numba.njit(**OPTIONS)
def _half_student_t(log_value, scale, df):
    """Return the log density of a log value and its slope."""
    ratio = math.exp(2.0 * log_value) / (scale * scale * df)
    slope = 1.0 - (df + 1.0) * ratio / (1.0 + ratio)
    return log_half_student_t(log_value, scale, df), slope


@numba.njit(**OPTIONS)
def _between(position, low, high):
    """Return what a logit says between two bounds, its slope, and the log of the slope with its."""
    share = 1.0 / (1.0 + math.exp(-position))
    slope = (high - low) * share * (1.0 - share)
    return low + (high - low) * share, slope, math.log(share * (1.0 - share)), 1.0 - 2.0 * share


@numba.njit(**FAST_OPTIONS)
def latent_log_density(position, data, gradient):
    """Log posterior density of a position, up to a constant, and its gradient."""
    k, width = int(data[N_COLUMNS]), int(data[WIDTH])
    n, m, f = int(data[N_OBSERVED]), int(data[COMPONENTS]), int(data[N_FREE])
    a = k - f
    shared = data[HEADER : HEADER + a]
    at = HEADER + a + m * f + m
    gaps = data[at : at + n - 1]
    at += n - 1
    rows = data[at : at + n * width].reshape((n, width))
    at += n * width
    settings = data[at : at + SETTINGS]
    at += SETTINGS
    trials, shift = data[at : at + n], data[at + n : at + 2 * n]
    at += 2 * n
    across = data[at + k : at + k + a * f].reshape((a, f))
    lower = data[at + k + a * f : at + k + a * f + a * a].reshape((a, a))
    family, scale = int(settings[FAMILY]), settings[SCALE]
    beta, bends = np.empty(k), np.empty(f)
    coefficients_at(position, data, beta, bends)
    value = with_prior_of_coefficients(0.0, position, shared, beta)
    log_tau, by_constant, told, bend_constant = _between(
        position[k], settings[LOG_TAU_LOW], data[LOG_TAU_HIGH]
    )
    value += told
    rate = math.exp(-log_tau)
    phi = math.exp(-rate)
    log_sd, by_sd, told, bend_sd = _between(
        position[k + 1], settings[LOG_SD_LOW], settings[LOG_SD_HIGH]
    )
    value += told
    first, dispersed, dispersion = k + 2, 0.0, 1.0
    d_dispersion = 0.0
    if settings[DISPERSED] > 0.0:
        first += 1
        dispersed = 1.0 / (1.0 + math.exp(-position[k + 2]))
        dispersion = scale * math.exp(log_sd) * math.sqrt(dispersed)
        log_dispersion = math.log(dispersion)
        told, d_dispersion = _half_student_t(
            log_dispersion, settings[DISPERSION_SCALE], data[SD_DF]
        )
        value += told
        log_sd -= 0.5 * math.log1p(math.exp(position[k + 2]))
    sd = math.exp(log_sd)
    told, d_sd = _half_student_t(log_sd, data[SD_SCALE], data[SD_DF])
    value += told
    errors, by_h = np.empty(n), np.empty(n)
    error = 0.0
    by_beta = np.zeros(k)
    for t in range(n):
        factor = 0.0
        if t > 0:
            factor = fade(phi, gaps[t - 1])
        shock = position[first + t]
        error = factor * error + math.sqrt(1.0 - factor * factor) * shock
        errors[t] = error
        h = sd * error
        for j in range(k):
            h += rows[t, j] * beta[j]
        y = rows[t, k]
        eta = shift[t] + scale * h
        value += log_part(family, y, trials[t], eta, dispersion) - 0.5 * shock * shock
        value += log_base(family, y, trials[t], dispersion)
        by_eta, by_log_dispersion = slopes(family, y, trials[t], eta, dispersion)
        by_h[t] = scale * by_eta
        d_sd += by_h[t] * sd * error
        d_dispersion += by_log_dispersion
        for j in range(k):
            by_beta[j] += by_h[t] * rows[t, j]
    back, d_phi = 0.0, 0.0
    for t in range(n - 1, -1, -1):
        back += sd * by_h[t]
        factor = 0.0
        if t > 0:
            factor = fade(phi, gaps[t - 1])
        new = math.sqrt(1.0 - factor * factor)
        shock = position[first + t]
        gradient[first + t] = back * new - shock
        if t > 0:
            bend = fade_slope(phi, gaps[t - 1])
            d_phi += back * bend * (errors[t - 1] - factor / new * shock)
        back *= factor
    gradient[k] = bend_constant + d_phi * phi * rate * by_constant
    gradient[k + 1] = bend_sd + (d_sd + d_dispersion) * by_sd
    if settings[DISPERSED] > 0.0:
        gradient[k + 2] = 0.5 * ((1.0 - dispersed) * d_dispersion - dispersed * d_sd)
    carry_back(position, shared, across, lower, beta, bends, by_beta, gradient)
    return value


@numba.cfunc(LOGP_SIGNATURE, **OPTIONS)
def latent_logp_callback(dim, position, gradient, logp, data):
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject."""
    size = int(numba.carray(data, (1,))[0])
    buffer = numba.carray(data, (size,))
    slope = numba.carray(gradient, (dim,))
    value = latent_log_density(numba.carray(position, (dim,)), buffer, slope)
    numba.carray(logp, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(slope[i]):
            return 3
    return 0
