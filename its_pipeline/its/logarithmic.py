"""Effects on the logarithm of an outcome, told in its own unit and in percent.

What belongs here: the way from what a model of the logarithm says to amounts. What does not: the
model (it is that of any outcome, `exact`), or which outcomes are analysed so (`registry`).

An effect of x on the logarithm multiplies every day by exp(x). A day on which y was observed would
have been y exp(-x) without it, so an average effect x over days of mean y is y (1 - exp(-x)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from its_pipeline.its.designs.base import post_rows
from its_pipeline.its.posterior import Bands, EffectMarginals, Marginal
from its_pipeline.its.series import POST, PreparedSeries

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_PROBABILITIES = 0.5 * (_NODES + 1.0)


@dataclass(frozen=True)
class IncreasingMarginal:
    """An increasing function of a quantity.

    Parameters
    ----------
    told
        The quantity.
    forward, backward
        The function and its inverse, which may return infinities.
    """

    told: Marginal
    forward: Callable[[float], float]
    backward: Callable[[float], float]

    @cached_property
    def _values(self) -> np.ndarray:
        return np.array([self.forward(self.told.quantile(float(p))) for p in _PROBABILITIES])

    @property
    def mean(self) -> float:
        """Posterior mean, by Gauss-Legendre over the quantiles."""
        return float(0.5 * _WEIGHTS @ self._values)

    @property
    def sd(self) -> float:
        """Posterior standard deviation, likewise."""
        return float(np.sqrt(0.5 * _WEIGHTS @ np.square(self._values - self.mean)))

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        return self.forward(self.told.quantile(probability))

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        return self.told.above(self.backward(value))


def _log1p(value: float) -> float:
    return float(np.log1p(value)) if value > -1.0 else -np.inf


def of_observed(log_effect: Marginal, mean: float) -> Marginal:
    """Return the amount that an effect on the logarithm made of days of this observed mean."""
    return IncreasingMarginal(
        log_effect,
        lambda x: -mean * float(np.expm1(-x)),
        lambda value: -_log1p(-value / mean) if value < mean else np.inf,
    )


def of_counterfactual(log_effect: Marginal, mean: float) -> Marginal:
    """Return the amount that an effect on the logarithm makes of days of this mean without it."""
    return IncreasingMarginal(
        log_effect,
        lambda x: mean * float(np.expm1(x)),
        lambda value: _log1p(value / mean),
    )


def average_effect(series: PreparedSeries, log_effect: Marginal) -> Marginal:
    """Return the average effect over the observed post days in the outcome's own unit."""
    return of_observed(log_effect, _mean_observed(series))


def effects_in_amounts(series: PreparedSeries, told: EffectMarginals) -> EffectMarginals:
    """Return effects in the outcome's own unit; sustained and relative ones in percent."""
    usual = _mean_observed(series) * float(np.exp(-told.counterfactual.mean))
    return EffectMarginals(
        counterfactual=average_effect(series, told.counterfactual),
        immediate=of_counterfactual(told.immediate, usual),
        sustained=None if told.sustained is None else of_counterfactual(told.sustained, 100.0),
        relative=of_counterfactual(told.counterfactual, 100.0),
    )


def draws_in_amounts(effects: np.ndarray, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of effects on the logarithm, (2 or 3, n), in amounts, and the relative ones."""
    usual = mean * np.exp(-effects[0].mean())
    rows = [-mean * np.expm1(-effects[0]), usual * np.expm1(effects[1])]
    rows += [100.0 * np.expm1(row) for row in effects[2:]]
    return np.stack(rows), 100.0 * np.expm1(effects[0])


def bands_in_amounts(series: PreparedSeries, told: Bands) -> Bands:
    """Return what is shown of single days in the outcome's own unit."""
    post = series.phase == POST
    counterfactual = np.exp(told.counterfactual)
    effect = counterfactual[0, post] * np.expm1(told.effect)
    is_seen = series.observed[post]
    so_far = np.cumsum(is_seen)
    summed = np.cumsum(np.where(is_seen, series.values[post], 0.0))
    average = told.cumulative / np.maximum(so_far, 1)
    cumulative = -summed * np.expm1(-average)
    # The line is a day's median; the days' amounts add up to their total.
    effect *= cumulative[0, -1] / float(effect[0, is_seen].sum())
    return Bands(np.exp(told.fitted), counterfactual, effect, cumulative)


def _mean_observed(series: PreparedSeries) -> float:
    return float(series.values[post_rows(series)].mean())
