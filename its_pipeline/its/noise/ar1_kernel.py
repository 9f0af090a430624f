# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The collapsed log-density with AR(1) noise, compiled by Numba and kept on disk.

Coefficients have independent Gaussian priors and the errors are a Gaussian AR(1) with gaps, so the
coefficients are integrated out exactly and two parameters are left: z = atanh(rho) and
s = log(sigma). For a day gap g, phi = rho**g, and one observed pair contributes
(x_i - phi x_{i-1})(x_i - phi x_{i-1})' / (1 - phi**2) to X'R^-1 X. Sums of the three outer products
per distinct gap are sufficient, so an evaluation costs O(gaps k^2 + k^3) whatever the series'
length.

Loaded through `compiled`, which keeps its cache honest; it imports Numba at the top. Rows of all
matrices are padded to a multiple of eight numbers, so that the innermost loops have a fixed length
and become vector instructions. Packing the data is `ar1_packing`'s business, sampling is that of
`inference`. Formula: marginal likelihood of the Gaussian linear model, e.g. Rasmussen & Williams
(2006), eq. 2.37-2.43.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import (
    FAST_OPTIONS,
    LOGP_SIGNATURE,
    OPTIONS,
    numba,
)
from its_pipeline.its.noise.ar1_packing import (
    GAPS,
    HEADER,
    LOG_DET_PRIOR,
    LOG_HYPER,
    N_COLUMNS,
    N_OBSERVED,
    RHO_A,
    RHO_B,
    SIGMA_DF_AT,
    SIGMA_SCALE_AT,
    WIDTH,
)


@numba.njit(inline="always", **OPTIONS)
def _softplus(value):
    if value > 0.0:
        return value + math.log1p(math.exp(-value))
    return math.log1p(math.exp(value))


@numba.njit(**FAST_OPTIONS)
def moments(z, s, data, sums, slopes):
    """Fill X'R^-1X / sigma^2 of the design with y appended, and its slope in z, row by row.

    Returns log|R| and its slope in z.
    """
    k = int(data[N_COLUMNS])
    n_gaps = int(data[GAPS])
    size = (k + 1) * int(data[WIDTH])
    precision = math.exp(-2.0 * s)
    rho = math.tanh(z)
    # 1 - rho**2 without cancellation, also where rho is close to one
    rest = 4.0 * math.exp(-_softplus(2.0 * z) - _softplus(-2.0 * z))
    log_square = math.log1p(-rest) if rest < 1.0 else -math.inf
    first = HEADER + k + 2 * n_gaps
    for j in range(size):
        sums[j] = precision * data[first + j]
        slopes[j] = 0.0
    log_det = 0.0
    log_det_slope = 0.0
    at = first + size
    for i in range(n_gaps):
        gap = data[HEADER + k + i]
        count = data[HEADER + k + n_gaps + i]
        below = rho ** int(gap - 1.0)
        phi = below * rho
        left = rest if gap == 1.0 else -math.expm1(gap * log_square)
        slope = gap * below * rest
        inverse = 1.0 / left
        log_det += count * math.log(left)
        log_det_slope -= count * 2.0 * phi * slope * inverse
        ca = precision * inverse
        cb = -phi * ca
        cc = phi * phi * ca
        da = 2.0 * phi * inverse * slope * ca
        db = -(1.0 + phi * phi) * inverse * slope * ca
        for j in range(size):
            outer = data[at + j]
            cross = data[at + size + j]
            lagged = data[at + 2 * size + j]
            sums[j] += ca * outer + cb * cross + cc * lagged
            slopes[j] += da * (outer + lagged) + db * cross
        at += 3 * size
    return log_det, log_det_slope


@numba.njit(**FAST_OPTIONS)
def factorise(data, sums, lower, mean):
    """Cholesky of the coefficients' posterior precision, and their posterior mean.

    Returns log|Lambda|, or infinity where it is not positive definite.
    """
    k = int(data[N_COLUMNS])
    width = int(data[WIDTH])
    log_det = 0.0
    for i in range(k):
        for j in range(i + 1):
            value = sums[i * width + j]
            if i == j:
                value += data[HEADER + i]
            for m in range(j):
                value -= lower[i, m] * lower[j, m]
            if i == j:
                if not value > 0.0:
                    return math.inf
                lower[i, i] = math.sqrt(value)
                log_det += math.log(value)
            else:
                lower[i, j] = value / lower[j, j]
    for i in range(k):
        value = sums[k * width + i]
        for m in range(i):
            value -= lower[i, m] * mean[m]
        mean[i] = value / lower[i, i]
    for i in range(k - 1, -1, -1):
        mean[i] /= lower[i, i]
        for m in range(i):
            mean[m] -= lower[i, m] * mean[i]
    return log_det


@numba.njit(inline="always", **OPTIONS)
def _four(values, at):
    return values[at], values[at + 1], values[at + 2], values[at + 3]


@numba.njit(**FAST_OPTIONS)
def sweep(data, sums, factors):
    """Sweep the coefficients out of [X y]'R^-1[X y] / sigma^2 + prior precision, in place.

    `factors` is room for k + 1 numbers. Leaves Lambda^-1 in the first k rows and columns, the
    posterior mean in the last column, and y'R^-1y / sigma^2 - b'Lambda^-1 b in the corner. Returns
    log|Lambda|, or infinity where it is not positive definite.
    """
    k = int(data[N_COLUMNS])
    width = int(data[WIDTH])
    for i in range(k):
        sums[i * width + i] += data[HEADER + i]
    log_det = 0.0
    product = 1.0
    for p in range(k):
        row = p * width
        pivot = sums[row + p]
        if not pivot > 0.0:
            return math.inf
        product *= pivot
        if product > 1e150 or product < 1e-150:
            log_det += math.log(product)
            product = 1.0
        inverse = 1.0 / pivot
        sums[row + p] = 1.0
        for j in range(width):
            sums[row + j] *= inverse
        for i in range(k + 1):
            factors[i] = sums[i * width + p]
            sums[i * width + p] = 0.0
        sums[row + p] = inverse
        factors[p] = 0.0
        # Reads before writes: only so does the compiler make one vector instruction of eight.
        for block in range(0, width, 8):
            a0, a1, a2, a3 = _four(sums, row + block)
            a4, a5, a6, a7 = _four(sums, row + block + 4)
            for i in range(k + 1):
                at = i * width + block
                factor = factors[i]
                b0, b1, b2, b3 = _four(sums, at)
                b4, b5, b6, b7 = _four(sums, at + 4)
                sums[at] = b0 - factor * a0
                sums[at + 1] = b1 - factor * a1
                sums[at + 2] = b2 - factor * a2
                sums[at + 3] = b3 - factor * a3
                sums[at + 4] = b4 - factor * a4
                sums[at + 5] = b5 - factor * a5
                sums[at + 6] = b6 - factor * a6
                sums[at + 7] = b7 - factor * a7
    return log_det + math.log(product)


@numba.njit(**OPTIONS)
def hyper_prior(z, s, data, gradient):
    """Log prior density of (z, s) with the Jacobians of both transforms; its gradient."""
    a = data[RHO_A]
    b = data[RHO_B]
    rho = math.tanh(z)
    value = data[LOG_HYPER] - a * _softplus(-2.0 * z) - b * _softplus(2.0 * z)
    gradient[0] = a * (1.0 - rho) - b * (1.0 + rho)
    df = data[SIGMA_DF_AT]
    ratio = math.exp(2.0 * s) / (data[SIGMA_SCALE_AT] * data[SIGMA_SCALE_AT] * df)
    value += s - 0.5 * (df + 1.0) * math.log1p(ratio)
    gradient[1] = 1.0 - (df + 1.0) * ratio / (1.0 + ratio)
    return value


@numba.njit(**FAST_OPTIONS)
def log_density(z, s, data, gradient):
    """Log posterior density of (z, s), normalised but for p(y), and its gradient."""
    k = int(data[N_COLUMNS])
    width = int(data[WIDTH])
    size = (k + 1) * width
    work = np.empty(2 * size + 2 * width)
    sums = work[:size]
    slopes = work[size : 2 * size]
    factors = work[2 * size : 2 * size + width]
    contrast = work[2 * size + width :]
    value = hyper_prior(z, s, data, gradient)
    log_det, log_det_slope = moments(z, s, data, sums, slopes)
    log_det_coefficients = sweep(data, sums, factors)
    n = data[N_OBSERVED]
    if not (math.isfinite(log_det_coefficients) and math.isfinite(log_det)):
        return -math.inf
    quadratic = sums[k * width + k]
    trace_prior = 0.0
    shrink = 0.0
    for i in range(width):
        contrast[i] = 0.0
    for i in range(k):
        row = i * width
        mean = sums[row + k]
        precision = data[HEADER + i]
        trace_prior += sums[row + i] * precision
        shrink += mean * mean * precision
        contrast[i] = -mean
        sums[row + k] = 0.0
        sums[k * width + i] = 0.0
    contrast[k] = 1.0
    sums[k * width + k] = 0.0
    # the trace of Lambda^-1 with the slope of Lambda, and the slope of the quadratic form at the
    # posterior mean (envelope theorem), in one pass: both weigh the slopes entry by entry
    slope = 0.0
    for i in range(k + 1):
        row = i * width
        left = contrast[i]
        part = 0.0
        for j in range(width):
            part += slopes[row + j] * (sums[row + j] + left * contrast[j])
        slope += part
    value += -n * s - 0.5 * log_det - 0.5 * log_det_coefficients + data[LOG_DET_PRIOR]
    value -= 0.5 * quadratic
    gradient[0] += -0.5 * (log_det_slope + slope)
    gradient[1] += -n + (k - trace_prior) + (quadratic - shrink)
    return value


@numba.cfunc(LOGP_SIGNATURE, **OPTIONS)
def logp_callback(dim, position, gradient, logp, data):
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject.

    The sampler moves in z and u = log(innovation sd) = s + log(1 - rho**2) / 2, because z and s lie
    on a ridge (the more one day resembles the next, the less the marginal sd is known) and z and u
    hardly correlate: three to four times the effective sample size at fewer steps. The map has
    unit Jacobian, and ds/dz at fixed u is rho.
    """
    if dim != 2:
        return -1
    point = numba.carray(position, (2,))
    slope = numba.carray(gradient, (2,))
    size = int(numba.carray(data, (1,))[0])
    z = point[0]
    s = point[1] + 0.5 * (_softplus(2.0 * z) + _softplus(-2.0 * z)) - math.log(2.0)
    value = log_density(z, s, numba.carray(data, (size,)), slope)
    slope[0] += slope[1] * math.tanh(z)
    numba.carray(logp, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    if not (math.isfinite(slope[0]) and math.isfinite(slope[1])):
        return 3
    return 0


@numba.njit(nogil=True, **OPTIONS)
def draw_coefficients(points, normals, data, out):
    """Draw the coefficients exactly given each (z, s).

    Parameters
    ----------
    points
        Shape (n, 2), z and s.
    normals
        Standard normals, shape (n, k); used up in place.
    data
        The packed problem.
    out
        Filled with draws, shape (n, k).
    """
    k = int(data[N_COLUMNS])
    width = int(data[WIDTH])
    size = (k + 1) * width
    sums = np.empty(size)
    slopes = np.empty(size)
    lower = np.zeros((k, k))
    mean = np.empty(k)
    for n in range(points.shape[0]):
        moments(points[n, 0], points[n, 1], data, sums, slopes)
        factorise(data, sums, lower, mean)
        for i in range(k - 1, -1, -1):
            value = normals[n, i] / lower[i, i]
            for m in range(i):
                normals[n, m] -= lower[i, m] * value
            out[n, i] = mean[i] + value


@numba.njit(nogil=True, **OPTIONS)
def grid_moments(points, contrasts, data, log_weights, means, variances):
    """Log-density at grid points, and mean and variance of linear contrasts given each.

    Parameters
    ----------
    points, contrasts, data
        Shape (n, 2), z and s; shape (c, k); the packed problem.
    log_weights, means, variances
        Filled; shapes (n,), (n, c), (n, c).
    """
    k = int(data[N_COLUMNS])
    width = int(data[WIDTH])
    size = (k + 1) * width
    sums = np.empty(size)
    slopes = np.empty(size)
    lower = np.zeros((k, k))
    mean = np.empty(k)
    half = np.empty(k)
    ignored = np.empty(2)
    for n in range(points.shape[0]):
        z = points[n, 0]
        s = points[n, 1]
        log_det, _ = moments(z, s, data, sums, slopes)
        log_det_coefficients = factorise(data, sums, lower, mean)
        quadratic = sums[k * width + k]
        for i in range(k):
            quadratic -= mean[i] * sums[k * width + i]
        observed = data[N_OBSERVED]
        log_weights[n] = hyper_prior(z, s, data, ignored) - observed * s - 0.5 * log_det
        log_weights[n] += -0.5 * log_det_coefficients + data[LOG_DET_PRIOR] - 0.5 * quadratic
        for c in range(contrasts.shape[0]):
            value = 0.0
            spread = 0.0
            for i in range(k):
                value += contrasts[c, i] * mean[i]
                rest = contrasts[c, i]
                for m in range(i):
                    rest -= lower[i, m] * half[m]
                half[i] = rest / lower[i, i]
                spread += half[i] * half[i]
            means[n, c] = value
            variances[n, c] = spread
