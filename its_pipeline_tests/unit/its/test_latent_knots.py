"""Gaussians that stand for days are found at every knot before its mass is believed."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, analyze, models
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods import latent
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import bounded
from its_pipeline.its.series import PRE


def grown(seed):
    """Counts of 60 days that grow fiftyfold, with weekdays far apart and a rate that wanders."""
    rng = np.random.default_rng(seed)
    week, days = rng.normal(0.0, 1.0, 7), np.arange(60)
    wandering = 0.15 * np.cumsum(rng.standard_normal(60))
    rate = np.exp(2.0 + week[days % 7] + 4.0 * (days >= 30) + wandering)
    return pd.Series(rng.poisson(rate).astype(float), pd.date_range("2026-01-01", periods=60))


@pytest.mark.parametrize("seed", range(3))
def test_knots_where_the_mass_lies_have_settled(seed, monkeypatch):
    outcome = grown(seed)
    poisson = models.likelihood("poisson")
    assert isinstance(poisson, LinkedLikelihood)
    spec = AnalysisSpec(likelihood="poisson")
    fit, _ = prepared_fit(outcome, outcome.index[30], spec, None, poisson)
    seen = poisson.observations(fit.series.values, None, fit.series.phase == PRE)
    work = latent._Work(bounded(fit.problem, seen), seen)
    found = work.coarse().heights
    monkeypatch.setattr(latent, "_ROUNDS", (60, 60))
    settled = work.coarse().heights
    near = settled > settled.max() - 30.0
    assert near.sum() > 5
    np.testing.assert_allclose(found[near], settled[near], atol=0.05)


def test_counts_that_grow_fiftyfold_are_those_of_the_sampler():
    outcome = grown(1)
    found = analyze(outcome, outcome.index[30], AnalysisSpec(likelihood="poisson"))
    assert found.converged, found.diagnostics.failures
    assert found.diagnostics.audit_difference < 0.15
