"""What fresh noise on top of the AR(1) would make of a series: slow swings hidden under it.

What belongs here: the comparison of the two noise models on one series. What does not: the model
itself (`noise.ar1_white`), or when the comparison becomes a warning (`its.warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass

from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.inference.quadrature import Mixture
from its_pipeline.its.noise import ar1_white
from its_pipeline.its.posterior import problem_of
from its_pipeline.its.sensitivity.estimate import (
    EffectEstimate,
    counterfactual_contrast,
    estimate_of,
)
from its_pipeline.its.series import PreparedSeries


@dataclass(frozen=True)
class WhiteNoiseComparison:
    """The segmented model with white noise on top, held against the one without.

    Parameters
    ----------
    estimate
        The counterfactual effect with it.
    widening
        Width of its interval over that of the model without.
    log_bayes_factor
        log p(y) with it less log p(y) without.
    """

    estimate: EffectEstimate
    widening: float
    log_bayes_factor: float


def with_white_noise(
    series: PreparedSeries, design: DesignMatrix, plain: Mixture
) -> WhiteNoiseComparison:
    """Compare; `plain` is the segmented model's posterior without white noise."""
    problem = problem_of(series, design, series.fit_rows)
    swings = ar1_white.quadrature(problem, counterfactual_contrast(series, design))
    without, other = estimate_of(plain, series.scale), estimate_of(swings, series.scale)
    return WhiteNoiseComparison(
        estimate=other,
        widening=(other.ci_upper - other.ci_lower) / (without.ci_upper - without.ci_lower),
        log_bayes_factor=swings.log_evidence - plain.log_evidence,
    )
