"""Draws made of the stored nodes of a quadrature, when somebody wants them.

What belongs here: from a `PosteriorGrid` and a seed to draws of everything. What does not: the
quadrature (`exact`), or where a grid is kept (`storage`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its.estimands import effect_draws
from its_pipeline.its.inference.nodes import nodes_of
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.logarithmic import draws_in_amounts
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.posterior import widened_draws
from its_pipeline.its.results import PosteriorDraws, PosteriorGrid
from its_pipeline.its.scale_mixture import ScaleMixture

_DRAW_STREAM = 1


def draws_of(
    grid: PosteriorGrid,
    noise_model: NoiseModel,
    chains: int,
    draws: int,
    seed: int,
    factor: float = 1.0,
    *,
    is_logarithmic: bool = False,
) -> PosteriorDraws:
    """Make independent draws of the nodes of a quadrature; the same seed gives the same draws.

    Parameters
    ----------
    grid
        What is kept of the posterior.
    noise_model
        The one it was integrated with.
    chains, draws
        Shape of the draws; they are independent, so the chains are equal parts.
    seed
        Of the draws.
    factor
        What the effects' distance from their means is multiplied by. Coefficients and noise are the
        model's own.
    is_logarithmic
        Whether it is a posterior of the outcome's logarithm: effects are told in amounts.
    """
    problem = Problem(
        grid.design, grid.outcome, grid.steps, ScaleMixture(grid.prior_sd, grid.prior_weights)
    )
    nodes = nodes_of(problem, noise_model, grid.weights, grid.points, grid.log_sd, grid.component)
    rng = np.random.default_rng([seed, _DRAW_STREAM])
    chosen, internal = nodes.draw(chains * draws, rng)
    shape = (chains, draws)
    reported = grid.scale * (internal @ grid.back.T)
    reported[:, 0] += grid.centre
    loadings = grid.loadings[chosen if len(grid.loadings) > 1 else np.zeros_like(chosen)]
    effects = np.einsum("nck,nk->nc", loadings, internal)
    if grid.offsets.size > 1:
        sd = np.exp(grid.log_sd[chosen])[:, None] * np.sqrt(grid.extra[chosen])
        effects += grid.offsets[chosen] + sd * rng.standard_normal(effects.shape)
    told = widened_draws(grid.scale * effects.T, factor)
    relative = None
    if is_logarithmic:
        told, relative = draws_in_amounts(told, grid.observed_sum / grid.n_post)
    named = effect_draws(told, grid.n_post, grid.observed_sum)
    if relative is not None:
        named["relative_effect"] = relative
    noise = {**noise_model.parameters(grid.points), "sigma": grid.scale * np.exp(grid.log_sd)}
    return PosteriorDraws(
        coefficients={
            name: reported[:, column].reshape(shape) for column, name in enumerate(grid.names)
        },
        estimands={name: values.reshape(shape) for name, values in named.items()},
        noise={name: values[chosen].reshape(shape) for name, values in noise.items()},
        design=grid.reported,
    )
