"""From draws to estimands: effects with their intervals, and the daily table.

Two ways in, one way out: the segmented model gives an effect for each post day by its contrasts,
the forecast gives one as observed minus forecast draw. Both become an `EffectDraws`, and everything
a reader sees is summarised from that. No sampling, no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.designs.base import post_rows
from its_pipeline.its.estimand_names import ESTIMANDS
from its_pipeline.its.inference.draws import product, row_quantiles
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import Effect, Effects
from its_pipeline.its.series import PHASES, POST, PRE, WASHOUT, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

INTERVAL = (0.025, 0.975)
"""Equal-tailed 95 % interval."""
INNER_INTERVAL = (0.25, 0.75)

_FORECAST_STREAM = 2


@dataclass(frozen=True)
class EffectDraws:
    """What both estimators hand over; every array is in the outcome's own units.

    Parameters
    ----------
    fitted
        Draws of the expected outcome, shape (n_days, n_draws).
    counterfactual
        Draws of the outcome without the intervention, shape (n_days, n_draws).
    daily
        Draws of the effect on each post row, shape (n_post_rows, n_draws); NaN rows where the
        forecast has no observation to compare.
    immediate
        Shape (n_draws,).
    sustained
        Shape (n_draws,), or None.
    """

    fitted: np.ndarray
    counterfactual: np.ndarray
    daily: np.ndarray
    immediate: np.ndarray
    sustained: np.ndarray | None


@dataclass(frozen=True)
class Estimands:
    """Draws of the estimands, each of shape (n_draws,); None where there is none."""

    immediate: np.ndarray
    sustained: np.ndarray | None
    counterfactual: np.ndarray
    cumulative: np.ndarray
    relative: np.ndarray | None

    def named(self) -> dict[str, np.ndarray]:
        """Return the estimands that exist under their public names."""
        pairs = {e.effect_name: getattr(self, e.name) for e in ESTIMANDS}
        return {name: draws for name, draws in pairs.items() if draws is not None}


def effect_draws(posterior: Posterior, series: PreparedSeries) -> EffectDraws:
    """Turn draws of a model into draws of its effects."""
    design = posterior.design
    if design.contrasts is None:
        return _forecast_draws(posterior, series)
    fitted = posterior.expected(design.matrix, series)
    post = series.phase == POST
    columns = np.flatnonzero(design.intervention.any(axis=0))
    changes = np.ascontiguousarray(posterior.internal[:, columns].T)
    daily = series.scale * product(design.intervention[post][:, columns], changes)
    counterfactual = fitted.copy()
    after = series.steps >= 0
    counterfactual[after] -= series.scale * product(design.intervention[after][:, columns], changes)
    named = design.contrasts
    return EffectDraws(
        fitted=fitted,
        counterfactual=counterfactual,
        daily=daily,
        immediate=posterior.coefficients[named.immediate].reshape(-1),
        sustained=None
        if named.sustained is None
        else posterior.coefficients[named.sustained].reshape(-1),
    )


def _forecast_draws(posterior: Posterior, series: PreparedSeries) -> EffectDraws:
    """Forecast the post-period from the pre-period, the noise from the last pre residual on."""
    expected = posterior.expected(posterior.design.matrix, series)
    parameters = {name: draws.reshape(-1) for name, draws in posterior.noise.items()}
    last = int(np.flatnonzero(posterior.rows)[-1])
    rng = np.random.default_rng([posterior.seed, _FORECAST_STREAM])
    size = (len(series.steps) - last - 1, expected.shape[1])
    shocks = posterior.likelihood.shocks(rng, parameters, size)
    error = series.values[last] - expected[last]
    counterfactual = expected.copy()
    ahead = slice(last + 1, None)
    errors = posterior.noise_model.forecast(parameters, error, shocks)
    after = series.phase[ahead] != PRE
    counterfactual[ahead][after] += errors[after]
    post = series.phase == POST
    daily = series.values[post][:, None] - counterfactual[post]
    first = int(np.flatnonzero(series.observed[post])[0])
    return EffectDraws(expected, counterfactual, daily, daily[first], None)


def estimands(series: PreparedSeries, draws: EffectDraws) -> Estimands:
    """Reduce daily effect draws to the estimands, over the observed post days."""
    observed = series.observed[series.phase == POST]
    cumulative = np.sum(draws.daily[observed], axis=0)
    base = np.sum(draws.counterfactual[post_rows(series)], axis=0)
    relative = None
    if np.all(base > 0) or np.all(base < 0):
        relative = 100.0 * cumulative / np.abs(base)
    return Estimands(
        immediate=draws.immediate,
        sustained=draws.sustained,
        counterfactual=cumulative / np.sum(observed),
        cumulative=cumulative,
        relative=relative,
    )


def summarise(found: Estimands, spec: AnalysisSpec) -> Effects:
    """Summarise draws of the estimands as effects with units."""
    effects: dict[str, Any] = {}
    for estimand in ESTIMANDS:
        draws = getattr(found, estimand.name)
        unit = estimand.unit_of(spec.unit, spec.step, spec.slope_period)
        effects[estimand.name] = None if draws is None else effect_of(draws, unit)
    return Effects(**effects)


def effect_of(draws: np.ndarray, unit: str) -> Effect:
    """Summarise draws of one estimand, shape (n_draws,)."""
    lower, upper = np.quantile(draws, INTERVAL)
    return Effect(
        mean=float(np.mean(draws)),
        sd=float(np.std(draws, ddof=1)),
        ci_lower=float(lower),
        ci_upper=float(upper),
        probability_positive=float(np.mean(draws > 0)),
        probability_negative=float(np.mean(draws < 0)),
        unit=unit,
    )


def probability_of_benefit(effect: np.ndarray, spec: AnalysisSpec) -> float:
    """Return P(the counterfactual effect beats `minimum_effect` in the declared direction)."""
    if spec.direction == "increase":
        return float(np.mean(effect > spec.minimum_effect))
    return float(np.mean(effect < -spec.minimum_effect))


def bare_daily(series: PreparedSeries) -> pd.DataFrame:
    """Return the window's days with phase and observation, and nothing of any model."""
    return pd.DataFrame(
        {"day": series.days, "phase": PHASES[series.phase], "observed": series.values}
    )


def daily_table(series: PreparedSeries, draws: EffectDraws) -> pd.DataFrame:
    """Return one row a calendar day with fitted values, counterfactual and effects.

    The effect columns have values on post rows after the washout and are NaN elsewhere; a
    cumulative effect adds observed days only and is carried over missing ones.
    """
    table = bare_daily(series)
    fitted = draws.fitted.mean(axis=1)
    table["fitted"] = np.where(series.phase == WASHOUT, np.nan, fitted)
    probabilities = (INTERVAL[0], INTERVAL[1], *INNER_INTERVAL)
    table["counterfactual"] = draws.counterfactual.mean(axis=1)
    lower, upper, lower_50, upper_50 = row_quantiles(draws.counterfactual, probabilities)
    table["counterfactual_lower"], table["counterfactual_upper"] = lower, upper
    table["counterfactual_lower_50"], table["counterfactual_upper_50"] = lower_50, upper_50
    post = series.phase == POST
    observed = series.observed[post]
    counted = np.where(observed[:, None], draws.daily, 0.0)
    for name, values in (("effect", draws.daily), ("cumulative", np.cumsum(counted, axis=0))):
        mean_name = "effect" if name == "effect" else "cumulative_effect"
        columns = np.full((3, len(table)), np.nan)
        columns[0, post] = values.mean(axis=1)
        columns[1:, post] = row_quantiles(values, INTERVAL)
        table[mean_name], table[f"{name}_lower"], table[f"{name}_upper"] = columns
    return table
