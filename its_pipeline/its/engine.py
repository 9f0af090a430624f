"""`analyze`: one series in, one `Analysis` out.

The order of things and nothing else: validate, build the design, sample, judge, and only then
compute what the verdict allows. Each step lives in its own module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.designs.base import DesignMatrix, build_design
from its_pipeline.its.designs.covariates import prepare_covariates
from its_pipeline.its.estimands import (
    EffectDraws,
    Estimands,
    bare_daily,
    daily_table,
    effect_draws,
    estimands,
    probability_of_benefit,
    summarise,
)
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.diagnostics import assess
from its_pipeline.its.posterior import Posterior, sample_posterior
from its_pipeline.its.results import Diagnostics, PosteriorDraws
from its_pipeline.its.sensitivity.analyses import sensitivity_analyses
from its_pipeline.its.series import PRE, PreparedSeries, prepare_series
from its_pipeline.its.spec import MODEL_VERSION, AnalysisSpec
from its_pipeline.its.warnings import warnings_of_effects, warnings_of_input

ESCALATION_TARGET_ACCEPT = 0.99
"""Acceptance rate of the second run, when the first one misses the gate."""
ESCALATION_TUNE_FACTOR = 3
"""How many times longer the second run warms up."""

_WARM_UP_DAYS = 40


def analyze(
    outcome: pd.Series,
    intervention_on: Any,
    spec: AnalysisSpec | None = None,
    covariates: pd.DataFrame | None = None,
    *,
    cores: int | None = None,
) -> Analysis:
    """Answer for one series whether level and trend changed, and whether that helped.

    Parameters
    ----------
    outcome
        Local days (DatetimeIndex without time zone, unique, increasing) to values. An absent day
        or NaN is a missing day; missing days are never filled.
    intervention_on
        Date-like, first post day, **INCLUSIVE** (`>=`).
    spec
        Settings; `AnalysisSpec()` by default.
    covariates
        Values on the same index, e.g. time-of-day shares (columns whose names start with
        ``share_`` are checked for a shift at the intervention).
    cores
        Chains that run at once. The numbers do not depend on it.

    Returns
    -------
    Analysis
        With `effects`, or, when the sampler did not converge, without any.

    Raises
    ------
    InvalidSeries
        If the series or a covariate breaks a rule.
    InsufficientData
        If a phase has fewer than 8 observed days.
    """
    spec = AnalysisSpec() if spec is None else spec
    timing = _Timing()
    with timing.part("prepare"):
        series = prepare_series(outcome, intervention_on, spec)
        known = prepare_covariates(series, covariates)
        study = models.study_design(spec.design) if spec.estimator == "segmented" else None
        design = build_design(series, spec, known, study)
        rows = series.fit_rows if study else series.fit_rows & (series.phase == PRE)
        warnings = warnings_of_input(series, design, spec)
    with timing.part("compile"):
        compiled.sampling_kernel()

    posterior, result = _sample_and_judge(series, design, rows, spec, timing, cores)
    if not result.diagnostics.converged:
        return _assembled(series, design, spec, posterior, result, warnings, timing)
    with timing.part("sensitivity"):
        others = sensitivity_analyses(series, spec, known, design)
        warnings += warnings_of_effects(series, spec, posterior, result.found, others)
    return _assembled(series, design, spec, posterior, result, warnings, timing)


def warm_up() -> None:
    """Load or compile everything an analysis needs, so that the next one is fast."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=_WARM_UP_DAYS, freq="D")
    outcome = pd.Series(rng.normal(size=_WARM_UP_DAYS), index=days)
    analyze(outcome, days[_WARM_UP_DAYS // 2], AnalysisSpec(draws=50, tune=50, chains=2))


class _Timing:
    """Seconds by part of one analysis."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - started

    def total(self) -> dict[str, float]:
        return {**self.parts, "total": time.perf_counter() - self.started}


@dataclass(frozen=True)
class _Result:
    """Draws of the effects and estimands of one run of the sampler, and the verdict on it."""

    draws: EffectDraws
    found: Estimands
    by_chain: dict[str, np.ndarray]
    diagnostics: Diagnostics


def _sample_and_judge(
    series: PreparedSeries,
    design: DesignMatrix,
    rows: np.ndarray,
    spec: AnalysisSpec,
    timing: _Timing,
    cores: int | None,
) -> tuple[Posterior, _Result]:
    def attempt(**stricter: Any) -> tuple[Posterior, _Result]:
        with timing.part("sample"):
            posterior = sample_posterior(series, design, rows, spec, cores=cores, **stricter)
        with timing.part("effects"):
            draws = effect_draws(posterior, series)
            found = estimands(series, draws)
        with timing.part("diagnostics"):
            chains = posterior.chains
            by_chain = {k: v.reshape(chains.energy.shape) for k, v in found.named().items()}
            verdict = assess(
                {**posterior.noise, **posterior.coefficients, **by_chain},
                chains.energy,
                chains.diverging,
                chains.depth,
                escalated=bool(stricter),
            )
        return posterior, _Result(draws, found, by_chain, verdict)

    posterior, result = attempt()
    if result.diagnostics.converged:
        return posterior, result
    return attempt(target_accept=ESCALATION_TARGET_ACCEPT, tune=ESCALATION_TUNE_FACTOR * spec.tune)


def _assembled(
    series: PreparedSeries,
    design: DesignMatrix,
    spec: AnalysisSpec,
    posterior: Posterior,
    result: _Result,
    warnings: tuple[Any, ...],
    timing: _Timing,
) -> Analysis:
    converged = result.diagnostics.converged is True
    with timing.part("effects"):
        effects = summarise(result.found, spec) if converged else None
        benefit = probability_of_benefit(result.found.counterfactual, spec) if converged else None
        daily = daily_table(series, result.draws) if converged else bare_daily(series)
        kept = None
        if converged:
            kept = PosteriorDraws(
                coefficients=posterior.coefficients,
                estimands=result.by_chain,
                noise=posterior.noise,
                design=design.reported,
            )
    return Analysis(
        spec=spec,
        intervention_on=series.intervention_on,
        fit_start_on=series.fit_start_on,
        effects=effects,
        probability_of_benefit=benefit,
        n_pre=series.n_pre,
        n_post=series.n_post,
        warnings=warnings,
        diagnostics=result.diagnostics,
        daily=daily,
        has_slope=design.has_slope,
        model_version=MODEL_VERSION,
        timing=timing.total(),
        trace=posterior.noise,
        posterior=kept,
    )
