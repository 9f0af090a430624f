"""Series that a fitted model makes: what is expected of days, and how others might have gone.

What belongs here: from draws to days, on the outcome's own scale whatever its likelihood. What does
not: the draws (`analysis`), or their pictures (`plots`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import models
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.results import PosteriorDraws
from its_pipeline.its.spec import AnalysisSpec


def on_own_scale(predictor: np.ndarray, spec: AnalysisSpec) -> np.ndarray:
    """Return the outcome at a predictor: its mean, or its median where its logarithm is normal."""
    likelihood = models.likelihood(spec.likelihood)
    if isinstance(likelihood, LinkedLikelihood):
        return likelihood.mean(predictor)
    return np.exp(predictor) if spec.is_logarithmic else predictor


def replicated(
    posterior: PosteriorDraws, chosen: np.ndarray, spec: AnalysisSpec, rng: np.random.Generator
) -> np.ndarray:
    """Draw series from the fitted model, autocorrelated noise included.

    Parameters
    ----------
    posterior
        Draws.
    chosen
        Numbers of the draws that make one series each, shape (n,).
    spec
        Settings of the analysis.
    rng
        Of the noise.

    Returns
    -------
    np.ndarray
        Shape (n, n_days).
    """

    def picked(draws: np.ndarray) -> np.ndarray:
        return np.asarray(draws, dtype=float).reshape(-1)[chosen]

    coefficients = np.stack([picked(draws) for draws in posterior.coefficients.values()])
    noise = {name: picked(draws) for name, draws in posterior.noise.items()}
    expected = (posterior.design @ coefficients).T
    likelihood, model = models.likelihood(spec.likelihood), models.noise_model(spec.noise)
    if isinstance(likelihood, LinkedLikelihood):
        return likelihood.replicate(rng, expected, model, noise, posterior.trials)
    shocks = likelihood.shocks(rng, {k: v[:, None] for k, v in noise.items()}, expected.shape)
    return on_own_scale(expected + model.simulate(noise, shocks), spec)
