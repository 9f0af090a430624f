"""What a reader of the effects must be warned of, as data: code, text, numbers.

What belongs here: the thresholds and the words. `warnings_of_input` looks at the input alone, so it
serves every analysis; `warnings_of_effects` may show effects and is called only for analyses that
converged. What does not: any computing of answers (`sensitivity`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from its_pipeline.its.designs.base import SLOPE_MINIMUM_DAYS, DesignMatrix
from its_pipeline.its.estimands import Estimands
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.sensitivity.analyses import SensitivityAnalyses
from its_pipeline.its.sensitivity.estimate import EffectEstimate
from its_pipeline.its.sensitivity.placebo_dates import Placebo
from its_pipeline.its.sensitivity.white_noise import WhiteNoiseComparison
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

OUTLIER_SDS = 4.5
"""Standardised innovations beyond this are outlier days: about 1 in 150,000 under normality."""
HEAVY_TAIL_P = 0.005
"""Heavy tails are warned of when the innovations' excess kurtosis has a p-value below this
(Anscombe & Glynn 1983)."""
NONSTATIONARY_RHO = 0.9
"""Autocorrelation above which level changes and drift can hardly be told apart."""
SLOW_SWINGS_LOG_FACTOR = 2.0
"""Slow swings are warned of when they make the days this much more probable (log of the Bayes
factor; "positive evidence" by Kass & Raftery 1995, who give it twice: 4) and the interval wider by
`SLOW_SWINGS_WIDENING`. One series in a hundred with AR(1) noise is warned of, 4 % at worst. Where
half of the variance is swings of rho .8 or .9, 72 and 90 % are at 180 days, 31 and 44 % at 90, none
at 28; of rho .5, which hardly harm the interval, at most 20 % (benchmarks/calibration.py)."""
SLOW_SWINGS_WIDENING = 1.1
PLACEBO_P = 0.99
"""A placebo counts when its effect is this probable in one direction: with three dates, about one
null series in thirty has one."""


def warnings_of_input(
    series: PreparedSeries, design: DesignMatrix, spec: AnalysisSpec
) -> tuple[AnalysisWarning, ...]:
    """Return what the input alone gives reason to warn of; nothing here shows an effect."""
    found = []
    steps = f"{spec.step}s"
    if min(series.n_pre, series.n_post) < SLOPE_MINIMUM_DAYS:
        text = (
            f"Only {series.n_pre} {steps} before and {series.n_post} after the intervention were "
            f"observed; with fewer than {SLOPE_MINIMUM_DAYS} in a phase the interval is wide and "
            "leans on the priors."
        )
        numbers = {"n_pre": series.n_pre, "n_post": series.n_post, "needed": SLOPE_MINIMUM_DAYS}
        found.append(_warning("short_phase", text, numbers))
    for name, reason in design.dropped.items():
        why = {
            "constant": "it does not vary",
            "collinear": "the other columns already determine it",
        }[reason]
        text = f"The covariate {name!r} was left out of the model: {why}."
        found.append(_warning("dropped_covariate", text, {reason: 1.0}))
    if series.flat_baseline:
        text = (
            "The outcome hardly varied before the intervention, so the scale of the priors was "
            "taken from both phases."
        )
        found.append(_warning("flat_baseline", text, {"scale": series.scale}))
    return tuple(found)


def warnings_of_effects(
    series: PreparedSeries,
    spec: AnalysisSpec,
    posterior: Posterior,
    found: Estimands,
    others: SensitivityAnalyses,
) -> tuple[AnalysisWarning, ...]:
    """Return what the fitted model gives reason to warn of; converged analyses only.

    Parameters
    ----------
    series, spec, posterior
        What was analysed, and how.
    found
        Draws of its estimands.
    others
        What the other questions came to.
    """
    lower, upper = np.quantile(found.counterfactual, [0.025, 0.975])
    interval = (float(lower), float(upper))
    warnings = [
        *_residuals(series, posterior, spec),
        *_nonstationary(posterior, spec),
        *_disagreement(spec, others.other_estimator, found, interval),
        *_slow_swings(spec, others.white_noise, found, interval),
        *_placebo(series, others.placebos),
        *_share_shift(others.shifted_shares, others.without_shares),
    ]
    if found.relative is None:
        text = (
            "The counterfactual is not clearly above or below zero, so an effect in percent of it "
            "would mean nothing."
        )
        base = float(np.mean(found.cumulative))
        warnings.append(_warning("no_relative_effect", text, {"cumulative_effect": base}))
    return tuple(warnings)


def _residuals(
    series: PreparedSeries, posterior: Posterior, spec: AnalysisSpec
) -> list[AnalysisWarning]:
    scaled, rows = posterior.innovations(series)
    found = []
    robust = posterior.likelihood.has_heavy_tails
    advice = "" if robust else " The heavy-tailed likelihood (student_t) is less moved by them."
    outside = np.abs(scaled) > OUTLIER_SDS
    if outside.any():
        first = series.days[rows[outside][0]]
        text = (
            f"{int(outside.sum())} {spec.step}(s) lie more than {OUTLIER_SDS:g} standard "
            f"deviations from what the model expects, the first on {first:%Y-%m-%d}.{advice}"
        )
        numbers = {"count": outside.sum(), "largest": np.max(np.abs(scaled))}
        found.append(_warning("outlier_days", text, numbers))
    if len(scaled) >= 20 and not robust:
        test = stats.kurtosistest(scaled)
        if test.statistic > 0 and test.pvalue < HEAVY_TAIL_P:
            kurtosis = float(stats.kurtosis(scaled))
            text = (
                f"Day-to-day changes have heavier tails than the normal distribution (excess "
                f"kurtosis {kurtosis:.1f}).{advice}"
            )
            numbers = {"excess_kurtosis": kurtosis, "p_value": test.pvalue}
            found.append(_warning("heavy_tails", text, numbers))
    return found


def _nonstationary(posterior: Posterior, spec: AnalysisSpec) -> list[AnalysisWarning]:
    rho = posterior.noise_model.correlation_of_neighbours(posterior.noise)
    mean, upper = float(np.mean(rho)), float(np.quantile(rho, 0.975))
    if mean <= NONSTATIONARY_RHO:
        return []
    text = (
        f"The outcome drifts: its autocorrelation from {spec.step} to {spec.step} is about "
        f"{mean:.2f}, so a level change can hardly be told from drift."
    )
    numbers = {"rho": mean, "rho_upper": upper, "threshold": NONSTATIONARY_RHO}
    return [_warning("near_nonstationary", text, numbers)]


def _disagreement(
    spec: AnalysisSpec, other: EffectEstimate, found: Estimands, interval: tuple[float, float]
) -> list[AnalysisWarning]:
    mean = float(np.mean(found.counterfactual))
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
    return [_warning("estimators_disagree", text, numbers | other.numbers("other"))]


def is_warned_of(swings: WhiteNoiseComparison) -> bool:
    """Tell whether slow swings are likely and matter."""
    likely = swings.log_bayes_factor > SLOW_SWINGS_LOG_FACTOR
    return likely and swings.widening > SLOW_SWINGS_WIDENING


def _slow_swings(
    spec: AnalysisSpec,
    swings: WhiteNoiseComparison,
    found: Estimands,
    interval: tuple[float, float],
) -> list[AnalysisWarning]:
    if not is_warned_of(swings):
        return []
    other, mean = swings.estimate, float(np.mean(found.counterfactual))
    text = (
        f"Under noise that is new every {spec.step} the outcome seems to swing slowly, by itself. "
        f"Allowing for such swings the effect is {other.mean:.3g} "
        f"[{other.ci_lower:.3g}, {other.ci_upper:.3g}] instead of {mean:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}]."
    )
    numbers = {"widening": swings.widening, "log_bayes_factor": swings.log_bayes_factor}
    numbers |= other.numbers("other")
    if other.holds(0.0) and not interval[0] <= 0.0 <= interval[1]:
        return [_warning("slow_swings_contradict", text, numbers)]
    return [_warning("slow_swings", text, numbers)]


def _placebo(series: PreparedSeries, placebos: tuple[Placebo, ...]) -> list[AnalysisWarning]:
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
        f"A pretended intervention on {day:%Y-%m-%d}, when nothing was changed, shows an effect of "
        f"{strongest.mean:.3g} [{strongest.ci_lower:.3g}, {strongest.ci_upper:.3g}]: the outcome "
        "was moving before the intervention."
    )
    numbers = {"dates": len(placebos), "steps_before": -step, "certain": len(certain)}
    return [_warning("placebo_effect", text, numbers | strongest.numbers("placebo"))]


def _share_shift(moved: dict[str, float], without: EffectEstimate | None) -> list[AnalysisWarning]:
    if without is None:
        return []
    described = ", ".join(f"{name} by {change:+.2f}" for name, change in moved.items())
    text = (
        f"The time of day shifted at the intervention ({described}). If that is part of what the "
        "intervention does, adjusting for it hides its effect; without the shares the effect is "
        f"{without.mean:.3g} [{without.ci_lower:.3g}, {without.ci_upper:.3g}]."
    )
    return [_warning("time_of_day_shift", text, moved | without.numbers("without_shares"))]


def _warning(code: str, text: str, numbers: Mapping[str, float]) -> AnalysisWarning:
    return AnalysisWarning(code, text, {name: float(value) for name, value in numbers.items()})
