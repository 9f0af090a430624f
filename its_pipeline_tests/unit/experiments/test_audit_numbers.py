"""The audit's arithmetic: shares, errors with people as the unit, and the factor that is needed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from its_pipeline.experiments.audit_numbers import (
    FACTOR_PEOPLE,
    FACTOR_WINDOWS,
    TOLD_PEOPLE,
    clustered_share,
    measured,
    needed_factors,
    share_interval,
    verdict_of,
)
from its_pipeline.its.spec import LARGEST_FACTOR, AnalysisSpec


def windows(people=40, each=10, *, spread=1.0, n_days=60, direction="increase", seed=0):
    """Windows whose effects scatter `spread` times as much as their model believes."""
    n = people * each
    mean = spread * np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame(
        {
            "metric": "mood",
            "user_id": np.repeat([f"p{i}" for i in range(people)], each),
            "n_days": n_days,
            "direction": direction,
            "mean": mean,
            "lower": mean - 1.96,
            "upper": mean + 1.96,
            "lower_90": mean - 1.645,
            "upper_90": mean + 1.645,
        }
    )


def test_shares_count_what_they_say():
    table = windows(people=2, each=2)
    table["mean"] = [0.0, 1.8, 3.0, -3.0]
    for name, away in (("lower", -1.96), ("upper", 1.96), ("lower_90", -1.645)):
        table[name] = table["mean"] + away
    table["upper_90"] = table["mean"] + 1.645
    whole, by_length = measured(table, {})
    assert (whole.n_days, by_length.n_days) == (None, 60)
    assert (whole.people, whole.windows, whole.coverage) == (2, 4, 0.5)
    assert (whole.helped, whole.worse) == (0.5, 0.25)
    (falls, _) = measured(table.assign(direction="decrease"), {})
    assert (falls.helped, falls.worse) == (0.25, 0.5)
    # Twice as wide the interval around 3 reaches 0, and none is sure any more.
    wide = [row for row in measured(table, {"mood": 2.0}) if row.factor == 2.0]
    assert wide[0].coverage == 1.0
    assert (wide[0].helped, wide[0].worse) == (0.0, 0.0)


def test_people_are_the_unit():
    hits = np.repeat([True, False], 50)
    same_person = np.repeat(np.arange(10), 10).astype(object)
    apart = np.arange(100).astype(object)
    share, se = clustered_share(hits, apart)
    assert share == 0.5
    assert se == pytest.approx(np.sqrt(0.25 / 99))
    # Ten people of ten equal windows know as much as ten windows.
    assert clustered_share(hits, same_person)[1] == pytest.approx(np.sqrt(0.25 / 9))
    assert clustered_share(hits, np.full(100, "one", dtype=object))[1] == 0.0


def test_the_interval_of_a_share_holds_it_and_narrows_with_people():
    few, many = share_interval(0.9, 0.05, 12, 120), share_interval(0.9, 0.01, 300, 3000)
    for lower, upper in (few, many):
        assert lower < 0.9 < upper
    assert few[0] < many[0] < many[1] < few[1]
    assert share_interval(1.0, 0.0, 20, 200)[0] < 0.95
    assert share_interval(0.9, 0.0, 1, 10) == (0.0, 1.0)


def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        # People differ: their own coverage is beta distributed around 0.9.
        own = rng.beta(9, 1, size=25)
        hits = rng.random((25, 8)) < own[:, None]
        people = np.repeat(np.arange(25), 8).astype(object)
        share, se = clustered_share(hits.reshape(-1), people)
        lower, upper = share_interval(share, se, 25, 200)
        held += lower <= 0.9 <= upper
    assert 0.92 <= held / 400 <= 0.99


def test_the_factor_makes_the_intervals_hold_what_they_promise():
    table = windows(spread=1.4)
    needed = needed_factors(table)["mood"]
    assert needed == pytest.approx(1.4, rel=0.08)
    (whole, *_) = (row for row in measured(table, {"mood": needed}) if row.factor == needed)
    assert 0.95 <= whole.coverage <= 0.96
    (less, *_) = (r for r in measured(table, {"mood": needed - 0.02}) if r.factor != 1.0)
    assert less.coverage < 0.9525


def test_intervals_are_never_narrowed():
    assert needed_factors(windows(spread=0.5)) == {"mood": 1.0}


def test_no_factor_is_larger_than_an_analysis_takes():
    hopeless = windows(spread=500.0)
    factor = needed_factors(hopeless)["mood"]
    assert AnalysisSpec(interval_factor=factor).interval_factor == LARGEST_FACTOR
    without_width = hopeless.assign(lower=hopeless["mean"], upper=hopeless["mean"])
    assert needed_factors(without_width)["mood"] == LARGEST_FACTOR


def test_a_shortfall_counts_whether_or_not_it_is_significant():
    table = windows(people=FACTOR_PEOPLE, each=7, spread=1.08, seed=4)
    (row, *_) = measured(table, {})
    assert row.coverage < 0.95 < row.coverage_upper
    assert needed_factors(table)["mood"] > 1.0


def test_a_length_with_enough_windows_gets_what_it_needs():
    short, long = windows(each=20), windows(each=6, spread=2.0, n_days=180, seed=1)
    both = pd.concat([short, long])
    assert needed_factors(both)["mood"] == pytest.approx(2.0, rel=0.12)
    few = pd.concat([short, long[long["user_id"].isin([f"p{i}" for i in range(10)])]])
    assert needed_factors(few)["mood"] < 1.3


@pytest.mark.parametrize(
    ("people", "each"),
    [(FACTOR_PEOPLE - 1, 10), (FACTOR_PEOPLE, FACTOR_WINDOWS // FACTOR_PEOPLE)],
)
def test_no_factor_of_too_few(people, each):
    assert needed_factors(windows(people, each, spread=2.0)) == {}


@pytest.mark.parametrize(
    ("people", "spread", "holds", "words"),
    [
        (TOLD_PEOPLE - 1, 3.0, True, "too few people to tell"),
        (TOLD_PEOPLE, 3.0, False, "too narrow"),
        (60, 1.0, True, "95 % should"),
        (60, 1.5, False, "too narrow"),
        (200, 0.6, False, "wider than they need be"),
    ],
)
def test_the_verdict_in_a_sentence(people, spread, holds, words):
    (row, *_) = measured(windows(people, spread=spread), {})
    passed, sentence = verdict_of(row)
    assert passed is holds
    assert f"of at least {TOLD_PEOPLE}" in sentence or f"{100 * row.coverage:.1f} % of" in sentence
    assert words in sentence
