# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The joint log-density of AR(1) plus white noise with Student-t innovations, compiled by Numba.

With heavy tails the coefficients cannot be integrated out, so all parameters are sampled: whitened
coefficients, normal scores of those whose priors are mixtures of scales, the noise's three
(`ar1_white_density_kernel.noise_at`), w = log(nu - 2). Both maps are monotone and carry the priors
through exactly (`ar1_white_packing.pack_joint`). The filter's innovations over their standard
deviations are Student-t with nu degrees of freedom. Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, LOGP_SIGNATURE, OPTIONS, numba
from its_pipeline.its.inference.special_kernel import digamma
from its_pipeline.its.noise.ar1_white_density_kernel import (
    BEND,
    BY_PHI,
    BY_SHARE,
    FACTOR,
    GAIN,
    GAIN_BY_PHI,
    GAIN_BY_SHARE,
    INVERSE,
    filter_with_slopes,
    noise_at,
)
from its_pipeline.its.noise.ar1_white_packing import (
    COMPONENTS,
    HEADER,
    N_COLUMNS,
    N_FREE,
    N_OBSERVED,
    NU_RATE,
    NU_SHAPE,
    NU_SHIFT,
    WIDTH,
)

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI_INVERSE = 1.0 / math.sqrt(2.0 * math.pi)


@numba.njit(**OPTIONS)
def _from_score(score, weight, small, wide):
    """Return the value of a two-scale mixture with this normal score, and its slope.

    The mixture's upper tail at the value is the normal's at the score; it lies between the scores
    of its two parts.
    """
    sign = 1.0 if score >= 0.0 else -1.0
    g = abs(score)
    tail = 0.5 * math.erfc(g * _ROOT_HALF)
    low, high = small * g, wide * g
    value = math.sqrt(low * high)
    density = 0.0
    for _ in range(100):
        x, y = value / small, value / wide
        above = 0.5 * weight * math.erfc(x * _ROOT_HALF)
        above += 0.5 * (1.0 - weight) * math.erfc(y * _ROOT_HALF)
        density = weight * math.exp(-0.5 * x * x) / small
        density += (1.0 - weight) * math.exp(-0.5 * y * y) / wide
        density *= _ROOT_TWO_PI_INVERSE
        if above > tail:
            low = value
        else:
            high = value
        step = (tail - above) / density if density > 0.0 else math.inf
        if abs(step) <= 1e-13 * (value + 1e-300) or high - low <= 1e-15 * high:
            break
        value = value - step if low < value - step < high else 0.5 * (low + high)
    slope = math.exp(-0.5 * g * g) * _ROOT_TWO_PI_INVERSE / density
    return sign * value, slope


@numba.njit(**OPTIONS)
def coefficients_at(position, data, beta, bends):
    """Turn the first k positions into coefficients, and fill the slopes of the mixtures' scores."""
    k, f = int(data[N_COLUMNS]), int(data[N_FREE])
    a = k - f
    at = len(data) - 3 * f - a * a - a * f - k
    for i in range(f):
        scale = len(data) - 3 * f + 3 * i
        beta[a + i], bends[i] = _from_score(
            position[a + i], data[scale], data[scale + 1], data[scale + 2]
        )
    for i in range(a):
        beta[i] = data[at + i]
        for j in range(f):
            beta[i] += data[at + k + i * f + j] * (beta[a + j] - data[at + a + j])
        for j in range(i + 1):
            beta[i] += data[at + k + a * f + i * a + j] * position[j]


@numba.njit(inline="always", **FAST_OPTIONS)
def with_prior_of_coefficients(value, position, shared, beta):
    """Add the log prior density of coefficients at a position, up to a constant."""
    a = len(shared)
    for i in range(a):
        value -= 0.5 * shared[i] * beta[i] * beta[i]
    for i in range(a, len(beta)):
        value -= 0.5 * position[i] * position[i]
    return value


@numba.njit(inline="always", **FAST_OPTIONS)
def carry_back(position, shared, slopes, lower, beta, bends, by_beta, gradient):
    """Fill the gradient's first k entries from the likelihood's slopes in the coefficients.

    Parameters
    ----------
    position, shared
        As in `with_prior_of_coefficients`.
    slopes, lower
        How the coefficients that all components share hang on the others, shape (a, f), and on
        their own positions, shape (a, a).
    beta
        As in `with_prior_of_coefficients`.
    bends
        How the mixtures hang on their scores, shape (f,).
    by_beta
        The likelihood's slopes, shape (k,); the prior's are added.
    gradient
        Filled.
    """
    a, f = slopes.shape
    for i in range(a):
        by_beta[i] -= shared[i] * beta[i]
    for j in range(a):
        gradient[j] = 0.0
        for i in range(j, a):
            gradient[j] += lower[i, j] * by_beta[i]
    for j in range(f):
        along = by_beta[a + j]
        for i in range(a):
            along += slopes[i, j] * by_beta[i]
        gradient[a + j] = along * bends[j] - position[a + j]


@numba.njit(nogil=True, **OPTIONS)
def coefficients_of(positions, data, out):
    """Turn positions (n, d) into coefficients (n, k), mixtures last."""
    bends = np.empty(int(data[N_FREE]))
    for row in range(positions.shape[0]):
        coefficients_at(positions[row], data, out[row], bends)


@numba.njit(**FAST_OPTIONS)
def student_log_density(position, data, gradient):
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
    slopes = data[at + k : at + k + a * f].reshape((a, f))
    lower = data[at + k + a * f : at + k + a * f + a * a].reshape((a, a))
    beta = np.empty(k)
    bends = np.empty(f)
    coefficients_at(position, data, beta, bends)
    point = np.empty(3)
    jacobian = np.empty((4, 3))
    value = noise_at(position[k : k + 3], data, point, jacobian)
    value = with_prior_of_coefficients(value, position, shared, beta)
    w = position[k + 3]
    beyond = math.exp(w)
    nu = data[NU_SHIFT] + beyond
    value += data[NU_SHAPE] * w - data[NU_RATE] * beyond
    by_nu = n * 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu)
    phi, share = point[0], point[1]
    scale = math.exp(-point[2])
    value += n * (math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu))
    value -= n * (0.5 * math.log(nu * math.pi) + point[2])
    by_sd = -float(n)
    by_phi, by_share = 0.0, 0.0
    # One filter runs over the residual and its slopes in phi and share, one over every column.
    residual, r_phi, r_share = 0.0, 0.0, 0.0
    state = np.zeros(k)
    by_beta = np.zeros(k)
    table = np.empty((n, 8))
    log_det, d_phi, d_share = filter_with_slopes(gaps, phi, share, table)
    value -= 0.5 * log_det
    by_phi -= 0.5 * d_phi
    by_share -= 0.5 * d_share
    for t in range(n):
        factor, bend = table[t, FACTOR], table[t, BEND]
        inverse, gain = table[t, INVERSE], table[t, GAIN]
        g_phi, g_share = table[t, GAIN_BY_PHI], table[t, GAIN_BY_SHARE]
        root = math.sqrt(inverse) * scale
        now = rows[t, k]
        for j in range(k):
            now -= rows[t, j] * beta[j]
        before = factor * residual
        b_phi = bend * residual + factor * r_phi
        b_share = factor * r_share
        surprise = now - before
        u = surprise * root
        slope = -(nu + 1.0) * u / (nu + u * u)
        value -= 0.5 * (nu + 1.0) * math.log1p(u * u / nu)
        by_nu += -0.5 * math.log1p(u * u / nu)
        by_nu += 0.5 * (nu + 1.0) * u * u / (nu * (nu + u * u))
        by_sd -= slope * u
        by_phi += slope * (-b_phi * root - 0.5 * u * table[t, BY_PHI] * inverse)
        by_share += slope * (-b_share * root - 0.5 * u * table[t, BY_SHARE] * inverse)
        residual = before + gain * surprise
        r_phi = b_phi + g_phi * surprise - gain * b_phi
        r_share = b_share + g_share * surprise - gain * b_share
        weight = slope * root
        for j in range(k):
            column = factor * state[j]
            ahead = rows[t, j] - column
            by_beta[j] -= weight * ahead
            state[j] = column + gain * ahead
    carry_back(position, shared, slopes, lower, beta, bends, by_beta, gradient)
    for j in range(3):
        gradient[k + j] = jacobian[3, j]
        gradient[k + j] += by_phi * jacobian[0, j] + by_share * jacobian[1, j]
        gradient[k + j] += by_sd * jacobian[2, j]
    gradient[k + 3] = data[NU_SHAPE] - data[NU_RATE] * beyond + by_nu * beyond
    return value


@numba.cfunc(LOGP_SIGNATURE, **OPTIONS)
def student_logp_callback(dim, position, gradient, logp, data):
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject."""
    size = int(numba.carray(data, (1,))[0])
    buffer = numba.carray(data, (size,))
    if dim != int(buffer[N_COLUMNS]) + 4:
        return -1
    slope = numba.carray(gradient, (dim,))
    value = student_log_density(numba.carray(position, (dim,)), buffer, slope)
    numba.carray(logp, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    for i in range(dim):
        if not math.isfinite(slope[i]):
            return 3
    return 0
