"""Nodes, refinement and mixtures of the quadrature, on their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference import quadrature
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.quadrature import clenshaw_curtis, integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.targets import effect_contrasts
from its_pipeline_tests.unit.its.series_factory import design_of, make_series


@pytest.mark.parametrize("n", [2, 3, 9, 10, 17])
def test_clenshaw_curtis_is_exact_for_polynomials(n):
    nodes, weights = clenshaw_curtis(n)
    for power in range(n):
        exact = 2.0 / (power + 1) if power % 2 == 0 else 0.0
        assert weights @ nodes**power == pytest.approx(exact, abs=1e-12)


def test_every_second_node_is_a_rule_of_its_own_however_often_it_was_refined():
    counts = quadrature._FINE
    for _ in range(6):
        counts = quadrature.refined(counts, np.array([True, True]), quadrature._MOST_NODES)
        for count in counts:
            assert count % 2 == 1
            coarse, _ = clenshaw_curtis(count // 2 + 1)
            np.testing.assert_allclose(clenshaw_curtis(count)[0][::2], coarse, atol=1e-12)
    assert max(counts) == quadrature._MOST_NODES


def _mixture(seed=0, p=3000):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(p, 0.3))
    means = rng.normal(0.0, 0.7, (2, p))
    sds = rng.gamma(20.0, 0.05, (2, p))
    nothing = np.zeros(p)
    return Mixture(weights, means, sds, nothing[:, None], nothing, nothing.astype(int), 0.0, 0, 0)


def test_quantiles_and_probabilities_are_those_of_all_gaussians():
    mixture = _mixture()
    for quantity in range(2):
        means, sds = mixture.means[quantity], mixture.sds[quantity]

        def below(value, means=means, sds=sds):
            return float(mixture.weights @ stats.norm.cdf((value - means) / sds))

        for probability in (0.025, 0.25, 0.5, 0.975):
            exact = optimize.brentq(lambda x, q=probability: below(x) - q, -20, 20)
            found = mixture.quantile(probability, quantity)
            assert found == pytest.approx(exact, abs=2e-4 * mixture.sd()[quantity])
        assert mixture.cdf(0.3, quantity) == pytest.approx(below(0.3), abs=1e-4)


def test_what_is_given_forgets_the_rest():
    mixture = _mixture()
    nodes = mixture.means[0] > 0
    given = mixture.given(nodes)
    weights = mixture.weights[nodes] / mixture.weights[nodes].sum()
    assert given.mean()[0] == pytest.approx(weights @ mixture.means[0, nodes])
    assert given.cdf(given.quantile(0.1)) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("options", [{"n": 28, "rho": 0.9}, {"n": 90}, {"n": 180, "rho": 0.0}])
def test_the_error_is_a_bound_of_what_finer_nodes_change(options, monkeypatch):
    series, design = design_of(*make_series(seed=3, **options))
    problem = fit_of(series, design, AR1_WHITE, NORMAL).problem
    contrasts = effect_contrasts(series, design)
    found = integrate(problem, AR1_WHITE, contrasts)
    assert found.error < quadrature.QUADRATURE_ERROR_MAX
    assert found.edge < 1e-3
    with monkeypatch.context() as patch:
        patch.setattr(quadrature, "_FINE", (65, 49))
        patch.setattr(quadrature, "_SD_NODES", np.linspace(-6.0, 9.0, 31))
        patch.setattr(quadrature, "_FLOOR", 25.0)
        exact = integrate(problem, AR1_WHITE, contrasts)
    sd = exact.sd()
    assert np.abs(found.mean() - exact.mean()).max() < found.error * sd.max() + 1e-3 * sd.max()
    np.testing.assert_allclose(found.sd(), sd, rtol=found.error + 3e-3)
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.02)
    for probability in (0.025, 0.975):
        away = abs(found.quantile(probability) - exact.quantile(probability))
        assert away < (found.error + 5e-3) * sd[0]
