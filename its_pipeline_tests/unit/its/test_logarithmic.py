"""Log-normal outcomes: the same analysis as of their logarithms, told in amounts and percent."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, InvalidSeries, analyze
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import design_of, prepared_fit
from its_pipeline.its.headline import headline
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.logarithmic import of_observed
from its_pipeline.its.posterior import SampleMarginal
from its_pipeline.its.sensitivity.estimate import quadrature_estimate


@pytest.fixture(scope="module")
def minutes():
    rng = np.random.default_rng(2)
    days = pd.date_range("2026-01-01", periods=80)
    return pd.Series(
        np.exp(3.0 + 0.4 * rng.standard_normal(80) - 0.4 * (np.arange(80) >= 40)), days
    )


@pytest.fixture(scope="module")
def pair(minutes):
    start = minutes.index[40]
    told = analyze(minutes, start, AnalysisSpec(likelihood="lognormal"), audited=False)
    of_logs = analyze(np.log(minutes), start, AnalysisSpec(), audited=False)
    return told, of_logs


def test_percent_is_that_of_the_logarithms(pair):
    told, of_logs = (each.effects for each in pair)
    assert told.relative.ci_lower == pytest.approx(100 * np.expm1(of_logs.counterfactual.ci_lower))
    assert told.relative.ci_upper == pytest.approx(100 * np.expm1(of_logs.counterfactual.ci_upper))
    assert told.counterfactual.probability_positive == pytest.approx(
        of_logs.counterfactual.probability_positive
    )
    assert told.sustained.unit == "% per week"
    assert told.ratio is None


def test_amounts_follow_from_what_was_observed(pair, minutes):
    told, of_logs = (each.effects for each in pair)
    mean = minutes[40:].mean()
    assert told.counterfactual.ci_lower == pytest.approx(
        -mean * np.expm1(-of_logs.counterfactual.ci_lower)
    )
    daily = pair[0].daily
    assert daily["counterfactual"].to_numpy() == pytest.approx(
        np.exp(pair[1].daily["counterfactual"].to_numpy())
    )
    total = daily["cumulative_effect"].iloc[-1]
    assert daily["effect"].iloc[40:].sum() == pytest.approx(total)
    assert total == pytest.approx(told.cumulative.mean, rel=0.05)


def test_draws_and_replicated_days_are_amounts(pair, minutes):
    told = pair[0]
    drawn = told.draws
    effect = told.effects.counterfactual
    assert drawn["counterfactual_effect"].mean() == pytest.approx(effect.mean, abs=0.1 * effect.sd)
    assert drawn["relative_effect"].mean() == pytest.approx(told.effects.relative.mean, rel=0.05)
    predictive = told.posterior_predictive(50)
    assert predictive.min() > 0.0
    assert np.median(predictive[:, :40]) == pytest.approx(minutes[:40].median(), rel=0.2)
    assert told.expected()[:40].mean() == pytest.approx(
        np.exp(np.log(minutes[:40]).mean()), rel=0.1
    )


def test_the_other_questions_answer_in_amounts_too(pair, minutes):
    told, start = pair[0].effects.counterfactual, minutes.index[40]
    spec = AnalysisSpec(likelihood="lognormal")
    alone = headline(minutes, start, spec)
    assert alone.mean == pytest.approx(told.mean, abs=0.05 * told.sd)
    assert alone.sd == pytest.approx(told.sd, rel=0.05)
    fit, _ = prepared_fit(minutes, start, spec, None, NORMAL)
    without = design_of(fit.series, spec, Covariates(), None)
    forecast = quadrature_estimate(fit.series, without, fit.noise_model)
    assert forecast.mean == pytest.approx(told.mean, abs=told.sd)
    assert abs(forecast.mean) > 1.0  # minutes, not their logarithms


def test_a_value_of_zero_is_refused_with_its_day(minutes):
    broken = minutes.copy()
    broken.iloc[7] = 0.0
    with pytest.raises(InvalidSeries) as caught:
        analyze(broken, broken.index[40], AnalysisSpec(likelihood="lognormal"))
    assert caught.value.code == "not_positive"
    assert "2026-01-08" in str(caught.value)


def test_moments_of_an_amount_are_those_of_its_draws():
    draws = np.random.default_rng(0).normal(0.2, 0.3, 200_000)
    found = of_observed(SampleMarginal(draws), 10.0)
    amounts = -10.0 * np.expm1(-draws)
    assert found.mean == pytest.approx(amounts.mean(), abs=0.02)
    assert found.sd == pytest.approx(amounts.std(), rel=0.02)
    assert found.above(1.0) == pytest.approx((amounts > 1.0).mean())
    assert found.above(10.0) == 0.0
