"""All sensitivity analyses of one series in one pass: built from one design, answered once each.

What belongs here: which other questions are asked of a series, and the one place that builds what
they share. What does not: a question's own arithmetic (its file beside this one), or what is made
of the answers (`its.warnings`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from its_pipeline.its import models
from its_pipeline.its.comparison_results import Comparisons
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import design_of
from its_pipeline.its.posterior import Fit
from its_pipeline.its.sensitivity.comparisons import comparisons_of
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
        normal innovations. None where there is more than one date to forecast from.
    placebos
        Pretended interventions in the pre-period.
    shifted_shares
        Time-of-day shares that moved at the intervention, and by how much.
    without_shares
        The effect without any share in the model; None where none moved.
    comparisons
        What comparison series do to the effect; None where none is in the model.
    """

    other_estimator: EffectEstimate | None
    placebos: tuple[Placebo, ...]
    shifted_shares: dict[str, float]
    without_shares: EffectEstimate | None
    comparisons: Comparisons | None

    @classmethod
    def of(cls, answers: Sequence[Any]) -> SensitivityAnalyses:
        """Collect the answers to `sensitivity_questions`, in their order."""
        placebos, other_estimator, (moved, without), comparisons = answers
        return cls(other_estimator, placebos, moved, without, comparisons)


def sensitivity_questions(
    fit: Fit, spec: AnalysisSpec, covariates: Covariates
) -> list[Callable[[], Any]]:
    """Return everything that is asked of a series beside the main question, one task a question.

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
    study = models.study_of(series.exposure, spec.design)
    factor = spec.interval_factor

    def other_estimator() -> EffectEstimate | None:
        if not series.is_one_change:
            return None
        other = design_of(series, spec, covariates, study if fit.design.is_forecast else None)
        return quadrature_estimate(series, other, noise, factor)

    def without_shares() -> tuple[dict[str, float], EffectEstimate | None]:
        moved = shifted_shares(series, covariates)
        if not moved:
            return moved, None
        bare = design_of(series, spec, covariates.without(covariates.shares), study)
        return moved, quadrature_estimate(series, bare, noise, factor)

    def placebos() -> tuple[Placebo, ...]:
        if series.others:
            return ()
        return placebo_estimates(series, spec, covariates, noise)

    def comparisons() -> Comparisons | None:
        return comparisons_of(fit, spec, covariates)

    return [placebos, other_estimator, without_shares, comparisons]
