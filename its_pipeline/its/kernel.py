"""The collapsed log-density of the model, compiled by Numba and kept on disk between processes.

Coefficients have independent Gaussian priors and the errors are a Gaussian AR(1) with gaps, so the
coefficients are integrated out exactly and two parameters are left: z = atanh(rho) and
s = log(sigma). For a day gap g, phi = rho**g, and one observed pair contributes
(x_i - phi x_{i-1})(x_i - phi x_{i-1})' / (1 - phi**2) to X'R^-1 X. Sums of the three outer products
per distinct gap are sufficient, so an evaluation costs O(gaps k^2 + k^3) whatever the series'
length.

This is the one module that imports Numba at the top; import it inside functions. Packing the data
it reads is `packing`'s business, sampling `sampler`'s. Formula: marginal likelihood of the Gaussian
linear model, e.g. Rasmussen & Williams (2006), eq. 2.37-2.43.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import types

from its_pipeline.its.packing import (
    GAPS,
    HEADER,
    LOG_DET_PRIOR,
    N_COLUMNS,
    N_OBSERVED,
    RHO_A,
    RHO_B,
    SIGMA_DF_AT,
    SIGMA_SCALE_AT,
)

LOGP_SIGNATURE = types.int64(
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
)
EXPAND_SIGNATURE = types.int64(
    types.uint64,
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
)


@numba.njit(cache=True, inline="always")
def _softplus(value):  # noqa: ANN001, ANN202 - compiled; types are inferred
    if value > 0.0:
        return value + math.log1p(math.exp(-value))
    return math.log1p(math.exp(value))


@numba.njit(cache=True)
def moments(z, s, data, sums, slopes):  # noqa: ANN001, ANN202 - compiled; types are inferred
    """Fill X'R^-1X / sigma^2 of the design with y appended, and its slope in z, packed lower.

    Returns log|R| and its slope in z.
    """
    k = int(data[N_COLUMNS])
    n_gaps = int(data[GAPS])
    size = (k + 1) * (k + 2) // 2
    precision = math.exp(-2.0 * s)
    rho = math.tanh(z)
    # 1 - rho**2 without cancellation, also where rho is close to one
    rest = 4.0 * math.exp(-_softplus(2.0 * z) - _softplus(-2.0 * z))
    log_square = math.log1p(-rest) if rest < 1.0 else -math.inf
    first = HEADER + k + 2 * n_gaps
    for j in range(size):
        sums[j] = data[first + j]
        slopes[j] = 0.0
    log_det = 0.0
    log_det_slope = 0.0
    at = first + size
    for i in range(n_gaps):
        gap = data[HEADER + k + i]
        count = data[HEADER + k + n_gaps + i]
        below = rho ** (gap - 1.0) if gap > 1.0 else 1.0
        phi = below * rho
        left = rest if gap == 1.0 else -math.expm1(gap * log_square)
        slope = gap * below * rest
        inverse = 1.0 / left
        log_det += count * math.log(left)
        log_det_slope -= count * 2.0 * phi * slope * inverse
        ca = inverse
        cb = -phi * inverse
        cc = phi * phi * inverse
        da = 2.0 * phi * inverse * inverse * slope
        db = -(1.0 + phi * phi) * inverse * inverse * slope
        dc = da
        for j in range(size):
            a = data[at + j]
            b = data[at + size + j]
            c = data[at + 2 * size + j]
            sums[j] += ca * a + cb * b + cc * c
            slopes[j] += da * a + db * b + dc * c
        at += 3 * size
    for j in range(size):
        sums[j] *= precision
        slopes[j] *= precision
    return log_det, log_det_slope


@numba.njit(cache=True)
def factorise(data, sums, lower, mean):  # noqa: ANN001, ANN202 - compiled; types are inferred
    """Cholesky of the coefficients' posterior precision, and their posterior mean.

    Returns log|Lambda|, or infinity where it is not positive definite.
    """
    k = int(data[N_COLUMNS])
    log_det = 0.0
    for i in range(k):
        row = i * (i + 1) // 2
        for j in range(i + 1):
            other = j * (j + 1) // 2
            value = sums[row + j]
            if i == j:
                value += data[HEADER + i]
            for m in range(j):
                value -= lower[row + m] * lower[other + m]
            if i == j:
                if not value > 0.0:
                    return math.inf
                lower[row + i] = math.sqrt(value)
                log_det += math.log(value)
            else:
                lower[row + j] = value / lower[other + j]
    last = k * (k + 1) // 2
    for i in range(k):
        row = i * (i + 1) // 2
        value = sums[last + i]
        for m in range(i):
            value -= lower[row + m] * mean[m]
        mean[i] = value / lower[row + i]
    for i in range(k - 1, -1, -1):
        value = mean[i]
        for m in range(i + 1, k):
            value -= lower[m * (m + 1) // 2 + i] * mean[m]
        mean[i] = value / lower[i * (i + 1) // 2 + i]
    return log_det


@numba.njit(cache=True)
def hyper_prior(z, s, data, gradient):  # noqa: ANN001, ANN202 - compiled; types are inferred
    """Log prior density of (z, s) with the Jacobians of both transforms; its gradient."""
    a = data[RHO_A]
    b = data[RHO_B]
    up = _softplus(2.0 * z)
    down = _softplus(-2.0 * z)
    rho = math.tanh(z)
    value = -a * down - b * up + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    value += math.log(2.0)
    gradient[0] = a * (1.0 - rho) - b * (1.0 + rho)
    df = data[SIGMA_DF_AT]
    ratio = math.exp(2.0 * (s - math.log(data[SIGMA_SCALE_AT]))) / df
    value += math.log(2.0) + math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df)
    value += -0.5 * math.log(df * math.pi) - math.log(data[SIGMA_SCALE_AT])
    value += s - 0.5 * (df + 1.0) * math.log1p(ratio)
    gradient[1] = 1.0 - (df + 1.0) * ratio / (1.0 + ratio)
    return value


@numba.njit(cache=True)
def log_density(z, s, data, gradient):  # noqa: ANN001, ANN202 - compiled; types are inferred
    """Log posterior density of (z, s), normalised but for p(y), and its gradient."""
    k = int(data[N_COLUMNS])
    size = (k + 1) * (k + 2) // 2
    inner = k * (k + 1) // 2
    work = np.empty(2 * size + inner + k)
    sums = work[:size]
    slopes = work[size : 2 * size]
    lower = work[2 * size : 2 * size + inner]
    mean = work[2 * size + inner :]
    value = hyper_prior(z, s, data, gradient)
    log_det, log_det_slope = moments(z, s, data, sums, slopes)
    log_det_coefficients = factorise(data, sums, lower, mean)
    n = data[N_OBSERVED]
    if not math.isfinite(log_det_coefficients) or not math.isfinite(log_det):
        return -math.inf
    # quadratic form and its slopes at the mean (envelope theorem)
    fitted = 0.0
    shrink = 0.0
    slope_quadratic = 0.0
    for i in range(k):
        row = i * (i + 1) // 2
        fitted += mean[i] * sums[inner + i]
        shrink += mean[i] * mean[i] * data[HEADER + i]
        slope_quadratic += mean[i] * mean[i] * slopes[row + i]
        slope_quadratic -= 2.0 * mean[i] * slopes[inner + i]
        for j in range(i):
            slope_quadratic += 2.0 * mean[i] * mean[j] * slopes[row + j]
    slope_quadratic += slopes[inner + k]
    quadratic = sums[inner + k] - fitted
    # invert the factor in place, then take the two traces
    for i in range(k):
        row = i * (i + 1) // 2
        pivot = 1.0 / lower[row + i]
        for j in range(i):
            total = 0.0
            for m in range(j, i):
                total += lower[row + m] * lower[m * (m + 1) // 2 + j]
            lower[row + j] = -total * pivot
        lower[row + i] = pivot
    trace_slope = 0.0
    trace_prior = 0.0
    for i in range(k):
        row = i * (i + 1) // 2
        for j in range(i + 1):
            covariance = 0.0
            for m in range(i, k):
                covariance += lower[m * (m + 1) // 2 + i] * lower[m * (m + 1) // 2 + j]
            if i == j:
                trace_slope += covariance * slopes[row + i]
                trace_prior += covariance * data[HEADER + i]
            else:
                trace_slope += 2.0 * covariance * slopes[row + j]
    value += -n * s - 0.5 * log_det - 0.5 * log_det_coefficients + data[LOG_DET_PRIOR]
    value += -0.5 * quadratic - 0.5 * n * math.log(2.0 * math.pi)
    gradient[0] += -0.5 * log_det_slope - 0.5 * trace_slope - 0.5 * slope_quadratic
    gradient[1] += -n + (k - trace_prior) + (quadratic - shrink)
    return value


@numba.cfunc(LOGP_SIGNATURE, cache=True)
def logp_callback(dim, position, gradient, logp, data):  # noqa: ANN001, ANN201 - compiled
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject."""
    if dim != 2:
        return -1
    point = numba.carray(position, (2,))
    slope = numba.carray(gradient, (2,))
    size = int(numba.carray(data, (1,))[0])
    value = log_density(point[0], point[1], numba.carray(data, (size,)), slope)
    numba.carray(logp, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    if not (math.isfinite(slope[0]) and math.isfinite(slope[1])):
        return 3
    return 0


@numba.cfunc(EXPAND_SIGNATURE, cache=True)
def expand_callback(dim, expanded, position, out, data):  # noqa: ANN001, ANN201 - compiled
    """Hand the unconstrained point on as it is; transforming back is vectorised afterwards."""
    if dim != expanded:
        return -1
    source = numba.carray(position, (dim,))
    target = numba.carray(out, (dim,))
    for i in range(dim):
        target[i] = source[i]
    return 0


@numba.njit(cache=True, nogil=True)
def draw_coefficients(points, normals, data, out):  # noqa: ANN001, ANN201 - compiled
    """Draw the coefficients exactly given each (z, s).

    Parameters
    ----------
    points
        Shape (n, 2).
    normals
        Standard normals, shape (n, k).
    data
        The packed problem.
    out
        Filled with draws, shape (n, k).
    """
    k = int(data[N_COLUMNS])
    size = (k + 1) * (k + 2) // 2
    sums = np.empty(size)
    slopes = np.empty(size)
    lower = np.empty(k * (k + 1) // 2)
    mean = np.empty(k)
    for n in range(points.shape[0]):
        moments(points[n, 0], points[n, 1], data, sums, slopes)
        factorise(data, sums, lower, mean)
        for i in range(k - 1, -1, -1):
            value = normals[n, i]
            for m in range(i + 1, k):
                value -= lower[m * (m + 1) // 2 + i] * out[n, m]
            out[n, i] = value / lower[i * (i + 1) // 2 + i]
        for i in range(k):
            out[n, i] += mean[i]


@numba.njit(cache=True, nogil=True)
def grid_moments(points, contrasts, data, log_weights, means, variances):  # noqa: ANN001, ANN201
    """Log-density at grid points, and mean and variance of linear contrasts given each.

    Parameters
    ----------
    points
        Shape (n, 2): z and s.
    contrasts
        Shape (c, k).
    data
        The packed problem.
    log_weights, means, variances
        Filled; shapes (n,), (n, c), (n, c).
    """
    k = int(data[N_COLUMNS])
    size = (k + 1) * (k + 2) // 2
    inner = k * (k + 1) // 2
    sums = np.empty(size)
    slopes = np.empty(size)
    lower = np.empty(inner)
    mean = np.empty(k)
    half = np.empty(k)
    ignored = np.empty(2)
    for n in range(points.shape[0]):
        z = points[n, 0]
        s = points[n, 1]
        log_det, _ = moments(z, s, data, sums, slopes)
        log_det_coefficients = factorise(data, sums, lower, mean)
        quadratic = sums[inner + k]
        for i in range(k):
            quadratic -= mean[i] * sums[inner + i]
        observed = data[N_OBSERVED]
        log_weights[n] = hyper_prior(z, s, data, ignored) - observed * s - 0.5 * log_det
        log_weights[n] += -0.5 * log_det_coefficients + data[LOG_DET_PRIOR] - 0.5 * quadratic
        log_weights[n] -= 0.5 * observed * math.log(2.0 * math.pi)
        for c in range(contrasts.shape[0]):
            value = 0.0
            spread = 0.0
            for i in range(k):
                row = i * (i + 1) // 2
                value += contrasts[c, i] * mean[i]
                rest = contrasts[c, i]
                for m in range(i):
                    rest -= lower[row + m] * half[m]
                half[i] = rest / lower[row + i]
                spread += half[i] * half[i]
            means[n, c] = value
            variances[n, c] = spread


@numba.njit(cache=True, nogil=True)
def multiply(matrix, draws, out):  # noqa: ANN001, ANN201 - compiled; types are inferred
    """Add (n, k) times (k, draws) to `out`, in the order of k whatever the machine's threads."""
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            factor = matrix[row, column]
            if factor != 0.0:
                for draw in range(draws.shape[1]):
                    out[row, draw] += factor * draws[column, draw]
