"""AR(1) plus white noise against dense covariances, and against the main model at its edge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from its_pipeline.its.noise import ar1_white
from its_pipeline.its.noise.ar1 import AR1
from its_pipeline.its.posterior import problem_of
from its_pipeline.its.sensitivity.estimate import (
    counterfactual_contrast,
    estimate_of,
    segmented_posterior,
)
from its_pipeline_tests.unit.its.series_factory import design_of, make_series

GAPS = (3, 4, 20, 41, 42, 43, 60)


def parts(n=70, missing=GAPS, **options):
    series, design = design_of(*make_series(n, missing=missing, **options))
    problem = problem_of(series, design, series.fit_rows)
    return series, design, (problem, counterfactual_contrast(series, design))


def test_every_point_of_the_grid_is_the_dense_gaussian():
    _, _, problem = parts()
    (regression, contrast) = problem
    matrix, outcome = regression.design, regression.outcome
    steps, prior_sd = regression.steps, regression.prior_sd
    mixture = ar1_white.quadrature(*problem)
    n = len(outcome)
    rng = np.random.default_rng(0)
    at = [0, *rng.integers(len(mixture.weights), size=12), int(np.argmax(mixture.weights))]
    heights = []
    for point in at:
        phi, share, log_sd = mixture.points[point]
        apart = np.abs(np.subtract.outer(steps, steps))
        noise = np.exp(2 * log_sd) * ((1 - share) * phi**apart + share * np.eye(n))
        inverse = np.linalg.inv(noise)
        covariance = np.linalg.inv(matrix.T @ inverse @ matrix + np.diag(prior_sd**-2.0))
        mean = covariance @ matrix.T @ inverse @ outcome
        assert mixture.means[point, 0] == pytest.approx(contrast @ mean, rel=1e-6, abs=1e-9)
        spread = contrast @ covariance @ contrast
        assert mixture.variances[point, 0] == pytest.approx(spread, rel=1e-6)
        whole = noise + matrix @ np.diag(prior_sd**2) @ matrix.T
        likelihood = stats.multivariate_normal(np.zeros(n), whole).logpdf(outcome)
        # Uniform in phi and the share; half-t of the sd in the main model's scale.
        prior = stats.t.logpdf(np.exp(log_sd), 3) + np.log(2) + log_sd
        moved = np.log(1 - phi**2) + np.log(2 * np.sqrt(share))
        heights.append(float(np.log(mixture.weights[point])) - (likelihood + prior + moved))
    steady = np.array(heights) - heights[-1]
    assert np.abs(steady).max() < 1e-6
    # What the weights were divided by is the evidence, but for the size of a cell.
    cell = (ar1_white._PHI_Z[1] - ar1_white._PHI_Z[0]) / len(ar1_white._ROOT_SHARES)
    cell *= mixture.points[1, 2] - mixture.points[0, 2]
    assert -heights[-1] + np.log(cell) == pytest.approx(mixture.log_evidence, abs=1e-6)


def test_a_finer_grid_says_the_same(monkeypatch):
    for options in ({"n": 70}, {"n": 180, "rho": 0.8}, {"n": 28, "missing": (5,)}):
        series, _, problem = parts(**options)
        coarse = ar1_white.quadrature(*problem)
        with monkeypatch.context() as patch:
            patch.setattr(ar1_white, "_PHI_Z", np.linspace(0.05, 3.2, 50))
            patch.setattr(ar1_white, "_ROOT_SHARES", (np.arange(30) + 0.5) / 30)
            patch.setattr(ar1_white, "_LOG_SD", np.linspace(-5.0, 7.0, 50))
            fine = ar1_white.quadrature(*problem)
        rough, exact = estimate_of(coarse, series.scale), estimate_of(fine, series.scale)
        assert rough.mean == pytest.approx(exact.mean, abs=0.05 * exact.sd)
        widths = [e.ci_upper - e.ci_lower for e in (rough, exact)]
        assert widths[0] == pytest.approx(widths[1], rel=0.05)
        assert coarse.log_evidence == pytest.approx(fine.log_evidence, abs=0.3)


def test_without_fresh_noise_it_is_the_main_model(monkeypatch):
    series, design, problem = parts(n=120, rho=0.7, seed=4)
    monkeypatch.setattr(ar1_white, "_ROOT_SHARES", np.array([1e-5]))
    monkeypatch.setattr(ar1_white, "_PHI_Z", np.linspace(0.05, 3.2, 50))
    alone = estimate_of(ar1_white.quadrature(*problem), series.scale)
    plain = estimate_of(segmented_posterior(series, design, AR1), series.scale)
    assert alone.mean == pytest.approx(plain.mean, abs=0.03 * plain.sd)
    assert alone.sd == pytest.approx(plain.sd, rel=0.03)
