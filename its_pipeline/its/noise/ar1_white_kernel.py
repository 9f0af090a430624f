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

from its_pipeline.its.inference.sampling_kernel import (
    FAST_OPTIONS,
    LANES,
    LANES_OF_A_VECTOR,
    OPTIONS,
    numba,
)

_DAYS = 4
"""Days whose products are added at once."""
_DAYS_OF_PRODUCT = 16
"""Days whose variances are multiplied before a logarithm is taken: none is below 1e-6."""


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


@numba.njit(nogil=True, **FAST_OPTIONS)
def cross_products(rows, gaps, points, sums, log_dets):
    """Cross products of whitened columns under each noise.

    Noises go through the filter side by side, a lane each, so that every step is a vector
    instruction whatever the number of columns.

    Parameters
    ----------
    rows
        [X y], shape (n, at least width).
    gaps
        Steps between rows, whole numbers, shape (n - 1,).
    points
        Of each noise phi and share, shape (g, 2).
    sums, log_dets
        Filled: upper triangles of the first columns with all, shape (g, size, width); log|R|,
        shape (g,).
    """
    count, size, width = sums.shape
    phi, share, factor = np.empty(LANES), np.empty(LANES), np.ones(LANES)
    variance, gain, scale = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    product, log_det = np.empty(LANES), np.empty(LANES)
    state = np.empty((width, LANES))
    white = np.empty((_DAYS, width, LANES))
    products = np.empty((size, width, LANES))
    for begin in range(0, count, LANES):
        here = min(count - begin, LANES)
        lanes = -(-here // LANES_OF_A_VECTOR) * LANES_OF_A_VECTOR
        for lane in range(lanes):
            point = points[min(begin + lane, count - 1)]
            phi[lane], share[lane] = point[0], point[1]
            variance[lane] = 1.0 - share[lane]
            product[lane], log_det[lane] = 1.0, 0.0
        state[:] = 0.0
        products[:] = 0.0
        for t in range(rows.shape[0]):
            if t > 0:
                gap = gaps[t - 1]
                for lane in range(lanes):
                    factor[lane] = phi[lane]
                if gap != 1.0:
                    for lane in range(lanes):
                        factor[lane] = phi[lane] ** gap
                for lane in range(lanes):
                    lasting = 1.0 - share[lane]
                    before = variance[lane] - lasting
                    variance[lane] = lasting + factor[lane] * factor[lane] * before
            for lane in range(lanes):
                spread = variance[lane] + share[lane]
                product[lane] *= spread
                scale[lane] = 1.0 / math.sqrt(spread)
                gain[lane] = variance[lane] / spread
                variance[lane] = share[lane] * gain[lane]
            day = t % _DAYS
            for j in range(width):
                value = rows[t, j]
                for lane in range(lanes):
                    expected = factor[lane] * state[j, lane]
                    surprise = value - expected
                    white[day, j, lane] = surprise * scale[lane]
                    state[j, lane] = expected + gain[lane] * surprise
            if day == _DAYS - 1:
                for i in range(size):
                    for j in range(i, width):
                        for lane in range(lanes):
                            products[i, j, lane] += (
                                white[0, i, lane] * white[0, j, lane]
                                + white[1, i, lane] * white[1, j, lane]
                                + white[2, i, lane] * white[2, j, lane]
                                + white[3, i, lane] * white[3, j, lane]
                            )
            if t % _DAYS_OF_PRODUCT == _DAYS_OF_PRODUCT - 1:
                for lane in range(lanes):
                    log_det[lane] += math.log(product[lane])
                    product[lane] = 1.0
        for day in range(rows.shape[0] % _DAYS):
            for i in range(size):
                for j in range(i, width):
                    for lane in range(lanes):
                        products[i, j, lane] += white[day, i, lane] * white[day, j, lane]
        for lane in range(here):
            log_dets[begin + lane] = log_det[lane] + math.log(product[lane])
            for i in range(size):
                for j in range(i, width):
                    sums[begin + lane, i, j] = products[i, j, lane]


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
