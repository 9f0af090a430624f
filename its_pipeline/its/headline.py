"""The average effect alone, as `engine.analyze` would tell it, in some ten milliseconds.

What belongs here: one series' headline by quadrature, for those who need thousands of them. What
does not: a verdict, the other estimands, bands, warnings or an audit by NUTS (`engine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from its_pipeline.its.cadence import in_steps
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.posterior import Marginal
from its_pipeline.its.sensitivity.estimate import TOLERANCE, told_average
from its_pipeline.its.spec import AnalysisSpec


def headline(
    outcome: pd.Series,
    schedule: Any,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None = None,
    others: Mapping[str, Any] | None = None,
) -> Marginal:
    """Return the posterior of the counterfactual effect with normal innovations.

    Parameters
    ----------
    outcome, schedule, spec, covariates, others
        As in `engine.analyze`; innovations are normal (of the logarithm, where the spec says
        "lognormal") whatever the spec says, because another likelihood takes ten times as long.

    Returns
    -------
    Marginal
        In outcome units.

    Raises
    ------
    InvalidSeries, InsufficientData
        As `engine.analyze`.
    """
    laid = in_steps(outcome, schedule, spec, covariates, others)
    fit, _ = prepared_fit(
        laid.outcome, laid.schedule, laid.spec, laid.covariates, NORMAL, laid.others
    )
    mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
    return told_average(mixture, fit.series, spec.interval_factor)
