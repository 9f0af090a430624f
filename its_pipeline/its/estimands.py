"""From posteriors to estimands: effects with their intervals, and the daily table.

What belongs here: how each estimand follows from the counterfactual, immediate and sustained
effects, whichever way those were come by. What does not: computing posteriors (`exact`, `sampled`),
or the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from its_pipeline.its.estimand_names import ESTIMANDS
from its_pipeline.its.posterior import INTERVAL, Bands, EffectMarginals, Marginal
from its_pipeline.its.results import Effect, Effects
from its_pipeline.its.series import POST, WASHOUT, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec


def summarise(found: EffectMarginals, series: PreparedSeries, spec: AnalysisSpec) -> Effects:
    """Summarise posteriors of the effects as effects with units."""
    unit = spec.unit or ("probability" if spec.is_share else "")
    units = {e.name: e.unit_of(unit, spec.step, spec.slope_period) for e in ESTIMANDS}
    counterfactual = effect_of(found.counterfactual, units["counterfactual"])
    cumulative = scaled(counterfactual, float(series.n_post), units["cumulative"])
    if spec.is_logarithmic:
        units["sustained"] = f"% per {spec.slope_period}"
    sustained = None if found.sustained is None else effect_of(found.sustained, units["sustained"])
    if found.relative is None:
        relative = relative_effect(cumulative, series.observed_post_sum, units["relative"])
    else:
        relative = effect_of(found.relative, units["relative"])
    return Effects(
        immediate=effect_of(found.immediate, units["immediate"]),
        sustained=sustained,
        counterfactual=counterfactual,
        cumulative=cumulative,
        relative=relative,
        ratio=None if found.ratio is None else effect_of(found.ratio, units["ratio"], 1.0),
    )


def effect_of(marginal: Marginal, unit: str, nothing: float = 0.0) -> Effect:
    """Summarise the posterior of one estimand; `nothing` is its value where nothing changed."""
    lower, upper = (marginal.quantile(probability) for probability in INTERVAL)
    above = marginal.above(nothing)
    return Effect(marginal.mean, marginal.sd, lower, upper, above, 1.0 - above, unit)


def scaled(effect: Effect, factor: float, unit: str) -> Effect:
    """Return an effect times a positive number."""
    return Effect(
        factor * effect.mean,
        factor * effect.sd,
        factor * effect.ci_lower,
        factor * effect.ci_upper,
        effect.probability_positive,
        effect.probability_negative,
        unit,
    )


def relative_effect(cumulative: Effect, observed_sum: float, unit: str) -> Effect | None:
    """Return the cumulative effect in percent of what would have been without the intervention.

    The counterfactual's sum is what was observed less the effect, so percent is a monotone function
    of the effect: its interval's ends are mapped, its mean is the percentage at the effect's mean
    and its sd follows by the delta method (Casella & Berger 2002, section 5.5.4).

    Returns
    -------
    Effect or None
        None where the counterfactual's 95 % interval holds 0.
    """
    ends = (observed_sum - cumulative.ci_upper, observed_sum - cumulative.ci_lower)
    if not can_be_relative(*ends):
        return None
    base = observed_sum - cumulative.mean
    lower, upper = sorted(100.0 * (observed_sum - end) / abs(end) for end in ends)
    return Effect(
        mean=100.0 * cumulative.mean / abs(base),
        sd=100.0 * abs(observed_sum) / base**2 * cumulative.sd,
        ci_lower=lower,
        ci_upper=upper,
        probability_positive=cumulative.probability_positive,
        probability_negative=cumulative.probability_negative,
        unit=unit,
    )


def can_be_relative(lower: float, upper: float) -> bool:
    """Tell whether a counterfactual with this 95 % interval is clearly above or below zero."""
    return lower > 0.0 or upper < 0.0


def effect_draws(effects: np.ndarray, n_post: int, observed_sum: float) -> dict[str, np.ndarray]:
    """Return draws of all estimands by their public names.

    Parameters
    ----------
    effects
        Draws of the counterfactual, the immediate and, where there is one, the sustained effect in
        outcome units, shape (2 or 3, n_draws).
    n_post, observed_sum
        Observed post days, and the sum of their outcomes.
    """
    cumulative = effects[0] * n_post
    found = {"immediate": effects[1], "counterfactual": effects[0], "cumulative": cumulative}
    if len(effects) > 2:  # a forecast has no sustained effect
        found["sustained"] = effects[2]
    base = observed_sum - cumulative
    if can_be_relative(*np.quantile(base, INTERVAL)):
        found["relative"] = 100.0 * cumulative / np.abs(base)
    return {e.effect_name: found[e.name] for e in ESTIMANDS if e.name in found}


def probability_of_benefit(effect: Marginal, spec: AnalysisSpec) -> float:
    """Return P(the counterfactual effect beats `minimum_effect` in the declared direction)."""
    if spec.direction == "increase":
        return effect.above(spec.minimum_effect)
    return 1.0 - effect.above(-spec.minimum_effect)


def bare_daily(
    series: PreparedSeries, columns: Mapping[str, np.ndarray] = MappingProxyType({})
) -> pd.DataFrame:
    """Return the window's days with phase and observation, and the columns of a model, if any."""
    known = {
        "day": series.days,
        "phase": series.phase_names[series.phase],
        "observed": series.values,
    }
    return pd.DataFrame(known | dict(columns))


def daily_table(series: PreparedSeries, bands: Bands) -> pd.DataFrame:
    """Return one row a calendar day with fitted values, counterfactual and effects.

    The effect columns have values on post rows after the washout and are NaN elsewhere; a
    cumulative effect adds observed days only and is carried over missing ones.
    """
    mean, lower, upper, lower_50, upper_50 = bands.counterfactual
    columns = {
        "fitted": np.where(series.phase == WASHOUT, np.nan, bands.fitted),
        "counterfactual": mean,
        "counterfactual_lower": lower,
        "counterfactual_upper": upper,
        "counterfactual_lower_50": lower_50,
        "counterfactual_upper_50": upper_50,
    }
    post = series.phase == POST
    for name, rows in (("effect", bands.effect), ("cumulative", bands.cumulative)):
        found = np.full((3, len(post)), np.nan)
        found[:, post] = rows
        mean_name = "effect" if name == "effect" else "cumulative_effect"
        columns |= dict(zip((mean_name, f"{name}_lower", f"{name}_upper"), found, strict=True))
    return bare_daily(series, columns)
