# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""Compiled mixtures of Gaussians: probabilities, quantiles, and merging those that are alike.

What belongs here: loops over the Gaussians of a mixture. What does not: where they come from
(`gaussian_kernel`, `quadrature`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba
from its_pipeline.its.inference.vector_kernel import exponentials, upper_tail

_FARTHEST = 37.0
"""Sds beyond which a Gaussian has nothing left that a number could tell."""
_ROOT_TWO_PI_INVERSE = 1.0 / math.sqrt(2.0 * math.pi)


@numba.njit(nogil=True, **OPTIONS)
def binned(weights, halved, means, spreads, width, n_means, n_spreads):
    """Merge Gaussians of a mixture that are nearly alike, weight, mean and variance kept.

    Parameters
    ----------
    weights
        Shape (p,).
    halved
        Other weights of the same Gaussians, shape (h, p); they are added up beside.
    means, spreads
        Shape (p,).
    width
        Of a bin of means; a bin of spreads is a hundredth part of the span of their logs.
    n_means, n_spreads
        Most bins.

    Returns
    -------
    tuple
        Weights, means and spreads, shape (b,), and the other weights, shape (h, b).
    """
    lowest, highest = means.min(), means.max()
    wide = max(width, (highest - lowest) / (n_means - 1))
    least, most = math.log(spreads.min()), math.log(spreads.max())
    tall = max((most - least) / (n_spreads - 1), 1e-6)
    place = np.full(n_means * n_spreads, -1, np.int64)
    which = np.empty(len(weights), np.int64)
    count = 0
    for i in range(len(weights)):
        column = int((means[i] - lowest) / wide) if wide > 0.0 else 0
        row = int((math.log(spreads[i]) - least) / tall)
        bin_at = column * n_spreads + row
        if place[bin_at] < 0:
            place[bin_at] = count
            count += 1
        which[i] = place[bin_at]
    total = np.zeros(count)
    centre = np.zeros(count)
    spread = np.zeros(count)
    others = np.zeros((halved.shape[0], count))
    for i in range(len(weights)):
        b = which[i]
        total[b] += weights[i]
        centre[b] += weights[i] * means[i]
        for h in range(halved.shape[0]):
            others[h, b] += halved[h, i]
    for b in range(count):
        centre[b] /= total[b]
    for i in range(len(weights)):
        b = which[i]
        spread[b] += weights[i] * (spreads[i] ** 2 + (means[i] - centre[b]) ** 2)
    for b in range(count):
        spread[b] = math.sqrt(spread[b] / total[b])
    return total, centre, spread, others


@numba.njit(nogil=True, **FAST_OPTIONS)
def mixture_cdf(weights, means, spreads, value):
    """P(x <= value) of a mixture of Gaussians, its density there, and the density's slope."""
    n = len(weights)
    away, exponents, heights, work = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        z = (value - means[i]) / spreads[i]
        z = min(max(z, -_FARTHEST), _FARTHEST)
        away[i] = z
        exponents[i] = -0.5 * z * z
    exponentials(exponents, heights, work)
    total = 0.0
    density = 0.0
    slope = 0.0
    for i in range(n):
        z = away[i]
        tail = weights[i] * upper_tail(abs(z), heights[i])
        total += weights[i] - tail if z > 0.0 else tail
        height = weights[i] * heights[i] / spreads[i]
        density += height
        slope -= height * z / spreads[i]
    return total, density * _ROOT_TWO_PI_INVERSE, slope * _ROOT_TWO_PI_INVERSE


@numba.njit(nogil=True, **OPTIONS)
def mixture_quantile(weights, means, spreads, probability, start):
    """Quantile of a mixture of Gaussians: Halley's steps inside a shrinking bracket.

    `start` is a guess in sds from the mean.
    """
    mean = 0.0
    square = 0.0
    for i in range(len(weights)):
        mean += weights[i] * means[i]
    for i in range(len(weights)):
        square += weights[i] * ((means[i] - mean) ** 2 + spreads[i] * spreads[i])
    sd = math.sqrt(square)
    if not sd > 0.0:
        return mean
    # Cantelli's inequality
    low = mean - sd * math.sqrt((1.0 - probability) / probability)
    high = mean + sd * math.sqrt(probability / (1.0 - probability))
    at = min(max(mean + sd * start, low), high)
    for _ in range(60):
        total, density, slope = mixture_cdf(weights, means, spreads, at)
        miss = total - probability
        if miss > 0.0:
            high = at
        else:
            low = at
        step = math.inf
        if density > 0.0:
            newton = miss / density
            step = newton / max(1.0 - 0.5 * newton * slope / density, 0.5)
        if abs(step) < 1e-6 * sd:
            return at - step
        at = at - step if low < at - step < high else 0.5 * (low + high)
        if high - low < 1e-9 * sd:
            break
    return at


@numba.njit(nogil=True, **OPTIONS)
def row_mixture_quantiles(weights, means, spreads, probabilities, starts, out):
    """Quantiles of many mixtures over the same nodes.

    Parameters
    ----------
    weights
        Shape (p,).
    means, spreads
        Shape (rows, p).
    probabilities, starts
        Shape (q,); starts in sds from the mean.
    out
        Filled, shape (q, rows). A row starts where the one before ended: days are alike.
    """
    guesses = starts.copy()
    for row in range(means.shape[0]):
        mean = (weights * means[row]).sum()
        sd = math.sqrt((weights * ((means[row] - mean) ** 2 + spreads[row] ** 2)).sum())
        for q in range(len(probabilities)):
            found = mixture_quantile(
                weights, means[row], spreads[row], probabilities[q], guesses[q]
            )
            out[q, row] = found
            if sd > 0.0:
                guesses[q] = (found - mean) / sd
