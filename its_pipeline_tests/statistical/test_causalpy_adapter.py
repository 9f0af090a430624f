"""The adapter for CausalPy gives what `analyze` gives; its graph is the model we integrate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, InvalidSeries, NotConverged, priors
from its_pipeline.its.designs.yearly import yearly_columns
from its_pipeline.its.inference.diagnostics import GATE
from its_pipeline_tests.statistical import oracle
from its_pipeline_tests.unit.its.series_factory import make_series, run

SEED = 3
YEAR = ["year_sin_1", "year_cos_1"]
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
        {
            "y": outcome.to_numpy(),
            "t": (days - days[0]).days.to_numpy(),
            "dow": days.dayofweek,
            **yearly_columns(days),
        }
    )
    return outcome, day, frame


@pytest.fixture(scope="module")
def piecewise(causalpy, adapter, series):
    model = adapter.SegmentedAR1White({"random_seed": SEED})
    return causalpy.PiecewiseITS(series[2], formula=FORMULA, model=model)


def test_piecewise_its_gives_the_draws_of_analyze(series, piecewise):
    outcome, day, frame = series
    a = run(outcome, day, AnalysisSpec(seed=SEED))
    post = np.flatnonzero(frame["t"] >= 45)
    effect = piecewise.effect.isel(obs_ind=post).mean("obs_ind").to_numpy()
    scale = a.effects.counterfactual.sd
    assert effect.mean() == pytest.approx(a.effects.counterfactual.mean, abs=0.03 * scale)
    assert effect.std() == pytest.approx(scale, rel=0.03)
    phi = piecewise.model.idata.posterior["phi"].to_numpy()
    assert phi.mean() == pytest.approx(a.draws["phi"].mean(), abs=0.05 * phi.std())


def test_causalpys_own_tables_work(piecewise):
    assert "Post-period" in piecewise.effect_summary().text
    assert 0 < piecewise.score["unit_0_r2"] < 1
    piecewise.print_coefficients()


def test_interrupted_time_series_gives_the_forecast_model(causalpy, adapter, series):
    outcome, day, frame = series
    model = adapter.SegmentedAR1White({"random_seed": SEED})
    data = frame.set_index("t", drop=False).rename_axis(None)
    result = causalpy.InterruptedTimeSeries(data, 45, formula="y ~ 1 + t + C(dow)", model=model)
    a = run(outcome, day, AnalysisSpec(seed=SEED, estimator="forecast"))
    for name in ("phi", "share_new", "sigma"):
        ours = a.draws[name]
        theirs = model.idata.posterior[name].to_numpy().reshape(ours.shape)
        assert theirs.mean() == pytest.approx(ours.mean(), abs=0.1 * ours.std())
    expected = a.expected()[:45]
    fitted = result.pre_pred.mean(("chain", "draw")).to_numpy().ravel()
    np.testing.assert_allclose(fitted, expected[frame["t"][frame["t"] < 45]], atol=0.5)


@pytest.fixture(scope="module")
def with_a_year(causalpy, adapter, series):
    model = adapter.SegmentedAR1White({"random_seed": SEED})
    formula = f"{FORMULA} + {' + '.join(YEAR)}"
    return causalpy.PiecewiseITS(series[2], formula=formula, model=model)


@pytest.mark.parametrize("fitted", ["piecewise", "with_a_year"])
def test_graph_is_the_model_with_its_coefficients_integrated_out(adapter, fitted, request):
    """Candidate's formula (Besag 1989): joint over conditional is the same for any coefficients."""
    piecewise = request.getfixturevalue(fitted)
    x, y = piecewise.design["X"], piecewise.design["y"]
    d = adapter.internal_design(x, y, "t")
    internal = x.to_numpy() @ d.rotation
    outcome = (y.to_numpy()[:, 0] - d.centre) / d.scale
    model = piecewise.model
    joint = model.compile_fn(model.logp(jacobian=False), mode="FAST_COMPILE")
    shared = d.prior.is_shared
    groups = [[c] for c in np.flatnonzero(~shared)]
    if fitted == "with_a_year":
        groups = [*groups[: -len(YEAR)], [group[0] for group in groups[-len(YEAR) :]]]
    low, high = np.log(priors.TAU_SHORTEST), np.log(priors.TAU_LONGEST)
    for seed, (tau, share, sd) in enumerate([(3.0, 0.4, 1.1), (60.0, 0.8, 0.6), (0.8, 0.1, 2.0)]):
        theta = np.random.default_rng(seed).normal(size=len(shared))
        at = (np.log(tau) - low) / (high - low)
        point = {
            "theta": theta[shared],
            **{f"theta_{group[0]}": theta[group] for group in groups},
            "log_tau_interval__": np.log(at / (1 - at)),
            "share_new_interval__": np.log(share / (1 - share)),
            "unit_sigma_log__": np.log(sd),
        }
        noise = sd**2 * oracle.correlation(d.steps, np.exp(-1 / tau), share)
        inverse = np.linalg.inv(noise)
        logs, conditionals = [], []
        for prior_sd, weight in zip(d.prior.sd, d.prior.weights, strict=True):
            one = oracle.log_marginal(internal, prior_sd[None], [weight], outcome, noise)
            precision = internal.T @ inverse @ internal + np.diag(prior_sd**-2.0)
            off = theta - np.linalg.solve(precision, internal.T @ inverse @ outcome)
            conditional = 0.5 * np.linalg.slogdet(precision / (2 * np.pi))[1]
            logs.append(one)
            conditionals.append(one + conditional - 0.5 * off @ precision @ off)
        marginal = np.logaddexp.reduce(logs)
        conditional = np.logaddexp.reduce(conditionals) - marginal
        expected = marginal + oracle.log_prior(tau, share, sd) - np.log(sd)
        expected -= len(outcome) * np.log(d.scale)
        point = {name: np.asarray(value, dtype=float) for name, value in point.items()}
        assert joint(point) - conditional == pytest.approx(expected, rel=1e-9)


def test_clone_keeps_the_settings(adapter):
    clone = adapter.SegmentedAR1White({"draws": 300}, time="day")._clone()
    assert (clone.sample_kwargs, clone.time, clone.idata) == ({"draws": 300}, "day", None)


def test_what_fails_the_gate_raises(causalpy, adapter, series, monkeypatch):
    gate = [replace(c, threshold=1e9) if c.figure == "min_ess_bulk" else c for c in GATE]
    monkeypatch.setattr("its_pipeline.its.inference.diagnostics.GATE", tuple(gate))
    monkeypatch.setattr("its_pipeline.its.inference.audit.ESCALATION_FACTOR", 1)
    model = adapter.SegmentedAR1White()
    with pytest.raises(NotConverged, match="ESS"):
        causalpy.PiecewiseITS(series[2], formula=FORMULA, model=model)


def test_pymcs_own_sampler_says_the_same(causalpy, adapter):
    """The independent witness: PyMC's graph, PyMC's sampler, none of our kernels."""
    outcome, _ = make_series(30, level_change=20, seed=2)
    frame = pd.DataFrame({"y": outcome.to_numpy(), "t": np.arange(30)})
    options = {"draws": 300, "tune": 400, "chains": 2, "random_seed": 1, "progressbar": False}
    effects = []
    for sampler in ("pymc", "quadrature"):
        kwargs = options if sampler == "pymc" else {}
        model = adapter.SegmentedAR1White(kwargs, sampler=sampler)
        formula = "y ~ 1 + t + step(t, 15) + ramp(t, 15)"
        result = causalpy.PiecewiseITS(frame, formula=formula, model=model)
        effects.append(result.effect.isel(obs_ind=slice(15, 30)).mean("obs_ind").to_numpy())
    theirs, ours = effects
    assert theirs.mean() == pytest.approx(ours.mean(), abs=0.25 * ours.std())
    assert theirs.std() == pytest.approx(ours.std(), rel=0.2)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ 0 + t + step(t, 45)", "needs an intercept"),
        ("y ~ 1 + step(t, 45)", "needs the time column"),
    ],
)
def test_formulas_the_model_cannot_serve_are_refused(causalpy, adapter, series, formula, words):
    with pytest.raises(InvalidSeries, match=words):
        causalpy.PiecewiseITS(series[2], formula=formula, model=adapter.SegmentedAR1White())


def test_datetime_formula_counts_days(causalpy, adapter, series):
    outcome, day, frame = series
    dated = frame.assign(date=outcome.index)
    formula = f"y ~ 1 + date + step(date, '{day.date()}') + ramp(date, '{day.date()}')"
    model = adapter.SegmentedAR1White({"random_seed": SEED}, time="date")
    causalpy.PiecewiseITS(dated, formula=formula, model=model)
    a = run(outcome, day, AnalysisSpec(seed=SEED, season="none"))
    step = model.idata.posterior["beta"][..., 2].to_numpy()
    assert step.mean() == pytest.approx(a.effects.immediate.mean, abs=0.05 * step.std())
