"""The answer: what it holds, how it is saved, that nothing leaks from one not converged."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import Analysis, AnalysisSpec, NotConverged, analyze, engine
from its_pipeline.its.analysis import DAILY_COLUMNS
from its_pipeline_tests.unit.its.series_factory import make_series

SPEC = AnalysisSpec(draws=500, tune=300, seed=7, unit="points", minimum_effect=1.0)
EFFECT_WORDS = ("effect", "counterfactual", "fitted", "level_change", "slope_change", "benefit")


@pytest.fixture(scope="module")
def analysis():
    outcome, day = make_series(90, level_change=15, missing=[4, 9, 10, 30, 66], seed=1)
    return analyze(outcome, day, SPEC)


@pytest.fixture(scope="module")
def failed():
    """An analysis of too few draws: it cannot reach an ESS of 400, escalated or not."""
    outcome, day = make_series(90, level_change=15, seed=1)
    shares = pd.DataFrame({"share_morning": np.where(outcome.index < day, 0.2, 0.8)})
    shares = shares.set_index(outcome.index) + np.random.default_rng(0).normal(0, 0.05, (90, 1))
    return analyze(outcome, day, AnalysisSpec(draws=60, tune=100), shares)


def test_estimands_fit_together(analysis):
    effects, draws = analysis.effects, analysis.draws
    assert effects.immediate.mean == pytest.approx(draws["level_change"].mean())
    assert effects.cumulative.mean == pytest.approx(effects.counterfactual.mean * analysis.n_post)
    post_steps = np.flatnonzero(np.isfinite(analysis.daily["observed"].to_numpy()[45:]))
    expected = draws["level_change"] + draws["slope_change"] * post_steps.mean() / 7
    np.testing.assert_allclose(draws["counterfactual_effect"], expected, rtol=1e-9)
    for effect in (effects.immediate, effects.sustained, effects.counterfactual):
        assert effect.ci_lower < effect.mean < effect.ci_upper
        assert effect.probability_positive + effect.probability_negative == pytest.approx(1)
    assert analysis.probability_of_benefit == pytest.approx(
        np.mean(draws["counterfactual_effect"] > 1.0)
    )
    assert effects.sustained.unit == "points per week"


def test_daily_table_has_every_calendar_day(analysis):
    daily = analysis.daily
    assert tuple(daily.columns) == DAILY_COLUMNS
    assert len(daily) == 90
    assert daily["observed"].isna().sum() == 5
    post = daily["phase"] == "post"
    assert daily.loc[post, "effect"].notna().all()
    assert daily.loc[~post, "effect"].isna().all()
    last = daily.iloc[-1]
    assert last["cumulative_effect"] == pytest.approx(analysis.effects.cumulative.mean)
    assert last["cumulative_lower"] == pytest.approx(analysis.effects.cumulative.ci_lower)
    bounds = daily[["counterfactual_lower", "counterfactual_lower_50", "counterfactual"]]
    assert (bounds.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)


def test_missing_day_adds_nothing_to_the_cumulative_effect(analysis):
    cumulative = analysis.daily["cumulative_effect"]
    assert cumulative[66] == cumulative[65]


def test_washout_days_are_neither_fitted_nor_counted():
    outcome, day = make_series(90, level_change=15, seed=1)
    outcome.loc[day : day + pd.Timedelta(days=4)] = 1e4
    a = analyze(outcome, day, AnalysisSpec(draws=500, washout_days=5))
    assert a.effects is not None
    assert abs(a.effects.counterfactual.mean) < 60
    assert (a.n_post, a.fit_start_on) == (40, (day + pd.Timedelta(days=5)).date())
    washout = a.daily[a.daily["phase"] == "washout"]
    assert len(washout) == 5
    assert washout[["fitted", "effect", "cumulative_effect"]].isna().all(axis=None)
    assert washout["counterfactual"].notna().all()


def test_absent_and_nan_days_are_the_same(analysis):
    outcome, day = make_series(90, level_change=15, seed=1)
    outcome.iloc[[4, 9, 10, 30, 66]] = np.nan
    assert analyze(outcome, day, SPEC).effects == analysis.effects


def test_idata_holds_the_draws(analysis):
    idata = analysis.idata
    np.testing.assert_array_equal(idata.posterior["rho"].to_numpy(), analysis.draws["rho"])
    assert idata.posterior.sizes["chain"] == 4


def test_posterior_predictive_looks_like_the_data(analysis):
    replicated = analysis.posterior_predictive(400, seed=1)
    assert replicated.shape == (400, 90)
    np.testing.assert_array_equal(replicated, analysis.posterior_predictive(400, seed=1))
    observed = analysis.daily["observed"]
    below = (replicated < observed.to_numpy()).mean(axis=0)[observed.notna().to_numpy()]
    assert np.mean((below > 0.025) & (below < 0.975)) > 0.85


def test_save_and_load_round_trip(analysis, tmp_path):
    loaded = Analysis.load(analysis.save(tmp_path / "a"))
    assert loaded.effects == analysis.effects
    assert loaded.to_dict() == analysis.to_dict()
    pd.testing.assert_frame_equal(loaded.daily, analysis.daily)
    for name, draws in analysis.draws.items():
        np.testing.assert_allclose(loaded.draws[name], draws, rtol=1e-6)
    np.testing.assert_allclose(
        loaded.posterior_predictive(5, 3), analysis.posterior_predictive(5, 3), rtol=1e-4
    )
    assert not [p for p in (tmp_path / "a").iterdir() if p.suffix == ".part"]


def test_pickle_round_trip(analysis):
    assert pickle.loads(pickle.dumps(analysis)).effects == analysis.effects


def test_an_analysis_that_did_not_converge_says_why(failed):
    assert failed.converged is False
    assert failed.diagnostics.escalated is True
    assert any("ESS" in failure for failure in failed.diagnostics.failures)


@pytest.mark.parametrize("access", ["draws", "idata"])
def test_draws_of_a_failed_analysis_raise(failed, access):
    with pytest.raises(NotConverged, match="ESS"):
        getattr(failed, access)


def test_posterior_predictive_of_a_failed_analysis_raises(failed):
    with pytest.raises(NotConverged):
        failed.posterior_predictive(2)


def _arrays(value, path="analysis"):
    """Yield every array and number reachable from a value, with its path."""
    if isinstance(value, pd.DataFrame):
        for name in value.columns:
            yield f"{path}[{name}]", value[name].to_numpy()
    elif isinstance(value, dict) or hasattr(value, "items"):
        for name, inner in value.items():
            yield from _arrays(inner, f"{path}[{name}]")
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _arrays(inner, f"{path}[{i}]")
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _arrays(getattr(value, name), f"{path}.{name}")
    elif value is not None:
        yield path, value


def _public_values(analysis):
    for name in dir(analysis):
        if name.startswith("__"):
            continue
        try:
            value = getattr(analysis, name)
        except NotConverged:
            continue
        if not callable(value):
            yield from _arrays(value, name)


def test_no_effect_is_reachable_from_a_failed_analysis(failed, tmp_path):
    reached = dict(_public_values(failed))
    allowed = ("diagnostics.", "spec.", "timing[")
    for path in reached:
        if not path.startswith(allowed):
            assert not any(word in path for word in EFFECT_WORDS), path
    assert {w.code for w in failed.warnings} <= {
        "short_phase",
        "dropped_covariate",
        "flat_baseline",
    }
    assert set(failed.sampler_trace) == {"rho", "sigma"}
    assert failed.effects is None
    assert failed.probability_of_benefit is None
    # nothing of the size of an effect hides in a private place either
    clone = pickle.loads(pickle.dumps(failed))
    for twin in (clone, copy.deepcopy(failed)):
        assert twin.effects is None
        assert twin.posterior is None
        assert list(twin.daily.columns) == ["day", "phase", "observed"]
    written = json.loads(json.dumps(failed.to_dict(), allow_nan=False))
    assert written["effects"] is None
    assert written["probability_of_benefit"] is None
    folder = failed.save(tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == [
        "analysis.json",
        "daily.parquet",
        "trace.npz",
    ]
    loaded = Analysis.load(folder)
    assert loaded.effects is None
    with pytest.raises(NotConverged):
        _ = loaded.draws


def test_the_trace_of_a_converged_analysis_is_kept_once(analysis, tmp_path):
    folder = analysis.save(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "analysis.json",
        "daily.parquet",
        "posterior.npz",
    ]
    loaded = Analysis.load(folder)
    assert set(loaded.trace) == set(analysis.trace)
    for name, values in analysis.trace.items():
        np.testing.assert_allclose(loaded.trace[name], values, rtol=1e-6)


def test_a_failed_analysis_replaces_a_good_one_on_disk(analysis, failed, tmp_path):
    analysis.save(tmp_path)
    failed.save(tmp_path)
    assert not (tmp_path / "posterior.npz").exists()
    assert Analysis.load(tmp_path).effects is None


def test_an_analysis_cannot_be_built_with_effects_but_without_convergence(analysis, failed):
    with pytest.raises(ValueError, match="must be built without effects"):
        Analysis(**{**vars(failed), "effects": analysis.effects})
    with pytest.raises(ValueError, match="must be built without effects"):
        Analysis(**{**vars(failed), "daily": analysis.daily})


def test_escalation_is_once_and_can_rescue(monkeypatch):
    calls = []
    real = engine.sample_posterior

    def short_first(series, design, rows, spec, **options):
        calls.append(options)
        if len(calls) == 1:
            spec = AnalysisSpec(draws=20, tune=50, seed=spec.seed)
        return real(series, design, rows, spec, **options)

    monkeypatch.setattr(engine, "sample_posterior", short_first)
    outcome, day = make_series(60)
    a = engine.analyze(outcome, day)
    assert len(calls) == 2
    assert calls[1]["target_accept"] == engine.ESCALATION_TARGET_ACCEPT
    assert a.converged
    assert a.diagnostics.escalated
