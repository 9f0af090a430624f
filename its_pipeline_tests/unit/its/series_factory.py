"""Seeded daily series for the tests of the statistics; no assertions here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its import AnalysisSpec, analyze
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates, prepare_covariates
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.sensitivity.estimate import quadrature_estimate
from its_pipeline.its.series import prepare_series

FIRST_DAY = "2024-01-01"


def make_series(
    n=90, *, rho=0.4, level_change=0.0, slope_change=0.0, missing=(), seed=0, level=70.0, sd=10.0
) -> tuple[Any, Any]:
    """Return (outcome, intervention day), half before and half after, AR(1) noise of sd `sd`."""
    rng = np.random.default_rng(seed)
    noise = np.empty(n)
    noise[0] = rng.standard_normal()
    for t in range(1, n):
        noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal()
    after = np.arange(n) >= n // 2
    ramp = np.maximum(np.arange(n) - n // 2, 0) / 7
    values = level + sd * noise + level_change * after + slope_change * ramp
    days = pd.date_range(FIRST_DAY, periods=n, freq="D")
    outcome = pd.Series(values, index=days).drop(days[list(missing)])
    return outcome, days[n // 2]


def run(outcome, day, spec=None, covariates=None) -> Any:
    """Analyse and hand the answer on untyped, so that a test may reach into optional parts."""
    return analyze(outcome, day, spec, covariates)


def design_of(outcome, day, spec=None, covariates=None, *, study: Any = CHANGE) -> Any:
    """Return the prepared series and its design matrix; `study` None is without intervention."""
    spec = spec or AnalysisSpec()
    series = prepare_series(outcome, day, spec)
    known = Covariates() if covariates is None else prepare_covariates(series, covariates)
    return series, build_design(series, spec, known, study)


def segmented_estimate(outcome, day, spec=None) -> Any:
    """Return the counterfactual effect of the segmented model by quadrature."""
    series, design = design_of(outcome, day, spec)
    return quadrature_estimate(series, design, AR1_WHITE)
