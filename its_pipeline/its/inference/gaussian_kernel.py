# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled Gaussian algebra of the quadrature: elimination.

What belongs here: integrating the coefficients out of cross products of whitened columns, and their
moments given a node. What does not: whitening, which is a noise model's, where nodes lie
(`quadrature`), or what is asked of the mixtures (`mixture_kernel`). Loaded through `compiled`.

Formula: marginal likelihood of the Gaussian linear model, e.g. Rasmussen & Williams (2006),
eq. 2.37-2.43.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba

_LOG_TWO_PI = math.log(2.0 * math.pi)
_HOPELESS = 25.0
"""Log of how far a noise's middle sd may lie below the peak before its other sds are left out."""


@numba.njit(**FAST_OPTIONS)
def lay_columns(rows, size, columns):
    """Lay the first columns of rows, shape (n, width), one behind the other, shape (size, n)."""
    n = rows.shape[0]
    whole = n - n % 8
    for t in range(0, whole, 8):
        for j in range(size):
            for day in range(8):
                columns[j, t + day] = rows[t + day, j]
    for t in range(whole, n):
        for j in range(size):
            columns[j, t] = rows[t, j]


@numba.njit(**FAST_OPTIONS)
def products_of_columns(columns, size, out):
    """Fill the upper triangle of the columns' products, shape (size, size)."""
    n = columns.shape[1]
    for i in range(size):
        for j in range(i, size):
            total = 0.0
            for t in range(n):
                total += columns[i, t] * columns[j, t]
            out[i, j] = total


@numba.njit(inline="always", **FAST_OPTIONS)
def _eliminate(matrix, first, last, size):
    """Eliminate pivots first..last-1 from an upper triangle. Returns the log of their product."""
    log_det = 0.0
    product = 1.0
    for p in range(first, last):
        pivot = matrix[p, p]
        if not pivot > 0.0:
            return math.inf
        product *= pivot
        if product > 1e200 or product < 1e-200:
            log_det += math.log(product)
            product = 1.0
        inverse = 1.0 / pivot
        for i in range(p + 1, size):
            factor = matrix[p, i] * inverse
            if factor != 0.0:
                for j in range(i, size):
                    matrix[i, j] -= factor * matrix[p, j]
    return log_det + math.log(product)


@numba.njit(**OPTIONS)
def _load(sums, precision, shared, contrasts, k, matrix):
    """Fill the matrix that elimination starts from, the sd's precision multiplied in."""
    size = matrix.shape[0]
    for i in range(k + 1):
        for j in range(i, k + 1):
            matrix[i, j] = precision * sums[i, j]
        for j in range(k + 1, size):
            matrix[i, j] = contrasts[j - k - 1, i] if i < k else 0.0
    for i in range(k + 1, size):
        for j in range(i, size):
            matrix[i, j] = 0.0
    for i in range(len(shared)):
        matrix[i, i] += shared[i]


@numba.njit(**OPTIONS)
def _log_residual_sd(sums, shared, free, no_contrasts, n, k, matrix):
    """Log sd of what the columns leave, under the widest component's priors."""
    freedom = max(n - k, 3)
    log_sd = 0.0
    for _ in range(20):
        _load(sums, math.exp(-2.0 * log_sd), shared, no_contrasts, k, matrix)
        for i in range(len(free)):
            matrix[len(shared) + i, len(shared) + i] += free[i]
        _eliminate(matrix, 0, k, k + 1)
        step = 0.5 * math.log(max(matrix[k, k] / freedom, 1e-12))
        log_sd += step
        if abs(step) < 0.3 / math.sqrt(2.0 * freedom):
            break
    return log_sd


@numba.njit(**OPTIONS)
def log_marginal(sums, log_det, prior_precision, log_sd, n):
    """Log density of the outcome given noise and sd, all coefficients integrated out."""
    k = len(prior_precision)
    matrix = np.zeros((k + 1, k + 1))
    _load(sums, math.exp(-2.0 * log_sd), prior_precision, np.zeros((0, k)), k, matrix)
    value = -_eliminate(matrix, 0, k, k + 1) - matrix[k, k] - log_det
    value += np.log(prior_precision).sum() - n * _LOG_TWO_PI
    return 0.5 * value - n * log_sd


@numba.njit(**OPTIONS)
def log_half_student_t(log_sd, scale, df):
    """Log density of log sd where the sd is half-Student-t."""
    ratio = math.exp(2.0 * log_sd) / (scale * scale * df)
    value = math.log(2.0) + math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df)
    value -= 0.5 * math.log(df * math.pi) + math.log(scale)
    return value + log_sd - 0.5 * (df + 1.0) * math.log1p(ratio)


@numba.njit(nogil=True, **OPTIONS)
def integrate(
    sums,
    log_dets,
    log_noise,
    shared,
    free,
    log_components,
    contrasts,
    nodes,
    log_node_width,
    sd_scale,
    sd_df,
    n,
    peak,
    log_weights,
    log_sds,
    means,
    variances,
):
    """Log mass of each (noise, sd, component), and contrasts' moments given each.

    Parameters
    ----------
    sums, log_dets, log_noise
        Cross products of the whitened [X y], shape (g, k + 1, width); log|R|; log prior mass of
        each noise with its quadrature weight.
    shared, free
        Prior precisions: of the columns every component has alike, which come first, shape (a,);
        and of the others, shape (m, f).
    log_components
        Log prior weights, shape (m,).
    contrasts
        Shape (g, c, k), or (1, c, k) where they are the same for every noise.
    nodes, log_node_width
        Of the log sd, evenly spaced, in standard errors around its rough estimate; shape (s,).
    sd_scale, sd_df
        Half-Student-t prior of the sd.
    n
        Observed days.
    peak
        Highest log mass known before; noises far below it get one sd only.
    log_weights, log_sds, means, variances
        Filled; shapes (g, s, m), (g, s), (g, s, m, c), (g, s, m, c).
    """
    k = len(shared) + free.shape[1]
    size = k + 1 + contrasts.shape[1]
    matrix = np.zeros((size, size))
    small = np.zeros((size, size))
    narrow = np.zeros((k + 1, k + 1))
    no_contrasts = np.zeros((0, k))
    error = 1.0 / math.sqrt(2.0 * max(n - k, 3))
    widest = 0
    for m in range(free.shape[0]):
        if free[m].sum() < free[widest].sum():
            widest = m
    log_prior = np.empty(free.shape[0])
    for m in range(free.shape[0]):
        log_prior[m] = log_components[m]
        for i in range(free.shape[1]):
            log_prior[m] += 0.5 * math.log(free[m, i])
    base = -0.5 * n * _LOG_TWO_PI + math.log(error) + log_node_width
    for i in range(len(shared)):
        base += 0.5 * math.log(shared[i])
    a = len(shared)
    middle = len(nodes) // 2
    for g in range(sums.shape[0]):
        wanted = contrasts[g if contrasts.shape[0] > 1 else 0]
        centre = _log_residual_sd(sums[g], shared, free[widest], no_contrasts, n, k, narrow)
        best = -math.inf
        for turn in range(len(nodes)):
            # the middle goes first: it tells whether the others are worth their while
            s = (middle + turn) % len(nodes)
            log_sd = centre + error * nodes[s]
            log_sds[g, s] = log_sd
            if turn > 0 and best < peak - _HOPELESS:
                log_weights[g, s, :] = -math.inf
                continue
            _load(sums[g], math.exp(-2.0 * log_sd), shared, wanted, k, matrix)
            log_det = _eliminate(matrix, 0, a, size)
            common = base + log_noise[g] + log_half_student_t(log_sd, sd_scale, sd_df)
            common -= n * log_sd + 0.5 * log_dets[g] + 0.5 * log_det
            for m in range(free.shape[0]):
                for i in range(a, size):
                    for j in range(i, size):
                        small[i, j] = matrix[i, j]
                for i in range(free.shape[1]):
                    small[a + i, a + i] += free[m, i]
                log_det = _eliminate(small, a, k, size)
                value = common + log_prior[m] - 0.5 * log_det - 0.5 * small[k, k]
                log_weights[g, s, m] = value if math.isfinite(value) else -math.inf
                best = max(best, log_weights[g, s, m])
                for c in range(wanted.shape[0]):
                    means[g, s, m, c] = -small[k, k + 1 + c]
                    variances[g, s, m, c] = -small[k + 1 + c, k + 1 + c]
        peak = max(peak, best)


@numba.njit(nogil=True, **OPTIONS)
def moments_given_noise(
    sums, log_sds, shared, free, log_components, contrasts, log_weights, means, variances
):
    """Components' log weights and contrasts' moments given noise and sd.

    Parameters
    ----------
    sums, log_sds
        Of each noise: whitened cross products, shape (p, k + 1, width); log sd, shape (p,).
    shared, free, log_components, contrasts
        As in `integrate`.
    log_weights, means, variances
        Filled; log weights up to a constant of each noise, shape (p, m); shapes (p, m, c).

    Returns
    -------
    np.ndarray
        Those constants but for the noise's own determinant, and for what all noises share.
    """
    constants = np.empty(len(log_sds))
    a = len(shared)
    k = a + free.shape[1]
    size = k + 1 + contrasts.shape[1]
    matrix = np.zeros((size, size))
    small = np.zeros((size, size))
    for p in range(len(log_sds)):
        wanted = contrasts[p if contrasts.shape[0] > 1 else 0]
        _load(sums[p], math.exp(-2.0 * log_sds[p]), shared, wanted, k, matrix)
        constants[p] = -0.5 * _eliminate(matrix, 0, a, size)
        for m in range(free.shape[0]):
            for i in range(a, size):
                for j in range(i, size):
                    small[i, j] = matrix[i, j]
            value = log_components[m]
            for i in range(free.shape[1]):
                small[a + i, a + i] += free[m, i]
                value += 0.5 * math.log(free[m, i])
            log_det = _eliminate(small, a, k, size)
            log_weights[p, m] = value - 0.5 * log_det - 0.5 * small[k, k]
            for c in range(wanted.shape[0]):
                means[p, m, c] = -small[k, k + 1 + c]
                variances[p, m, c] = -small[k + 1 + c, k + 1 + c]
    return constants


@numba.njit(nogil=True, **OPTIONS)
def collect(log_weights, means, variances, log_halves, floor):
    """Flatten what matters of `integrate`'s results.

    Parameters
    ----------
    log_weights, means, variances
        Of `integrate`.
    log_halves
        Log of each noise's weight in a halved rule over that in the full one, one row a rule,
        shape (h, g).
    floor
        Log of how far below the peak a Gaussian may lie and still count.

    Returns
    -------
    tuple
        Flat positions in `log_weights`, weights, weights by the halved rules, shape (h, p), means
        and sds, both of shape (c, p); and the log of the total mass.
    """
    g, s, m = log_weights.shape
    c, h = means.shape[3], log_halves.shape[0]
    peak = log_weights.max()
    count = 0
    for value in log_weights.flat:
        if value > peak - floor:
            count += 1
    where = np.empty(count, np.int64)
    weights = np.empty(count)
    halved = np.empty((h, count))
    centres = np.empty((c, count))
    spreads = np.empty((c, count))
    total = 0.0
    at = 0
    for a in range(g):
        for b in range(s):
            for d in range(m):
                if log_weights[a, b, d] > peak - floor:
                    mass = math.exp(log_weights[a, b, d] - peak)
                    where[at] = (a * s + b) * m + d
                    weights[at] = mass
                    total += mass
                    for rule in range(h):
                        halved[rule, at] = mass * math.exp(log_halves[rule, a])
                    for j in range(c):
                        centres[j, at] = means[a, b, d, j]
                        spreads[j, at] = math.sqrt(max(variances[a, b, d, j], 0.0))
                    at += 1
    weights /= total
    for rule in range(h):
        halved[rule] /= halved[rule].sum()
    return where, weights, halved, centres, spreads, peak + math.log(total)


@numba.njit(inline="always", **OPTIONS)
def invert(matrix):
    """Solve a normal equation, shape (k, k + 1), in place by Gauss and Jordan's elimination.

    The inverse takes the matrix's room, the solution the last column's. Returns the log of the
    determinant.
    """
    k = matrix.shape[0]
    log_det = 0.0
    for q in range(k):
        log_det += math.log(matrix[q, q])
        inverse = 1.0 / matrix[q, q]
        matrix[q, q] = 1.0
        for j in range(k + 1):
            matrix[q, j] *= inverse
        for i in range(k):
            if i != q:
                factor = matrix[i, q]
                matrix[i, q] = 0.0
                for j in range(k + 1):
                    matrix[i, j] -= factor * matrix[q, j]
    return log_det


@numba.njit(nogil=True, **OPTIONS)
def coefficient_moments(sums, which, log_sds, precisions, means, covariances):
    """Posterior mean and covariance of the coefficients given each node.

    Parameters
    ----------
    sums
        Upper triangles of whitened cross products, shape (g, k + 1, width).
    which
        Number of each node's noise in `sums`, shape (p,).
    log_sds, precisions
        Of each node: log sd, shape (p,); prior precisions, shape (p, k).
    means, covariances
        Filled; shapes (p, k) and (p, k, k).
    """
    k = precisions.shape[1]
    matrix = np.empty((k, k + 1))
    for p in range(len(log_sds)):
        precision = math.exp(-2.0 * log_sds[p])
        for i in range(k):
            for j in range(i, k):
                matrix[i, j] = precision * sums[which[p], i, j]
                matrix[j, i] = matrix[i, j]
            matrix[i, i] += precisions[p, i]
            matrix[i, k] = precision * sums[which[p], i, k]
        invert(matrix)
        for i in range(k):
            means[p, i] = matrix[i, k]
            for j in range(k):
                covariances[p, i, j] = matrix[i, j]
