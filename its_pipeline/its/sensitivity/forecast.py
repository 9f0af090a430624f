"""The other estimator: what the pre-period alone foretells of the post-period, by quadrature.

What belongs here: the forecast's counterfactual effect. What does not: the sampled forecast, which
is a main analysis of its own (`estimands`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its.designs.base import DesignMatrix, post_rows
from its_pipeline.its.inference.quadrature import Mixture
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.posterior import problem_of
from its_pipeline.its.sensitivity.estimate import EffectEstimate, estimate_of
from its_pipeline.its.series import PRE, PreparedSeries


def forecast_estimate(
    series: PreparedSeries, design: DesignMatrix, noise: NoiseModel
) -> EffectEstimate:
    """Return the forecast's counterfactual effect.

    Given the noise's parameters, the mean of the forecast over the observed post days is Gaussian:
    its regression part plus noise that starts from the last pre residual.

    Parameters
    ----------
    series
        The prepared series.
    design
        A design without intervention.
    noise
        How one day resembles the next.
    """
    rows = series.fit_rows & (series.phase == PRE)
    post = post_rows(series)
    last = int(np.flatnonzero(rows)[-1])
    ahead = series.steps[post] - series.steps[last]
    # The share of the last residual that is carried on depends on the noise: one a point.
    contrasts = np.vstack([design.matrix[post].mean(axis=0), design.matrix[last]])
    both = np.vstack([contrasts, contrasts.sum(axis=0)])
    mixture = noise.quadrature(problem_of(series, design, rows), both)
    carried, left = noise.forecast_of_mean(mixture.points, ahead)
    means, variances = mixture.means, mixture.variances
    covariance = 0.5 * (variances[:, 2] - variances[:, 0] - variances[:, 1])
    centre = series.standardised[post].mean() - (
        means[:, 0] + carried * (series.standardised[last] - means[:, 1])
    )
    spread = variances[:, 0] + carried**2 * variances[:, 1] - 2.0 * carried * covariance
    spread = spread + left
    combined = Mixture(
        mixture.points, mixture.weights, centre[:, None], spread[:, None], mixture.log_evidence
    )
    return estimate_of(combined, series.scale)
