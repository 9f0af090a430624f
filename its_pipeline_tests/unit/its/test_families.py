"""The families' densities against SciPy's, and their slopes against differences."""

import math

import numpy as np
import pytest
from scipy import special, stats

from its_pipeline.its.inference import compiled
from its_pipeline.its.likelihoods import linked

FAMILIES = {
    linked.POISSON: lambda y, n, eta, d: stats.poisson.logpmf(y, math.exp(eta)),
    linked.NEGATIVE_BINOMIAL: lambda y, n, eta, d: stats.nbinom.logpmf(
        y, d**-2, 1.0 / (1.0 + d**2 * math.exp(eta))
    ),
    linked.BINOMIAL: lambda y, n, eta, d: stats.binom.logpmf(y, n, special.expit(eta)),
    linked.BETA_BINOMIAL: lambda y, n, eta, d: stats.betabinom.logpmf(
        y, n, special.expit(eta) / d**2, special.expit(-eta) / d**2
    ),
}


@pytest.fixture(scope="module")
def kernel():
    return compiled.load("its_pipeline.its.likelihoods.family_kernel")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("y", "eta", "d"), [(0.0, -2.0, 0.3), (3.0, 1.2, 0.8), (7.0, 0.1, 0.05)])
def test_densities_and_slopes_are_those_of_the_distributions(kernel, family, y, eta, d):
    def log_density(eta, log_d):
        part = kernel.log_part(family, y, 9.0, eta, math.exp(log_d))
        return part + kernel.log_base(family, y, 9.0, math.exp(log_d))

    log_d = math.log(d)
    assert log_density(eta, log_d) == pytest.approx(FAMILIES[family](y, 9, eta, d), abs=1e-9)
    step = 1e-5
    by_eta = (log_density(eta + step, log_d) - log_density(eta - step, log_d)) / (2 * step)
    by_d = (log_density(eta, log_d + step) - log_density(eta, log_d - step)) / (2 * step)
    found = kernel.slopes(family, y, 9.0, eta, d)
    assert found[0] == pytest.approx(by_eta, abs=1e-5)
    if family in (linked.NEGATIVE_BINOMIAL, linked.BETA_BINOMIAL):
        assert found[1] == pytest.approx(by_d, abs=1e-4)
    else:
        assert found[1] == 0.0


@pytest.mark.parametrize("family", [linked.POISSON_COUNTS, linked.NEGATIVE_BINOMIAL_COUNTS])
def test_drawn_counts_have_the_family_s_mean_and_variance(family):
    rng = np.random.default_rng(0)
    eta, spread = np.full((1, 200_000), math.log(4.0)), np.array([[0.5]])
    drawn = family._draw(rng, family.mean(eta), np.ones(1), spread)
    assert drawn.mean() == pytest.approx(4.0, abs=0.05)
    assert drawn.var() == pytest.approx(family.variance(4.0, 1.0, 0.5), rel=0.03)


def test_drawn_shares_have_the_family_s_mean_and_variance():
    rng = np.random.default_rng(0)
    mean, spread = np.full((1, 200_000), 0.3), np.array([[0.4]])
    drawn = linked.SUCCESSES._draw(rng, mean, np.array([6.0]), spread)
    assert drawn.mean() == pytest.approx(0.3, abs=0.005)
    assert drawn.var() == pytest.approx(linked.SUCCESSES.variance(0.3, 6.0, 0.4), rel=0.03)
