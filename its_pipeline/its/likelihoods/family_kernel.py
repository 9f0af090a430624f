# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Densities of counts and of successes given a linear predictor, compiled by Numba.

What belongs here: log densities with their slopes, a number at a time. What does not: where the
predictor comes from, or its noise over time (`noise`). Loaded through `compiled`.

With predictor eta and dispersion d (McCullagh & Nelder 1989, chapters 4, 6):

- poisson: y ~ Poisson(exp(eta));
- negative_binomial: the same rate times a gamma variable of mean 1 and sd d;
- binomial: y of `trials` with probability 1 / (1 + exp(-eta));
- beta_binomial: that probability is a beta variable of that mean, its two parameters add up to
  1 / d**2.
"""

from __future__ import annotations

import math

from its_pipeline.its.inference.sampling_kernel import OPTIONS, numba
from its_pipeline.its.inference.special_kernel import digamma

POISSON, NEGATIVE_BINOMIAL, BINOMIAL, BETA_BINOMIAL = range(4)
"""Numbers of the families."""

FARTHEST = 30.0
"""Where predictors end."""


@numba.njit(**OPTIONS)
def _log1p_exp(x):
    return x + math.log1p(math.exp(-x)) if x > 0.0 else math.log1p(math.exp(x))


@numba.njit(**OPTIONS)
def log_base(family, y, trials, dispersion):
    """Return the part of an outcome's log probability that its predictor does not enter."""
    if family == POISSON:
        return -math.lgamma(y + 1.0)
    if family == NEGATIVE_BINOMIAL:
        size = 1.0 / (dispersion * dispersion)
        value = math.lgamma(y + size) - math.lgamma(size) - math.lgamma(y + 1.0)
        return value - y * math.log(size)
    value = math.lgamma(trials + 1.0) - math.lgamma(y + 1.0) - math.lgamma(trials - y + 1.0)
    if family == BETA_BINOMIAL:
        total = 1.0 / (dispersion * dispersion)
        value += math.lgamma(total) - math.lgamma(trials + total)
    return value


@numba.njit(**OPTIONS)
def log_base_of_days(family, kinds_of_days, dispersion):
    """Return the sum of `log_base` over days.

    Parameters
    ----------
    family
        Its number.
    kinds_of_days
        Outcome, trials and number of days of each kind that there is, shape (p, 3): its functions
        are dear, and days are often alike.
    dispersion
        As above.
    """
    value = 0.0
    for i in range(len(kinds_of_days)):
        y, trials, count = kinds_of_days[i]
        value += count * log_base(family, y, trials, dispersion)
    return value


@numba.njit(**OPTIONS)
def log_part(family, y, trials, eta, dispersion):
    """Return the part of an outcome's log probability that its predictor enters."""
    eta = min(max(eta, -FARTHEST), FARTHEST)
    if family == POISSON:
        return y * eta - math.exp(eta)
    if family == NEGATIVE_BINOMIAL:
        square = dispersion * dispersion
        return y * eta - (y + 1.0 / square) * math.log1p(math.exp(eta) * square)
    if family == BINOMIAL:
        return y * eta - trials * _log1p_exp(eta)
    total = 1.0 / (dispersion * dispersion)
    a = total / (1.0 + math.exp(-eta))
    b = total / (1.0 + math.exp(eta))
    value = math.lgamma(y + a) - math.lgamma(a)
    return value + math.lgamma(trials - y + b) - math.lgamma(b)


@numba.njit(**OPTIONS)
def slopes(family, y, trials, eta, dispersion):
    """Return a log probability's slopes in eta and in log(dispersion)."""
    if not -FARTHEST < eta < FARTHEST:
        return 0.0, 0.0
    if family == POISSON:
        return y - math.exp(eta), 0.0
    if family == NEGATIVE_BINOMIAL:
        size = 1.0 / (dispersion * dispersion)
        rate = math.exp(eta)
        by_size = digamma(y + size) - digamma(size) - math.log1p(rate / size)
        by_size += (rate - y) / (size + rate)
        return size * (y - rate) / (size + rate), -2.0 * size * by_size
    p = 1.0 / (1.0 + math.exp(-eta))
    q = 1.0 / (1.0 + math.exp(eta))
    if family == BINOMIAL:
        return y - trials * p, 0.0
    total = 1.0 / (dispersion * dispersion)
    a, b = total * p, total * q
    by_a = digamma(y + a) - digamma(a)
    by_b = digamma(trials - y + b) - digamma(b)
    by_total = p * by_a + q * by_b + digamma(total) - digamma(trials + total)
    return total * p * q * (by_a - by_b), -2.0 * total * by_total
