# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""The log density of AR(1) plus white noise for NUTS, the coefficients integrated out.

What belongs here: the density of the noise's three parameters and its gradient, and the sampler's
own units. What does not: the filter without slopes (`ar1_white_kernel`), or how a problem becomes a
buffer (`ar1_white_packing`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import (
    lay_columns,
    log_half_student_t,
    products_of_columns,
)
from its_pipeline.its.inference.sampling_kernel import (
    FAST_OPTIONS,
    LOGP_SIGNATURE,
    OPTIONS,
    numba,
)
from its_pipeline.its.noise.ar1_white_packing import (
    COMPONENTS,
    HEADER,
    LOG_TAU_HIGH,
    LOG_TAU_LOW,
    N_COLUMNS,
    N_FREE,
    N_OBSERVED,
    SD_DF,
    SD_SCALE,
    WIDTH,
)

_LOG_TWO_PI = math.log(2.0 * math.pi)


FACTOR, BEND, INVERSE, GAIN, GAIN_BY_PHI, GAIN_BY_SHARE, BY_PHI, BY_SHARE = range(8)
"""Columns of what `filter_with_slopes` fills: how much of yesterday's state is carried on and its
slope in phi; one over the innovation's variance; the filter's gain and its slopes; and the slopes
of the innovation's variance."""


@numba.njit(nogil=True, **FAST_OPTIONS)
def filter_with_slopes(gaps, phi, share, table):
    """Fill the filter's coefficients by row, shape (n, 8). Returns log|R| and its two slopes."""
    first = 1.0 - share
    variance, v_phi, v_share = first, 0.0, -1.0
    log_det, d_phi, d_share = 0.0, 0.0, 0.0
    product = 1.0
    # Day after day these settle, to the last bit: what follows of them stays as it was.
    settled, settled_phi, settled_share = math.nan, math.nan, math.nan
    spread = inverse = gain = g_phi = g_share = after = after_phi = after_share = math.nan
    for t in range(table.shape[0]):
        factor, bend = 1.0, 0.0
        if t > 0:
            bend = 1.0 if gaps[t - 1] == 1.0 else gaps[t - 1] * phi ** (gaps[t - 1] - 1.0)
            factor = phi if gaps[t - 1] == 1.0 else phi ** gaps[t - 1]
            square = factor * factor
            v_phi = square * v_phi + 2.0 * factor * bend * (variance - first)
            v_share = -1.0 + square * (v_share + 1.0)
            variance = first + square * (variance - first)
        if variance != settled or v_phi != settled_phi or v_share != settled_share:
            settled, settled_phi, settled_share = variance, v_phi, v_share
            spread = variance + share
            s_share = v_share + 1.0
            inverse = 1.0 / spread
            gain = variance * inverse
            g_phi = (v_phi - gain * v_phi) * inverse
            g_share = (v_share - gain * s_share) * inverse
            # variance after the observation: variance * share / spread
            after_phi = share * (v_phi - variance * v_phi * inverse) * inverse
            after_share = variance + share * v_share - variance * share * s_share * inverse
            after_share *= inverse
            after = variance * share * inverse
        table[t, FACTOR], table[t, BEND] = factor, bend
        table[t, INVERSE], table[t, GAIN] = inverse, gain
        table[t, GAIN_BY_PHI], table[t, GAIN_BY_SHARE] = g_phi, g_share
        table[t, BY_PHI], table[t, BY_SHARE] = v_phi, v_share + 1.0
        product *= spread
        if product < 1e-200 or product > 1e200:
            log_det += math.log(product)
            product = 1.0
        d_phi += v_phi * inverse
        d_share += (v_share + 1.0) * inverse
        variance, v_phi, v_share = after, after_phi, after_share
    return log_det + math.log(product), d_phi, d_share


@numba.njit(nogil=True, **FAST_OPTIONS)
def _whiten_with_slopes(rows, gaps, phi, share, out, slopes):
    """Whiten columns, and their slopes in phi and share. Returns log|R| and its two slopes."""
    n, width = rows.shape
    table = np.empty((n, 8))
    log_det, d_phi, d_share = filter_with_slopes(gaps, phi, share, table)
    state = np.zeros(width)
    by_phi = np.zeros(width)
    by_share = np.zeros(width)
    for t in range(n):
        factor, bend = table[t, FACTOR], table[t, BEND]
        inverse, gain = table[t, INVERSE], table[t, GAIN]
        g_phi, g_share = table[t, GAIN_BY_PHI], table[t, GAIN_BY_SHARE]
        scale = math.sqrt(inverse)
        half_phi, half_share = 0.5 * table[t, BY_PHI] * inverse, 0.5 * table[t, BY_SHARE] * inverse
        for j in range(width):
            before = factor * state[j]
            b_phi = bend * state[j] + factor * by_phi[j]
            b_share = factor * by_share[j]
            surprise = rows[t, j] - before
            unit = surprise * scale
            out[t, j] = unit
            slopes[0, t, j] = -b_phi * scale - unit * half_phi
            slopes[1, t, j] = -b_share * scale - unit * half_share
            state[j] = before + gain * surprise
            by_phi[j] = b_phi + g_phi * surprise - gain * b_phi
            by_share[j] = b_share + g_share * surprise - gain * b_share
    return log_det, d_phi, d_share


@numba.njit(**OPTIONS)
def _whole_fours(count):
    return -(-count // 4) * 4


@numba.njit(inline="always", **FAST_OPTIONS)
def _sweep(matrix, first, last, size):
    """Gauss-Jordan pivots first..last-1 of a full matrix in place. Returns their product's log.

    Leaves inverse, mean and rest where the swept rows and columns stood.
    """
    log_det = 0.0
    width = matrix.shape[1]
    factors = np.empty(size)
    for p in range(first, last):
        pivot = matrix[p, p]
        if not pivot > 0.0:
            return math.inf
        log_det += math.log(pivot)
        inverse = 1.0 / pivot
        matrix[p, p] = 1.0
        for j in range(width):
            matrix[p, j] *= inverse
        for i in range(size):
            factors[i] = matrix[i, p]
            matrix[i, p] = 0.0
        matrix[p, p] = inverse
        factors[p] = 0.0
        for i in range(size):
            factor = factors[i]
            for j in range(width):
                matrix[i, j] -= factor * matrix[p, j]
    return log_det


@numba.njit(**OPTIONS)
def noise_at(position, data, point, slopes):
    """Turn a position into (phi, share, log sd) and fill d point / d position, shape (3, 3).

    Positions are unbounded: the logits of log tau and of asin(sqrt(share)) within their bounds, and
    the log of the sd of what yesterday does not foretell, which hardly correlates with them.
    Returns the log of the prior density and fills `slopes[3]` with its gradient, all Jacobians
    included.
    """
    low, high = data[LOG_TAU_LOW], data[LOG_TAU_HIGH]
    a = 1.0 / (1.0 + math.exp(-position[0]))
    b = 1.0 / (1.0 + math.exp(-position[1]))
    log_tau = low + (high - low) * a
    angle = 0.5 * math.pi * b
    rate = math.exp(-log_tau)
    phi = math.exp(-rate)
    share = math.sin(angle) ** 2
    phi_0 = phi * rate * (high - low) * a * (1.0 - a)
    share_1 = math.sin(2.0 * angle) * 0.5 * math.pi * b * (1.0 - b)
    kept = (1.0 - share) * phi
    rest = (1.0 - kept) * (1.0 + kept)
    log_sd = position[2] - 0.5 * math.log(rest)
    point[0], point[1], point[2] = phi, share, log_sd
    for i in range(4):
        for j in range(3):
            slopes[i, j] = 0.0
    slopes[0, 0] = phi_0
    slopes[1, 1] = share_1
    slopes[2, 0] = kept / rest * (1.0 - share) * phi_0
    slopes[2, 1] = -kept / rest * phi * share_1
    slopes[2, 2] = 1.0
    # log tau is uniform, the share is uniform: d share / d position is its density there
    value = math.log(a * (1.0 - a)) + math.log(share_1)
    slopes[3, 0] = 1.0 - 2.0 * a
    slopes[3, 1] = 1.0 - 2.0 * b + math.pi * b * (1.0 - b) / math.tan(2.0 * angle)
    df, scale = data[SD_DF], data[SD_SCALE]
    value += log_half_student_t(log_sd, scale, df)
    ratio = math.exp(2.0 * log_sd) / (scale * scale * df)
    pull = 1.0 - (df + 1.0) * ratio / (1.0 + ratio)
    for j in range(3):
        slopes[3, j] += pull * slopes[2, j]
    return value


@numba.njit(**FAST_OPTIONS)
def log_density(position, data, gradient):
    """Log posterior density of a position, normalised but for p(y), and its gradient."""
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
    point = np.empty(3)
    jacobian = np.empty((4, 3))
    value = noise_at(position, data, point, jacobian)
    white = np.empty((n, width))
    slopes = np.empty((2, n, width))
    log_det, d_phi, d_share = _whiten_with_slopes(rows, gaps, point[0], point[1], white, slopes)
    if not math.isfinite(log_det):
        return -math.inf
    size = k + 1
    columns = np.zeros((_whole_fours(size), n))
    lay_columns(white, size, columns)
    sums = np.empty((size, size))
    products_of_columns(columns, size, sums)
    precision = math.exp(-2.0 * point[2])
    base = np.zeros((size, width))
    for i in range(size):
        for j in range(i, size):
            base[i, j] = precision * sums[i, j]
            base[j, i] = base[i, j]
    for i in range(k - f):
        base[i, i] += shared[i]
    log_swept = _sweep(base, 0, k - f, size)
    logs = np.empty(m)
    swept = np.empty((m, size, width))
    for c in range(m):
        matrix = swept[c]
        for i in range(size):
            for j in range(width):
                matrix[i, j] = base[i, j]
        for i in range(f):
            matrix[k - f + i, k - f + i] += free[c, i]
        logs[c] = log_components[c] - 0.5 * _sweep(matrix, k - f, k, size) - 0.5 * matrix[k, k]
        for i in range(f):
            logs[c] += 0.5 * math.log(free[c, i])
    peak = logs.max()
    total = 0.0
    for c in range(m):
        logs[c] = math.exp(logs[c] - peak)
        total += logs[c]
    value += peak + math.log(total) - 0.5 * log_swept - 0.5 * log_det - n * point[2]
    value -= 0.5 * n * _LOG_TWO_PI
    for i in range(k - f):
        value += 0.5 * math.log(shared[i])
    # Each component's slope weighs the cross products with its inverse plus the outer product of
    # (-mean, 1): the envelope theorem. Averaged over the components first.
    weigh = np.zeros((size, len(columns)))
    for c in range(m):
        part = precision * logs[c] / total
        matrix = swept[c]
        for i in range(size):
            left = 1.0 if i == k else -matrix[i, k]
            for j in range(size):
                right = 1.0 if j == k else -matrix[j, k]
                inverse = matrix[i, j] if i < k and j < k else 0.0
                weigh[i, j] += part * (inverse + left * right)
    along = 0.0
    for i in range(size):
        for j in range(i, size):
            along += (1.0 if i == j else 2.0) * weigh[i, j] * sums[i, j]
    by_phi, by_share = 0.0, 0.0
    turned = np.empty(n)
    bends = np.empty((2, size, n))
    lay_columns(slopes[0], size, bends[0])
    lay_columns(slopes[1], size, bends[1])
    for j in range(size):
        for t in range(n):
            turned[t] = 0.0
        for i in range(0, len(columns), 4):
            one, two = weigh[j, i], weigh[j, i + 1]
            three, four = weigh[j, i + 2], weigh[j, i + 3]
            for t in range(n):
                turned[t] += (
                    one * columns[i, t]
                    + two * columns[i + 1, t]
                    + three * columns[i + 2, t]
                    + four * columns[i + 3, t]
                )
        for t in range(n):
            by_phi += turned[t] * bends[0, j, t]
            by_share += turned[t] * bends[1, j, t]
    d_phi = -0.5 * d_phi - by_phi
    d_share = -0.5 * d_share - by_share
    d_sd = along - n
    for j in range(3):
        gradient[j] = jacobian[3, j]
        gradient[j] += d_phi * jacobian[0, j] + d_share * jacobian[1, j] + d_sd * jacobian[2, j]
    return value


@numba.cfunc(LOGP_SIGNATURE, **OPTIONS)
def logp_callback(dim, position, gradient, logp, data):
    """Log-density in the shape that nutpie calls: 0, or a code above zero to reject.

    The sampler moves in units whitened by the centre and the factor at the buffer's end.
    """
    if dim != 3:
        return -1
    size = int(numba.carray(data, (1,))[0])
    buffer = numba.carray(data, (size,))
    centre, whitener = buffer[size - 12 : size - 9], buffer[size - 9 :].reshape((3, 3))
    at = np.empty(3)
    along = np.empty(3)
    moved = numba.carray(position, (3,))
    for i in range(3):
        at[i] = centre[i]
        for j in range(3):
            at[i] += whitener[i, j] * moved[j]
    value = log_density(at, buffer, along)
    slope = numba.carray(gradient, (3,))
    for j in range(3):
        slope[j] = 0.0
        for i in range(3):
            slope[j] += whitener[i, j] * along[i]
    numba.carray(logp, (1,))[0] = value
    if not math.isfinite(value):
        return 4
    for i in range(3):
        if not math.isfinite(slope[i]):
            return 3
    return 0


@numba.njit(nogil=True, **OPTIONS)
def points_of(positions, data):
    """Turn positions, shape (n, 3), into (phi, share, log sd), in place."""
    point = np.empty(3)
    slopes = np.empty((4, 3))
    for row in range(positions.shape[0]):
        noise_at(positions[row], data, point, slopes)
        for j in range(3):
            positions[row, j] = point[j]
