"""From a caller's series to what is fitted: validated, with its columns, noise and likelihood.

What belongs here: the one way from input to a `Fit`. What does not: any posterior of it (`exact`,
`sampled`), or what a caller is told (`engine`, `headline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.designs.base import DesignMatrix, StudyDesign, build_design
from its_pipeline.its.designs.covariates import Covariates, prepare_covariates
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.base import Likelihood
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.posterior import Fit
from its_pipeline.its.series import PRE, PreparedSeries, prepare_series
from its_pipeline.its.spec import AnalysisSpec


def prepared_fit(
    outcome: pd.Series,
    schedule: Any,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None,
    likelihood: Likelihood,
    others: Mapping[str, Any] | None = None,
    denominator: pd.Series | None = None,
) -> tuple[Fit, Covariates]:
    """Return what is fitted of a caller's series, and its covariates on the calendar.

    Parameters
    ----------
    outcome, schedule, spec, covariates
        As in `engine.analyze`; one schedule.
    likelihood
        How the outcome scatters.
    others
        Other interventions in the same model, by name.
    denominator
        As in `engine.analyze`.

    Raises
    ------
    InvalidSeries
        If the series or a covariate breaks a rule.
    InsufficientData
        If fewer than 8 observed days are off, or on.
    """
    series = prepare_series(outcome, schedule, spec, others, denominator)
    known = prepare_covariates(series, covariates)
    study = models.study_of(series.exposure, spec.design)
    design = design_of(series, spec, known, study if spec.estimator == "segmented" else None)
    return fit_of(series, design, models.noise_model(spec.noise), likelihood), known


def design_of(
    series: PreparedSeries, spec: AnalysisSpec, covariates: Covariates, study: StudyDesign | None
) -> DesignMatrix:
    """Return the columns of a series with those of the other interventions."""
    also = [models.study_of(other, spec.design) for other in series.others]
    return build_design(series, spec, covariates, study, also)


def fit_of(
    series: PreparedSeries, design: DesignMatrix, noise_model: NoiseModel, likelihood: Likelihood
) -> Fit:
    """Return what is fitted of a series: a design without intervention takes the pre-period."""
    rows = series.fit_rows & (series.phase == PRE) if design.is_forecast else series.fit_rows
    problem = Problem(
        design=np.ascontiguousarray(design.matrix[rows]),
        outcome=series.standardised[rows],
        steps=series.steps[rows],
        prior=design.prior,
    )
    return Fit(series, design, problem, rows, noise_model, likelihood)
