"""Second opinions on one series by quadrature: other estimators, other dates, other covariates.

Each answers the same question as the main analysis, how far the outcome lay from its counterfactual
on average, exactly and in milliseconds. What is made of them is decided in `cautions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from its_pipeline.its.designs.change import Design, post_rows
from its_pipeline.its.inference.quadrature import Mixture, grid_posterior
from its_pipeline.its.noise.ar1_white import slow_swings_posterior
from its_pipeline.its.series import POST, PRE, PreparedSeries


@dataclass(frozen=True)
class Opinion:
    """Posterior of the counterfactual effect, in outcome units.

    Parameters
    ----------
    mean, sd
        Posterior mean and standard deviation.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    probability_positive
        P(effect > 0).
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float

    def overlaps(self, lower: float, upper: float) -> bool:
        """Whether the interval meets another one."""
        return self.ci_lower <= upper and lower <= self.ci_upper


@dataclass(frozen=True)
class SlowSwings:
    """What slow swings under independent noise would make of a series.

    Parameters
    ----------
    opinion
        The counterfactual effect with them.
    widening
        Width of its interval over that of the segmented model, whose errors are an AR(1) alone.
    log_bayes_factor
        log p(y) with them less log p(y) without.
    """

    opinion: Opinion
    widening: float
    log_bayes_factor: float


def segmented_opinion(series: PreparedSeries, design: Design) -> Opinion:
    """Return the segmented model's counterfactual effect."""
    return _opinion(_segmented(series, design), series.scale)


def slow_swings_opinion(series: PreparedSeries, design: Design) -> SlowSwings:
    """Hold the segmented model against the same one with slow swings under independent noise."""
    rows = series.fit_rows
    plain = _segmented(series, design)
    swings = slow_swings_posterior(
        design.matrix[rows],
        series.standardised[rows],
        series.steps[rows],
        design.prior_sd,
        _counterfactual_contrast(series, design),
    )
    ours, other = _opinion(plain, series.scale), _opinion(swings, series.scale)
    return SlowSwings(
        opinion=other,
        widening=(other.ci_upper - other.ci_lower) / (ours.ci_upper - ours.ci_lower),
        log_bayes_factor=swings.log_evidence - plain.log_evidence,
    )


def _segmented(series: PreparedSeries, design: Design) -> Mixture:
    rows = series.fit_rows
    return grid_posterior(
        np.ascontiguousarray(design.matrix[rows]),
        series.standardised[rows],
        series.steps[rows],
        design.prior_sd,
        _counterfactual_contrast(series, design)[None, :],
    )


def _counterfactual_contrast(series: PreparedSeries, design: Design) -> np.ndarray:
    return design.intervention[post_rows(series)].mean(axis=0)


def forecast_opinion(series: PreparedSeries, design: Design) -> Opinion:
    """Return the forecast's counterfactual effect, from the pre-period alone.

    Given (rho, sigma), the mean of the forecast over the observed post days is Gaussian: its
    regression part plus AR(1) noise that starts from the last pre residual.

    Parameters
    ----------
    series
        The prepared series.
    design
        A design built with `with_intervention=False`.
    """
    rows = series.fit_rows & (series.phase == PRE)
    post = series.observed & (series.phase == POST)
    last = int(np.flatnonzero(rows)[-1])
    ahead = series.steps[post] - series.steps[last]
    # the last residual is carried on as rho**ahead, so a contrast depends on rho: one a power
    contrasts = np.vstack([design.matrix[post].mean(axis=0), design.matrix[last]])
    fitted = np.ascontiguousarray(design.matrix[rows])
    outcome = series.standardised[rows]
    both = np.vstack([contrasts, contrasts.sum(axis=0)])
    mixture = grid_posterior(fitted, outcome, series.steps[rows], design.prior_sd, both)
    rho = np.tanh(mixture.points[:, 0])
    sigma = np.exp(mixture.points[:, 1])
    powers = np.sign(rho[:, None]) ** ahead * np.abs(rho[:, None]) ** ahead
    carried = powers.mean(axis=1)
    means, variances = mixture.means, mixture.variances
    covariance = 0.5 * (variances[:, 2] - variances[:, 0] - variances[:, 1])
    centre = series.standardised[post].mean() - (
        means[:, 0] + carried * (series.standardised[last] - means[:, 1])
    )
    spread = variances[:, 0] + carried**2 * variances[:, 1] - 2.0 * carried * covariance
    spread = spread + sigma**2 * _noise_of_mean(rho, ahead)
    combined = Mixture(
        mixture.points, mixture.weights, centre[:, None], spread[:, None], mixture.log_evidence
    )
    return _opinion(combined, series.scale)


def _noise_of_mean(rho: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Return the variance of the mean AR(1) noise at steps `ahead` of a known residual.

    In units of the marginal variance, for each rho, shape (g,).
    """
    n = len(ahead)
    total = np.zeros(len(rho))
    running = np.zeros(len(rho))
    known = np.zeros(len(rho))
    previous = int(ahead[0])
    for step in ahead:
        running = running * np.power(rho, step - previous)
        total += 1.0 + 2.0 * running
        running = running + 1.0
        known += np.power(rho, step)
        previous = int(step)
    return np.maximum(total - known**2, 0.0) / n**2


def _opinion(mixture: Mixture, scale: float) -> Opinion:
    return Opinion(
        mean=float(scale * mixture.mean()[0]),
        sd=float(scale * mixture.sd()[0]),
        ci_lower=scale * mixture.quantile(0.025),
        ci_upper=scale * mixture.quantile(0.975),
        probability_positive=1.0 - mixture.cdf(0.0),
    )
