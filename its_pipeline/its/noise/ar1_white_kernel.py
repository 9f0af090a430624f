# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of AR(1) plus white noise: a Kalman filter over calendar days with gaps.

What belongs here: whitening of columns, and the lasting part of each of them. What does not:
algebra that any noise shares (`inference.gaussian_kernel`), priors, or the density that NUTS
samples (`ar1_white_density_kernel`). Loaded through `compiled`.

With unit marginal variance a column's errors are a part that lasts, corr (1 - share) phi**gap, and
a part that is new, variance `share`. The filter (e.g. Durbin & Koopman 2012, section 4.3) turns
each column into independent innovations of unit variance; a missing day is a longer step.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import upper_products
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba


@numba.njit(**FAST_OPTIONS)
def _whiten(rows, gaps, phi, share, out):
    """Whiten columns. Returns log|R|."""
    n, width = rows.shape
    state = np.zeros(width)
    first = 1.0 - share
    variance = first
    log_det = 0.0
    product = 1.0
    for t in range(n):
        factor = 1.0
        if t > 0:
            factor = phi if gaps[t - 1] == 1.0 else phi ** gaps[t - 1]
            variance = first + factor * factor * (variance - first)
        spread = variance + share
        gain = variance / spread
        scale = 1.0 / math.sqrt(spread)
        for j in range(width):
            before = factor * state[j]
            surprise = rows[t, j] - before
            out[t, j] = surprise * scale
            state[j] = before + gain * surprise
        variance = variance * share / spread
        product *= spread
        if product < 1e-200 or product > 1e200:
            log_det += math.log(product)
            product = 1.0
    return log_det + math.log(product)


@numba.njit(nogil=True, **OPTIONS)
def cross_products(rows, gaps, points, size, sums, log_dets):
    """Cross products of whitened columns under each noise.

    Parameters
    ----------
    rows
        [X y], shape (n, width), the last columns zero where width exceeds `size`.
    gaps
        Steps between rows, whole numbers, shape (n - 1,).
    points
        Of each noise phi and share, shape (g, 2).
    size
        Columns of [X y].
    sums, log_dets
        Filled: upper triangles, shape (g, size, width); log|R|, shape (g,).
    """
    white = np.empty_like(rows)
    for g in range(points.shape[0]):
        log_dets[g] = _whiten(rows, gaps, points[g, 0], points[g, 1], white)
        upper_products(white, size, sums[g])


@numba.njit(nogil=True, **OPTIONS)
def whitened(rows, gaps, phi, share):
    """Return whitened columns under one noise, shape of `rows`."""
    out = np.empty_like(rows)
    _whiten(rows, gaps, phi, share, out)
    return out


@numba.njit(nogil=True, **OPTIONS)
def squares(rows, gaps, points, sums):
    """Compute sums of squares of whitened columns under each noise.

    Parameters
    ----------
    rows
        Columns, shape (n, width).
    gaps, points
        As in `cross_products`.
    sums
        Filled, shape (g, width).
    """
    white = np.empty_like(rows)
    for g in range(points.shape[0]):
        _whiten(rows, gaps, points[g, 0], points[g, 1], white)
        for j in range(rows.shape[1]):
            sums[g, j] = 0.0
        for t in range(rows.shape[0]):
            for j in range(rows.shape[1]):
                sums[g, j] += white[t, j] * white[t, j]


@numba.njit(nogil=True, **OPTIONS)
def lasting(rows, is_seen, points, loadings, variances):
    """Smooth the lasting part of every column (Rauch, Tung & Striebel 1965).

    Parameters
    ----------
    rows
        Columns on consecutive steps, shape (n_steps, width); what is not seen is not read.
    is_seen
        Which steps have an observation, shape (n_steps,).
    points
        Of each noise phi and share, shape (g, 2).
    loadings, variances
        Filled: the smoothed lasting part of each column, shape (g, n_steps, width), and its
        variance, shape (g, n_steps), in units of the marginal variance.
    """
    n, width = rows.shape
    predicted = np.empty(n)
    filtered = np.empty(n)
    for g in range(points.shape[0]):
        phi, share = points[g, 0], points[g, 1]
        first = 1.0 - share
        variance = first
        state = np.zeros(width)
        for t in range(n):
            if t > 0:
                variance = first + phi * phi * (variance - first)
                for j in range(width):
                    state[j] *= phi
            predicted[t] = variance
            if is_seen[t]:
                gain = variance / (variance + share)
                for j in range(width):
                    state[j] += gain * (rows[t, j] - state[j])
                variance = variance * (1.0 - gain)
            filtered[t] = variance
            for j in range(width):
                loadings[g, t, j] = state[j]
            variances[g, t] = variance
        for t in range(n - 2, -1, -1):
            back = phi * filtered[t] / predicted[t + 1] if predicted[t + 1] > 0.0 else 0.0
            for j in range(width):
                ahead = loadings[g, t + 1, j] - phi * loadings[g, t, j]
                loadings[g, t, j] += back * ahead
            variances[g, t] += back * back * (variances[g, t + 1] - predicted[t + 1])
