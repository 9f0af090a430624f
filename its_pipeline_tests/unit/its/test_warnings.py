"""Warnings as data: each comes when it must, with its numbers, and not when it must not."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.sensitivity.placebo_dates import placebo_estimates
from its_pipeline.its.series import prepare_series
from its_pipeline_tests.unit.its.series_factory import make_series, run

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
    robust = run(broken, day, AnalysisSpec(draws=1000, tune=500, likelihood="student_t"))
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


def test_the_forecast_is_what_the_noise_simulates():
    """The forecast's effect by quadrature, and by carrying draws of the noise on day by day."""
    outcome, day = make_series(70, missing=[3, 34, 40, 41, 42], seed=5)
    a = run(outcome, day, AnalysisSpec(estimator="forecast", seed=3))
    draws, series = a.posterior, a.daily["observed"].to_numpy()
    seen = np.flatnonzero(np.isfinite(series[:35]))
    noise = {name: values.reshape(-1) for name, values in draws.noise.items()}
    expected = draws.design @ np.stack([c.reshape(-1) for c in draws.coefficients.values()])
    shocks = np.random.default_rng(0).standard_normal((70 - seen[-1] - 1, expected.shape[1]))
    residuals = series[seen, None] - expected[seen]
    errors = AR1_WHITE.forecast(noise, residuals, seen, shocks)
    effect = (series[35:, None] - expected[35:] - errors[-35:])[np.isfinite(series[35:])]
    simulated = effect.mean(axis=0)
    ours = a.effects.counterfactual
    assert ours.mean == pytest.approx(simulated.mean(), abs=0.06 * ours.sd)
    assert ours.sd == pytest.approx(simulated.std(), rel=0.06)


def test_plain_averages_that_say_the_opposite_are_told():
    """A mood that rose by itself, and would have gone on rising, stays where it was."""
    t = np.arange(120)
    outcome, day = make_series(120, rho=0.0, sd=1.0, seed=2)
    outcome = outcome + np.where(t < 60, 0.5 * t, 30.0)
    a = run(outcome, day, SPEC)
    effect = a.effects.counterfactual
    warning = _warning(a, "opposite_means")
    surest = max(effect.probability_positive, effect.probability_negative)
    assert surest >= 0.9
    assert effect.mean < 0 < warning.numbers["difference"]
    assert _warning(run(*make_series(90, level_change=20, seed=2), SPEC), "opposite_means") is None


def test_an_answer_that_hangs_on_a_straight_trend_is_told():
    for seed in range(60):
        outcome, day = make_series(60, rho=0.3, level_change=9.0, seed=seed)
        a = run(outcome, day, SPEC)
        warning = _warning(a, "hangs_on_trend")
        effect = a.effects.counterfactual
        if warning is not None:
            assert max(effect.probability_positive, effect.probability_negative) >= 0.95
            assert warning.numbers["probability"] >= 0.1
            assert warning.numbers["ci_lower"] < 0 < warning.numbers["ci_upper"]
            return
    pytest.fail("no series of these hangs on it")


def test_a_learning_curve_gives_no_verdict():
    """Twenty days of learning, then level, and a date on which nothing happened."""
    verdicts = []
    for seed in range(10):
        outcome, day = make_series(80, rho=0.3, sd=8.0, seed=seed)
        t = np.arange(80)
        a = run(outcome - 30.0 * np.exp(-t / 8.0), day, SPEC)
        effect = a.effects.counterfactual
        verdicts.append(max(effect.probability_positive, effect.probability_negative) > 0.95)
    assert sum(verdicts) <= 1


def test_placebo_effect_when_the_level_moved_before():
    outcome, day = make_series(120, rho=0.0, seed=3)
    outcome.iloc[30:] += 40
    warning = _warning(run(outcome, day, SPEC), "placebo_effect")
    assert warning.numbers["placebo_mean"] > 20
    assert warning.numbers["steps_before"] > 0


def _placebos(outcome, day):
    spec = AnalysisSpec()
    return placebo_estimates(prepare_series(outcome, day, spec), spec, Covariates(), AR1_WHITE)


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
    shares = frame.rename(columns={"flat": "share_morning"})
    assert _warning(run(outcome, day, SPEC, shares), "dropped_covariate") is None


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


def test_a_change_on_another_date_is_told():
    outcome, day = make_series(120, rho=0.2, seed=5)
    outcome.iloc[35:] += 40
    a = run(outcome, day, SPEC)
    assert sum(each.probability for each in a.change_dates) == pytest.approx(1.0)
    likeliest = max(a.change_dates, key=lambda each: each.probability)
    assert abs(likeliest.step - (35 - 60)) <= 5
    warning = _warning(a, "other_date")
    assert warning.numbers["likeliest_step"] == likeliest.step
    assert f"{likeliest.on:%Y-%m-%d}" in warning.text


def test_a_change_on_its_own_date_is_seen_there():
    outcome, day = make_series(90, rho=0.2, level_change=40, missing=[20, 50], seed=6)
    a = run(outcome, day, SPEC)
    assert _warning(a, "other_date") is None
    near = sum(each.probability for each in a.change_dates if abs(each.step) <= 4)
    assert near > 0.9
    assert [each.step for each in a.change_dates].count(0) == 1
    assert run(*make_series(90, seed=1), SPEC).change_dates == ()
