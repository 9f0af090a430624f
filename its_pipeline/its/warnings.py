"""What a reader of the effects must be warned of, as data: code, text, numbers.

What belongs here: the thresholds and the words. `warnings_of_input` looks at the input alone, so it
serves every analysis; `warnings_of_effects` may show effects and is called only for analyses that
converged. What does not: any computing of answers (`sensitivity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy import special, stats

from its_pipeline.its import warning_codes
from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.designs.covariates import SHARE_PREFIX
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning, ChangeDate, Effect, Effects, WhatIf
from its_pipeline.its.sensitivity.analyses import SensitivityAnalyses
from its_pipeline.its.sensitivity.estimate import EffectEstimate
from its_pipeline.its.sensitivity.placebo_dates import Placebo
from its_pipeline.its.series import POST, PRE, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.warning_codes import WarningCode

FEW_DAYS = 14
"""Fewer observed days in a phase than this are warned of: no two of each weekday."""
OUTLIER_SDS = 4.5
"""Standardised innovations beyond this are outlier days: about 1 in 150,000 under normality."""
COUNT_DISPERSION, LARGE_COUNT = 0.8, 30.0
"""Whole numbers from 0 on whose variance is at least this share of their mean (1 for Poisson
counts) are counts; with a mean above the other they are as good as normal."""
SKEWED = 1.0
"""Skewness above which positive numbers whose logarithms are hardly skewed are amounts."""
OUTLIER_P = 0.05
"""With counts and yes/no outcomes, whose days are foretold one by one from the days before, those
are outliers so far off that a series of this length has one with a lower probability than this."""
HEAVY_TAIL_P = 0.005
"""Heavy tails are warned of when the innovations' excess kurtosis has a p-value below this
(Anscombe & Glynn 1983)."""
NONSTATIONARY_CORRELATION = 0.9
"""Correlation of neighbouring days above which level changes and drift can hardly be told apart."""
PLACEBO_P = 0.99
"""A placebo counts when its effect is this probable in one direction: with three dates, about one
null series in thirty has one."""
CONFIDENT_P = 0.95
"""An answer hangs on straight trends where it is this sure, and would not be under a belief that
has at least `CREDIBLE_P`."""
CREDIBLE_P = 0.1
NEAR_STEPS = 7
HARDLY_CREDIBLE_P = 0.05
"""The declared date is warned of when a change within a week of it (or as near as the dates that
were tried lie to each other) is less probable than this."""
OPPOSITE_P = 0.9
"""Plain averages that say the opposite are warned of when the effect's sign is this probable."""


def warnings_of_input(
    series: PreparedSeries, design: DesignMatrix, spec: AnalysisSpec
) -> tuple[AnalysisWarning, ...]:
    """Return what the input alone gives reason to warn of; nothing here shows an effect."""
    found = []
    steps = f"{spec.step}s"
    if min(series.n_pre, series.n_post) < FEW_DAYS:
        off, on = ("before", "after") if series.exposure.is_one_change else ("without", "with")
        text = (
            f"Only {series.n_pre} {steps} {off} and {series.n_post} {on} the intervention were "
            f"observed; with fewer than {FEW_DAYS} in a phase the interval is wide and "
            "leans on the priors."
        )
        numbers = {"n_pre": series.n_pre, "n_post": series.n_post, "needed": FEW_DAYS}
        found.append(warning(warning_codes.SHORT_PHASE, text, numbers))
    for name, reason in design.dropped.items():
        if name.startswith(SHARE_PREFIX) and reason == "constant":
            continue  # somebody who practises at one time of day has nothing to adjust for
        why = {
            "constant": "it does not vary",
            "collinear": "the other columns already determine it",
        }[reason]
        text = f"The covariate {name!r} was left out of the model: {why}."
        found.append(warning(warning_codes.DROPPED_COVARIATE, text, {reason: 1.0}))
    found += _other_likelihood(series, spec)
    if series.flat_baseline:
        text = (
            "The outcome hardly varied before the intervention, so the scale of the priors was "
            "taken from both phases."
        )
        found.append(warning(warning_codes.FLAT_BASELINE, text, {"scale": series.scale}))
    return tuple(found)


def _other_likelihood(series: PreparedSeries, spec: AnalysisSpec) -> list[AnalysisWarning]:
    """Name the likelihood that is made for such numbers, where measurements are assumed."""
    if spec.likelihood not in ("normal", "student_t"):
        return []
    fitting = fitting_likelihood(series.values[series.observed])
    if fitting is None:
        return []
    name, kind = fitting
    text = f'The numbers look like {kind}; likelihood "{name}" is made for them.'
    return [warning(warning_codes.OTHER_LIKELIHOOD, text, {"n": float(series.observed.sum())})]


def fitting_likelihood(values: np.ndarray) -> tuple[str, str] | None:
    """Return the likelihood that is made for such numbers, and what they are.

    Parameters
    ----------
    values
        Observed values, shape (n,).

    Returns
    -------
    tuple or None
        None where they are measurements as far as can be seen: ratings on a scale vary less than
        counts of their mean do, and counts that are large are as good as measurements.
    """
    if np.isin(values, (0.0, 1.0)).all():
        return "binomial", "yes and no"
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    if (values < 0.0).any():
        return None
    if np.array_equal(values, np.rint(values)) and variance >= COUNT_DISPERSION * mean:
        return ("negative_binomial", "counts") if mean < LARGE_COUNT else None
    if (values > 0.0).all() and len(values) >= FEW_DAYS:
        skewness = stats.skew(values)
        if skewness > SKEWED and abs(stats.skew(np.log(values))) < 0.5 * skewness:
            return "lognormal", "positive amounts with a long upper tail"
    return None


def warnings_of_effects(
    spec: AnalysisSpec,
    posterior: Posterior,
    effects: Effects,
    what_if: tuple[WhatIf, ...],
    dates: tuple[ChangeDate, ...],
    others: SensitivityAnalyses,
) -> tuple[AnalysisWarning, ...]:
    """Return what the fitted model gives reason to warn of; converged analyses only.

    Parameters
    ----------
    spec, posterior
        How it was analysed, and what came of it.
    effects, what_if
        Its estimands, and the average effect under other beliefs about straight trends.
    dates
        How probable each date of the change is.
    others
        What the other questions came to.
    """
    series = posterior.fit.series
    effect = effects.counterfactual
    warnings = [
        *_residuals(posterior, spec),
        *_nonstationary(posterior, spec),
        *_opposite_means(series, effect),
        *_hangs_on_trend(effect, what_if),
        *_other_date(series, spec, dates),
        *_disagreement(spec, others.other_estimator, effect),
        *_placebo(series, spec, others.placebos),
        *_share_shift(others.shifted_shares, others.without_shares),
    ]
    if effects.relative is None:
        text = (
            "The counterfactual is not clearly above or below zero, so an effect in percent of it "
            "would mean nothing."
        )
        numbers = {"cumulative_effect": effects.cumulative.mean}
        warnings.append(warning(warning_codes.NO_RELATIVE_EFFECT, text, numbers))
    return tuple(warnings)


def _residuals(posterior: Posterior, spec: AnalysisSpec) -> list[AnalysisWarning]:
    fit = posterior.fit
    series = fit.series
    scaled, rows = posterior.innovations()
    found = []
    robust = fit.likelihood.has_heavy_tails
    advice = "" if robust else " The heavy-tailed likelihood (student_t) is less moved by them."
    limit = OUTLIER_SDS
    is_linked = isinstance(fit.likelihood, LinkedLikelihood)
    if is_linked:
        advice = ""
        limit = float(-special.ndtri(0.5 * OUTLIER_P / len(scaled)))
    outside = np.abs(scaled) > limit
    if outside.any():
        first = series.days[rows[outside][0]]
        text = (
            f"{int(outside.sum())} {spec.step}(s) lie more than {limit:.3g} standard "
            f"deviations from what the model expects, the first on {spec.calendar.told(first)}."
            f"{advice}"
        )
        numbers = {"count": outside.sum(), "largest": np.max(np.abs(scaled))}
        found.append(warning(warning_codes.OUTLIER_DAYS, text, numbers))
    if len(scaled) >= 20 and not robust and not is_linked:
        test = stats.kurtosistest(scaled)
        if test.statistic > 0 and test.pvalue < HEAVY_TAIL_P:
            kurtosis = float(stats.kurtosis(scaled))
            text = (
                spec.calendar.worded("Day-to-day changes have ")
                + "heavier tails than the normal distribution (excess "
                + f"kurtosis {kurtosis:.1f}).{advice}"
            )
            numbers = {"excess_kurtosis": kurtosis, "p_value": test.pvalue}
            found.append(warning(warning_codes.HEAVY_TAILS, text, numbers))
    return found


def _nonstationary(posterior: Posterior, spec: AnalysisSpec) -> list[AnalysisWarning]:
    mean, upper = posterior.neighbours()
    if mean <= NONSTATIONARY_CORRELATION:
        return []
    text = (
        f"The outcome drifts: its autocorrelation from {spec.step} to {spec.step} is about "
        f"{mean:.2f}, so a level change can hardly be told from drift."
    )
    numbers = {"rho": mean, "rho_upper": upper, "threshold": NONSTATIONARY_CORRELATION}
    return [warning(warning_codes.NEAR_NONSTATIONARY, text, numbers)]


def _opposite_means(series: PreparedSeries, effect: Effect) -> list[AnalysisWarning]:
    values = series.values
    before = float(np.mean(values[series.observed & (series.phase == PRE)]))
    after = float(np.mean(values[series.observed & (series.phase == POST)]))
    plain = after - before
    surest = max(effect.probability_positive, effect.probability_negative)
    if plain * effect.mean >= 0.0 or surest < OPPOSITE_P:
        return []
    text = (
        f"The plain average went from {before:.3g} to {after:.3g}, a change of {plain:+.3g}, but "
        f"the effect is {effect.mean:+.3g}: the sign comes from what the model believes would have "
        "happened otherwise."
    )
    numbers = {"pre_mean": before, "post_mean": after, "difference": plain, "effect": effect.mean}
    return [warning(warning_codes.OPPOSITE_MEANS, text, numbers)]


def _hangs_on_trend(effect: Effect, what_if: tuple[WhatIf, ...]) -> list[AnalysisWarning]:
    if max(effect.probability_positive, effect.probability_negative) < CONFIDENT_P:
        return []
    is_up = effect.probability_positive > effect.probability_negative
    for each in what_if:
        same = each.probability_positive if is_up else 1.0 - each.probability_positive
        if each.probability >= CREDIBLE_P and same < CONFIDENT_P:
            text = (
                f"{_BELIEFS[each.name]} (probability {each.probability:.0%}) the effect is "
                f"{each.mean:.3g} [{each.ci_lower:.3g}, {each.ci_upper:.3g}], and would be less "
                f"certain than the {effect.mean:.3g} [{effect.ci_lower:.3g}, "
                f"{effect.ci_upper:.3g}] given here."
            )
            numbers = {
                "probability": each.probability,
                "mean": each.mean,
                "ci_lower": each.ci_lower,
                "ci_upper": each.ci_upper,
            }
            return [warning(warning_codes.HANGS_ON_TREND, text, numbers)]
    return []


def _other_date(
    series: PreparedSeries, spec: AnalysisSpec, dates: tuple[ChangeDate, ...]
) -> list[AnalysisWarning]:
    if not dates:
        return []
    steps = [each.step for each in dates]
    near = max(NEAR_STEPS, max(after - before for before, after in pairwise(steps)))
    credible = sum(each.probability for each in dates if abs(each.step) <= near)
    likeliest = max(dates, key=lambda each: each.probability)
    if credible >= HARDLY_CREDIBLE_P or abs(likeliest.step) <= near:
        return []
    text = (
        f"The {spec.step}s put a change rather at about {spec.calendar.told(likeliest.on)} than at "
        f"{spec.calendar.told(series.intervention_on)}: the probability that it came within {near} "
        f"{spec.step}s of the declared date is {credible:.0%}."
    )
    numbers = {
        "probability_near": credible,
        "near_steps": near,
        "likeliest_step": likeliest.step,
        "likeliest_probability": likeliest.probability,
    }
    return [warning(warning_codes.OTHER_DATE, text, numbers)]


_BELIEFS = {
    "no_trend": "If the outcome has no straight trend of its own",
    "trend": "If the outcome has a straight trend of its own",
    "no_slope_change": "If only the level changed",
    "slope_change": "If the slope changed as well",
}


def _disagreement(
    spec: AnalysisSpec, other: EffectEstimate | None, effect: Effect
) -> list[AnalysisWarning]:
    if other is None:
        return []
    mean, interval = effect.mean, (effect.ci_lower, effect.ci_upper)
    beyond_ours = not interval[0] <= other.mean <= interval[1]
    beyond_theirs = not other.holds(mean)
    if not (beyond_ours and beyond_theirs):
        return []
    name = "forecast" if spec.estimator == "segmented" else "segmented"
    text = (
        f"The {name} estimator puts the effect at {other.mean:.3g} "
        f"[{other.ci_lower:.3g}, {other.ci_upper:.3g}], this one at {mean:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}]: each lies outside the other's interval."
    )
    numbers = {"mean": mean, "ci_lower": interval[0], "ci_upper": interval[1]}
    return [warning(warning_codes.ESTIMATORS_DISAGREE, text, numbers | other.numbers("other"))]


def _placebo(
    series: PreparedSeries, spec: AnalysisSpec, placebos: tuple[Placebo, ...]
) -> list[AnalysisWarning]:
    certain = [
        (placebo.step, placebo.estimate)
        for placebo in placebos
        if max(p := placebo.estimate.probability_positive, 1.0 - p) > PLACEBO_P
    ]
    if not certain:
        return []
    step, strongest = max(certain, key=lambda pair: abs(pair[1].mean) / pair[1].sd)
    day = series.days[int(np.flatnonzero(series.steps == step)[0])]
    text = (
        f"A pretended intervention on {spec.calendar.told(day)}, when nothing was changed, shows "
        f"an effect of {strongest.mean:.3g} [{strongest.ci_lower:.3g}, {strongest.ci_upper:.3g}]: "
        "the outcome was moving before the intervention."
    )
    numbers = {"dates": len(placebos), "steps_before": -step, "certain": len(certain)}
    return [warning(warning_codes.PLACEBO_EFFECT, text, numbers | strongest.numbers("placebo"))]


def _share_shift(moved: dict[str, float], without: EffectEstimate | None) -> list[AnalysisWarning]:
    if without is None:
        return []
    described = ", ".join(f"{name} by {change:+.2f}" for name, change in moved.items())
    text = (
        f"The time of day shifted at the intervention ({described}). If that is part of what the "
        "intervention does, adjusting for it hides its effect; without the shares the effect is "
        f"{without.mean:.3g} [{without.ci_lower:.3g}, {without.ci_upper:.3g}]."
    )
    return [
        warning(warning_codes.TIME_OF_DAY_SHIFT, text, moved | without.numbers("without_shares"))
    ]


def warning(code: WarningCode, text: str, numbers: Mapping[str, float]) -> AnalysisWarning:
    """Return a warning of one code."""
    return AnalysisWarning(code.code, text, {name: float(value) for name, value in numbers.items()})
