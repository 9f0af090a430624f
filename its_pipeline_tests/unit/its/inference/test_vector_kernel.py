"""Exponentials, logarithms and normal tails of whole arrays against NumPy's and SciPy's."""

import numpy as np
import pytest
from scipy import stats

from its_pipeline.its.inference import compiled


def test_exponentials_and_logarithms_are_those_of_numpy():
    kernel = compiled.load("its_pipeline.its.inference.vector_kernel")
    values = np.concatenate([np.linspace(-600.0, 600.0, 4001), [0.0, 1e-9, -1e-9]])
    out, work = np.empty_like(values), np.empty_like(values)
    kernel.exponentials(values, out, work)
    np.testing.assert_allclose(out, np.exp(values), rtol=1e-13)
    positive = np.concatenate([np.exp(np.linspace(-600.0, 600.0, 4001)), [1.0, 2.0, 1.0 + 1e-9]])
    out, work = np.empty_like(positive), np.empty_like(positive)
    kernel.logarithms(positive, out, work)
    np.testing.assert_allclose(out, np.log(positive), rtol=1e-13, atol=1e-15)


def test_the_upper_tail_is_that_of_scipy():
    tail = compiled.load("its_pipeline.its.inference.vector_kernel").upper_tail
    z = np.concatenate([np.linspace(0.0, 7.0, 701), [9.0, 20.0, 36.0]])
    found = np.array([tail(each, np.exp(-0.5 * each**2)) for each in z])
    np.testing.assert_allclose(found[:701], stats.norm.sf(z[:701]), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found[701:], stats.norm.sf(z[701:]), rtol=0.01)


@pytest.mark.parametrize("value", [-60.0, -3.0, 0.2, 4.0, 60.0])
def test_a_mixture_is_the_sum_of_its_gaussians(value):
    rng = np.random.default_rng(3)
    weights, means, sds = rng.dirichlet(np.ones(70)), rng.normal(size=70), rng.uniform(0.3, 2, 70)
    below, density, slope = compiled.mixture_kernel().mixture_cdf(weights, means, sds, value)
    z = (value - means) / sds
    heights = weights * stats.norm.pdf(z) / sds
    assert below == pytest.approx(weights @ stats.norm.cdf(z), abs=1e-14)
    assert density == pytest.approx(heights.sum(), abs=1e-14)
    assert slope == pytest.approx(-(heights * z / sds).sum(), abs=1e-14)
