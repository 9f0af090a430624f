# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""The joint log-density of AR(1) noise with Student-t innovations, compiled by Numba.

With heavy tails the coefficients cannot be integrated out, so all parameters are sampled: whitened
coefficients b, z = atanh(rho), s = log(sigma), w = log(nu - 2). The coefficients are
beta = centre + whitener' b, an affine map whose priors are carried through exactly. Innovations
(r_i - phi_i r_{i-1}) / (sigma sqrt(1 - phi_i^2)) are Student-t with nu degrees of freedom, phi_i =
rho**gap_i; the first residual over sigma likewise. Like `ar1_kernel` this imports Numba at the top:
import it inside functions.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import LOGP_SIGNATURE, OPTIONS, numba
from its_pipeline.its.noise.ar1_kernel import hyper_prior
from its_pipeline.its.noise.ar1_packing import (
    N_COLUMNS,
    N_OBSERVED,
    NU_RATE_AT,
    NU_SHAPE_AT,
    NU_SHIFT_AT,
    STUDENT_HEADER,
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
def student_log_density(point, data, gradient):
    """Log posterior density of (b, z, s, w), up to a constant, and its gradient."""
    k = int(data[N_COLUMNS])
    n = int(data[N_OBSERVED])
    z, s, w = point[k], point[k + 1], point[k + 2]
    nu = data[NU_SHIFT_AT] + math.exp(w)
    at_precision = STUDENT_HEADER + k
    at_whitener = at_precision + k
    at_residual = at_whitener + k * k
    at_gap = at_residual + n
    at_design = at_gap + n
    hyper = np.empty(2)
    value = hyper_prior(z, s, data, hyper)
    grad_z, grad_s = hyper[0], hyper[1]
    value += data[NU_SHAPE_AT] * w - data[NU_RATE_AT] * math.exp(w)
    grad_w = data[NU_SHAPE_AT] - data[NU_RATE_AT] * math.exp(w)
    for j in range(k):
        gradient[j] = 0.0
    for i in range(k):
        beta = data[STUDENT_HEADER + i]
        for j in range(k):
            beta += data[at_whitener + j * k + i] * point[j]
        pull = data[at_precision + i] * beta
        value -= 0.5 * pull * beta
        for j in range(k):
            gradient[j] -= data[at_whitener + j * k + i] * pull
    rho = math.tanh(z)
    rest = 1.0 / math.cosh(z) ** 2
    log_square = math.log1p(-rest) if rest < 1.0 else -math.inf
    scale = math.exp(-s)
    value += n * (math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu))
    value -= n * (0.5 * math.log(nu * math.pi) + s)
    grad_nu = n * 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu)
    grad_s -= n
    slopes = np.zeros(n)
    previous = 0.0
    for i in range(n):
        residual = data[at_residual + i]
        for j in range(k):
            residual -= data[at_design + i * k + j] * point[j]
        gap = data[at_gap + i]
        phi, left, slope = 0.0, 1.0, 0.0
        if i > 0:
            below = rho ** (gap - 1.0) if gap > 1.0 else 1.0
            phi = below * rho
            left = rest if gap == 1.0 else -math.expm1(gap * log_square)
            slope = gap * below * rest
        unit = scale / math.sqrt(left)
        u = (residual - phi * previous) * unit
        bend = -(nu + 1.0) * u / (nu + u * u)
        value -= 0.5 * (nu + 1.0) * math.log1p(u * u / nu) + 0.5 * math.log(left)
        grad_nu += -0.5 * math.log1p(u * u / nu)
        grad_nu += 0.5 * (nu + 1.0) * u * u / (nu * (nu + u * u))
        grad_s -= bend * u
        slopes[i] += bend * unit
        if i > 0:
            slopes[i - 1] -= phi * bend * unit
            grad_z += slope * (bend * (-previous * unit + u * phi / left) + phi / left)
        previous = residual
    for i in range(n):
        for j in range(k):
            gradient[j] -= slopes[i] * data[at_design + i * k + j]
    gradient[k] = grad_z
    gradient[k + 1] = grad_s
    gradient[k + 2] = grad_w + grad_nu * math.exp(w)
    return value


@numba.cfunc(LOGP_SIGNATURE, **OPTIONS)
def student_logp_callback(dim, position, gradient, logp, data):
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject."""
    size = int(numba.carray(data, (1,))[0])
    buffer = numba.carray(data, (size,))
    if dim != int(buffer[N_COLUMNS]) + 3:
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
