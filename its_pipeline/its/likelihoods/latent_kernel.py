# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of posteriors with a link: the Gaussians that stand for the days, node by node.

What belongs here: improving those Gaussians at a noise, the mass of a node, paths of the noise and
their weights. What does not: the Gaussian of a day by itself (`stand_in_kernel`), the families'
densities (`family_kernel`), the noise's filter (`noise.ar1_sites_kernel`), or which nodes there are
(`latent`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.gaussian_kernel import invert
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba
from its_pipeline.its.inference.vector_kernel import exponentials, logarithms
from its_pipeline.its.likelihoods.family_kernel import (
    BETA_BINOMIAL,
    FARTHEST,
    NEGATIVE_BINOMIAL,
    POISSON,
    log_base_of_days,
    log_part,
)
from its_pipeline.its.likelihoods.stand_in_kernel import stand_in
from its_pipeline.its.noise.ar1_sites_kernel import draw_path, known_filter, products, smooth

_LEAST_VARIANCE = 1e-8
_WIDEST = 0.7
"""Largest sd of a predictor over which a day is averaged: wider ones see more of its bend than a
Gaussian can tell."""
_SETTLED = 0.2
"""On the link's scale: where no day's predictor moved by more, a node's log likelihood is right to
.04 after the round that follows, of all series tried (benchmarks/sbc_linked.py)."""


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


@numba.njit(**FAST_OPTIONS)
def _products(columns, away, errors, scaled, sums):
    """Fill the upper triangle of the cross products of columns, (k + 1, n), given the noise.

    With covariance S + E of noise and errors, `(S + E)^-1 x = E^-1 (x - smoothed x)`; `away` is
    what the smoother leaves.
    """
    for j in range(len(columns)):
        for t in range(len(errors)):
            scaled[t] = away[j, t] / errors[t]
        for i in range(j + 1):
            value = 0.0
            for t in range(len(errors)):
                value += columns[i, t] * scaled[t]
            sums[i, j] = value


@numba.njit(**FAST_OPTIONS)
def _predictors(told, away, unknown, mean, covariance, widest, scaled, h, variances):
    """Fill mean and variance of each day's predictor, from the coefficients' and the smoother's."""
    n, k = len(h), len(mean)
    for t in range(n):
        h[t] = told[t] - away[k, t]
        variances[t] = unknown[t]
    for i in range(k):
        for t in range(n):
            scaled[t] = 0.5 * covariance[i, i] * away[i, t]
            h[t] += mean[i] * away[i, t]
        for j in range(i):
            for t in range(n):
                scaled[t] += covariance[i, j] * away[j, t]
        for t in range(n):
            variances[t] += 2.0 * away[i, t] * scaled[t]
    for t in range(n):
        variances[t] = min(max(variances[t], _LEAST_VARIANCE), widest * widest)


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
    kinds_of_days,
    shift,
    scale,
    nodes,
    weights,
    rounds,
    most_rounds,
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
    family, y, trials, kinds_of_days, shift, scale
        The outcome (see `family_kernel`); its predictor is `shift + scale * h`.
    nodes, weights
        Of a rule for a standard normal variable.
    rounds, most_rounds
        How many times: the fewest, and the most where the predictor is still moving.
    told, errors
        Means and variances of h that stand for the days, shape (g, n): first guesses, improved.
    rests
        Filled: log of what they leave out, on average, shape (g,).
    """
    n, k = design.shape
    width = -(-(k + 1) // 8) * 8
    rows = np.zeros((n, width))
    rows[:, :k] = design
    columns = np.empty((k + 1, n))
    columns[:k] = design.T
    away = np.empty((k + 1, n))
    sums = np.empty((k + 1, width))
    loadings = np.empty((n, width))
    unknown, scaled = np.empty(n), np.empty(n)
    mean, covariance = np.empty(k), np.empty((k, k))
    logs = np.empty(len(log_components))
    h, variances = np.empty(n), np.empty(n)
    before = np.empty(n)
    work = np.empty((8, n))
    for g in range(points.shape[0]):
        for number in range(most_rounds):
            before[:] = h
            rows[:, k] = told[g]
            columns[k] = told[g]
            smooth(rows, gaps, errors[g], points[g, 0], points[g, 1], loadings, unknown)
            for t in range(n):
                for j in range(k + 1):
                    away[j, t] = rows[t, j] - loadings[t, j]
            _products(columns, away, errors[g], scaled, sums)
            _moments(sums, precisions, log_components, mean, covariance, logs)
            _predictors(
                told[g], away, unknown, mean, covariance, _WIDEST / scale, scaled, h, variances
            )
            moved = math.inf
            if number > 0:
                moved = scale * np.abs(h - before).max()
            is_last = number + 1 >= most_rounds or (number + 1 >= rounds and moved < _SETTLED)
            rests[g] = stand_in(
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
                is_last,
                work,
            )
            if is_last:
                break
        rests[g] += log_base_of_days(family, kinds_of_days, dispersions[g])


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
    kinds_of_days,
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
    family, y, trials, kinds_of_days, shift, scale
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
    n = len(design)
    m = paths.shape[1]
    bases = np.empty(len(dispersions))
    for g in range(len(dispersions)):
        bases[g] = log_base_of_days(family, kinds_of_days, dispersions[g])
        for t in range(n):
            bases[g] += 0.5 * math.log(2.0 * math.pi * errors[g, t])
    expected = np.empty(n)
    seen = np.zeros(m)
    spread = np.full(m, math.inf)
    filter_ = np.empty((3, m))
    information = 1.0 / errors
    work = np.empty((4, n))
    last = -1
    for d in range(len(nodes)):
        g = nodes[d]
        if g != last:
            for t in range(n):
                spread[where[t]] = errors[g, t]
            known_filter(spread, points[g, 0], points[g, 1], filter_)
            last = g
        _expected(design, coefficients[d], expected)
        for t in range(n):
            seen[where[t]] = told[g, t] - expected[t]
        draw_path(seen, filter_, points[g, 0], paths[d])
        logs[d] = bases[g] + _over_gaussians(
            family,
            y,
            trials,
            shift,
            scale,
            dispersions[g],
            told[g],
            information[g],
            expected,
            paths[d],
            where,
            work,
        )


@numba.njit(**FAST_OPTIONS)
def _expected(design, coefficients, out):
    for t in range(len(out)):
        value = 0.0
        for i in range(len(coefficients)):
            value += design[t, i] * coefficients[i]
        out[t] = value


@numba.njit(**FAST_OPTIONS)
def _over_gaussians(
    family, y, trials, shift, scale, dispersion, told, information, expected, path, where, work
):
    """Return the log probability of all days over what the Gaussians say, up to what is known.

    `work`, shape (4, n), is overwritten.
    """
    eta, odds, logs, spare = work
    n = len(y)
    value = 0.0
    for t in range(n):
        h = expected[t] + path[where[t]]
        value += 0.5 * (told[t] - h) ** 2 * information[t]
        eta[t] = min(max(shift[t] + scale * h, -FARTHEST), FARTHEST)
    if family == BETA_BINOMIAL:
        for t in range(n):
            value += log_part(family, y[t], trials[t], eta[t], dispersion)
        return value
    exponentials(eta, odds, spare)
    if family == POISSON:
        for t in range(n):
            value += y[t] * eta[t] - odds[t]
        return value
    factor = dispersion * dispersion if family == NEGATIVE_BINOMIAL else 1.0
    for t in range(n):
        odds[t] = 1.0 + factor * odds[t]
    logarithms(odds, logs, spare)
    for t in range(n):
        most = y[t] + 1.0 / factor if family == NEGATIVE_BINOMIAL else trials[t]
        value += y[t] * eta[t] - most * logs[t]
    return value
