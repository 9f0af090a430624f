# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of a rehearsal: the answers of all courses given each noise, and what they make.

What belongs here: elimination with many outcomes at once, and probabilities of mixtures at several
effects. What does not: drawing courses or whitening them. Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba

_NEGLIGIBLE = 9.0
"""Log of how far a weight may lie below the largest before it is passed over."""
_ROOT_HALF = math.sqrt(0.5)


@numba.njit(**FAST_OPTIONS)
def _solve(matrix, k):
    """Gauss-Jordan in place, shape (k, k + w): the inverse, then the solutions. Returns log|M|."""
    log_det = 0.0
    for q in range(k):
        log_det += math.log(matrix[q, q])
        inverse = 1.0 / matrix[q, q]
        matrix[q, q] = 1.0
        for j in range(matrix.shape[1]):
            matrix[q, j] *= inverse
        for i in range(k):
            if i != q:
                factor = matrix[i, q]
                matrix[i, q] = 0.0
                for j in range(matrix.shape[1]):
                    matrix[i, j] -= factor * matrix[q, j]
    return log_det


@numba.njit(nogil=True, **FAST_OPTIONS)
def given_noise(
    sums, squares, log_dets, log_sds, precisions, log_components, loading, n,
    constant, slope, bend, means, per_effect, sds
):  # fmt: skip
    """Posteriors of a contrast of each course given noise and component of the prior.

    Parameters
    ----------
    sums
        Whitened cross products of [X, added, courses], its first k + 1 rows, (p, k + 1, width).
    squares, log_dets
        Of the whitened courses, shape (p, c); log|R|, shape (p,).
    log_sds, precisions, log_components
        Of the noise, shape (p,); of the coefficients' priors, (m, k), with log weights (m,).
    loading, n
        The contrast, shape (k,); rows.
    constant, slope, bend
        Filled: log evidence = constant + slope e + bend e**2 where an effect e is added; shapes
        (p, m, c), (p, m, c), (p, m).
    means, per_effect, sds
        Filled: of the contrast, means + per_effect e; shapes (p, m, c), (p, m), (p, m).
    """
    k = len(loading)
    courses = squares.shape[1]
    matrix = np.empty((k, k + 1 + courses))
    across = np.empty((k, 1 + courses))
    for p in range(len(log_sds)):
        precision = math.exp(-2.0 * log_sds[p])
        own = precision * sums[p, k, k : k + 1 + courses]
        for i in range(k):
            for c in range(1 + courses):
                across[i, c] = precision * sums[p, i, k + c]
        for m in range(len(precisions)):
            value = log_components[m] - 0.5 * log_dets[p] - n * log_sds[p]
            for i in range(k):
                value += 0.5 * math.log(precisions[m, i])
                for j in range(i, k):
                    matrix[i, j] = precision * sums[p, i, j]
                    matrix[j, i] = matrix[i, j]
                matrix[i, i] += precisions[m, i]
                matrix[i, k:] = across[i]
            value -= 0.5 * _solve(matrix, k)
            variance = 0.0
            for i in range(k):
                for j in range(k):
                    variance += loading[i] * loading[j] * matrix[i, j]
            sds[p, m] = math.sqrt(variance)
            bend[p, m] = -0.5 * own[0]
            per_effect[p, m] = 0.0
            constant[p, m] = value - 0.5 * precision * squares[p]
            slope[p, m] = -own[1:]
            means[p, m] = 0.0
            for i in range(k):
                bend[p, m] += 0.5 * across[i, 0] * matrix[i, k]
                per_effect[p, m] += loading[i] * matrix[i, k]
                for c in range(courses):
                    found = matrix[i, k + 1 + c]
                    constant[p, m, c] += 0.5 * across[i, 1 + c] * found
                    slope[p, m, c] += across[i, 0] * found
                    means[p, m, c] += loading[i] * found


@numba.njit(nogil=True, **OPTIONS)
def probabilities(log_prior, constant, slope, bend, means, per_effect, sds, effects, out):
    """P(contrast > 0) of each course at each added effect.

    Parameters
    ----------
    log_prior
        Of each noise, shape (p,).
    constant, slope, bend, means, per_effect, sds
        As `given_noise` fills them.
    effects, out
        Shape (e,); filled, shape (c, e).
    """
    p, m, courses = constant.shape
    weights = np.empty((p, m))
    for c in range(courses):
        for e in range(len(effects)):
            effect = effects[e]
            highest = -math.inf
            for i in range(p):
                for j in range(m):
                    weights[i, j] = (
                        log_prior[i]
                        + constant[i, j, c]
                        + effect * (slope[i, j, c] + effect * bend[i, j])
                    )
                    highest = max(highest, weights[i, j])
            total = 0.0
            above = 0.0
            for i in range(p):
                for j in range(m):
                    away = weights[i, j] - highest
                    if away > -_NEGLIGIBLE:
                        weight = math.exp(away)
                        mean = means[i, j, c] + per_effect[i, j] * effect
                        total += weight
                        above += weight * 0.5 * math.erfc(-mean / sds[i, j] * _ROOT_HALF)
            out[c, e] = above / total
