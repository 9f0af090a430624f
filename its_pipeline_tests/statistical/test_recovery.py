"""Truth that was put in comes out: effects, signs, short and gappy series, awkward noise."""

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline_tests.unit.its.series_factory import make_series, run, segmented_estimate

SPEC = AnalysisSpec(draws=1000, tune=500)


@pytest.mark.parametrize(
    "options",
    [
        {"n": 90},
        {"n": 120, "missing": list(range(5, 100, 4))},
        {"n": 24},
        {"n": 90, "rho": -0.5},
        {"n": 180, "rho": 0.85},
        {"n": 90, "level": 0.003, "sd": 0.001},
        {"n": 90, "level": 5e6, "sd": 1e5},
    ],
    ids=str,
)
def test_a_large_effect_is_found_and_its_truth_covered(options):
    sd = options.get("sd", 10.0)
    outcome, day = make_series(**options, level_change=4 * sd, seed=22)
    a = run(outcome, day, SPEC)
    effect = a.effects.counterfactual
    assert effect.ci_lower < 4 * sd < effect.ci_upper
    assert a.probability_of_benefit > 0.9
    opposite = run(outcome, day, AnalysisSpec(draws=1000, tune=500, direction="decrease"))
    assert opposite.probability_of_benefit < 0.1


def test_level_and_slope_are_told_apart():
    outcome, day = make_series(180, rho=0.2, level_change=-15, slope_change=4, seed=8)
    effects = run(outcome, day, SPEC).effects
    assert abs(effects.immediate.mean + 15) < 3 * effects.immediate.sd
    assert abs(effects.sustained.mean - 4) < 3 * effects.sustained.sd
    assert effects.sustained.probability_positive > 0.95


def test_the_forecast_finds_a_level_change_too():
    outcome, day = make_series(120, rho=0.2, level_change=40, seed=9)
    effects = run(outcome, day, AnalysisSpec(estimator="forecast")).effects
    assert effects.sustained is None
    assert effects.counterfactual.ci_lower < 40 < effects.counterfactual.ci_upper
    assert effects.counterfactual.probability_positive > 0.9


@pytest.mark.parametrize(("rho", "n"), [(0.0, 28), (0.6, 28), (0.6, 90)])
def test_intervals_cover_null_effects_at_their_level(rho, n):
    """A small cut of benchmarks/calibration.py: 150 series a cell, so 95 % +- 3.6 % (2 se)."""
    spec = AnalysisSpec()
    covered = false = 0
    for seed in range(150):
        estimate = segmented_estimate(*make_series(n, rho=rho, seed=5000 + seed), spec)
        covered += estimate.ci_lower < 0 < estimate.ci_upper
        false += estimate.probability_positive > 0.95
    assert 0.90 <= covered / 150 <= 1.0
    assert false / 150 <= 0.10


def test_quadrature_and_auditor_pass_the_gate_on_awkward_series():
    for seed, options in enumerate(
        [{"n": 16}, {"n": 400, "rho": 0.95}, {"n": 60, "rho": -0.9}, {"n": 40, "rho": 0.9}]
    ):
        a = run(*make_series(**options, seed=seed))
        assert a.converged, a.diagnostics.failures
        assert a.diagnostics.is_sampled
        assert np.isfinite(a.effects.counterfactual.mean)
