"""All sensitivity analyses of one series in one pass: built from one design, answered once each.

What belongs here: which other questions are asked of a series, and the one place that builds what
they share. What does not: a question's own arithmetic (its file beside this one), or what is made
of the answers (`its.warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass

from its_pipeline.its import models
from its_pipeline.its.designs.base import DesignMatrix, build_design
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.sensitivity.estimate import EffectEstimate, estimate_of, segmented_posterior
from its_pipeline.its.sensitivity.forecast import forecast_estimate
from its_pipeline.its.sensitivity.placebo_dates import Placebo, placebo_estimates
from its_pipeline.its.sensitivity.shares import shifted_shares
from its_pipeline.its.sensitivity.white_noise import WhiteNoiseComparison, with_white_noise
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec


@dataclass(frozen=True)
class SensitivityAnalyses:
    """The answers to the other questions.

    Parameters
    ----------
    other_estimator
        The forecast where the main analysis is segmented, the segmented where it is a forecast;
        normal innovations.
    white_noise
        The segmented model with white noise on top.
    placebos
        Pretended interventions in the pre-period.
    shifted_shares
        Time-of-day shares that moved at the intervention, and by how much.
    without_shares
        The effect without any share in the model; None where none moved.
    """

    other_estimator: EffectEstimate
    white_noise: WhiteNoiseComparison
    placebos: tuple[Placebo, ...]
    shifted_shares: dict[str, float]
    without_shares: EffectEstimate | None


def sensitivity_analyses(
    series: PreparedSeries, spec: AnalysisSpec, covariates: Covariates, design: DesignMatrix
) -> SensitivityAnalyses:
    """Ask a series everything that is asked beside the main question.

    Parameters
    ----------
    series
        The prepared series.
    spec
        Settings of the main analysis.
    covariates
        On the days of `series`.
    design
        The main analysis's columns: they serve the other questions as far as they go.
    """
    study, noise = models.study_design(spec.design), models.noise_model(spec.noise)
    is_forecast = design.contrasts is None
    segmented = build_design(series, spec, covariates, study) if is_forecast else design
    plain = segmented_posterior(series, segmented, noise)
    if is_forecast:
        other = estimate_of(plain, series.scale)
    else:
        other = forecast_estimate(series, build_design(series, spec, covariates, None), noise)
    moved = shifted_shares(series, covariates)
    without = None
    if moved:
        bare = build_design(series, spec, covariates.without(covariates.shares), study)
        without = estimate_of(segmented_posterior(series, bare, noise), series.scale)
    return SensitivityAnalyses(
        other_estimator=other,
        white_noise=with_white_noise(series, segmented, plain),
        placebos=placebo_estimates(series, spec, covariates, study, noise),
        shifted_shares=moved,
        without_shares=without,
    )
