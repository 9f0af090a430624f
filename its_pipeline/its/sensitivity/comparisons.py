"""What comparison series do to an answer: the effect without them, and each one's own change.

What belongs here: the same analysis without comparison series, and with each of them as the outcome
(a placebo outcome: what the intervention cannot have moved should not have moved). What does not:
when a change counts (`its.warnings_of_comparisons`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from its_pipeline.its import models
from its_pipeline.its.comparison_results import Comparisons, ComparisonSeries
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import design_of
from its_pipeline.its.posterior import Fit
from its_pipeline.its.results import Effect
from its_pipeline.its.sensitivity.estimate import EffectEstimate, quadrature_estimate
from its_pipeline.its.series import POST, PRE, PreparedSeries, standardisation
from its_pipeline.its.spec import AnalysisSpec


def comparisons_of(fit: Fit, spec: AnalysisSpec, covariates: Covariates) -> Comparisons | None:
    """Return what comparison series do to an answer; None where none is in the model.

    Parameters
    ----------
    fit
        The main analysis's.
    spec
        Its settings.
    covariates
        On the days of its series.
    """
    series, noise = fit.series, fit.noise_model
    names = [name for name in covariates.comparisons if name not in fit.design.dropped]
    if not names:
        return None
    study = None if fit.design.is_forecast else models.study_of(series.exposure, spec.design)
    bare = design_of(series, spec, covariates.without(covariates.comparisons), study)
    without = quadrature_estimate(series, bare, noise, spec.interval_factor)
    # Nothing is adjusted for here: two series that moved alike would hide it from each other.
    alone = design_of(series, spec, Covariates(), study)
    found = []
    for name in names:
        change = quadrature_estimate(_as_outcome(series, covariates.values[name]), alone, noise)
        found.append(ComparisonSeries(name, _effect(change)))
    return Comparisons(_effect(without, spec.unit), tuple(found))


def _as_outcome(series: PreparedSeries, raw: np.ndarray) -> PreparedSeries:
    """Return a comparison series in the outcome's place, on the days on which that was observed."""
    fit = series.fit_rows
    # About its mean: whether it varies is judged against its own spread, as for a covariate.
    values = np.where(fit, raw - raw[fit].mean(), np.nan)
    centre, scale, flat = standardisation(
        values[fit & (series.phase == PRE)], values[fit & (series.phase == POST)]
    )
    return replace(series, values=values, centre=centre, scale=scale, flat_baseline=flat)


def _effect(estimate: EffectEstimate, unit: str = "") -> Effect:
    return Effect(
        mean=estimate.mean,
        sd=estimate.sd,
        ci_lower=estimate.ci_lower,
        ci_upper=estimate.ci_upper,
        probability_positive=estimate.probability_positive,
        probability_negative=1.0 - estimate.probability_positive,
        unit=unit,
    )
