"""The diagnostics against ArviZ, and the gate on chains that it must and must not pass."""

import math

import numpy as np
import pytest

from its_pipeline.its.inference.convergence import energy_bfmi, ess_bulk, ess_tail, rank_r_hat
from its_pipeline.its.inference.diagnostics import GATE, assess


def _chains(kind, seed=0, chains=4, draws=500):
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((chains, draws))
    if kind == "white":
        return white
    if kind == "autocorrelated" or kind == "antithetic":
        rho = 0.9 if kind == "autocorrelated" else -0.5
        for t in range(1, draws):
            white[:, t] = rho * white[:, t - 1] + np.sqrt(1 - rho**2) * white[:, t]
        return white
    if kind == "heavy":
        return rng.standard_cauchy((chains, draws))
    if kind == "ties":
        return np.round(white)
    if kind == "shifted":
        return white + np.arange(chains)[:, None]
    if kind == "scaled":
        return white * (1 + np.arange(chains)[:, None])
    raise AssertionError(kind)


KINDS = ["white", "autocorrelated", "antithetic", "heavy", "ties", "shifted", "scaled"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("chains", "draws"), [(4, 500), (2, 101), (1, 64)])
def test_figures_agree_with_arviz(chains, draws):
    arviz = pytest.importorskip("arviz")
    for kind in KINDS:
        x = _chains(kind, chains=chains, draws=draws)
        expected = [
            float(arviz.rhat(x)) if chains > 1 else None,
            float(arviz.ess(x, method="bulk")),
            float(arviz.ess(x, method="tail")),
        ]
        found = [rank_r_hat(x[None])[0], ess_bulk(x[None])[0], ess_tail(x[None])[0]]
        for ours, theirs in zip(found, expected, strict=True):
            if theirs is not None:
                assert ours == pytest.approx(theirs, rel=1e-6), kind
        assert energy_bfmi(x) == pytest.approx(arviz.bfmi(x), rel=1e-6)


def _assess(draws, energy=None, diverging=None):
    first = next(iter(draws.values()))
    energy = _chains("white", 99, *first.shape) if energy is None else energy
    diverging = np.zeros(first.shape, bool) if diverging is None else diverging
    return assess(draws, energy, diverging)


def test_good_chains_pass():
    verdict = _assess({"a": _chains("white"), "b": _chains("white", 1)})
    assert verdict.converged is True
    assert verdict.failures == ()
    assert [p.name for p in verdict.parameters] == ["a", "b"]


def _two_modes():
    draws = _chains("white", 2)
    draws[2:] += 8.0
    return {"a": draws}


def _stuck():
    draws = _chains("white", 3)
    draws[1] = draws[1, 0]
    return {"a": draws}


def _slow():
    rng = np.random.default_rng(4)
    return {"a": np.cumsum(rng.standard_normal((4, 500)), axis=1)}


@pytest.mark.parametrize(
    ("draws", "words"),
    [
        (_two_modes(), "R-hat"),
        (_stuck(), "R-hat"),
        (_slow(), "ESS"),
        ({"a": _chains("white", draws=80)}, "bulk ESS"),
        ({"a": _chains("white"), "b": np.full((4, 500), np.nan)}, "R-hat nan"),
        ({"a": _chains("white"), "b": np.ones((4, 500))}, "R-hat nan"),
        ({"a": np.where(_chains("white") > 2.5, np.inf, 0.1)}, "nan"),
        ({"a": _chains("white", draws=4)}, "nan"),
        ({"a": _chains("scaled")}, "R-hat"),
    ],
)
def test_bad_chains_fail_with_value_and_threshold(draws, words):
    verdict = _assess(draws)
    assert verdict.converged is False
    assert words in "; ".join(verdict.failures)


@pytest.mark.parametrize(
    ("figure", "passes", "fails"),
    [
        ("max_r_hat", 1.0099, 1.01),
        ("min_ess_bulk", 400.0, 399.9),
        ("min_ess_tail", 400.0, 399.9),
        ("divergences", 0, 1),
        ("bfmi", 0.3, 0.2999),
    ],
)
def test_each_figure_passes_up_to_its_threshold(figure, passes, fails):
    (criterion,) = (each for each in GATE if each.figure == figure)
    assert criterion.is_met(passes)
    assert not criterion.is_met(fails)
    assert not criterion.is_met(math.nan)


def test_one_bad_parameter_among_good_ones_is_enough():
    draws = {f"p{i}": _chains("white", i) for i in range(20)} | {"bad": _two_modes()["a"]}
    assert _assess(draws).converged is False


def test_one_divergence_is_enough():
    diverging = np.zeros((4, 500), bool)
    diverging[3, 17] = True
    verdict = _assess({"a": _chains("white")}, diverging=diverging)
    assert verdict.failures == ("1 divergent transitions, none are allowed",)


def test_energy_that_moves_too_little_fails():
    energy = np.cumsum(np.random.default_rng(5).standard_normal((4, 500)), axis=1)
    verdict = _assess({"a": _chains("white")}, energy=energy)
    assert any("E-BFMI" in failure for failure in verdict.failures)


def test_nothing_to_assess_is_an_error_not_a_pass():
    with pytest.raises(ValueError, match="nothing to assess"):
        assess({}, np.zeros((4, 10)), np.zeros((4, 10), bool))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="draws must be"):
        assess({"a": np.zeros((4, 10))}, np.zeros((4, 9)), np.zeros((4, 9), bool))
