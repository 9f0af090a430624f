"""The answer: what it holds, how it is saved, that nothing leaks from one not converged."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import Analysis, AnalysisSpec, NotConverged, analyze, sampled
from its_pipeline.its.storage import DAILY_COLUMNS
from its_pipeline_tests.unit.its.series_factory import make_series

SPEC = AnalysisSpec(draws=500, tune=300, seed=7, unit="points", minimum_effect=1.0)
EFFECT_WORDS = ("effect", "counterfactual", "fitted", "level_change", "slope_change", "benefit")


@pytest.fixture(scope="module")
def analysis():
    outcome, day = make_series(90, level_change=15, missing=[4, 9, 10, 30, 66], seed=1)
    return analyze(outcome, day, SPEC)


@pytest.fixture(scope="module")
def robust():
    outcome, day = make_series(90, level_change=15, missing=[4, 9, 10, 30, 66], seed=1)
    return analyze(outcome, day, AnalysisSpec(likelihood="student_t", draws=1000, seed=7))


@pytest.fixture(scope="module")
def failed():
    """An analysis of too few draws: it cannot reach an ESS of 400, escalated or not."""
    outcome, day = make_series(90, level_change=15, seed=1)
    shares = pd.DataFrame({"share_morning": np.where(outcome.index < day, 0.2, 0.8)})
    shares = shares.set_index(outcome.index) + np.random.default_rng(0).normal(0, 0.05, (90, 1))
    spec = AnalysisSpec(likelihood="student_t", draws=60, tune=100)
    return analyze(outcome, day, spec, shares)


def test_estimands_fit_together(analysis):
    effects, draws = analysis.effects, analysis.draws
    # Draws are made of the same nodes: what they differ by is their own Monte Carlo error.
    error = 4 * effects.immediate.sd / np.sqrt(draws["level_change"].size)
    assert effects.immediate.mean == pytest.approx(draws["level_change"].mean(), abs=error)
    assert effects.immediate.sd == pytest.approx(draws["level_change"].std(), rel=0.08)
    assert effects.cumulative.mean == pytest.approx(effects.counterfactual.mean * analysis.n_post)
    post_steps = np.flatnonzero(np.isfinite(analysis.daily["observed"].to_numpy()[45:]))
    expected = draws["level_change"] + draws["slope_change"] * post_steps.mean() / 7
    np.testing.assert_allclose(draws["counterfactual_effect"], expected, rtol=1e-9)
    for effect in (effects.immediate, effects.sustained, effects.counterfactual):
        assert effect.ci_lower < effect.mean < effect.ci_upper
        assert effect.probability_positive + effect.probability_negative == pytest.approx(1)
    assert analysis.probability_of_benefit == pytest.approx(
        np.mean(draws["counterfactual_effect"] > 1.0), abs=0.03
    )
    observed = analysis.daily["observed"].to_numpy()[45:]
    base = np.nansum(observed) - effects.cumulative.mean
    assert effects.relative.mean == pytest.approx(100 * effects.cumulative.mean / base)
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
    # The bands are computed of fewer nodes than the effects.
    slack = 0.03 * analysis.effects.cumulative.sd
    lower = analysis.effects.cumulative.ci_lower
    assert last["cumulative_lower"] == pytest.approx(lower, abs=slack)
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
    np.testing.assert_array_equal(idata.posterior["phi"].to_numpy(), analysis.draws["phi"])
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


def test_the_auditor_moves_no_number(analysis):
    outcome, day = make_series(90, level_change=15, missing=[4, 9, 10, 30, 66], seed=1)
    alone = analyze(outcome, day, SPEC, audited=False)
    assert alone.effects == analysis.effects
    pd.testing.assert_frame_equal(alone.daily, analysis.daily)
    assert alone.converged
    assert not alone.diagnostics.is_sampled
    assert not alone.sampler_trace
    assert set(analysis.sampler_trace) == {"phi", "share_new", "sigma"}


def test_a_quadrature_that_misses_its_gate_is_audited_all_the_same(monkeypatch):
    monkeypatch.setattr("its_pipeline.its.exact.QUADRATURE_ERROR_MAX", 1e-12)
    monkeypatch.setattr("its_pipeline.its.inference.quadrature._MOST_LOOKS", 1)
    monkeypatch.setattr("its_pipeline.its.inference.quadrature._FINE", (3, 3))
    a = analyze(*make_series(60, seed=1), audited=False)
    assert a.diagnostics.is_sampled
    assert a.converged is False
    assert any("quadrature" in failure for failure in a.diagnostics.failures)


def test_both_ways_of_computing_have_the_same_shape(analysis, robust):
    assert robust.converged
    assert not robust.diagnostics.by_quadrature
    assert set(robust.draws) - {"nu"} == set(analysis.draws)
    assert robust.daily.shape == analysis.daily.shape
    last = robust.daily.iloc[-1]
    assert last["cumulative_effect"] == pytest.approx(robust.effects.cumulative.mean)
    assert last["cumulative_lower"] == pytest.approx(robust.effects.cumulative.ci_lower)
    assert robust.effects.counterfactual.mean == pytest.approx(
        analysis.effects.counterfactual.mean, abs=0.5 * analysis.effects.counterfactual.sd
    )


def test_the_counterfactual_follows_the_persons_drift():
    """A person whose level wanders is expected where they were, not on a straight line."""
    outcome, day = make_series(120, rho=0.0, sd=2.0, seed=4)
    swing = 20 * np.sin(np.arange(120) / 9.0)
    a = analyze(outcome + swing, day, SPEC)
    before = a.daily["phase"] == "pre"
    expected = a.daily.loc[before, "counterfactual"].to_numpy()
    assert np.corrcoef(expected, swing[before.to_numpy()])[0, 1] > 0.9
    width = (a.daily["counterfactual_upper"] - a.daily["counterfactual_lower"]).to_numpy()
    assert width[-1] > 1.5 * width[30]


def test_what_if_weighs_up_to_the_answer(analysis):
    found = {each.name: each for each in analysis.what_if}
    assert set(found) == {"no_trend", "trend", "no_slope_change", "slope_change"}
    for pair in (("no_trend", "trend"), ("no_slope_change", "slope_change")):
        one, other = (found[name] for name in pair)
        assert one.probability + other.probability == pytest.approx(1.0)
        whole = one.probability * one.mean + other.probability * other.mean
        assert whole == pytest.approx(analysis.effects.counterfactual.mean)


def test_an_analysis_of_the_first_version_still_opens(tmp_path, robust):
    """Before there was noise that is new every day, draws had a "rho", and all was sampled."""
    folder = robust.save(tmp_path)
    told = json.loads((folder / "analysis.json").read_text())
    for name in ("quadrature_error", "edge_mass", "audit_difference"):
        del told["diagnostics"][name]
    for name in ("coefficients", "what_if"):
        del told[name]
    told["spec"].pop("noise", None)
    (folder / "analysis.json").write_text(json.dumps(told))
    with np.load(folder / "posterior.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["noise/rho"] = arrays.pop("noise/phi")
    del arrays["noise/share_new"]
    np.savez(folder / "posterior.npz", **arrays)
    loaded = Analysis.load(folder)
    assert loaded.effects == robust.effects
    assert loaded.converged
    assert loaded.posterior_predictive(3).shape == (3, 90)
    np.testing.assert_array_equal(loaded.draws["share_new"], 0.0)
    assert loaded.correlation_of_neighbours.mean() == pytest.approx(arrays["noise/rho"].mean())


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
    assert set(failed.sampler_trace) == {"phi", "share_new", "sigma", "nu"}
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


@pytest.mark.parametrize(
    ("which", "arrays"), [("analysis", ["grid.npz", "trace.npz"]), ("robust", ["posterior.npz"])]
)
def test_the_trace_of_a_converged_analysis_is_kept_once(which, arrays, tmp_path, request):
    kept = request.getfixturevalue(which)
    folder = kept.save(tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["analysis.json", "daily.parquet", *arrays])
    loaded = Analysis.load(folder)
    assert set(loaded.trace) == set(kept.trace)
    for name, values in kept.trace.items():
        np.testing.assert_allclose(loaded.trace[name], values, rtol=1e-6)


def test_a_failed_analysis_replaces_a_good_one_on_disk(analysis, robust, failed, tmp_path):
    for good in (analysis, robust):
        good.save(tmp_path)
    failed.save(tmp_path)
    assert not (tmp_path / "posterior.npz").exists()
    assert not (tmp_path / "grid.npz").exists()
    assert Analysis.load(tmp_path).effects is None


def test_an_analysis_cannot_be_built_with_effects_but_without_convergence(analysis, failed):
    with pytest.raises(ValueError, match="must be built without effects"):
        Analysis(**{**vars(failed), "effects": analysis.effects})
    with pytest.raises(ValueError, match="must be built without effects"):
        Analysis(**{**vars(failed), "daily": analysis.daily})


def test_escalation_is_once_and_can_rescue(monkeypatch):
    calls = []
    real = sampled._attempt

    def short_first(fit, likelihood, settings, *options, escalated):
        calls.append(settings)
        if len(calls) == 1:
            settings = replace(settings, draws=20, tune=50)
        return real(fit, likelihood, settings, *options, escalated=escalated)

    monkeypatch.setattr(sampled, "_attempt", short_first)
    a = analyze(*make_series(60), AnalysisSpec(likelihood="student_t"))
    assert len(calls) == 2
    assert calls[1].target_accept == sampled.ESCALATION_TARGET_ACCEPT
    assert a.converged
    assert a.diagnostics.escalated
