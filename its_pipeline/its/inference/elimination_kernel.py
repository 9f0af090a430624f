# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled elimination of the coefficients at many nodes, side by side.

What belongs here: what cross products of whitened columns come to once the coefficients are
integrated out, many nodes at a time, so that every step is a vector instruction whatever the number
of columns. What does not: the nodes and their weights (`gaussian_kernel`), or the cross products,
which are a noise model's. Loaded through `compiled`.

Formula: marginal likelihood of the Gaussian linear model, e.g. Rasmussen & Williams (2006),
eq. 2.37-2.43.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, LANES, LANES_OF_A_VECTOR, numba


@numba.njit(**FAST_OPTIONS)
def _load(sums, noises, log_sds, shared, contrasts, lanes, matrix):
    """Fill the matrices that elimination starts from, a lane each, the sds' precisions in them."""
    size = matrix.shape[0]
    k = size - 1 - contrasts.shape[1]
    a = len(shared)
    precisions = np.exp(-2.0 * log_sds)
    for i in range(k + 1):
        for j in range(i, k + 1):
            for lane in range(lanes):
                matrix[i, j, lane] = precisions[lane] * sums[noises[lane], i, j]
    for i in range(size):
        for j in range(max(i, k + 1), size):
            for lane in range(lanes):
                matrix[i, j, lane] = 0.0
                if i < k:
                    own = noises[lane] if contrasts.shape[0] > 1 else 0
                    matrix[i, j, lane] = contrasts[own, j - k - 1, i]
    for i in range(a):
        for lane in range(lanes):
            matrix[i, i, lane] += shared[i]


@numba.njit(**FAST_OPTIONS)
def _eliminate(matrix, first, last, lanes, log_dets):
    """Eliminate pivots first..last-1 from upper triangles; fill the logs of their products.

    A lane with a pivot that is not above zero gets NaN.
    """
    size = matrix.shape[0]
    product = np.ones(lanes)
    factor = np.empty(lanes)
    for lane in range(lanes):
        log_dets[lane] = 0.0
    for p in range(first, last):
        for lane in range(lanes):
            pivot = matrix[p, p, lane]
            product[lane] *= pivot if pivot > 0.0 else math.nan
            if product[lane] > 1e200 or product[lane] < 1e-200:
                log_dets[lane] += math.log(product[lane])
                product[lane] = 1.0
        for i in range(p + 1, size):
            for lane in range(lanes):
                factor[lane] = matrix[p, i, lane] / matrix[p, p, lane]
            for j in range(i, size):
                for lane in range(lanes):
                    matrix[i, j, lane] -= factor[lane] * matrix[p, j, lane]
    for lane in range(lanes):
        log_dets[lane] += math.log(product[lane])


@numba.njit(**FAST_OPTIONS)
def log_residual_sds(sums, shared, free, n):
    """Log sd of what the columns leave under each noise, by the widest component's priors."""
    count = sums.shape[0]
    a, k = len(shared), len(shared) + len(free)
    freedom = max(n - k, 3)
    close = 0.3 / math.sqrt(2.0 * freedom)
    found = np.empty(count)
    noises = np.empty(LANES, np.int64)
    matrix = np.empty((k + 1, k + 1, LANES))
    log_dets = np.empty(LANES)
    nothing = np.zeros((1, 0, k))
    for begin in range(0, count, LANES):
        here = min(count - begin, LANES)
        lanes = -(-here // LANES_OF_A_VECTOR) * LANES_OF_A_VECTOR
        log_sds = np.zeros(lanes)
        is_open = np.ones(lanes, np.bool_)
        for lane in range(lanes):
            noises[lane] = min(begin + lane, count - 1)
        for _ in range(20):
            _load(sums, noises, log_sds, shared, nothing, lanes, matrix)
            for i in range(a, k):
                for lane in range(lanes):
                    matrix[i, i, lane] += free[i - a]
            _eliminate(matrix, 0, k, lanes, log_dets)
            for lane in range(lanes):
                if is_open[lane]:
                    step = 0.5 * math.log(max(matrix[k, k, lane] / freedom, 1e-12))
                    log_sds[lane] += step
                    is_open[lane] = abs(step) >= close
            if not is_open.any():
                break
        for lane in range(here):
            found[begin + lane] = log_sds[lane]
    return found


@numba.njit(**FAST_OPTIONS)
def moments_at(
    sums, noises, log_sds, rows, shared, free, log_components, contrasts, constants, logs, means,
    variances,
):  # fmt: skip
    """Components' log weights and contrasts' moments at many nodes, a lane each.

    Parameters
    ----------
    sums
        Whitened cross products of each noise.
    noises, log_sds, rows
        Of each node: number of its noise, log sd, and where its answer belongs, shape (p,).
    shared, free, log_components, contrasts
        As in `integrate`.
    constants, logs, means, variances
        Filled in those rows: what all components have alike; shapes (r,), (r, m), (r, m, c).
    """
    a, k = len(shared), len(shared) + free.shape[1]
    n_contrasts = contrasts.shape[1]
    size = k + 1 + n_contrasts
    log_prior = log_components.copy()
    for m in range(free.shape[0]):
        for i in range(free.shape[1]):
            log_prior[m] += 0.5 * math.log(free[m, i])
    matrix = np.empty((size, size, LANES))
    small = np.empty((size - a, size - a, LANES))
    log_dets = np.empty(LANES)
    noise, log_sd = np.empty(LANES, np.int64), np.empty(LANES)
    for begin in range(0, len(noises), LANES):
        here = min(len(noises) - begin, LANES)
        lanes = -(-here // LANES_OF_A_VECTOR) * LANES_OF_A_VECTOR
        for lane in range(lanes):
            at = min(begin + lane, len(noises) - 1)
            noise[lane], log_sd[lane] = noises[at], log_sds[at]
        _load(sums, noise, log_sd[:lanes], shared, contrasts, lanes, matrix)
        _eliminate(matrix, 0, a, lanes, log_dets)
        for lane in range(here):
            constants[rows[begin + lane]] = -0.5 * log_dets[lane]
        for m in range(free.shape[0]):
            for i in range(size - a):
                for j in range(i, size - a):
                    for lane in range(lanes):
                        small[i, j, lane] = matrix[a + i, a + j, lane]
            for i in range(k - a):
                for lane in range(lanes):
                    small[i, i, lane] += free[m, i]
            _eliminate(small, 0, k - a, lanes, log_dets)
            for lane in range(here):
                row = rows[begin + lane]
                left = small[k - a, k - a, lane]
                logs[row, m] = log_prior[m] - 0.5 * log_dets[lane] - 0.5 * left
                for c in range(n_contrasts):
                    at = k - a + 1 + c
                    means[row, m, c] = -small[k - a, at, lane]
                    variances[row, m, c] = -small[at, at, lane]
