"""How well chains have mixed: rank-normalised split R-hat, bulk and tail ESS, E-BFMI.

What belongs here: figures of raw chains, on arrays and vectorised over parameters, after Vehtari et
al. (2021), "Rank-normalization, folding, and localization: an improved R-hat", Bayesian Analysis
16(2), and Betancourt (2016), arXiv:1604.00695. What does not: thresholds, or a verdict
(`diagnostics`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import fft, special

LEAST_DRAWS = 12
"""A chain of fewer has no figures."""


def rank_r_hat(draws: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the rank-normalised split R-hat, shape (p,), of draws of shape (p, chain, draw).

    The larger of the bulk's and the folded draws' (Vehtari et al. 2021, section 4.1 and 4.2). NaN
    where draws are not finite or do not vary, or where there are fewer than 12 a chain.
    """
    if draws.shape[2] < LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    split = split_chains(draws)
    folded = np.abs(split - np.median(split, axis=(1, 2), keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        bulk = _r_hat(normal_scores(split) if scores is None else scores)
        result = np.maximum(bulk, _r_hat(normal_scores(folded)))
    return np.where(_usable(draws), result, math.nan)


def ess_bulk(draws: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the bulk ESS, shape (p,), of draws of shape (p, chain, draw).

    `scores` are the normal scores of the split draws, where they are known already.
    """
    if draws.shape[2] < LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    scores = normal_scores(split_chains(draws)) if scores is None else scores
    return np.where(_usable(draws), _ess(scores), math.nan)


def ess_tail(draws: np.ndarray) -> np.ndarray:
    """Return the tail ESS, shape (p,): the smaller of the 5 % and the 95 % quantile's."""
    if draws.shape[2] < LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    lower, upper = np.quantile(draws, [0.05, 0.95], axis=(1, 2))
    result = np.minimum(
        _ess(split_chains((draws <= lower[:, None, None]).astype(float))),
        _ess(split_chains((draws <= upper[:, None, None]).astype(float))),
    )
    return np.where(_usable(draws), result, math.nan)


def energy_bfmi(energy: np.ndarray) -> np.ndarray:
    """Return E-BFMI by chain, shape (chain,), of energies of shape (chain, draw)."""
    energy = np.asarray(energy, dtype=float)
    if energy.shape[1] < 2:
        return np.full(len(energy), math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1, ddof=1)


def _usable(draws: np.ndarray) -> np.ndarray:
    finite = np.isfinite(draws).all(axis=(1, 2))
    return finite & (np.ptp(np.where(np.isfinite(draws), draws, 0.0), axis=(1, 2)) > 0)


def split_chains(draws: np.ndarray) -> np.ndarray:
    """Return each chain of draws (p, chain, draw) as two."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def normal_scores(draws: np.ndarray) -> np.ndarray:
    """Return normal scores of the average ranks over all chains (Blom's offsets)."""
    p = len(draws)
    flat = draws.reshape(p, -1)
    size = flat.shape[1]
    # a tie has a rank that is a multiple of one half, so all scores fit one table
    table = special.ndtri((np.arange(2, 2 * size + 1) / 2.0 - 0.375) / (size + 0.25))
    order = np.argsort(flat, axis=1)
    scores = np.empty_like(flat)
    position = np.arange(size)
    for row in range(p):
        ranked = flat[row, order[row]]
        starts = np.empty(size, dtype=bool)
        starts[0] = True
        np.not_equal(ranked[1:], ranked[:-1], out=starts[1:])
        if starts.all():
            twice = 2 * position + 2
        else:
            first = position[starts]
            last = np.append(first[1:], size) - 1
            twice = (first + last + 2)[np.cumsum(starts) - 1]
        scores[row, order[row]] = table[twice - 2]
    return scores.reshape(draws.shape)


def _r_hat(draws: np.ndarray) -> np.ndarray:
    n = draws.shape[2]
    between = n * np.var(draws.mean(axis=2), axis=1, ddof=1)
    within = np.var(draws, axis=2, ddof=1).mean(axis=1)
    return np.sqrt((between / within + n - 1) / n)


def _ess(draws: np.ndarray) -> np.ndarray:
    """Return the ESS of draws (p, chain, draw) by Geyer's initial monotone sequence."""
    p, chains, n = draws.shape
    means = draws.mean(axis=2, keepdims=True)
    length = fft.next_fast_len(2 * n, real=True)
    spectrum: Any = fft.rfft(draws - means, length, axis=2)
    power = np.mean(spectrum.real**2 + spectrum.imag**2, axis=1)
    products: Any = fft.irfft(power, length, axis=1)
    covariance = products[:, :n] / n
    within = covariance[:, 0] * n / (n - 1.0)
    total = covariance[:, 0].copy()
    if chains > 1:
        total += np.var(means[:, :, 0], axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1.0 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    last = (n - 3) // 2
    pairs = (rho[:, 0 : 2 * last + 2 : 2] + rho[:, 1 : 2 * last + 2 : 2])[:, : last + 1]
    ended = pairs <= 0
    stop = np.where(ended.any(axis=1), ended.argmax(axis=1), last)
    inside = np.arange(pairs.shape[1]) < stop[:, None]
    monotone = np.minimum.accumulate(pairs, axis=1)
    tau = -1.0 + 2.0 * np.sum(np.where(inside, monotone, 0.0), axis=1)
    tau += np.maximum(rho[np.arange(p), 2 * stop], 0.0)
    size = chains * n
    found = size / np.maximum(tau, 1.0 / math.log10(size))
    # an indicator that never changes (a quantile among ties) carries no autocorrelation
    return np.where(np.ptp(draws, axis=(1, 2)) > 0, found, size)
