"""Whom it helps more: the regression of a kind, who is in it, and of whom nothing is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.experiments.kind_traits import regressed, trait_values
from its_pipeline.its.pooling.estimates import Estimate
from its_pipeline.its.pooling.pool import pool
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.person_traits import set_traits
from its_pipeline_tests.unit.experiments.test_kinds import intervention, verdict
from tools.stores import short_settings

N = 24
NAMES = [f"user{n:02d}" for n in range(N)]
RUNS = [float(n % 2) for n in range(N)]
AGE = [20.0 + 2.0 * n for n in range(N)]


@pytest.fixture(scope="module")
def pooled():
    """People whose effect is 3 larger where they run."""
    rng = np.random.default_rng(3)
    return pool(
        [
            Estimate.normal(who, 2.0 + 3.0 * runs + rng.normal(0, 0.5), 0.5, "points", 5.0)
            for who, runs in zip(NAMES, RUNS, strict=True)
        ]
    )


def values(*columns, people=NAMES):
    return dict(zip(people, zip(*columns, strict=True), strict=False))


def test_nothing_is_asked_where_no_trait_is_declared(pooled):
    assert regressed(pooled, (), {}, 5) is None


def test_two_groups_are_told_apart_as_the_library_says(pooled):
    found: Any = regressed(pooled, ["runs"], values(RUNS), 5)
    by_hand = pooled.regression(pd.DataFrame({"runs": RUNS}, NAMES)).slopes["runs"]
    [slope] = found.slopes
    assert (
        vars(slope).items()
        >= {
            name: getattr(by_hand, name)
            for name in ("mean", "sd", "ci_lower", "ci_upper", "probability_positive")
        }.items()
    )
    assert slope.ci_lower < 3.0 < slope.ci_upper
    assert slope.ci_lower > 1.0
    assert (slope.groups, slope.n_in_higher_group, slope.trait_sd) == ((0.0, 1.0), N // 2, 0.5)
    assert (found.refused, found.n_people, found.n_without) == ("", N, 0)
    assert found.spread.mean < found.spread_without.mean


def test_who_lacks_a_trait_stays_in_the_pool_and_is_counted(pooled):
    known = values(AGE, RUNS)
    del known[NAMES[0]]
    del known[NAMES[5]]
    found: Any = regressed(pooled, ["age", "runs"], known, 5)
    assert (found.n_people, found.n_without) == (N - 2, 2)
    left = [who for who in NAMES if who in known]
    part = pooled.of_members(left)
    assert part.estimates.names == tuple(left)
    assert len(pooled.estimates) == N
    table = pd.DataFrame.from_dict(known, "index", columns=["age", "runs"])
    by_hand = part.regression(table).slopes["age"]
    assert found.slopes[0].mean == by_hand.mean
    assert found.slopes[0].groups is None


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([RUNS[:4]], "fewer than 5 people with an estimate have a value of t0"),
        ([[1.0] * N], "t0 is the same for everybody"),
        # Four of a group: their average would be read off the slope.
        ([[1.0] * 4 + [0.0] * (N - 4)], "fewer than 5 people differ from the others in t0"),
        ([[0.0] * 4 + [1.0] * (N - 4)], "fewer than 5 people differ from the others in t0"),
        # Single people with a value of their own, against everybody else.
        ([[7.0, 5.0, 3.0] + [0.0] * (N - 3)], "fewer than 5 people differ"),
        # Each group is large enough, one combination is not.
        ([RUNS, [1.0 - RUNS[0], *RUNS[1:]]], "one combination of t0 and t1 has fewer than 5"),
        ([AGE, [3.0 * each + 1.0 for each in AGE]], "cannot be told apart"),
    ],
)
def test_of_too_few_nothing_is_told(pooled, columns, why):
    names = [f"t{n}" for n in range(len(columns))]
    found: Any = regressed(pooled, names, values(*columns, people=NAMES[: len(columns[0])]), 5)
    assert why in found.refused
    assert (found.slopes, found.spread, found.n_people, found.n_without) == ((), None, None, None)


def test_groups_as_large_as_asked_for_are_told_of(pooled):
    five = [1.0] * 5 + [0.0] * (N - 5)
    told: list[Any] = [regressed(pooled, ["t"], values(five), needed) for needed in (5, 6)]
    assert [bool(each.refused) for each in told] == [False, True]


def test_traits_of_people_and_of_designs_are_put_together(tmp_path):
    settings = short_settings(tmp_path)
    verdicts = {
        who: Outline.of(
            verdict(intervention(who), n_pre=number, by_lot=who == "b", likelihood=likelihood)
        )
        for who, number, likelihood in (("a", 20, "normal"), ("b", 30, "student_t"))
    }
    set_traits(settings, pd.DataFrame({"user_id": ["a"], "trait": ["age"], "value": [31.0]}))
    assert trait_values(settings, (), verdicts) == {}
    assert trait_values(settings, ["baseline_days", "by_lot"], verdicts) == {
        "a": (20.0, 0.0),
        "b": (30.0, 1.0),
    }
    assert trait_values(settings, ["normal_likelihood"], verdicts) == {"a": (1.0,), "b": (0.0,)}
    assert trait_values(settings, ["on_and_off"], verdicts) == {"a": (0.0,), "b": (0.0,)}
    assert trait_values(settings, ["age", "baseline_days"], verdicts) == {"a": (31.0, 20.0)}
