"""The Gaussians that stand for days, and paths drawn given them."""

import numpy as np
import pytest
from scipy import special

from its_pipeline.its.inference import compiled

FAMILIES = {"poisson": 0, "negative_binomial": 1, "binomial": 2, "beta_binomial": 3}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stand_in_has_the_slope_and_bend_of_the_day_on_average(family):
    kernel = compiled.load("its_pipeline.its.likelihoods.stand_in_kernel")
    densities = compiled.load("its_pipeline.its.likelihoods.family_kernel")
    y, trials = np.array([0.0, 3.0, 7.0]), np.array([9.0, 9.0, 9.0])
    shift, scale, dispersion = np.array([0.2, -0.1, 0.4]), 0.5, 0.6
    means, variances = np.array([-0.3, 0.2, 0.9]), np.array([0.3, 0.5, 0.2])
    rule = [np.ascontiguousarray(a) for a in special.roots_hermitenorm(5)]
    told, errors, work = np.empty(3), np.empty(3), np.empty((8, 3))
    number = FAMILIES[family]
    rest = kernel.stand_in(
        number,
        y,
        trials,
        shift,
        scale,
        dispersion,
        rule[0],
        rule[1] / np.sqrt(2.0 * np.pi),
        means,
        variances,
        told,
        errors,
        True,
        work,
    )
    x, weights = special.roots_hermitenorm(61)
    weights /= weights.sum()
    expected = 0.0
    for t in range(3):
        h = means[t] + np.sqrt(variances[t]) * x
        f = np.array(
            [
                densities.log_part(number, y[t], trials[t], shift[t] + scale * each, dispersion)
                for each in h
            ]
        )
        slope = weights @ (f * x) / np.sqrt(variances[t])
        bend = weights @ (f * (x**2 - 1.0)) / variances[t]
        assert 1.0 / errors[t] == pytest.approx(-bend, rel=0.003)
        assert (told[t] - means[t]) / errors[t] == pytest.approx(slope, rel=0.003, abs=1e-3)
        gaussian = -0.5 * np.log(2.0 * np.pi * errors[t]) - 0.5 * (told[t] - h) ** 2 / errors[t]
        expected += weights @ (f - gaussian)
    assert rest == pytest.approx(expected, abs=2e-3)


def test_paths_have_the_moments_of_the_noise_given_what_is_seen():
    kernel = compiled.load("its_pipeline.its.noise.ar1_sites_kernel")
    phi, sd, m, draws = 0.7, 1.3, 6, 200_000
    told = np.array([0.5, -1.0, 9.0, 0.3, 2.0, 9.0])
    errors = np.array([0.4, 1.0, np.inf, 0.2, 3.0, np.inf])
    paths = np.random.default_rng(5).standard_normal((draws, m))
    points = np.broadcast_to([phi, sd], (draws, 2))
    kernel.draw_paths(np.broadcast_to(told, (draws, m)), errors, points, paths)
    seen = np.isfinite(errors)
    prior = sd**2 * phi ** np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    gain = prior[:, seen] @ np.linalg.inv(prior[np.ix_(seen, seen)] + np.diag(errors[seen]))
    assert paths.mean(axis=0) == pytest.approx(gain @ told[seen], abs=0.012)
    assert np.cov(paths.T) == pytest.approx(prior - gain @ prior[seen], abs=0.015)
