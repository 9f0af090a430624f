# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled Gaussian algebra of the quadrature: masses of nodes and contrasts' moments there.

What belongs here: nodes of noise and sd with their weights, cross products of columns, and moments
of coefficients given a node. What does not: integrating the coefficients out of many nodes
(`elimination_kernel`), whitening, which is a noise model's, where nodes lie (`quadrature`), or what
is asked of the mixtures (`mixture_kernel`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.elimination_kernel import log_residual_sds, moments_at
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
    g, s, n_components = log_weights.shape
    k = len(shared) + free.shape[1]
    error = 1.0 / math.sqrt(2.0 * max(n - k, 3))
    widest = 0
    for m in range(n_components):
        if free[m].sum() < free[widest].sum():
            widest = m
    base = -0.5 * n * _LOG_TWO_PI + math.log(error) + log_node_width
    for i in range(len(shared)):
        base += 0.5 * math.log(shared[i])
    centres = log_residual_sds(sums, shared, free[widest], n)
    for at in range(g):
        for turn in range(s):
            log_sds[at, turn] = centres[at] + error * nodes[turn]
    constants = np.empty(g * s)
    logs = log_weights.reshape((g * s, n_components))
    of_rows = log_sds.reshape(g * s)
    shape = (g * s, n_components, contrasts.shape[1])
    # The middle sds go first: they tell which noises' others are worth their while.
    middle = s // 2
    rows = np.arange(g) * s + middle
    for turn in range(2):
        moments_at(
            sums, rows // s, of_rows[rows], rows, shared, free, log_components, contrasts,
            constants, logs, means.reshape(shape), variances.reshape(shape),
        )  # fmt: skip
        for row in rows:
            log_sd = of_rows[row]
            common = base + log_noise[row // s] + log_half_student_t(log_sd, sd_scale, sd_df)
            common += constants[row] - n * log_sd - 0.5 * log_dets[row // s]
            for m in range(n_components):
                value = common + logs[row, m]
                logs[row, m] = value if math.isfinite(value) else -math.inf
                peak = max(peak, logs[row, m])
        if turn == 0:
            rows = _others(log_weights, middle, peak - _HOPELESS)


@numba.njit(**OPTIONS)
def _others(log_weights, middle, floor):
    """Return the rows besides the middle ones of noises that reach the floor; the rest get none."""
    g, s, _ = log_weights.shape
    found = np.empty(g * s, np.int64)
    count = 0
    for at in range(g):
        is_hopeless = log_weights[at, middle].max() < floor
        for turn in range(s):
            if turn == middle:
                continue
            if is_hopeless:
                log_weights[at, turn, :] = -math.inf
            else:
                found[count] = at * s + turn
                count += 1
    return found[:count]


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
    rows = np.arange(len(log_sds))
    moments_at(
        sums, rows, log_sds, rows, shared, free, log_components, contrasts, constants, log_weights,
        means, variances,
    )  # fmt: skip
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
