"""Warnings as data: each comes when it must, with its numbers, and not when it must not."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.noise.ar1 import AR1
from its_pipeline.its.sensitivity.forecast import forecast_estimate
from its_pipeline.its.sensitivity.placebo_dates import placebo_estimates
from its_pipeline.its.series import prepare_series
from its_pipeline.its.warnings import is_warned_of
from its_pipeline_tests.unit.its.series_factory import (
    design_of,
    make_series,
    run,
    white_noise_comparison,
)

SPEC = AnalysisSpec(draws=500, tune=300)


def _warning(analysis, code) -> Any:
    assert analysis.converged
    json.dumps([w.to_dict() for w in analysis.warnings], allow_nan=False)
    return next((w for w in analysis.warnings if w.code == code), None)


def test_a_plain_series_has_no_warnings():
    assert run(*make_series(90, seed=1), SPEC).warnings == ()


def test_short_phase():
    warning = _warning(run(*make_series(26), SPEC), "short_phase")
    assert warning.numbers["n_pre"] == 13
    assert "13 days before" in warning.text


def test_outlier_days_and_heavy_tails():
    outcome, day = make_series(90, seed=1)
    outcome.iloc[[20, 60]] += [130, -110]
    a = run(outcome, day, SPEC)
    outlier = _warning(a, "outlier_days")
    assert outlier.numbers["count"] >= 1
    assert "2024-01-21" in outlier.text
    assert "student_t" in outlier.text
    assert _warning(a, "heavy_tails").numbers["excess_kurtosis"] > 3


def test_the_student_t_likelihood_is_less_moved_by_outliers():
    outcome, day = make_series(90, rho=0.2, seed=1)
    broken = outcome.copy()
    broken.iloc[[50, 57, 71]] += [200, 180, 220]
    clean = run(outcome, day, SPEC).effects.counterfactual.mean
    normal = run(broken, day, SPEC).effects.counterfactual
    robust = run(broken, day, AnalysisSpec(draws=500, tune=300, likelihood="student_t"))
    assert abs(robust.effects.counterfactual.mean - clean) < 0.6 * abs(normal.mean - clean)
    assert robust.effects.counterfactual.sd < normal.sd
    assert robust.draws["nu"].mean() < 8
    assert "heavy_tails" not in [w.code for w in robust.warnings]


def test_estimators_disagree_when_the_pre_trend_turns():
    outcome, day = make_series(120, rho=0.0, sd=1.0, seed=2)
    t = np.arange(120)
    turned = outcome + np.where(t < 60, 0.5 * t, 30 - 0.5 * (t - 60))
    plain = run(turned, day, AnalysisSpec(draws=500, tune=300, slope=False))
    warning = _warning(plain, "estimators_disagree")
    numbers = warning.numbers
    assert numbers["other_ci_upper"] < numbers["mean"]
    assert _warning(run(outcome, day, SPEC), "estimators_disagree") is None


def test_the_quadrature_forecast_is_the_sampled_forecast():
    outcome, day = make_series(70, missing=[3, 34, 40, 41, 42], seed=5)
    spec = AnalysisSpec(draws=4000, estimator="forecast")
    series, design = design_of(outcome, day, spec, study=None)
    estimate = forecast_estimate(series, design, AR1)
    effect = run(outcome, day, spec).effects.counterfactual
    assert estimate.mean == pytest.approx(effect.mean, abs=0.06 * effect.sd)
    assert estimate.sd == pytest.approx(effect.sd, rel=0.06)


def make_swings(n, seed, phi=0.9, level_change=0.0):
    """Half of the variance in slow swings, half in noise that is new every day."""
    swings, day = make_series(n, rho=phi, level_change=level_change, seed=seed, sd=7.0)
    fresh = np.random.default_rng([seed, 1]).standard_normal(n)
    return swings + 7.0 * fresh, day


def test_slow_swings_under_fresh_noise_give_the_wider_interval():
    outcome, day = make_swings(180, seed=3)
    a = run(outcome, day, SPEC)
    warning = _warning(a, "slow_swings")
    numbers = warning.numbers
    ours = a.effects.counterfactual
    assert numbers["log_bayes_factor"] > 2.0
    width = numbers["other_ci_upper"] - numbers["other_ci_lower"]
    assert numbers["widening"] == pytest.approx(width / (ours.ci_upper - ours.ci_lower), rel=0.05)
    assert numbers["widening"] > 1.1
    assert f"instead of {ours.mean:.3g}" in warning.text


def test_an_answer_that_hangs_on_slow_swings_is_contradicted():
    for seed in range(40):
        outcome, day = make_swings(180, seed, level_change=7.0)
        a = run(outcome, day, SPEC)
        warning = _warning(a, "slow_swings_contradict")
        decided = not a.effects.counterfactual.ci_lower <= 0 <= a.effects.counterfactual.ci_upper
        if warning is not None:
            assert decided
            assert warning.numbers["other_ci_lower"] < 0 < warning.numbers["other_ci_upper"]
            assert _warning(a, "slow_swings") is None
            return
    pytest.fail("no series of these hangs on it")


def test_slow_swings_that_cannot_explain_the_effect_do_not_contradict_it():
    a = run(*make_swings(180, seed=3, level_change=60.0), SPEC)
    assert a.effects.counterfactual.ci_lower > 0
    assert _warning(a, "slow_swings").numbers["other_ci_lower"] > 0
    assert _warning(a, "slow_swings_contradict") is None


def test_slow_swings_are_rarely_seen_where_there_are_none_and_mostly_where_they_are():
    def warned(outcome, day):
        return is_warned_of(white_noise_comparison(outcome, day))

    for rho in (0.0, 0.3, 0.6):
        assert sum(warned(*make_series(180, rho=rho, seed=s)) for s in range(60)) <= 5
    assert sum(warned(*make_swings(180, seed=s)) for s in range(60)) >= 40


def test_placebo_effect_when_the_level_moved_before():
    outcome, day = make_series(120, rho=0.0, seed=3)
    outcome.iloc[30:] += 40
    warning = _warning(run(outcome, day, SPEC), "placebo_effect")
    assert warning.numbers["placebo_mean"] > 20
    assert warning.numbers["steps_before"] > 0


def _placebos(outcome, day):
    spec = AnalysisSpec()
    return placebo_estimates(prepare_series(outcome, day, spec), spec, Covariates(), CHANGE, AR1)


def test_placebo_dates_need_fourteen_days_on_either_side():
    dates = {n: [p.step for p in _placebos(*make_series(n))] for n in (54, 56, 120)}
    assert dates[54] == []
    assert dates[56] == [-14]
    assert dates[120] == [-45, -30, -15]


def test_placebos_are_rarely_certain_on_null_series():
    certain = 0
    for seed in range(60):
        placebos = _placebos(*make_series(120, seed=100 + seed))
        found = [placebo.estimate.probability_positive for placebo in placebos]
        certain += any(p > 0.99 or p < 0.01 for p in found)
    assert certain <= 9


def test_time_of_day_shift_gives_the_effect_without_the_shares():
    rng = np.random.default_rng(4)
    outcome, day = make_series(90, rho=0.2, seed=4)
    after = outcome.index >= day
    share = np.clip(0.3 + 0.4 * after + 0.1 * rng.standard_normal(90), 0, 1)
    outcome = outcome + 40 * share
    covariates = pd.DataFrame({"share_morning": share, "temperature": rng.normal(size=90)})
    covariates = covariates.set_index(outcome.index)
    a = run(outcome, day, SPEC, covariates)
    warning = _warning(a, "time_of_day_shift")
    assert warning.numbers["share_morning"] == pytest.approx(0.4, abs=0.1)
    without = warning.numbers["without_shares_mean"]
    bare = run(outcome, day, SPEC, covariates[["temperature"]]).effects.counterfactual
    assert without == pytest.approx(bare.mean, abs=0.1 * bare.sd)
    still = covariates.assign(share_morning=rng.uniform(0.2, 0.5, 90))
    assert _warning(run(outcome, day, SPEC, still), "time_of_day_shift") is None


def test_dropped_covariate():
    outcome, day = make_series(60)
    frame = pd.DataFrame({"flat": 1.0}, index=outcome.index)
    assert "'flat'" in _warning(run(outcome, day, SPEC, frame), "dropped_covariate").text


def test_near_nonstationary():
    rng = np.random.default_rng(6)
    outcome, day = make_series(180)
    outcome[:] = np.cumsum(rng.standard_normal(180))
    warning = _warning(run(outcome, day, SPEC), "near_nonstationary")
    assert warning.numbers["rho"] > 0.9


def test_flat_baseline():
    outcome, day = make_series(60, rho=0.0, seed=7)
    outcome[outcome.index < day] = 70 + np.tile([0.0, 0.001], 15)
    assert _warning(run(outcome, day, SPEC), "flat_baseline") is not None


def test_no_relative_effect_around_zero():
    a = run(*make_series(60, level=0.0), SPEC)
    assert a.effects.relative is None
    assert _warning(a, "no_relative_effect") is not None
