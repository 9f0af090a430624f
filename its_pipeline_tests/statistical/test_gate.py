"""The gate on chains of our own sampler: densities that must fail and one that must pass."""

import math

import numpy as np
import pytest

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.diagnostics import assess
from its_pipeline.its.inference.nuts import Density, SamplerSettings, sample


def _density(kind):
    """Compile a small density for the sampler: "normal", "funnel" or "two_modes"."""
    kernel = compiled.sampling_kernel()
    numba = kernel.numba

    @numba.njit(error_model="numpy")
    def normal(x, g):
        for i in range(len(x)):
            g[i] = -x[i]
        return -0.5 * np.sum(x * x)

    @numba.njit(error_model="numpy")
    def funnel(x, g):
        v = x[0]
        tail = np.sum(x[1:] ** 2)
        g[0] = -v / 9.0 + 0.5 * tail * math.exp(-v) - 0.5 * (len(x) - 1)
        for i in range(1, len(x)):
            g[i] = -x[i] * math.exp(-v)
        return -v * v / 18.0 - 0.5 * tail * math.exp(-v) - 0.5 * (len(x) - 1) * v

    @numba.njit(error_model="numpy")
    def two_modes(x, g):
        left = -0.5 * np.sum((x + 6.0) ** 2)
        right = -0.5 * np.sum((x - 6.0) ** 2)
        top = max(left, right)
        total = top + math.log(math.exp(left - top) + math.exp(right - top))
        share = math.exp(left - total)
        for i in range(len(x)):
            g[i] = -share * (x[i] + 6.0) - (1.0 - share) * (x[i] - 6.0)
        return total

    chosen = {"normal": normal, "funnel": funnel, "two_modes": two_modes}[kind]

    @numba.cfunc(kernel.LOGP_SIGNATURE)
    def callback(dim, position, gradient, logp, data):
        value = chosen(numba.carray(position, (dim,)), numba.carray(gradient, (dim,)))
        numba.carray(logp, (1,))[0] = value
        return 0 if math.isfinite(value) else 4

    return callback


def _verdict(kind, dimension, *, draws=1000, jitter=2.0):
    callback = _density(kind)
    settings = SamplerSettings(draws=draws, tune=500, chains=4, seed=1)
    density = Density(callback.address, np.zeros(1), np.zeros(dimension), jitter)
    chains = sample(density, settings, cores=2)
    names = {f"x{i}": chains.position[..., i] for i in range(dimension)}
    return assess(names, chains.energy, chains.diverging, chains.depth)


def test_a_normal_passes():
    verdict = _verdict("normal", 4)
    assert verdict.converged is True
    assert verdict.max_tree_depth >= 1


def test_a_funnel_is_caught_by_its_divergences_or_its_slow_neck():
    verdict = _verdict("funnel", 10)
    assert verdict.converged is False
    assert verdict.divergences > 0


def test_two_modes_are_caught():
    verdict = _verdict("two_modes", 2, jitter=8.0)
    assert verdict.converged is False
    assert any("R-hat" in failure for failure in verdict.failures)


def test_too_few_draws_are_caught():
    assert _verdict("normal", 4, draws=60).converged is False


def test_a_density_that_cannot_start_is_an_error_not_a_result():
    kernel = compiled.sampling_kernel()
    numba = kernel.numba

    @numba.cfunc(kernel.LOGP_SIGNATURE)
    def nowhere(dim, position, gradient, logp, data):
        return 4

    settings = SamplerSettings(draws=50, tune=50, chains=2, seed=1)
    with pytest.raises(RuntimeError):
        sample(Density(nowhere.address, np.zeros(1), np.zeros(2), 1.0), settings)
