"""All sensitivity analyses of one series in one pass: built from one design, answered once each.

What belongs here: which other questions are asked of a series, and the one place that builds what
they share. What does not: a question's own arithmetic (its file beside this one), or what is made
of the answers (`its.warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass

from its_pipeline.its import models
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.posterior import Fit
from its_pipeline.its.sensitivity.estimate import EffectEstimate, quadrature_estimate
from its_pipeline.its.sensitivity.placebo_dates import Placebo, placebo_estimates
from its_pipeline.its.sensitivity.shares import shifted_shares
from its_pipeline.its.spec import AnalysisSpec


@dataclass(frozen=True)
class SensitivityAnalyses:
    """The answers to the other questions.

    Parameters
    ----------
    other_estimator
        The forecast where the main analysis is segmented, the segmented where it is a forecast;
        normal innovations.
    placebos
        Pretended interventions in the pre-period.
    shifted_shares
        Time-of-day shares that moved at the intervention, and by how much.
    without_shares
        The effect without any share in the model; None where none moved.
    """

    other_estimator: EffectEstimate
    placebos: tuple[Placebo, ...]
    shifted_shares: dict[str, float]
    without_shares: EffectEstimate | None


def sensitivity_analyses(
    fit: Fit, spec: AnalysisSpec, covariates: Covariates
) -> SensitivityAnalyses:
    """Ask a series everything that is asked beside the main question.

    Parameters
    ----------
    fit
        The main analysis's.
    spec
        Settings of the main analysis.
    covariates
        On the days of its series.
    """
    series, noise = fit.series, fit.noise_model
    study = models.study_design(spec.design)
    other_study = study if fit.design.contrasts is None else None
    other = build_design(series, spec, covariates, other_study)
    moved = shifted_shares(series, covariates)
    without = None
    if moved:
        bare = build_design(series, spec, covariates.without(covariates.shares), study)
        without = quadrature_estimate(series, bare, noise, spec.interval_factor)
    return SensitivityAnalyses(
        other_estimator=quadrature_estimate(series, other, noise, spec.interval_factor),
        placebos=placebo_estimates(series, spec, covariates, study, noise),
        shifted_shares=moved,
        without_shares=without,
    )
