"""The average effect alone, as `engine.analyze` would tell it, in some ten milliseconds.

What belongs here: one series' headline by quadrature, for those who need thousands of them. What
does not: a verdict, the other estimands, bands, warnings or an audit by NUTS (`engine`).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.covariates import prepare_covariates
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.posterior import Marginal, MixtureMarginal, fit_of, widened
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.its.series import prepare_series
from its_pipeline.its.spec import AnalysisSpec


def headline(
    outcome: pd.Series,
    intervention_on: Any,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None = None,
) -> Marginal:
    """Return the posterior of the counterfactual effect with normal innovations.

    Parameters
    ----------
    outcome, intervention_on, spec, covariates
        As in `engine.analyze`; the likelihood is normal whatever the spec says, because another one
        would have to be sampled.

    Returns
    -------
    Marginal
        In outcome units.

    Raises
    ------
    InvalidSeries, InsufficientData
        As `engine.analyze`.
    """
    series = prepare_series(outcome, intervention_on, spec)
    known = prepare_covariates(series, covariates)
    study = models.study_design(spec.design) if spec.estimator == "segmented" else None
    design = build_design(series, spec, known, study)
    fit = fit_of(series, design, models.noise_model(spec.noise), NORMAL)
    mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
    return widened(MixtureMarginal(mixture, 0, series.scale), spec.interval_factor)
