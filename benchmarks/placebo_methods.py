"""Every method of the placebo study on one window: ours, other candidates, and the rivals.

What belongs here: from a window, with or without something added to it, to coverage, P(effect > 0)
and width. What does not: which windows there are (`placebo_windows`), or tables (`placebo`).

Four questions are put to each window: as it is; with a level change of one baseline sd; with an
effect that grows from 0 to 2 sd over the post-period; and with a straight trend of one sd over
the baseline that goes on after the intervention, which is no effect.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.calibration_rivals import Verdict, glsar, stock_its, stock_piecewise
from benchmarks.placebo_noises import AR1Noise, AR1WalkNoise, WalkWhiteNoise
from benchmarks.placebo_windows import Window
from its_pipeline.its import AnalysisSpec, priors
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference.quadrature import Correlations, integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import prepare_series
from its_pipeline.its.targets import effect_contrasts

LOWEST, HIGHEST = 0.025, 0.975
"""Equal-tailed 95 % interval."""
OURS, BEFORE = "ours", "AR(1), trend and slope wide"
"""The product's model, and what it was before it was tried on people's days."""

Scales = tuple[tuple[float, float], ...]
_SMALL = priors.SMALL_WEIGHT
_TREND: Scales = tuple(zip(priors.TREND_SDS, (_SMALL, 1.0 - _SMALL), strict=True))
_SLOPE: Scales = tuple(zip(priors.SLOPE_CHANGE_SDS, (_SMALL, 1.0 - _SMALL), strict=True))
_WIDE_TREND: Scales = ((3.5, 1.0),)
_WIDE_SLOPE: Scales = ((10.0, 1.0),)
_NONE: Scales = ((0.01, 1.0),)


@dataclass(frozen=True)
class Candidate:
    """A noise, and scales with weights of trend and slope change."""

    noise: Correlations
    trend: Scales
    slope: Scales


CANDIDATES = {
    OURS: Candidate(AR1_WHITE, _TREND, _SLOPE),
    BEFORE: Candidate(AR1Noise(), _WIDE_TREND, _WIDE_SLOPE),
    "ours, trend and slope wide": Candidate(AR1_WHITE, _WIDE_TREND, _WIDE_SLOPE),
    "ours, no slope change": Candidate(AR1_WHITE, _WIDE_TREND, _NONE),
    "ours, neither": Candidate(AR1_WHITE, _NONE, _NONE),
    "AR(1) + walk, scales as ours": Candidate(AR1WalkNoise(), _TREND, _SLOPE),
    "walk + white, scales as ours": Candidate(WalkWhiteNoise(), _TREND, _SLOPE),
    "AR(1), scales as ours": Candidate(AR1Noise(), _TREND, _SLOPE),
}
_CHANGES = ("null", "one", "growing", "straight")


def judge(window: Window, methods: list[str]) -> list[dict[str, Any]]:
    """Put the four questions to each method on one window.

    Returns
    -------
    list
        One row a method: where the window is from, and for each question whether the interval
        holds the truth, P(effect > 0), and the width in baseline sds; for the window as it is
        also whether the intervals of the immediate and the sustained effect hold 0.
    """
    rows: list[dict[str, Any]] = []
    about = {name: getattr(window, name) for name in ("source", "person", "outcome", "n")}
    changed = [_changed(window, change) for change in _CHANGES]
    for method in methods:
        row: dict[str, Any] = {**about, "method": method}
        work = _bayes if method in CANDIDATES else _rival
        for change, (values, truth, scale) in zip(_CHANGES, changed, strict=True):
            found = work(method, values, window.intervention_on, truth, change == "null")
            row |= {f"{change}_{name}": found.pop(name) for name in ("holds", "positive")}
            if change == "null":
                row |= found | {"width": found["width"] / scale}
        rows.append(row)
    return rows


def _changed(window: Window, change: str) -> tuple[pd.Series, float, float]:
    """Return the window's values with something added, the true average effect, and the sd."""
    values = window.values
    day = (pd.DatetimeIndex(values.index) - window.intervention_on).days.to_numpy().astype(float)
    post = day >= 0
    scale = float(values[~post].std(ddof=1))
    effect = np.zeros(len(values))
    added = np.zeros(len(values))
    if change == "one":
        effect = scale * post
    elif change == "growing":
        effect = 2.0 * scale * np.maximum(day, 0.0) / max(day[-1], 1.0)
    elif change == "straight":
        added = scale * day / -day[0]
    return values + effect + added, float(effect[post].mean()), scale


def _bayes(
    method: str, values: pd.Series, day: pd.Timestamp, truth: float, everything: bool
) -> dict[str, Any]:
    spec, chosen = AnalysisSpec(), CANDIDATES[method]
    series = prepare_series(values, day, spec)
    design = build_design(series, spec, Covariates(), CHANGE)
    contrasts = effect_contrasts(series, design)[: None if everything else 1]
    problem = fit_of(series, design, AR1_WHITE, NORMAL).problem
    problem = replace(problem, prior=scale_mixture(chosen, design.names, problem.prior))
    found = integrate(problem, chosen.noise, contrasts)

    def holds(value: float, contrast: int) -> bool:
        return bool(LOWEST <= found.cdf(value, contrast) <= HIGHEST)

    told: dict[str, Any] = {
        "holds": holds(truth / series.scale, 0),
        "positive": 1.0 - found.cdf(0.0),
    }
    if everything:
        reach = found.quantile(HIGHEST) - found.quantile(LOWEST)
        told |= {
            "width": series.scale * reach,
            "immediate_holds": holds(0.0, 1),
            "sustained_holds": holds(0.0, 2),
            "error": found.error,
        }
    return told


def scale_mixture(
    candidate: Candidate, names: tuple[str, ...], prior: ScaleMixture
) -> ScaleMixture:
    """Return the prior of all columns: scales of trend and slope change in every combination."""
    trend, slope = names.index("trend"), names.index("slope_change")
    sds, weights = [], []
    for (trend_sd, trend_weight), (slope_sd, slope_weight) in product(
        candidate.trend, candidate.slope
    ):
        sd = prior.sd[0].copy()
        sd[trend], sd[slope] = trend_sd, slope_sd
        sds.append(sd)
        weights.append(trend_weight * slope_weight)
    return ScaleMixture(np.array(sds), np.array(weights))


def _rival(
    method: str, values: pd.Series, day: pd.Timestamp, truth: float, everything: bool
) -> dict[str, Any]:
    pre = values[values.index < day]
    scale = float(pre.std(ddof=1))
    # stock CausalPy's priors want an outcome whose sd is about 1
    verdict = RIVALS[method]((values - pre.mean()) / scale, day)
    told: dict[str, Any] = {
        "holds": verdict.lower <= truth / scale <= verdict.upper,
        "positive": verdict.probability_positive,
    }
    return told | {"width": scale * (verdict.upper - verdict.lower)} if everything else told


def _least_squares(values: pd.Series, day: pd.Timestamp, *, robust: bool) -> Verdict:
    """Segmented regression, its t interval; Newey-West's sds with the usual number of lags."""
    import statsmodels.api as sm

    t = (values.index - values.index[0]).days.to_numpy().astype(float)
    start = float((day - values.index[0]).days)
    post, ramp = t >= start, np.maximum(t - start, 0.0)
    design = np.column_stack([np.ones(len(t)), t, post, ramp])
    contrast = np.array([0.0, 0.0, 1.0, ramp[post].mean()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = sm.OLS(values.to_numpy(), design).fit()
        if robust:
            lags = math.floor(4.0 * (len(t) / 100.0) ** (2.0 / 9.0))
            fitted = fitted.get_robustcov_results("HAC", maxlags=lags, use_correction=True)
        test = fitted.t_test(contrast)
    mean, sd = float(np.squeeze(test.effect)), float(np.squeeze(test.sd))
    reach = float(stats.t.ppf(0.975, len(t) - 4)) * sd
    return Verdict(mean, sd, mean - reach, mean + reach, float(stats.t.cdf(mean / sd, len(t) - 4)))


def _ols(values: pd.Series, day: pd.Timestamp) -> Verdict:
    return _least_squares(values, day, robust=False)


def _newey_west(values: pd.Series, day: pd.Timestamp) -> Verdict:
    return _least_squares(values, day, robust=True)


RIVALS: dict[str, Callable[[pd.Series, pd.Timestamp], Verdict]] = {
    "CausalPy PiecewiseITS": stock_piecewise,
    "CausalPy ITS": stock_its,
    "least squares": _ols,
    "Newey-West": _newey_west,
    "GLSAR": glsar,
}
METHODS = (*CANDIDATES, *RIVALS)
