"""Counts that scatter more, or stay away more often, than their likelihood says."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, analyze

DAYS = pd.date_range("2026-01-01", periods=90)
RATE = 3.0


def codes_of(counts: np.ndarray, likelihood: str) -> dict[str, str]:
    outcome = pd.Series(counts.astype(float), DAYS)
    found = analyze(outcome, DAYS[45], AnalysisSpec(likelihood=likelihood), audited=False)
    return {each.code: each.text for each in found.warnings}


def counts_of(seed: int, *, size: float = np.inf, missed: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    own = np.ones(len(DAYS)) if np.isinf(size) else rng.gamma(size, 1.0 / size, len(DAYS))
    return rng.poisson(RATE * own) * (rng.random(len(DAYS)) >= missed)


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
def test_counts_as_their_likelihood_says_are_not_warned_of(likelihood):
    for seed in range(4):
        assert not {"over_dispersed", "many_zeros", "heavy_tails"} & set(
            codes_of(counts_of(seed), likelihood)
        )


def test_counts_that_vary_more_than_poisson_ones_name_the_likelihood_that_lets_them():
    spread = counts_of(1, size=0.7)
    told = codes_of(spread, "poisson")
    assert "negative_binomial" in told["over_dispersed"]
    assert "over_dispersed" not in codes_of(spread, "negative_binomial")


def test_days_on_which_nothing_could_happen_are_told():
    missed = counts_of(1, missed=0.4)
    told = codes_of(missed, "poisson")
    assert f"{np.sum(missed == 0)} days have no event" in told["many_zeros"]
    assert "negative_binomial" in told["many_zeros"]
