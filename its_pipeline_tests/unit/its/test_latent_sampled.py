"""The joint density of outcomes with a link: its gradient, and the bounds that nodes have too."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, models
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.likelihoods import latent_sampled
from its_pipeline.its.likelihoods.latent import weighed
from its_pipeline.its.likelihoods.latent_grid import LARGEST_SD, SMALLEST_SD
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import bounded
from its_pipeline.its.series import PRE
from its_pipeline.its.targets import effect_contrasts
from its_pipeline_tests.unit.its.likelihoods_cases import outcome_of

BOUTS = [0] * 6 + [1] + [0] * 4 + [1] + [0] * 4 + [27, 22, 1, 0, 0, 1, 0, 0, 0, 0, 2, 1]
"""Hardly an event, and two days with many: nothing in the days bounds how far rates lie apart."""


def posed(outcome, kind):
    likelihood = models.likelihood(kind)
    assert isinstance(likelihood, LinkedLikelihood)
    start = outcome.index[len(outcome) // 2]
    fit, _ = prepared_fit(outcome, start, AnalysisSpec(likelihood=kind), None, likelihood)
    series = fit.series
    seen = likelihood.observations(series.values[fit.rows], None, series.phase[fit.rows] == PRE)
    problem = bounded(fit.problem, seen)
    near = weighed(problem, seen, effect_contrasts(series, fit.design), series.steps, 1)
    return problem, seen, near, series.steps


@pytest.mark.parametrize(("kind", "base"), [("negative_binomial", 2.0), ("binomial", 0.3)])
def test_the_gradient_is_the_slope_of_the_density(kind, base, monkeypatch):
    problem, seen, near, steps = posed(outcome_of(kind, n=28, seed=2, base=base), kind)
    density = []

    def kept(*told):
        density[:] = told
        raise InterruptedError

    monkeypatch.setattr(latent_sampled, "Density", kept)
    with pytest.raises(InterruptedError):
        latent_sampled.sampled(problem, seen, near, steps, SamplerSettings(10, 10, 1, 1))
    _, buffer, start, _ = density
    kernel = compiled.load("its_pipeline.its.likelihoods.latent_density_kernel")
    at = start + 0.3 * np.random.default_rng(3).standard_normal(len(start))
    gradient, unused = np.empty(len(at)), np.empty(len(at))
    kernel.latent_log_density(at, buffer, gradient)
    for number, told in enumerate(gradient):
        step = 1e-5 * np.eye(len(at))[number]
        higher = kernel.latent_log_density(at + step, buffer, unused)
        lower = kernel.latent_log_density(at - step, buffer, unused)
        assert (higher - lower) / 2e-5 == pytest.approx(told, abs=1e-5)


def test_chains_stay_within_the_bounds_of_the_nodes():
    outcome = pd.Series(np.array(BOUTS, float), pd.date_range("2026-01-01", periods=len(BOUTS)))
    problem, seen, near, steps = posed(outcome, "negative_binomial")
    _, drawn = latent_sampled.sampled(problem, seen, near, steps, SamplerSettings(150, 150, 2, 1))
    both = np.hypot(drawn.sd, drawn.dispersion / seen.scale)
    assert both.max() <= LARGEST_SD
    assert both.min() >= SMALLEST_SD
    assert near.worth > 1000.0
    for draws in (drawn, near):
        # So rates stay away from 0, and no ratio of them is without a value.
        assert np.abs(seen.scale * draws.paths).max() < 30.0
