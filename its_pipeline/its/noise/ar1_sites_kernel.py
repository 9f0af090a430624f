# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of AR(1) noise that is seen through errors of known, unequal variances.

What belongs here: whitening, smoothing and drawing of a lasting part whose days are each told with
an error variance of their own, as a Gaussian that stands for a count tells them. What does not:
where those variances come from (`likelihoods.latent`), or errors that the model itself has
(`ar1_white_kernel`). Loaded through `compiled`.

The filter and the smoother are Kalman's and Rauch, Tung & Striebel's; paths are drawn backwards
(Fruhwirth-Schnatter 1994, J. Time Ser. Anal. 15, 183).
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import lay_columns, products_of_columns
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba


@numba.njit(**OPTIONS)
def fade(phi, gap):
    """Return how much of the lasting part is left after a gap."""
    return phi if gap == 1.0 else phi**gap


@numba.njit(**OPTIONS)
def fade_slope(phi, gap):
    """Return the slope of what is left in phi."""
    return 1.0 if gap == 1.0 else gap * phi ** (gap - 1.0)


@numba.njit(nogil=True, **OPTIONS)
def fades(phi, gaps):
    """Return how much is left after each of some gaps, shape of `gaps`."""
    out = np.empty(len(gaps))
    for t in range(len(gaps)):
        out[t] = fade(phi, gaps[t])
    return out


@numba.njit(nogil=True, **OPTIONS)
def courses(shocks, gaps, points):
    """Turn standard shocks of rows, shape (d, n), into courses of the lasting part, in place.

    Parameters
    ----------
    shocks
        Standard normal numbers.
    gaps
        Steps between the rows, shape (n - 1,).
    points
        Of each course phi and sd, shape (d, 2).
    """
    for d in range(shocks.shape[0]):
        state = 0.0
        for t in range(shocks.shape[1]):
            factor = fade(points[d, 0], gaps[t - 1]) if t > 0 else 0.0
            state = factor * state + math.sqrt(1.0 - factor * factor) * shocks[d, t]
            shocks[d, t] = points[d, 1] * state


@numba.njit(**FAST_OPTIONS)
def _whiten(rows, gaps, errors, phi, sd, out):
    """Whiten columns. Returns the log of the determinant of their covariance."""
    n, width = rows.shape
    state = np.zeros(width)
    first = sd * sd
    variance = first
    log_det = 0.0
    product = 1.0
    for t in range(n):
        factor = 1.0
        if t > 0:
            factor = fade(phi, gaps[t - 1])
            variance = first + factor * factor * (variance - first)
        spread = variance + errors[t]
        gain = variance / spread
        scale = 1.0 / math.sqrt(spread)
        for j in range(width):
            before = factor * state[j]
            surprise = rows[t, j] - before
            out[t, j] = surprise * scale
            state[j] = before + gain * surprise
        variance = variance * errors[t] / spread
        product *= spread
        if product < 1e-200 or product > 1e200:
            log_det += math.log(product)
            product = 1.0
    return log_det + math.log(product)


@numba.njit(**OPTIONS)
def products(rows, gaps, errors, phi, sd, size, sums):
    """Cross products of whitened columns.

    Parameters
    ----------
    rows
        [X z], shape (n, width), the last columns zero where width exceeds `size`.
    gaps
        Steps between rows, whole numbers, shape (n - 1,).
    errors
        Variances with which the rows tell of the lasting part, shape (n,).
    phi, sd
        Of the lasting part.
    size
        Columns of [X z].
    sums
        Filled: the upper triangle, shape (size, width).

    Returns
    -------
    float
        The log determinant of the rows' covariance.
    """
    white = np.empty_like(rows)
    log_det = _whiten(rows, gaps, errors, phi, sd, white)
    columns = np.empty((size, len(rows)))
    lay_columns(white, size, columns)
    products_of_columns(columns, size, sums)
    return log_det


@numba.njit(**FAST_OPTIONS)
def smooth(rows, gaps, errors, phi, sd, loadings, variances):
    """Smooth the lasting part of every column.

    Parameters
    ----------
    rows, gaps, errors, phi, sd
        As in `products`.
    loadings, variances
        Filled: the smoothed lasting part of each column, shape (n, width), and its variance,
        shape (n,).
    """
    n, width = rows.shape
    first = sd * sd
    predicted = np.empty(n)
    filtered = np.empty(n)
    factors = np.ones(n)
    variance = first
    for t in range(n):
        if t > 0:
            factors[t] = fade(phi, gaps[t - 1])
            variance = first + factors[t] * factors[t] * (variance - first)
        predicted[t] = variance
        gain = variance / (variance + errors[t])
        variance = variance * (1.0 - gain)
        for j in range(width):
            before = factors[t] * loadings[t - 1, j] if t > 0 else 0.0
            loadings[t, j] = before + gain * (rows[t, j] - before)
        filtered[t] = variance
        variances[t] = variance
    for t in range(n - 2, -1, -1):
        back = factors[t + 1] * filtered[t] / predicted[t + 1]
        for j in range(width):
            ahead = loadings[t + 1, j] - factors[t + 1] * loadings[t, j]
            loadings[t, j] += back * ahead
        variances[t] += back * back * (variances[t + 1] - predicted[t + 1])


@numba.njit(**OPTIONS)
def known_filter(errors, phi, sd, out):
    """Fill what the errors alone decide of filtering forwards and drawing backwards.

    Parameters
    ----------
    errors
        Variances with which consecutive steps tell of the lasting part, shape (m,); infinite where
        nothing is seen.
    phi, sd
        Of the lasting part.
    out
        Filled, shape (3, m): the gain of each step, how a step follows the one after it, and the
        sd that is left of it then.
    """
    first = sd * sd
    variance = first
    m = len(errors)
    for t in range(m):
        before = variance
        if t > 0:
            variance = first + phi * phi * (variance - first)
            back = phi * before / variance
            out[1, t - 1] = back
            out[2, t - 1] = math.sqrt(max(before - back * back * variance, 0.0))
        gain = variance / (variance + errors[t])
        out[0, t] = gain
        variance *= 1.0 - gain
    out[1, m - 1] = 0.0
    out[2, m - 1] = math.sqrt(variance)


@numba.njit(**OPTIONS)
def draw_path(told, known, phi, path):
    """Draw the lasting part on consecutive steps given what each step tells of it.

    Parameters
    ----------
    told
        What is seen of it, shape (m,); any number where nothing is.
    known
        As `known_filter` fills it.
    phi
        Of the lasting part.
    path
        Standard normal numbers, shape (m,), replaced by the draw.
    """
    m = len(told)
    means = np.empty(m)
    state = 0.0
    for t in range(m):
        state = phi * state
        state += known[0, t] * (told[t] - state)
        means[t] = state
        path[t] *= known[2, t]
    path[m - 1] += means[m - 1]
    for t in range(m - 2, -1, -1):
        path[t] += means[t] + known[1, t] * (path[t + 1] - phi * means[t])


@numba.njit(nogil=True, **OPTIONS)
def draw_paths(told, errors, points, paths):
    """Draw a path for each row of `told`, shape (d, m), with phi and sd of `points`, (d, 2)."""
    known = np.empty((3, told.shape[1]))
    for d in range(told.shape[0]):
        known_filter(errors, points[d, 0], points[d, 1], known)
        draw_path(told[d], known, points[d, 0], paths[d])
