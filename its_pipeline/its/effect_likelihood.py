"""From an analysis to what its days say of the average effect, the model's prior divided out.

What belongs here: reading what is stored of an analysis. What does not: the likelihood itself or
pooling it (`pooling`). Nothing new is stored: the nodes of the quadrature are there in every
analysis that was ever kept, and some milliseconds make the likelihood of them.
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import models, priors
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.errors import NotConverged
from its_pipeline.its.inference.nodes import nodes_of
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Targets
from its_pipeline.its.linked import LARGEST_SD
from its_pipeline.its.pooling.estimates import Estimate
from its_pipeline.its.pooling.likelihood import EffectLikelihood
from its_pipeline.its.results import PosteriorDraws, PosteriorGrid
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.targets import COUNTERFACTUAL


def estimate_of(analysis: Analysis, name: str, *, standardised: bool = False) -> Estimate:
    """Return what one analysis says of the average effect, for `pool`.

    Parameters
    ----------
    analysis
        A converged analysis, computed or loaded.
    name
        Of the person, or of the experiment.
    standardised
        Whether in standard deviations of the days without the intervention, not in the outcome's
        unit.

    Raises
    ------
    NotConverged
        If it did not converge: count it in `without_estimate`.
    ValueError
        If its days say nothing of the effect, or standardised, its days without it do not vary.
    """
    likelihood = effect_likelihood(analysis)
    own = Estimate(name, likelihood, analysis.spec.unit, baseline_sd_of(analysis) or None)
    return own.standardised() if standardised else own


def baseline_sd_of(analysis: Analysis) -> float:
    """Return the sd of the observed days before the intervention (off), in the outcome's unit."""
    days = analysis.daily
    seen = days["observed"].to_numpy(float)[(days["phase"] == analysis.phase_names[0]).to_numpy()]
    return float(np.nanstd(seen, ddof=1))


def effect_likelihood(analysis: Analysis) -> EffectLikelihood:
    """Return L(e) of the average (counterfactual) effect in the outcome's own unit.

    Where quadrature is the estimator, effect and prior are Gaussian at each node, and the prior is
    divided out there. Draws are weighed by one over the prior's density: at ``student_t`` that of
    the step alone, Normal(0, 10 sd of the baseline), beside which a slope's or a phase's own part
    is less than a percent; where there is a link, that of the log ratio of rates or odds,
    Normal(0, 2.5), given the draw's own days without the intervention. A forecast puts no prior on
    its effect.

    Parameters
    ----------
    analysis
        A converged analysis, computed or loaded.

    Raises
    ------
    NotConverged
        If the analysis did not converge.
    ValueError
        If its days say nothing of the effect.
    """
    if analysis.kept is None:
        raise NotConverged(analysis.diagnostics.failures)
    spec = analysis.spec
    if isinstance(analysis.kept, PosteriorDraws):
        return _of_draws(analysis, analysis.kept)
    found = of_grid(analysis.kept, spec.noise)
    if spec.is_logarithmic:
        found = _in_amounts(found, analysis.kept.observed_sum / analysis.kept.n_post)
    return found.widened(spec.interval_factor)


def of_grid(grid: PosteriorGrid, noise: str) -> EffectLikelihood:
    """Return L of the average effect, of a logarithm on its own scale, from a quadrature's nodes.

    Parameters
    ----------
    grid
        What is stored of the quadrature.
    noise
        The noise model's name.
    """
    prior = ScaleMixture(grid.prior_sd, grid.prior_weights)
    problem = Problem(grid.design, grid.outcome, grid.steps, prior)
    model = models.noise_model(noise)
    nodes = nodes_of(problem, model, grid.weights, grid.points, grid.log_sd, grid.component)
    only = slice(COUNTERFACTUAL, COUNTERFACTUAL + 1)
    is_forecast = grid.offsets.size > 1
    targets = Targets(
        grid.loadings[:, only],
        grid.offsets[:, only] if is_forecast else None,
        grid.extra[:, only] if is_forecast else None,
    )
    means, sds = nodes.moments(targets)
    if is_forecast:
        prior_sds = np.full(len(grid.weights), np.inf)
    else:
        square = np.square(grid.loadings[0, COUNTERFACTUAL])
        prior_sds = np.sqrt(np.square(grid.prior_sd) @ square)[grid.component]
    return EffectLikelihood.divided(grid.weights, means[0], sds[0], prior_sds).scaled(grid.scale)


_POINTS = 2048
_FINE = 0.12
"""Bandwidth for points that are no draws: chance has no part in them, and skewness is kept."""


def _in_amounts(told: EffectLikelihood, mean_observed: float) -> EffectLikelihood:
    """Return L of the amount of an effect on the logarithm, days of this observed mean.

    A likelihood has no Jacobian: L(amount) is L(x) where amount = mean (1 - exp(-x)). The points
    are quantiles of the distribution whose density that is.
    """
    weights, means, sds = told.parts
    # d amount / dx is proportional to exp(-x), which tilts each Gaussian.
    tilt = weights * np.exp(-means + 0.5 * sds**2)
    tilted = EffectLikelihood(np.stack([tilt, means - sds**2, sds]))
    fine = np.linspace(tilted.mean - 9.0 * tilted.sd, tilted.mean + 9.0 * tilted.sd, 8001)
    below = np.cumsum(tilted.at(fine))
    x = np.interp((np.arange(_POINTS) + 0.5) / _POINTS, below / below[-1], fine)
    return EffectLikelihood.of_draws(-mean_observed * np.expm1(-x), bandwidth=_FINE)


def _of_draws(analysis: Analysis, kept: PosteriorDraws) -> EffectLikelihood:
    draws = np.asarray(kept.estimands["counterfactual_effect"], dtype=float).reshape(-1)
    spec = analysis.spec
    if spec.estimator == "forecast":
        return EffectLikelihood.of_draws(draws)
    if "ratio_effect" not in kept.estimands:
        sd = priors.LEVEL_CHANGE_SD * baseline_sd_of(analysis)
        return EffectLikelihood.of_draws(draws, -0.5 * np.square(draws / sd))
    log_ratio = np.log(np.asarray(kept.estimands["ratio_effect"], dtype=float).reshape(-1))
    relative = 0.01 * np.asarray(kept.estimands["relative_effect"], dtype=float).reshape(-1)
    usual = float(np.median(draws / np.where(relative == 0.0, np.nan, relative)))
    on = np.where(relative == 0.0, usual, draws / np.where(relative == 0.0, 1.0, relative) + draws)
    # d log(ratio) / d effect, given what the days would have been without it.
    slope = 1.0 / on if spec.is_count else 1.0 / (on * (1.0 - on))
    return EffectLikelihood.of_draws(
        draws, -0.5 * np.square(log_ratio / LARGEST_SD) + np.log(np.abs(slope))
    )
