"""What an analysis says of its effect with the prior divided out, for pools."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from its_pipeline.its import (
    Analysis,
    AnalysisSpec,
    EffectLikelihood,
    Estimate,
    NotConverged,
    analyze,
    estimate_of,
    pool,
)
from its_pipeline.its.effect_likelihood import baseline_sd_of, effect_likelihood
from its_pipeline.its.pooling import likelihood as module
from its_pipeline.its.pooling.estimates import BASELINE_SD
from its_pipeline_tests.unit.its.likelihoods_cases import outcome_of
from its_pipeline_tests.unit.its.series_factory import make_series


@cache
def _analysis(n=40, **settings):
    outcome, day = make_series(n, rho=0.5, seed=1, level_change=4.0)
    return analyze(outcome, day, AnalysisSpec(**settings), audited=False)


def _grid(likelihood):
    return np.linspace(
        likelihood.mean - 8 * likelihood.sd, likelihood.mean + 8 * likelihood.sd, 4001
    )


def _quantiles(density, at, probabilities):
    below = np.cumsum(density) - 0.5 * density
    return np.interp(probabilities, below / density.sum(), at)


@pytest.mark.parametrize("n", [16, 40, 150])
def test_likelihood_times_prior_is_the_posterior(n):
    analysis = _analysis(n)
    found = effect_likelihood(analysis)
    grid = analysis.kept
    x = _grid(found)
    # The prior of the average effect: its step's, and a slope's over half the days, in two scales.
    prior_sds = grid.scale * np.sqrt(np.square(grid.prior_sd) @ np.square(grid.loadings[0, 0]))
    prior = stats.norm.pdf(x[:, None], 0.0, prior_sds) @ grid.prior_weights
    density = found.at(x) * prior
    told = analysis.effects.counterfactual
    mean = float(density @ x / density.sum())
    assert mean == pytest.approx(told.mean, abs=0.02 * told.sd)
    low, high = _quantiles(density, x, (0.025, 0.975))
    assert (low, high) == pytest.approx((told.ci_lower, told.ci_upper), abs=0.03 * told.sd)
    assert found.parts.nbytes <= 1024


def test_merging_gaussians_moves_nothing(monkeypatch):
    few = effect_likelihood(_analysis(16))
    monkeypatch.setattr(module, "_MEANS", 400)
    monkeypatch.setattr(module, "_SPREADS", 400)
    many = effect_likelihood(_analysis(16))
    assert few.parts.shape[1] <= 40 < many.parts.shape[1]
    assert (few.mean, few.sd) == pytest.approx((many.mean, many.sd), rel=1e-9)
    x = _grid(many)
    assert 0.5 * np.abs(few.at(x) - many.at(x)).sum() * (x[1] - x[0]) < 0.01
    tails = (0.005, 0.025, 0.5, 0.975, 0.995)
    away = np.array(_quantiles(few.at(x), x, tails)) - _quantiles(many.at(x), x, tails)
    assert np.abs(away).max() < 0.02 * many.sd


def test_a_narrow_prior_is_divided_out():
    # Days that say Normal(3, 1) under a prior Normal(0, 2): posterior of precision 1 + 1/4.
    posterior = (np.array([3.0 / 1.25]), np.array([np.sqrt(1 / 1.25)]))
    found = EffectLikelihood.divided(np.ones(1), *posterior, np.array([2.0]))
    assert (found.mean, found.sd) == pytest.approx((3.0, 1.0))
    draws = posterior[0] + posterior[1] * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    by_draws = EffectLikelihood.of_draws(draws, -0.5 * (draws / 2.0) ** 2)
    assert by_draws.mean == pytest.approx(3.0, abs=0.02)
    assert by_draws.sd == pytest.approx(1.0, abs=0.03)
    with pytest.raises(ValueError, match="the days say nothing"):
        EffectLikelihood.divided(np.ones(1), np.zeros(1), np.full(1, 2.0), np.full(1, 2.0))


def test_nodes_of_different_priors_keep_their_weights():
    # Two components, N(0, 1) and N(0, 5) a priori alike, and an exact observation of 2 with sd 1.
    prior_sds, told = np.array([1.0, 5.0]), 2.0
    evidence = stats.norm.pdf(told, 0.0, np.hypot(prior_sds, 1.0))
    precision = 1.0 + 1.0 / prior_sds**2
    found = EffectLikelihood.divided(
        evidence / evidence.sum(), told / precision, precision**-0.5, prior_sds
    )
    x = np.linspace(-2.0, 6.0, 9)
    assert found.at(x) == pytest.approx(stats.norm.pdf(x, told, 1.0), rel=1e-9)


def test_a_stored_analysis_has_the_same_likelihood(tmp_path):
    analysis = _analysis()
    again = Analysis.load(analysis.save(tmp_path / "kept"))
    assert (effect_likelihood(again).parts == effect_likelihood(analysis).parts).all()


def test_widened_intervals_are_widened_likelihoods():
    plain = effect_likelihood(_analysis())
    wide = effect_likelihood(_analysis(interval_factor=1.5))
    assert wide.mean == pytest.approx(plain.mean)
    assert wide.sd == pytest.approx(1.5 * plain.sd)


def test_a_forecast_has_no_prior_on_its_effect():
    analysis = _analysis(60, estimator="forecast")
    found, told = effect_likelihood(analysis), analysis.effects.counterfactual
    assert (found.mean, found.sd) == pytest.approx((told.mean, told.sd), rel=0.02)


def test_an_effect_on_the_logarithm_is_told_in_amounts():
    outcome, day = make_series(60, seed=3, level_change=-8.0)
    analysis = analyze(outcome, day, AnalysisSpec(likelihood="lognormal"), audited=False)
    found, told = effect_likelihood(analysis), analysis.effects.counterfactual
    # The model's prior is flat on the logarithm over what the days allow: 1 / (mean - amount).
    x = _grid(found)
    x = x[x < analysis.kept.observed_sum / analysis.kept.n_post - 1.0]
    density = found.at(x) / (analysis.kept.observed_sum / analysis.kept.n_post - x)
    mean = float(density @ x / density.sum())
    assert mean == pytest.approx(told.mean, abs=0.03 * told.sd)
    low, high = _quantiles(density, x, (0.025, 0.975))
    assert (low, high) == pytest.approx((told.ci_lower, told.ci_upper), abs=0.08 * told.sd)


@pytest.mark.parametrize(("likelihood", "base"), [("poisson", 4.0), ("binomial", 0.4)])
def test_counts_and_shares_divide_by_the_prior_of_the_log_ratio(likelihood, base):
    outcome = outcome_of(likelihood, n=80, seed=4, base=base, effect=np.log(2.0))
    day = outcome.index[40]
    analysis = analyze(outcome, day, AnalysisSpec(likelihood=likelihood), audited=False)
    found, told = effect_likelihood(analysis), analysis.effects.counterfactual
    # Wide beside the days: a little further out, and never by much.
    assert abs(found.mean - told.mean) < 0.35 * told.sd
    assert abs(found.mean) > abs(told.mean)
    assert found.sd == pytest.approx(told.sd, rel=0.15)


def test_standardised_is_in_sds_of_the_days_off():
    analysis = _analysis()
    own = estimate_of(analysis, "ann")
    standardised = estimate_of(analysis, "ann", standardised=True)
    off = analysis.daily.loc[analysis.daily["phase"] == "pre", "observed"].std()
    assert baseline_sd_of(analysis) == pytest.approx(off)
    assert own.baseline_sd == pytest.approx(off)
    assert standardised.likelihood.sd == pytest.approx(own.likelihood.sd / off)
    assert (standardised.unit, standardised.baseline_sd) == (BASELINE_SD, 1.0)


def test_two_analyses_are_pooled():
    estimates = [estimate_of(_analysis(n), f"p{n}", standardised=True) for n in (16, 40, 150)]
    pooled = pool([*estimates, Estimate.normal("own", 0.4, 0.3, BASELINE_SD)])
    assert pooled.members["sd"].lt(pooled.members["own_sd"]).all()


def test_what_did_not_converge_has_no_likelihood():
    outcome, day = make_series(30)
    spec = AnalysisSpec(likelihood="student_t", draws=20, tune=50, chains=2)
    analysis = analyze(outcome, day, spec)
    assert not analysis.converged
    with pytest.raises(NotConverged):
        estimate_of(analysis, "ann")


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        (np.zeros(500), "must differ"),
        (np.zeros(3), "at least 100 but got 3"),
        (np.full(500, np.nan), "must be finite"),
    ],
)
def test_draws_that_say_nothing_are_refused(draws, says):
    with pytest.raises(ValueError, match=says):
        EffectLikelihood.of_draws(draws)
