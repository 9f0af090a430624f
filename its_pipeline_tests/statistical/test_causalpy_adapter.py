"""The adapter for CausalPy gives what `analyze` gives; its graph is the density we sample."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, InvalidSeries, NotConverged
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.noise.ar1_packing import WIDTH, pack
from its_pipeline_tests.unit.its.series_factory import make_series, run

SEED = 3
FORMULA = "y ~ 1 + t + step(t, 45) + ramp(t, 45) + C(dow)"


@pytest.fixture(scope="module")
def causalpy():
    return pytest.importorskip("causalpy")


@pytest.fixture(scope="module")
def adapter(causalpy):
    from its_pipeline.its.adapters import causalpy as adapter

    return adapter


@pytest.fixture(scope="module")
def series():
    outcome, day = make_series(90, level_change=8, missing=[4, 9, 10, 30, 66], seed=1)
    days = pd.DatetimeIndex(outcome.index)
    frame = pd.DataFrame(
        {"y": outcome.to_numpy(), "t": (days - days[0]).days.to_numpy(), "dow": days.dayofweek}
    )
    return outcome, day, frame


@pytest.fixture(scope="module")
def piecewise(causalpy, adapter, series):
    model = adapter.SegmentedAR1({"random_seed": SEED})
    return causalpy.PiecewiseITS(series[2], formula=FORMULA, model=model)


def test_piecewise_its_gives_the_draws_of_analyze(series, piecewise):
    outcome, day, frame = series
    a = run(outcome, day, AnalysisSpec(seed=SEED))
    post = np.flatnonzero(frame["t"] >= 45)
    effect = piecewise.effect.isel(obs_ind=post).mean("obs_ind").to_numpy()
    scale = a.effects.counterfactual.sd
    assert effect.mean() == pytest.approx(a.effects.counterfactual.mean, abs=0.03 * scale)
    assert effect.std() == pytest.approx(scale, rel=0.03)
    rho = piecewise.model.idata.posterior["rho"].to_numpy()
    same = np.isclose(rho, a.draws["rho"], atol=1e-5)
    # the same seed walks the same path until rounding flips a transition
    assert same[:, :5].all()


def test_causalpys_own_tables_work(piecewise):
    assert "Post-period" in piecewise.effect_summary().text
    assert 0 < piecewise.score["unit_0_r2"] < 1
    piecewise.print_coefficients()


def test_interrupted_time_series_gives_the_forecast_model(causalpy, adapter, series):
    outcome, day, frame = series
    model = adapter.SegmentedAR1({"random_seed": SEED})
    data = frame.set_index("t", drop=False).rename_axis(None)
    result = causalpy.InterruptedTimeSeries(data, 45, formula="y ~ 1 + t + C(dow)", model=model)
    a = run(outcome, day, AnalysisSpec(seed=SEED, estimator="forecast"))
    for name in ("rho", "sigma"):
        ours = a.draws[name]
        theirs = model.idata.posterior[name].to_numpy().reshape(ours.shape)
        assert theirs.mean() == pytest.approx(ours.mean(), abs=0.1 * ours.std())
    expected = a.daily.loc[a.daily["phase"] == "pre", "fitted"].to_numpy()
    fitted = result.pre_pred.mean(("chain", "draw")).to_numpy().ravel()
    np.testing.assert_allclose(fitted, expected[frame["t"][frame["t"] < 45]], atol=0.5)


def test_graph_is_the_collapsed_density_times_the_conditional_coefficients(adapter, piecewise):
    """Candidates formula: joint over conditional of the coefficients is the same for any theta."""
    x, y = piecewise.design["X"], piecewise.design["y"]
    d = adapter.internal_design(x, y, "t")
    internal = np.ascontiguousarray(x.to_numpy() @ d.rotation)
    outcome = (y.to_numpy()[:, 0] - d.centre) / d.scale
    buffer = pack(Problem(internal, outcome, d.steps, d.prior_sd))
    model = piecewise.model
    joint = model.compile_fn(model.logp(), mode="FAST_COMPILE")
    kernel = compiled.load("its_pipeline.its.noise.ar1_kernel")
    k, width = len(d.prior_sd), int(buffer[WIDTH])
    for seed, (z, s) in enumerate([(0.3, 0.1), (-0.8, -0.5), (1.6, 0.7)]):
        theta = np.random.default_rng(seed).normal(size=k)
        point = {"theta": theta, "unit_rho_logodds__": 2 * z, "unit_sigma_log__": s}
        sums, slopes = np.empty((2, (k + 1) * width))
        kernel.moments(z, s, buffer, sums, slopes)
        matrix = sums.reshape(k + 1, width)
        precision = matrix[:k, :k] + np.diag(1 / d.prior_sd**2)
        off = theta - np.linalg.solve(precision, matrix[:k, k])
        conditional = 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * k * np.log(2 * np.pi)
        conditional -= 0.5 * off @ precision @ off
        # to (z, log sigma) of the standardised outcome: logit = 2 z, y in its own unit
        units = np.log(2) + len(y) * np.log(d.scale)
        collapsed = kernel.log_density(z, s, buffer, np.empty(2))
        point = {name: np.asarray(value, dtype=float) for name, value in point.items()}
        assert joint(point) - conditional + units == pytest.approx(collapsed, rel=1e-9)


def test_clone_keeps_the_settings(adapter):
    clone = adapter.SegmentedAR1({"draws": 300}, time="day")._clone()
    assert (clone.sample_kwargs, clone.time, clone.idata) == ({"draws": 300}, "day", None)


def test_chains_that_fail_the_gate_raise(causalpy, adapter, series):
    model = adapter.SegmentedAR1({"draws": 30, "tune": 60})
    with pytest.raises(NotConverged, match="ESS"):
        causalpy.PiecewiseITS(series[2], formula=FORMULA, model=model)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ 0 + t + step(t, 45)", "needs an intercept"),
        ("y ~ 1 + step(t, 45)", "needs the time column"),
    ],
)
def test_formulas_the_model_cannot_serve_are_refused(causalpy, adapter, series, formula, words):
    with pytest.raises(InvalidSeries, match=words):
        causalpy.PiecewiseITS(series[2], formula=formula, model=adapter.SegmentedAR1())


def test_datetime_formula_counts_days(causalpy, adapter, series):
    outcome, day, frame = series
    dated = frame.assign(date=outcome.index)
    formula = f"y ~ 1 + date + step(date, '{day.date()}') + ramp(date, '{day.date()}')"
    model = adapter.SegmentedAR1({"random_seed": SEED}, time="date")
    causalpy.PiecewiseITS(dated, formula=formula, model=model)
    a = run(outcome, day, AnalysisSpec(seed=SEED, season="none"))
    step = model.idata.posterior["beta"][..., 2].to_numpy()
    assert step.mean() == pytest.approx(a.effects.immediate.mean, abs=0.05 * step.std())
