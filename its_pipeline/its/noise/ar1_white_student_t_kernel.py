# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The joint log-density of AR(1) plus white noise with Student-t innovations, compiled by Numba.

With heavy tails the coefficients cannot be integrated out, so all parameters are sampled: whitened
coefficients b, the noise's three (`ar1_white_kernel.noise_at`), w = log(nu - 2). The coefficients
are beta = centre + whitener b, an affine map whose priors are carried through exactly. The filter's
innovations over their standard deviations are Student-t with nu degrees of freedom. Loaded through
`compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, LOGP_SIGNATURE, OPTIONS, numba
from its_pipeline.its.noise.ar1_white_kernel import noise_at
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


@numba.njit(**OPTIONS)
def digamma(x):
    """Digamma for x > 0: recurrence up to 6, then the asymptotic series (A&S 6.3.5, 6.3.18)."""
    value = 0.0
    while x < 6.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return value + math.log(x) - 0.5 / x - series


@numba.njit(**OPTIONS)
def _log_prior_of_coefficients(beta, shared, free, log_components, pull):
    """Log density of the scale mixture, up to a constant; fills its negative gradient."""
    a, m = len(shared), len(log_components)
    value = 0.0
    for i in range(a):
        pull[i] = shared[i] * beta[i]
        value -= 0.5 * pull[i] * beta[i]
    logs = np.empty(m)
    for c in range(m):
        logs[c] = log_components[c]
        for i in range(free.shape[1]):
            logs[c] += 0.5 * (math.log(free[c, i]) - free[c, i] * beta[a + i] ** 2)
    peak = logs.max()
    total = 0.0
    for c in range(m):
        logs[c] = math.exp(logs[c] - peak)
        total += logs[c]
    for i in range(free.shape[1]):
        precision = 0.0
        for c in range(m):
            precision += logs[c] / total * free[c, i]
        pull[a + i] = precision * beta[a + i]
    return value + peak + math.log(total)


@numba.njit(**FAST_OPTIONS)
def student_log_density(position, data, gradient):
    """Log posterior density of a position, up to a constant, and its gradient."""
    k, width = int(data[N_COLUMNS]), int(data[WIDTH])
    n, m, f = int(data[N_OBSERVED]), int(data[COMPONENTS]), int(data[N_FREE])
    at = HEADER
    shared = data[at : at + k - f]
    at += k - f
    free = data[at : at + m * f].reshape((m, f))
    at += m * f
    log_components = data[at : at + m]
    at += m
    gaps = data[at : at + n - 1]
    at += n - 1
    rows = data[at : at + n * width].reshape((n, width))
    at += n * width
    centre = data[at : at + k]
    at += k
    whitener = data[at : at + k * k].reshape((k, k))
    beta = np.empty(k)
    for i in range(k):
        beta[i] = centre[i]
        for j in range(k):
            beta[i] += whitener[i, j] * position[j]
    pull = np.empty(k)
    point = np.empty(3)
    jacobian = np.empty((4, 3))
    value = _log_prior_of_coefficients(beta, shared, free, log_components, pull)
    value += noise_at(position[k : k + 3], data, point, jacobian)
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
    first = 1.0 - share
    variance, v_phi, v_share = first, 0.0, -1.0
    for t in range(n):
        factor, bend = 1.0, 0.0
        if t > 0:
            bend = 1.0 if gaps[t - 1] == 1.0 else gaps[t - 1] * phi ** (gaps[t - 1] - 1.0)
            factor = phi if gaps[t - 1] == 1.0 else phi ** gaps[t - 1]
            square = factor * factor
            v_phi = square * v_phi + 2.0 * factor * bend * (variance - first)
            v_share = -1.0 + square * (v_share + 1.0)
            variance = first + square * (variance - first)
        spread = variance + share
        s_phi, s_share = v_phi, v_share + 1.0
        inverse = 1.0 / spread
        gain = variance * inverse
        g_phi = (v_phi - gain * s_phi) * inverse
        g_share = (v_share - gain * s_share) * inverse
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
        value -= 0.5 * (nu + 1.0) * math.log1p(u * u / nu) + 0.5 * math.log(spread)
        by_nu += -0.5 * math.log1p(u * u / nu)
        by_nu += 0.5 * (nu + 1.0) * u * u / (nu * (nu + u * u))
        by_sd -= slope * u
        by_phi += slope * (-b_phi * root - 0.5 * u * s_phi * inverse) - 0.5 * s_phi * inverse
        by_share += slope * (-b_share * root - 0.5 * u * s_share * inverse)
        by_share -= 0.5 * s_share * inverse
        residual = before + gain * surprise
        r_phi = b_phi + g_phi * surprise - gain * b_phi
        r_share = b_share + g_share * surprise - gain * b_share
        weight = slope * root
        for j in range(k):
            column = factor * state[j]
            ahead = rows[t, j] - column
            by_beta[j] -= weight * ahead
            state[j] = column + gain * ahead
        v_phi = share * (v_phi - variance * s_phi * inverse) * inverse
        v_share = (variance + share * v_share - variance * share * s_share * inverse) * inverse
        variance = variance * share * inverse
    for j in range(k):
        gradient[j] = 0.0
    for i in range(k):
        slope = by_beta[i] - pull[i]
        for j in range(k):
            gradient[j] += whitener[i, j] * slope
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
