# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of posteriors with a link: the Gaussians that stand for the days, node by node.

What belongs here: improving those Gaussians at a noise, the mass of a node, paths of the noise and
their weights. What does not: the families' densities (`family_kernel`), the noise's filter
(`noise.ar1_sites_kernel`), or which nodes there are (`latent`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import invert
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba
from its_pipeline.its.likelihoods.family_kernel import log_base, log_part
from its_pipeline.its.noise.ar1_sites_kernel import draw_path, products, smooth

_LEAST_INFORMATION = 1e-9
_LEAST_VARIANCE = 1e-8
_WIDEST = 0.7
"""Largest sd of a predictor over which a day is averaged: wider ones see more of its bend than a
Gaussian can tell."""


@numba.njit(**FAST_OPTIONS)
def _moments(sums, precisions, log_components, mean, covariance, logs):
    """Fill the coefficients' mean and covariance over all components, and the log masses."""
    components, k = precisions.shape
    matrix = np.empty((k, k + 1))
    means = np.empty((components, k))
    spreads = np.empty((components, k, k))
    for c in range(components):
        value = log_components[c] - 0.5 * sums[k, k]
        for i in range(k):
            for j in range(i, k):
                matrix[i, j] = sums[i, j]
                matrix[j, i] = matrix[i, j]
            matrix[i, i] += precisions[c, i]
            matrix[i, k] = sums[i, k]
            value += 0.5 * math.log(precisions[c, i])
        value -= 0.5 * invert(matrix)
        for i in range(k):
            means[c, i] = matrix[i, k]
            value += 0.5 * matrix[i, k] * sums[i, k]
            for j in range(k):
                spreads[c, i, j] = matrix[i, j]
        logs[c] = value
    peak = logs.max()
    total = 0.0
    for c in range(components):
        total += math.exp(logs[c] - peak)
    mean[:] = 0.0
    covariance[:, :] = 0.0
    for c in range(components):
        share = math.exp(logs[c] - peak) / total
        for i in range(k):
            mean[i] += share * means[c, i]
    for c in range(components):
        share = math.exp(logs[c] - peak) / total
        for i in range(k):
            for j in range(k):
                away = (means[c, i] - mean[i]) * (means[c, j] - mean[j])
                covariance[i, j] += share * (spreads[c, i, j] + away)


@numba.njit(**OPTIONS)
def _stand_in(
    family, y, trials, shift, scale, dispersion, nodes, weights, means, variances, told, errors
):
    """Fill the Gaussians closest to the days for a predictor of these moments.

    By Gauss-Hermite quadrature of the log probabilities alone, through Stein's lemma:
    E[f'] = E[f x] / s and E[f''] = E[f (x^2 - 1)] / s^2 for a predictor m + s x. Returns the mean
    log probability less that of the Gaussians.
    """
    rest = 0.0
    for t in range(len(y)):
        eta = shift[t] + scale * means[t]
        sd = scale * math.sqrt(variances[t])
        first, second, mean = 0.0, 0.0, 0.0
        middle = log_part(family, y[t], trials[t], eta, dispersion)
        for i in range(len(nodes)):
            x = nodes[i]
            value = log_part(family, y[t], trials[t], eta + sd * x, dispersion) - middle
            mean += weights[i] * value
            first += weights[i] * value * x
            second += weights[i] * value * (x * x - 1.0)
        information = max(-second / variances[t], _LEAST_INFORMATION)
        errors[t] = 1.0 / information
        away = first / math.sqrt(variances[t]) * errors[t]
        told[t] = means[t] + away
        rest += middle + mean + log_base(family, y[t], trials[t], dispersion)
        rest += 0.5 * math.log(2.0 * math.pi * errors[t])
        rest += 0.5 * (away * away + variances[t]) * information
    return rest


@numba.njit(nogil=True, **OPTIONS)
def improve(
    design,
    gaps,
    precisions,
    log_components,
    points,
    dispersions,
    family,
    y,
    trials,
    shift,
    scale,
    nodes,
    weights,
    rounds,
    told,
    errors,
    rests,
):
    """Improve the Gaussians of every node.

    Parameters
    ----------
    design, gaps
        Fitted rows, shape (n, k), and steps between them, shape (n - 1,).
    precisions, log_components
        Prior precisions by component, shape (m, k), and log prior weights, shape (m,).
    points, dispersions
        Of each node phi and sd, shape (g, 2), and the dispersion, shape (g,).
    family, y, trials, shift, scale
        The outcome; its predictor is `shift + scale * h`.
    nodes, weights
        Of a rule for a standard normal variable.
    rounds
        How many times.
    told, errors
        Means and variances of h that stand for the days, shape (g, n): first guesses, improved.
    rests
        Filled: log of what they leave out, on average, shape (g,).
    """
    n, k = design.shape
    width = -(-(k + 1) // 4) * 4
    rows = np.zeros((n, width))
    rows[:, :k] = design
    sums = np.empty((k + 1, width))
    loadings = np.empty((n, width))
    unknown = np.empty(n)
    mean, covariance = np.empty(k), np.empty((k, k))
    logs = np.empty(len(log_components))
    h, variances = np.empty(n), np.empty(n)
    along = np.empty(k)
    for g in range(points.shape[0]):
        for _ in range(rounds):
            rows[:, k] = told[g]
            products(rows, gaps, errors[g], points[g, 0], points[g, 1], k + 1, sums)
            _moments(sums, precisions, log_components, mean, covariance, logs)
            smooth(rows, gaps, errors[g], points[g, 0], points[g, 1], loadings, unknown)
            for t in range(n):
                h[t], variances[t] = loadings[t, k], unknown[t]
                for i in range(k):
                    along[i] = design[t, i] - loadings[t, i]
                    h[t] += along[i] * mean[i]
                for i in range(k):
                    part = 0.0
                    for j in range(k):
                        part += covariance[i, j] * along[j]
                    variances[t] += along[i] * part
                variances[t] = min(max(variances[t], _LEAST_VARIANCE), (_WIDEST / scale) ** 2)
            rests[g] = _stand_in(
                family,
                y,
                trials,
                shift,
                scale,
                dispersions[g],
                nodes,
                weights,
                h,
                variances,
                told[g],
                errors[g],
            )


@numba.njit(nogil=True, **OPTIONS)
def whitened_products(design, gaps, points, told, errors, sums, log_dets):
    """Cross products of the whitened columns at every node.

    Parameters
    ----------
    design, gaps, points, told, errors
        As in `improve`.
    sums, log_dets
        Filled: upper triangles, shape (g, k + 1, width), and log determinants, shape (g,).
    """
    n, k = design.shape
    rows = np.zeros((n, sums.shape[2]))
    rows[:, :k] = design
    for g in range(points.shape[0]):
        rows[:, k] = told[g]
        log_dets[g] = products(rows, gaps, errors[g], points[g, 0], points[g, 1], k + 1, sums[g])


@numba.njit(nogil=True, **OPTIONS)
def draw_and_weigh(
    design,
    where,
    family,
    y,
    trials,
    shift,
    scale,
    nodes,
    points,
    dispersions,
    told,
    errors,
    coefficients,
    paths,
    logs,
):
    """Draw the noise given coefficients, and weigh each draw by the likelihood itself.

    Parameters
    ----------
    design
        As in `improve`.
    where
        Which of the consecutive steps of `paths` each row is, shape (n,).
    family, y, trials, shift, scale
        As in `improve`.
    nodes
        Number of each draw's node, shape (d,).
    points, dispersions, told, errors
        Of the nodes, as in `improve`.
    coefficients
        Shape (d, k).
    paths
        Standard normal numbers, shape (d, m), replaced by the noise.
    logs
        Filled: log of the outcome's probability over what the Gaussians say, shape (d,).
    """
    n, k = design.shape
    m = paths.shape[1]
    bases = np.empty(len(dispersions))
    for g in range(len(dispersions)):
        bases[g] = 0.0
        for t in range(n):
            bases[g] += log_base(family, y[t], trials[t], dispersions[g])
            bases[g] += 0.5 * math.log(2.0 * math.pi * errors[g, t])
    expected = np.empty(n)
    seen = np.zeros(m)
    spread = np.full(m, math.inf)
    for d in range(len(nodes)):
        g = nodes[d]
        for t in range(n):
            expected[t] = 0.0
            for i in range(k):
                expected[t] += design[t, i] * coefficients[d, i]
            seen[where[t]] = told[g, t] - expected[t]
            spread[where[t]] = errors[g, t]
        draw_path(seen, spread, points[g, 0], points[g, 1], paths[d])
        value = bases[g]
        for t in range(n):
            h = expected[t] + paths[d, where[t]]
            value += log_part(family, y[t], trials[t], shift[t] + scale * h, dispersions[g])
            value += 0.5 * (told[g, t] - h) ** 2 / errors[g, t]
        logs[d] = value
