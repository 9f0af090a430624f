"""The posterior against an exact one, written independently in `oracle`."""

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.diagnostics import ess_bulk
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.noise.ar1_packing import pack
from its_pipeline_tests.statistical import oracle
from its_pipeline_tests.unit.its.series_factory import make_series, run, segmented_estimate

KERNEL = "its_pipeline.its.noise.ar1_kernel"

CASES = {
    "plain": {"n": 60, "level_change": 10, "seed": 1},
    "missing": {"n": 70, "missing": [3, 4, 5, 20, 33, 40, 41, 60], "seed": 2},
    "short": {"n": 22, "missing": [5, 15], "seed": 3},
    "negative": {"n": 60, "rho": -0.6, "seed": 4},
    "drifting": {"n": 60, "rho": 0.8, "seed": 5},
}


@pytest.mark.parametrize("case", CASES)
def test_posterior_agrees_with_the_exact_one(case):
    outcome, day = make_series(**CASES[case])
    a = run(outcome, day, AnalysisSpec(draws=2500, seed=11))
    x, sds, y, scale, t = oracle.design(outcome, day, slope=a.has_slope)
    post = t >= 0
    effect = np.zeros(x.shape[1])
    effect[2:4] = x[post, 2:4].mean(axis=0)
    if not a.has_slope:
        effect[3] = 0.0
    contrasts = np.vstack([np.eye(x.shape[1])[2], effect])
    exact = oracle.posterior(x, sds, y, t, contrasts)
    assert exact["edge"] < 2e-3
    names = ["level_change", "counterfactual_effect", "rho", "sigma"]
    for i, name in enumerate(names):
        draws = a.draws[name]
        if name == "sigma":
            draws = np.log(draws / scale)
        elif name != "rho":
            draws = draws / scale
        error = draws.std() / np.sqrt(ess_bulk(draws[None])[0])
        assert abs(draws.mean() - exact["mean"][i]) < 4 * error + 2e-3 * exact["sd"][i], name
        assert draws.std() == pytest.approx(exact["sd"][i], rel=0.08), name


@pytest.mark.parametrize("case", CASES)
def test_quadrature_agrees_with_the_sampler_and_the_oracle(case):
    outcome, day = make_series(**CASES[case])
    spec = AnalysisSpec(draws=2500, seed=11)
    estimate = segmented_estimate(outcome, day, spec)
    effect = run(outcome, day, spec).effects.counterfactual
    assert estimate.mean == pytest.approx(effect.mean, abs=0.06 * effect.sd)
    assert estimate.sd == pytest.approx(effect.sd, rel=0.04)
    assert estimate.ci_lower == pytest.approx(effect.ci_lower, abs=0.15 * effect.sd)
    assert estimate.ci_upper == pytest.approx(effect.ci_upper, abs=0.15 * effect.sd)


@pytest.mark.parametrize(("rho", "sigma"), [(0.3, 1.0), (-0.7, 0.4), (0.97, 2.0), (0.0, 1.0)])
def test_collapsed_density_is_the_dense_marginal_likelihood(rho, sigma):
    outcome, day = make_series(50, missing=[3, 9, 10, 11, 30])
    x, sds, y, _, t = oracle.design(outcome, day, slope=True)
    wx, wy, half_log_det = oracle.whitened(x, y, t, rho)
    expected = oracle.marginal(wx, wy, half_log_det, sds, sigma)[0]
    expected += oracle.log_prior(rho, sigma)
    jacobian = np.log(1 - rho**2) + np.log(sigma)
    gradient = np.empty(2)
    kernel = compiled.load(KERNEL)
    buffer = pack(Problem(x, y, t, sds))
    found = kernel.log_density(np.arctanh(rho), np.log(sigma), buffer, gradient)
    assert found == pytest.approx(expected + jacobian, rel=1e-10)
    step, ignored = 1e-6, np.empty(2)
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        up, down = (
            kernel.log_density(
                np.arctanh(rho) + sign * shift[0], np.log(sigma) + sign * shift[1], buffer, ignored
            )
            for sign in (1, -1)
        )
        assert gradient[axis] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-4)


def test_unreachable_points_are_rejected_not_crashes():
    outcome, day = make_series(30)
    x, sds, y, _, t = oracle.design(outcome, day, slope=True)
    buffer, gradient = pack(Problem(x, y, t, sds)), np.empty(2)
    for z, s in [(800.0, 0.0), (-800.0, 0.0), (0.0, -800.0), (0.0, 800.0)]:
        value = compiled.load(KERNEL).log_density(z, s, buffer, gradient)
        assert not np.isfinite(value) or not np.isfinite(gradient).all() or value < -300
