"""Numbers of another kind than measurements are named, ratings and measurements are not."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, analyze
from its_pipeline.its.warnings import fitting_likelihood

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.integers(0, 2, 60), "binomial"),
        (RNG.poisson(2.0, 300), "negative_binomial"),
        (RNG.negative_binomial(2, 0.3, 60), "negative_binomial"),
        (np.exp(RNG.normal(2.0, 0.8, 200)), "lognormal"),
        (np.clip(np.rint(RNG.normal(3.0, 1.0, 60)), 1, 5), None),
        (RNG.normal(50.0, 10.0, 200), None),
        (RNG.normal(0.0, 1.0, 60), None),
        (RNG.poisson(8000.0, 60), None),
    ],
)
def test_the_likelihood_that_is_made_for_numbers_is_named(values, expected):
    found = fitting_likelihood(np.asarray(values, dtype=float))
    assert (None if found is None else found[0]) == expected


def test_a_yes_no_outcome_analysed_as_a_measurement_is_told_so():
    days = pd.date_range("2026-01-01", periods=60)
    outcome = pd.Series(RNG.integers(0, 2, 60).astype(float), days)
    found = analyze(outcome, days[30], AnalysisSpec(), audited=False)
    told = [each.text for each in found.warnings if each.code == "other_likelihood"]
    assert told == ['The numbers look like yes and no; likelihood "binomial" is made for them.']
