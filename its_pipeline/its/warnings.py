"""What a reader of the effects must be warned of, as data: code, text, numbers.

`cautions_of_input` looks at the input alone, so it serves every analysis. `cautions_of_effects`
may show effects and is called only for analyses that converged. The arithmetic behind second
opinions is in `opinions`; here are the questions and the thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from its_pipeline.its.designs.change import SLOPE_MINIMUM_DAYS, Design, build_design
from its_pipeline.its.estimands import Estimands
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.sensitivity.opinions import (
    Opinion,
    SlowSwings,
    forecast_opinion,
    segmented_opinion,
    slow_swings_opinion,
)
from its_pipeline.its.series import MINIMUM_DAYS, POST, PRE, WASHOUT, PreparedSeries
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
PLACEBO_DATES = 3
PLACEBO_PHASE_DAYS = 14
"""Placebo dates lie inside the pre-period with at least this many observed days on either side."""
PLACEBO_P = 0.99
"""A placebo counts when its effect is this probable in one direction: with three dates, about one
null series in thirty has one."""
SHARE_PREFIX = "share_"
"""Covariates with this prefix are time-of-day shares."""
SHARE_SHIFT = 0.1
SHARE_SHIFT_Z = 3.0
"""A share has shifted when its mean moved by a tenth and by three standard errors."""


def cautions_of_input(
    series: PreparedSeries, design: Design, spec: AnalysisSpec
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


def cautions_of_effects(
    series: PreparedSeries,
    design: Design,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None,
    posterior: Posterior,
    found: Estimands,
) -> tuple[AnalysisWarning, ...]:
    """Return what the fitted model gives reason to warn of; converged analyses only."""
    lower, upper = np.quantile(found.counterfactual, [0.025, 0.975])
    segmented = design
    if spec.estimator != "segmented":
        segmented = build_design(series, spec, covariates)
    warnings = [
        *_residual_cautions(series, posterior, spec),
        *_nonstationary(posterior, spec),
        *_disagreement(series, spec, covariates, found, (float(lower), float(upper))),
        *_slow_swings(series, spec, segmented, found, (float(lower), float(upper))),
        *_placebo(series, spec, covariates),
        *_share_shift(series, spec, covariates),
    ]
    if found.relative is None:
        text = (
            "The counterfactual is not clearly above or below zero, so an effect in percent of it "
            "would mean nothing."
        )
        base = float(np.mean(found.cumulative))
        warnings.append(_warning("no_relative_effect", text, {"cumulative_effect": base}))
    return tuple(warnings)


def innovations(series: PreparedSeries, posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised one-step innovations at the posterior mean, and their rows' numbers."""
    rows = np.flatnonzero(posterior.rows)
    mean = posterior.internal.mean(axis=0)
    residual = series.standardised[rows] - posterior.design.matrix[rows] @ mean
    rho = float(np.mean(posterior.noise["rho"]))
    sigma = float(np.mean(posterior.noise["sigma"])) / series.scale
    gaps = np.diff(series.steps[rows])
    phi = np.sign(rho) ** gaps * abs(rho) ** gaps
    scaled = residual / sigma
    scaled[1:] = (residual[1:] - phi * residual[:-1]) / (sigma * np.sqrt(1.0 - phi**2))
    return scaled, rows


def _residual_cautions(
    series: PreparedSeries, posterior: Posterior, spec: AnalysisSpec
) -> list[AnalysisWarning]:
    scaled, rows = innovations(series, posterior)
    found = []
    robust = spec.likelihood == "student_t"
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
    rho = posterior.noise["rho"]
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
    series: PreparedSeries,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None,
    found: Estimands,
    interval: tuple[float, float],
) -> list[AnalysisWarning]:
    other = second_estimator(series, spec, covariates)
    mean = float(np.mean(found.counterfactual))
    beyond_ours = not interval[0] <= other.mean <= interval[1]
    beyond_theirs = not other.ci_lower <= mean <= other.ci_upper
    if not (beyond_ours and beyond_theirs):
        return []
    name = "forecast" if spec.estimator == "segmented" else "segmented"
    text = (
        f"The {name} estimator puts the effect at {other.mean:.3g} "
        f"[{other.ci_lower:.3g}, {other.ci_upper:.3g}], this one at {mean:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}]: each lies outside the other's interval."
    )
    numbers = {"mean": mean, "ci_lower": interval[0], "ci_upper": interval[1]}
    return [_warning("estimators_disagree", text, numbers | _numbers("other", other))]


def is_warned_of(swings: SlowSwings) -> bool:
    """Tell whether slow swings are likely and matter."""
    likely = swings.log_bayes_factor > SLOW_SWINGS_LOG_FACTOR
    return likely and swings.widening > SLOW_SWINGS_WIDENING


def _slow_swings(
    series: PreparedSeries,
    spec: AnalysisSpec,
    design: Design,
    found: Estimands,
    interval: tuple[float, float],
) -> list[AnalysisWarning]:
    swings = slow_swings_opinion(series, design)
    if not is_warned_of(swings):
        return []
    other, mean = swings.opinion, float(np.mean(found.counterfactual))
    text = (
        f"Under noise that is new every {spec.step} the outcome seems to swing slowly, by itself. "
        f"Allowing for such swings the effect is {other.mean:.3g} "
        f"[{other.ci_lower:.3g}, {other.ci_upper:.3g}] instead of {mean:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}]."
    )
    numbers = {"widening": swings.widening, "log_bayes_factor": swings.log_bayes_factor}
    numbers |= _numbers("other", other)
    if other.overlaps(0.0, 0.0) and not interval[0] <= 0.0 <= interval[1]:
        return [_warning("slow_swings_contradict", text, numbers)]
    return [_warning("slow_swings", text, numbers)]


def second_estimator(
    series: PreparedSeries, spec: AnalysisSpec, covariates: pd.DataFrame | None
) -> Opinion:
    """Return the other estimator's opinion on the counterfactual effect, normal likelihood."""
    if spec.estimator == "segmented":
        return forecast_opinion(
            series, build_design(series, spec, covariates, with_intervention=False)
        )
    return segmented_opinion(series, build_design(series, spec, covariates))


def _placebo(
    series: PreparedSeries, spec: AnalysisSpec, covariates: pd.DataFrame | None
) -> list[AnalysisWarning]:
    placebos = placebo_opinions(series, spec, covariates)
    certain = [
        (step, opinion)
        for step, opinion in placebos
        if max(opinion.probability_positive, 1.0 - opinion.probability_positive) > PLACEBO_P
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
    return [_warning("placebo_effect", text, numbers | _numbers("placebo", strongest))]


def placebo_opinions(
    series: PreparedSeries, spec: AnalysisSpec, covariates: pd.DataFrame | None
) -> list[tuple[int, Opinion]]:
    """Return the effect of pretended interventions inside the pre-period, by time step.

    Up to three dates at the quarters of the pre-period, each with at least 14 observed days on
    either side; none where the pre-period is shorter than that.
    """
    pre = series.phase == PRE
    seen = np.flatnonzero(series.observed & pre)
    opinions = []
    if len(seen) < 2 * max(MINIMUM_DAYS, PLACEBO_PHASE_DAYS):
        return opinions
    lowest, highest = PLACEBO_PHASE_DAYS, len(seen) - PLACEBO_PHASE_DAYS
    wanted = np.linspace(0.25, 0.75, PLACEBO_DATES) * len(seen)
    for at in sorted({int(min(max(w, lowest), highest)) for w in wanted}):
        step = int(series.steps[seen[at]])
        shifted = _pretend(series, pre, step)
        design = build_design(shifted, replace(spec, washout_days=0), _rows(covariates, shifted))
        opinions.append((step, segmented_opinion(shifted, design)))
    return opinions


def _pretend(series: PreparedSeries, pre: np.ndarray, step: int) -> PreparedSeries:
    steps = series.steps[pre] - step
    values = series.values[pre]
    before = values[(steps < 0) & np.isfinite(values)]
    return replace(
        series,
        days=series.days[pre],
        steps=steps,
        values=values,
        phase=np.where(steps < 0, PRE, POST),
        centre=float(before.mean()),
    )


def _rows(covariates: pd.DataFrame | None, series: PreparedSeries) -> pd.DataFrame | None:
    return None if covariates is None else covariates.reindex(series.days)


def _share_shift(
    series: PreparedSeries, spec: AnalysisSpec, covariates: pd.DataFrame | None
) -> list[AnalysisWarning]:
    if covariates is None:
        return []
    shares = [name for name in covariates.columns if str(name).startswith(SHARE_PREFIX)]
    moved: dict[str, float] = {}
    on_calendar = covariates.reindex(series.days)
    for name in shares:
        values = on_calendar[name].to_numpy(dtype=float)
        usable = series.observed & np.isfinite(values) & (series.phase != WASHOUT)
        pre, post = values[usable & (series.phase == PRE)], values[usable & (series.phase == POST)]
        change = float(post.mean() - pre.mean())
        error = float(np.sqrt(pre.var(ddof=1) / len(pre) + post.var(ddof=1) / len(post)))
        if abs(change) >= SHARE_SHIFT and abs(change) > SHARE_SHIFT_Z * error:
            moved[str(name)] = change
    if not moved:
        return []
    rest = covariates.drop(columns=shares)
    design = build_design(series, spec, rest if rest.shape[1] else None)
    without = segmented_opinion(series, design)
    described = ", ".join(f"{name} by {change:+.2f}" for name, change in moved.items())
    text = (
        f"The time of day shifted at the intervention ({described}). If that is part of what the "
        "intervention does, adjusting for it hides its effect; without the shares the effect is "
        f"{without.mean:.3g} [{without.ci_lower:.3g}, {without.ci_upper:.3g}]."
    )
    return [_warning("time_of_day_shift", text, moved | _numbers("without_shares", without))]


def _numbers(prefix: str, opinion: Opinion) -> dict[str, float]:
    return {
        f"{prefix}_mean": opinion.mean,
        f"{prefix}_sd": opinion.sd,
        f"{prefix}_ci_lower": opinion.ci_lower,
        f"{prefix}_ci_upper": opinion.ci_upper,
        f"{prefix}_probability_positive": opinion.probability_positive,
    }


def _warning(code: str, text: str, numbers: Mapping[str, float]) -> AnalysisWarning:
    return AnalysisWarning(code, text, {name: float(value) for name, value in numbers.items()})
