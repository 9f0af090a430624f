"""Draws of one model on one series, in the outcome's own units.

What belongs here: joining a design, a noise model and a likelihood into one posterior, and what
that posterior says of single days: expected values, innovations. What does not: sampling
(`likelihoods`), the verdict (`inference.diagnostics`), or what is made of the draws (`estimands`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from its_pipeline.its import models
from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.inference.draws import product
from its_pipeline.its.inference.nuts import Chains, SamplerSettings
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.base import Likelihood
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec


@dataclass(frozen=True)
class Posterior:
    """Draws of one model on one series.

    Parameters
    ----------
    design
        The columns.
    noise_model, likelihood
        What they were sampled with.
    rows
        Rows that were fitted, shape (n_days,), bool.
    chains
        What the sampler returned.
    internal
        Internal coefficients, standardised units, shape (n_draws, k).
    noise
        The noise model's and the likelihood's parameters by name, "sigma" in outcome units,
        shape (chain, draw).
    coefficients
        Reported coefficients in the outcome's own units, shape (chain, draw).
    seed
        The seed they came from.
    """

    design: DesignMatrix
    noise_model: NoiseModel
    likelihood: Likelihood
    rows: np.ndarray
    chains: Chains
    internal: np.ndarray
    noise: dict[str, np.ndarray]
    coefficients: dict[str, np.ndarray]
    seed: int

    def expected(self, matrix: np.ndarray, series: PreparedSeries) -> np.ndarray:
        """Return draws of `matrix @ coefficients` in outcome units, shape (rows, n_draws)."""
        draws = np.ascontiguousarray(self.internal.T)
        return series.centre + series.scale * product(matrix, draws)

    def innovations(self, series: PreparedSeries) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised one-step innovations at the posterior mean, and their rows' numbers.

        Both of shape (n_fitted_rows,).
        """
        rows = np.flatnonzero(self.rows)
        mean = self.internal.mean(axis=0)
        residuals = series.standardised[rows] - self.design.matrix[rows] @ mean
        parameters = {name: float(np.mean(draws)) for name, draws in self.noise.items()}
        parameters["sigma"] /= series.scale
        return self.noise_model.whiten(residuals, series.steps[rows], parameters), rows


def problem_of(series: PreparedSeries, design: DesignMatrix, rows: np.ndarray) -> Problem:
    """Return the regression of the standardised outcome on some rows, shape (n_days,), bool."""
    return Problem(
        design=np.ascontiguousarray(design.matrix[rows]),
        outcome=series.standardised[rows],
        steps=series.steps[rows],
        prior_sd=design.prior_sd,
    )


def sample_posterior(
    series: PreparedSeries,
    design: DesignMatrix,
    rows: np.ndarray,
    spec: AnalysisSpec,
    *,
    target_accept: float = 0.8,
    tune: int | None = None,
    cores: int | None = None,
) -> Posterior:
    """Sample one model on one series.

    Parameters
    ----------
    series
        The prepared series.
    design
        Its columns.
    rows
        Rows to fit, shape (n_days,), bool.
    spec
        Settings.
    target_accept, tune
        Sampler settings of this run; `tune` defaults to the spec's.
    cores
        Chains that run at once.
    """
    settings = SamplerSettings(
        draws=spec.draws,
        tune=spec.tune if tune is None else tune,
        chains=spec.chains,
        seed=spec.seed,
        target_accept=target_accept,
    )
    noise_model = models.noise_model(spec.noise)
    likelihood = models.likelihood(spec.likelihood)
    sampled = likelihood.sample(problem_of(series, design, rows), noise_model, settings, cores)
    values = series.scale * product(design.back, np.ascontiguousarray(sampled.coefficients.T))
    values[0] += series.centre
    shape = sampled.chains.energy.shape
    return Posterior(
        design=design,
        noise_model=noise_model,
        likelihood=likelihood,
        rows=rows,
        chains=sampled.chains,
        internal=sampled.coefficients,
        noise={**noise_model.parameters(sampled.points, series.scale), **sampled.parameters},
        coefficients={n: values[row].reshape(shape) for row, n in enumerate(design.names)},
        seed=spec.seed,
    )
