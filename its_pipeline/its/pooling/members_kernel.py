# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled sums over members: their log likelihoods at nodes of the kind, and each one's effect.

What belongs here: loops over members, nodes and Gaussians. What does not: which nodes
(`integration`) or what is told of them (`pooled`). Loaded through `inference.compiled`.

A member's effect has the prior sum_f share_f Normal(location, factor_f tau^2): one factor of 1 for
a normal spread, several for a Student-t (a scale mixture of normals).
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.mixture_kernel import binned, mixture_cdf, mixture_quantile
from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, OPTIONS, numba

_NEGLIGIBLE = 36.0
"""Log of how far below the largest a term of a sum may lie and still be added."""
_LOG_ROOT_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_BIN_WIDTH = 0.05
_MOST_BINS = (120, 24)


@numba.njit(nogil=True, **FAST_OPTIONS)
def _constants(parts, first, last, tau, factors, log_shares, inverse, constant):
    """Fill precision and log height of every Gaussian of a member at one tau; return how many."""
    n = 0
    for k in range(first, last):
        for f in range(len(factors)):
            total = parts[2, k] + factors[f] * tau * tau
            inverse[n] = 1.0 / total
            constant[n] = parts[0, k] + log_shares[f] - 0.5 * math.log(total) - _LOG_ROOT_TWO_PI
            n += 1
    return n


@numba.njit(nogil=True, **FAST_OPTIONS)
def _log_sum(parts, first, n, n_factors, location, inverse, constant, terms):
    """Log of a member's averaged likelihood at one node; fills each term over their sum."""
    if n == 1:
        away = parts[1, first] - location
        terms[0] = 1.0
        return constant[0] - 0.5 * away * away * inverse[0]
    most = -math.inf
    for i in range(n):
        away = parts[1, first + i // n_factors] - location
        terms[i] = constant[i] - 0.5 * away * away * inverse[i]
        most = max(most, terms[i])
    total = 0.0
    for i in range(n):
        terms[i] = math.exp(terms[i] - most) if terms[i] > most - _NEGLIGIBLE else 0.0
        total += terms[i]
    inverse_total = 1.0 / total
    for i in range(n):
        terms[i] *= inverse_total
    return most + math.log(total)


@numba.njit(nogil=True, **FAST_OPTIONS)
def add_up(offsets, parts, counts, columns, taus, coefficients, factors, log_shares, first, last,
           out):  # fmt: skip
    """Add the log likelihoods of members `first` to `last` to each node's.

    Parameters
    ----------
    offsets, parts, counts, columns
        As in `estimates.Members`.
    taus, coefficients
        Spread, shape (t,), and what the expected effect is made of, shape (t, j, q), at the nodes.
    factors, log_shares
        Of the scale mixture that the spread is.
    first, last
        Members.
    out
        Shape (t, j).
    """
    longest = 0
    for i in range(first, last):
        longest = max(longest, offsets[i + 1] - offsets[i])
    inverse = np.empty(longest * len(factors))
    constant = np.empty(longest * len(factors))
    terms = np.empty(longest * len(factors))
    for i in range(first, last):
        start = offsets[i]
        for t in range(len(taus)):
            n = _constants(
                parts, start, offsets[i + 1], taus[t], factors, log_shares, inverse, constant
            )
            for j in range(coefficients.shape[1]):
                location = 0.0
                for q in range(columns.shape[1]):
                    location += columns[i, q] * coefficients[t, j, q]
                out[t, j] += counts[i] * _log_sum(
                    parts, start, n, len(factors), location, inverse, constant, terms
                )


@numba.njit(nogil=True, **OPTIONS)
def tell_each(offsets, parts, counts, columns, taus, coefficients, factors, log_shares, weights,
              on_edge, threshold, first, last, out):  # fmt: skip
    """Tell each member's own effect given all, and the kind's mean without that member.

    Given a tau and a Gaussian of the likelihood, the effect's mean is linear in the expected
    effect, so what is unknown of that is added by its first two moments there.

    Parameters
    ----------
    offsets, parts, counts, columns, taus, coefficients, factors, log_shares
        As in `add_up`.
    weights
        Posterior weights of the nodes, shape (t, j), sum 1.
    on_edge
        Nodes beyond which the grid ends, shape (t, j), bool.
    threshold
        A value of the effect.
    first, last
        Members.
    out
        Filled, shape (n, 10): mean, sd, 2.5 % and 97.5 % quantile, P(> 0), P(> threshold); mean
        and sd of the first coefficient without the member, the share of its weight on edges; and
        the expected precision of the member's place in the spread (1 in a normal one).
    """
    longest = 0
    for i in range(first, last):
        longest = max(longest, offsets[i + 1] - offsets[i])
    size = longest * len(factors)
    inverse, constant, terms = np.empty(size), np.empty(size), np.empty(size)
    zeroth, once, twice = np.empty(size), np.empty(size), np.empty(size)
    total, means, sds = np.empty((3, size * len(taus)))
    no_others = np.empty((0, 1))
    logs = np.zeros(weights.shape)
    for i in range(first, last):
        start, n_factors, filled, place = offsets[i], len(factors), 0, 0.0
        for t in range(len(taus)):
            n = _constants(
                parts, start, offsets[i + 1], taus[t], factors, log_shares, inverse, constant
            )
            zeroth[:n], once[:n], twice[:n] = 0.0, 0.0, 0.0
            for j in range(coefficients.shape[1]):
                if weights[t, j] <= 0.0:
                    continue
                location = 0.0
                for q in range(columns.shape[1]):
                    location += columns[i, q] * coefficients[t, j, q]
                logs[t, j] = _log_sum(
                    parts, start, n, n_factors, location, inverse, constant, terms
                )
                for c in range(n):
                    share = weights[t, j] * terms[c]
                    zeroth[c] += share
                    once[c] += share * location
                    twice[c] += share * location * location
            for c in range(n):
                if zeroth[c] <= 1e-13:
                    continue
                k = start + c // n_factors
                spread = factors[c % n_factors] * taus[t] * taus[t]
                pull = parts[2, k] * inverse[c]
                expected = once[c] / zeroth[c]
                uncertain = max(twice[c] / zeroth[c] - expected * expected, 0.0)
                total[filled] = zeroth[c]
                means[filled] = parts[1, k] + pull * (expected - parts[1, k])
                variance = spread * pull + pull * pull * uncertain
                sds[filled] = math.sqrt(max(variance, 1e-24 * parts[2, k]))
                place += zeroth[c] / factors[c % n_factors]
                filled += 1
        whole = total[:filled].sum()
        mean = (total[:filled] * means[:filled]).sum() / whole
        square = (total[:filled] * ((means[:filled] - mean) ** 2 + sds[:filled] ** 2)).sum()
        sd = math.sqrt(square / whole)
        few = binned(total[:filled] / whole, no_others, means[:filled], sds[:filled],
                     _BIN_WIDTH * sd, _MOST_BINS[0], _MOST_BINS[1])  # fmt: skip
        out[i, 0], out[i, 1] = mean, sd
        out[i, 2] = mixture_quantile(few[0], few[1], few[2], 0.025, -1.96)
        out[i, 3] = mixture_quantile(few[0], few[1], few[2], 0.975, 1.96)
        out[i, 4] = 1.0 - mixture_cdf(few[0], few[1], few[2], 0.0)[0]
        out[i, 5] = 1.0 - mixture_cdf(few[0], few[1], few[2], threshold)[0]
        _without(weights, logs, counts[i], coefficients, on_edge, out[i])
        out[i, 9] = place / whole


@numba.njit(nogil=True, **OPTIONS)
def _without(weights, logs, count, coefficients, on_edge, out):
    """Fill mean and sd of the first coefficient with one member taken out of the weights."""
    most = -math.inf
    for t in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            if weights[t, j] > 0.0:
                most = max(most, math.log(weights[t, j]) - count * logs[t, j])
    total, once, twice, edge = 0.0, 0.0, 0.0, 0.0
    for t in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            if weights[t, j] > 0.0:
                share = math.exp(math.log(weights[t, j]) - count * logs[t, j] - most)
                value = coefficients[t, j, 0]
                total += share
                once += share * value
                twice += share * value * value
                if on_edge[t, j]:
                    edge += share
    mean = once / total
    out[6], out[7] = mean, math.sqrt(max(twice / total - mean * mean, 0.0))
    out[8] = edge / total
