"""Comparison series: the effect with and without them, and whether they changed themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, InvalidSeries
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.headline import headline
from its_pipeline.schedules.schedule import Schedule
from its_pipeline_tests.unit.its.series_factory import design_of, make_series, run

SPEC = AnalysisSpec(draws=500, tune=300)
EFFECT = 6.0


def _with_weather(seed: int, *, moved: float = 0.0) -> Any:
    """Return outcome, day and weather: sd 10 of the outcome's 11.7 are the weather's doing."""
    outcome, day = make_series(90, sd=6.0, level_change=EFFECT, seed=seed)
    weather, _ = make_series(90, rho=0.6, sd=5.0, level=15.0, level_change=moved, seed=1000 + seed)
    return outcome + 2.0 * (weather - 15.0), day, weather.rename("weather").to_frame()


def _codes(analysis: Any) -> list[str]:
    return [warning.code for warning in analysis.warnings]


def test_what_explains_much_narrows_the_interval_and_keeps_the_truth():
    held, ratios = 0, []
    for seed in range(20):
        outcome, day, weather = _with_weather(seed)
        plain, adjusted = (headline(outcome, day, SPEC, c) for c in (None, weather))
        held += adjusted.quantile(0.025) < EFFECT < adjusted.quantile(0.975)
        ratios.append(adjusted.sd / plain.sd)
    assert held >= 17
    assert np.mean(ratios) < 0.7


def test_an_answer_tells_the_effect_without_and_each_ones_own_change(tmp_path):
    outcome, day, weather = _with_weather(3)
    rng = np.random.default_rng(0)
    covariates = weather.assign(share_morning=rng.uniform(0.2, 0.5, 90))
    answer = run(outcome, day, replace(SPEC, unit="points"), covariates)
    found = answer.comparisons
    assert [each.name for each in found.series] == ["weather"]
    bare = headline(outcome, day, SPEC, covariates[["share_morning"]])
    assert found.without.mean == pytest.approx(bare.mean, abs=0.02 * bare.sd)
    assert found.without.sd == pytest.approx(bare.sd, rel=0.02)
    assert found.without.unit == "points"
    assert answer.effects.counterfactual.sd < 0.8 * found.without.sd
    own = headline(weather["weather"], day, SPEC)
    change = found.series[0].change
    assert change.mean == pytest.approx(own.mean, abs=0.02 * own.sd)
    assert change.sd == pytest.approx(own.sd, rel=0.02)
    assert change.unit == ""
    assert Analysis.load(answer.save(tmp_path)).comparisons == found
    assert "comparison_changed" not in _codes(answer)


def test_one_that_changed_itself_is_warned_of_with_the_effect_without_it():
    outcome, day, weather = _with_weather(3, moved=10.0)
    answer = run(outcome, day, SPEC, weather)
    warning = next(w for w in answer.warnings if w.code == "comparison_changed")
    assert warning.numbers["change_ci_lower"] < 10.0 < warning.numbers["change_ci_upper"]
    assert warning.numbers["change_probability_positive"] > 0.95
    assert warning.numbers["without_mean"] == answer.comparisons.without.mean
    assert "'weather'" in warning.text


def test_a_fall_is_a_change_as_well():
    outcome, day, weather = _with_weather(3, moved=-10.0)
    assert "comparison_changed" in _codes(run(outcome, day, SPEC, weather))


def test_few_of_those_that_did_not_change_are_warned_of():
    certain = 0
    for seed in range(60):
        weather = _with_weather(seed)[2]["weather"]
        rises = headline(weather, weather.index[45], SPEC).above(0.0)
        certain += max(rises, 1.0 - rises) > 0.95
    assert certain <= 12


def test_without_comparison_series_nothing_is_told_of_them():
    outcome, day = make_series(60)
    shares = pd.DataFrame({"share_morning": np.linspace(0.2, 0.4, 60)}, outcome.index)
    flat = pd.DataFrame({"flat": 1.0}, outcome.index)
    for covariates in (None, shares, flat):
        answer = run(outcome, day, SPEC, covariates)
        assert answer.comparisons is None
        assert answer.to_dict()["comparisons"] is None


def test_days_on_and_off_and_missing_days_have_their_comparison():
    outcome, _, weather = _with_weather(5)
    days = outcome.index
    on = Schedule.periods([(days[20].date(), days[39].date()), (days[60].date(), days[79].date())])
    gaps = outcome.drop(days[[4, 50]])
    answer = run(gaps, on, SPEC, weather)
    own = headline(weather["weather"].drop(days[[4, 50]]), on, SPEC)
    change = answer.comparisons.series[0].change
    assert change.mean == pytest.approx(own.mean, abs=0.02 * own.sd)


def test_a_forecast_tells_the_same_of_its_own_question():
    outcome, day, weather = _with_weather(3)
    spec = replace(SPEC, estimator="forecast")
    answer = run(outcome, day, spec, weather)
    bare = headline(outcome, day, spec)
    assert answer.comparisons.without.mean == pytest.approx(bare.mean, abs=0.02 * bare.sd)


def test_a_day_that_a_forecast_foretells_needs_its_covariates():
    outcome, day, weather = _with_weather(3)
    weather.iloc[70] = np.nan
    with pytest.raises(InvalidSeries, match="'weather' is missing"):
        run(outcome, day, replace(SPEC, estimator="forecast"), weather)


def test_a_covariate_cannot_have_the_name_of_a_column():
    outcome, day, weather = _with_weather(3)
    with pytest.raises(InvalidSeries, match="'trend', as a column of the model is"):
        design_of(outcome, day, None, weather.rename(columns={"weather": "trend"}))
