"""Every method of the placebo study on one window: today's model, candidates, and the rivals.

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
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.calibration_rivals import Verdict, glsar, stock_its, stock_piecewise
from benchmarks.drifting_engine import Noise, Posterior, Prior, posterior
from benchmarks.placebo_windows import Window
from its_pipeline.its import AnalysisSpec, priors
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.inference.quadrature import Mixture
from its_pipeline.its.noise.ar1 import AR1
from its_pipeline.its.posterior import problem_of
from its_pipeline.its.sensitivity.estimate import counterfactual_contrast
from its_pipeline.its.series import prepare_series

SMALL, LARGE = 0.1, 2.0
"""Sds of trend (over the baseline) and slope change (over the post-period), in baseline sds."""
LARGE_WEIGHT = 0.3
"""Prior weight of the large one, for trend and slope change independently."""
FADING = Noise("white_fading", 0.5, 256.0)
WALKING = Noise("walk_fading", 0.001, 1.0)
LOCAL_LEVEL = Noise("walk_white", 0.001, 3.0)
CORNER = Noise("fading")

LOWEST, HIGHEST = 0.025, 0.975
"""Equal-tailed 95 % interval."""

Scales = tuple[tuple[float, float], ...]
_CHOSEN: Scales = ((SMALL, 1.0 - LARGE_WEIGHT), (LARGE, LARGE_WEIGHT))
_NONE: Scales = ((0.01, 1.0),)


@dataclass(frozen=True)
class Candidate:
    """A noise, and scales with weights of trend and slope change."""

    noise: Noise
    trend: Scales
    slope: Scales


CANDIDATES = {
    "drifting (chosen)": Candidate(FADING, _CHOSEN, _CHOSEN),
    "drifting, trend and slope wide": Candidate(
        FADING, ((priors.TREND_SD, 1.0),), ((priors.SLOPE_CHANGE_SD, 1.0),)
    ),
    "drifting, no slope change": Candidate(FADING, ((priors.TREND_SD, 1.0),), _NONE),
    "drifting, neither": Candidate(FADING, _NONE, _NONE),
    "AR(1) + walk, scales as chosen": Candidate(WALKING, _CHOSEN, _CHOSEN),
    "walk + fresh, scales as chosen": Candidate(LOCAL_LEVEL, _CHOSEN, _CHOSEN),
    "AR(1), scales as chosen": Candidate(CORNER, _CHOSEN, _CHOSEN),
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
        work = _bayes if method in ("today", *CANDIDATES) else _rival
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
    spec = AnalysisSpec() if method == "today" else AnalysisSpec(slope=True)
    series = prepare_series(values, day, spec)
    design = build_design(series, spec, Covariates(), CHANGE)
    contrasts = [counterfactual_contrast(series, design)]
    if everything and design.contrasts is not None:
        changes = (design.contrasts.immediate, design.contrasts.sustained)
        contrasts += [design.back[design.names.index(name)] for name in changes if name]
    problem = problem_of(series, design, series.fit_rows)
    found: Mixture | Posterior
    if method == "today":
        found = AR1.quadrature(problem, np.array(contrasts))
    else:
        chosen = CANDIDATES[method]
        prior = scale_mixture(chosen, design.names, design.prior_sd)
        found = posterior(
            problem.design,
            problem.outcome,
            problem.steps,
            chosen.noise,
            prior,
            np.array(contrasts),
        )

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
            "sustained_holds": holds(0.0, 2) if len(contrasts) > 2 else None,
            "error": found.error if isinstance(found, Posterior) else None,
        }
    return told


def scale_mixture(candidate: Candidate, names: tuple[str, ...], prior_sd: np.ndarray) -> Prior:
    """Return the prior of all columns: scales of trend and slope change in every combination."""
    trend, slope = names.index("trend"), names.index("slope_change")
    sds, weights = [], []
    for (trend_sd, trend_weight), (slope_sd, slope_weight) in product(
        candidate.trend, candidate.slope
    ):
        sd = prior_sd.copy()
        sd[trend], sd[slope] = trend_sd, slope_sd
        sds.append(sd)
        weights.append(trend_weight * slope_weight)
    return Prior(np.array(sds), np.array(weights))


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
METHODS = ("today", *CANDIDATES, *RIVALS)
