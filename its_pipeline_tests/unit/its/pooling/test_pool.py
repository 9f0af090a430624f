"""Pools against closed forms, brute force and what they promise."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from its_pipeline.its import EffectLikelihood, Estimate, pool
from its_pipeline.its.pooling import frame, integration
from its_pipeline.its.pooling.estimates import BASELINE_SD, Members
from its_pipeline.its.pooling.frame import student_t_spread

MEANS = np.array([0.9, 0.1, 0.5, -0.2, 0.7])
SDS = np.array([0.2, 0.3, 0.15, 0.4, 0.25])


def _table(means: Any = MEANS, sds: Any = SDS) -> pd.DataFrame:
    return pd.DataFrame({"mean": means, "sd": sds}, index=[f"p{i}" for i in range(len(means))])


@cache
def _pooled():
    return pool(_table(), unit=BASELINE_SD, minimum_effect=0.2)


def _brute(parts):
    """Return weights over a dense grid of (tau, mu): evenly in asinh of both."""
    u, v = np.linspace(1e-6, 6.0, 601), np.linspace(-6.0, 6.0, 601)
    taus, mus = 0.1 * np.sinh(u), 0.4 + 0.1 * np.sinh(v)
    log = stats.norm.logpdf(mus, 0.0, 3.0)[None] + stats.t.logpdf(taus / 0.5, 4)[:, None]
    log = log + np.log(np.cosh(v))[None] + np.log(np.cosh(u))[:, None]
    for weights, means, sds in parts:
        total = np.zeros(log.shape)
        for w, m, s in zip(weights, means, sds, strict=True):
            total += w * stats.norm.pdf(m, mus[None], np.hypot(s, taus)[:, None])
        log += np.log(np.maximum(total, 1e-300))
    weights = np.exp(log - log.max())
    weights[[0, -1]] *= 0.5
    return taus, mus, weights / weights.sum()


def test_mean_spread_and_next_person_are_those_of_a_dense_grid():
    parts = [np.array([[1.0], [m], [s]]) for m, s in zip(MEANS, SDS, strict=True)]
    taus, mus, weights = _brute(parts)
    of_mu, of_tau = weights.sum(axis=0), weights.sum(axis=1)
    pooled = _pooled()
    mean = of_mu @ mus
    assert pooled.mean.mean == pytest.approx(mean, abs=1e-4)
    assert pooled.mean.sd == pytest.approx(np.sqrt(of_mu @ (mus - mean) ** 2), rel=1e-3)
    below = np.interp((pooled.mean.ci_lower, pooled.mean.ci_upper), mus, np.cumsum(of_mu))
    assert below == pytest.approx((0.025, 0.975), abs=1e-2)
    assert pooled.spread.mean == pytest.approx(of_tau @ taus, rel=1e-3)
    below = np.interp((pooled.spread.ci_lower, pooled.spread.ci_upper), taus, np.cumsum(of_tau))
    assert below == pytest.approx((0.025, 0.975), abs=1e-2)
    variance = pooled.mean.sd**2 + of_tau @ taus**2
    assert pooled.next_person.sd == pytest.approx(np.sqrt(variance), rel=3e-3)
    benefits = (weights * stats.norm.sf(0.2, mus[None], taus[:, None])).sum()
    assert pooled.probability_next_benefits == pytest.approx(benefits, abs=2e-3)
    assert pooled.error < 0.02


def test_each_member_given_all_is_that_of_a_dense_grid():
    parts = [np.array([[1.0], [m], [s]]) for m, s in zip(MEANS, SDS, strict=True)]
    taus, mus, weights = _brute(parts)
    member = 3
    total = (SDS[member] ** 2 + taus**2)[:, None]
    means = (MEANS[member] * taus[:, None] ** 2 + mus[None] * SDS[member] ** 2) / total
    sds = SDS[member] * taus[:, None] / np.sqrt(total)
    told = _pooled().members.iloc[member]
    mean = float((weights * means).sum())
    assert told["mean"] == pytest.approx(mean, abs=1e-4)
    variance = float((weights * (np.square(means - mean) + np.square(sds))).sum())
    assert told["sd"] == pytest.approx(np.sqrt(variance), rel=1e-3)
    for name, wanted in (("ci_lower", 0.025), ("ci_upper", 0.975)):
        below = float((weights * stats.norm.cdf(told[name], means, sds)).sum())
        assert below == pytest.approx(wanted, abs=1e-3)
    assert told["own_mean"] < told["mean"] < _pooled().mean.mean


def test_a_likelihood_of_several_gaussians_is_averaged_exactly():
    parts = np.array([[0.7, 0.3], [0.1, 1.0], [0.2, 0.3]])
    estimates = [
        Estimate("a", EffectLikelihood(parts), BASELINE_SD),
        *[Estimate.normal(f"p{i}", MEANS[i], SDS[i], BASELINE_SD) for i in range(3)],
    ]
    plain = [np.array([[1.0], [MEANS[i]], [SDS[i]]]) for i in range(3)]
    taus, mus, weights = _brute([parts, *plain])
    pooled = pool(estimates)
    assert pooled.mean.mean == pytest.approx(weights.sum(axis=0) @ mus, abs=3e-4)
    assert pooled.spread.mean == pytest.approx(weights.sum(axis=1) @ taus, rel=1e-3)


def test_leaving_one_out_is_pooling_the_others():
    without = _pooled().leave_one_out
    for i in (0, 3):
        others = np.delete(np.arange(5), i)
        again = pool(_table().iloc[others], unit=BASELINE_SD)
        assert without["mean"].iloc[i] == pytest.approx(again.mean.mean, abs=2e-3)
        assert without["sd"].iloc[i] == pytest.approx(again.mean.sd, rel=5e-3)
    assert without["moved_in_sds"].abs().max() > 0.1


def test_a_member_added_is_a_member_pooled():
    pooled = pool(_table().iloc[:4], unit=BASELINE_SD, minimum_effect=0.2)
    more = pooled.with_member(Estimate.normal("p4", MEANS[4], SDS[4], BASELINE_SD))
    assert more.mean.mean == pytest.approx(_pooled().mean.mean, abs=1e-4)
    assert more.spread.ci_upper == pytest.approx(_pooled().spread.ci_upper, rel=2e-3)
    assert list(more.members.index) == ["p0", "p1", "p2", "p3", "p4"]
    # One that the grid was not made for has it laid out anew.
    far = pooled.with_member(Estimate.normal("far", 9.0, 0.1, BASELINE_SD))
    again = pool(
        pd.concat([_table().iloc[:4], _table([9.0], [0.1]).rename({"p0": "far"})]),
        unit=BASELINE_SD,
    )
    assert far.mean.mean == pytest.approx(again.mean.mean, abs=1e-3)
    assert far.mean.sd == pytest.approx(again.mean.sd, rel=1e-3)


def test_the_odd_one_counts_for_less_where_tails_are_heavy():
    means = np.array([0.3, 0.35, 0.25, 0.4, 0.3, 0.2, 0.3, 4.0])
    table = _table(means, np.full(8, 0.1))
    pooled = pool(table, unit=BASELINE_SD)
    heavy = pooled.heavy_tailed
    assert heavy.mean.mean < pooled.mean.mean - 0.1
    assert heavy.weights["p7"] < 0.2 * heavy.weights.drop("p7").min()
    assert pooled.leave_one_out["moved_in_sds"].abs().idxmax() == "p7"


def test_students_t_is_a_mixture_of_normals():
    spread = student_t_spread(4.0)
    x = np.array([0.0, 0.5, 2.0, 8.0, 20.0])
    found = stats.norm.pdf(x[:, None], 0.0, np.sqrt(spread.factors)) @ np.exp(spread.log_shares)
    assert found == pytest.approx(stats.t.pdf(x, 4), rel=1e-4)


def test_a_trait_is_found_in_its_own_unit():
    rng = np.random.default_rng(1)
    age = rng.uniform(20.0, 70.0, 60)
    other = rng.standard_normal(60)
    true = 0.3 + 0.02 * (age - age.mean()) + 0.1 * rng.standard_normal(60)
    table = _table(true + 0.2 * rng.standard_normal(60), np.full(60, 0.2))
    traits = pd.DataFrame({"age": age, "other": other}, index=table.index)
    pooled = pool(table, unit=BASELINE_SD)
    one = pooled.regression(traits[["age"]])
    slope = one.slopes["age"]
    # Weighted least squares with all weights alike.
    straight = np.polyfit(age, table["mean"], 1)[0]
    assert slope.mean == pytest.approx(straight, rel=0.02)
    assert slope.ci_lower < 0.02 < slope.ci_upper
    assert slope.ci_lower > 0.0
    assert one.spread.mean < 0.6 * one.spread_without.mean
    two = pooled.regression(traits)
    assert two.slopes["age"].mean == pytest.approx(slope.mean, rel=0.1)
    assert two.slopes["other"].ci_lower < 0.0 < two.slopes["other"].ci_upper


def test_people_without_an_estimate_are_told_at_no_effect():
    sure = pool(_table(), unit=BASELINE_SD, without_estimate={"stopped early": 2, "refused": 1})
    imputed = sure.imputed
    assert imputed is not None
    zeros = _table(np.zeros(3), np.full(3, np.median(SDS))).rename(lambda name: f"none {name}")
    again = pool(pd.concat([_table(), zeros]), unit=BASELINE_SD)
    assert imputed.mean.mean == pytest.approx(again.mean.mean, abs=1e-4)
    assert imputed.mean.mean < sure.mean.mean
    assert sure.to_dict()["imputed"]["n_members"] == 8
    assert _pooled().imputed is None


def test_direction_and_unit_turn_with_the_outcome():
    less = pool(_table(-MEANS), unit=BASELINE_SD, direction="decrease", minimum_effect=0.2)
    assert less.mean.mean == pytest.approx(-_pooled().mean.mean, abs=1e-6)
    assert less.probability_next_benefits == pytest.approx(
        _pooled().probability_next_benefits, abs=1e-6
    )
    assert less.members["probability_of_benefit"].to_numpy() == pytest.approx(
        _pooled().members["probability_of_benefit"].to_numpy(), abs=1e-6
    )
    steps = pool(_table(1000.0 * MEANS, 1000.0 * SDS), unit="steps", scale=1000.0)
    assert steps.mean.sd == pytest.approx(1000.0 * _pooled().mean.sd, rel=1e-6)
    assert steps.spread.mean == pytest.approx(1000.0 * _pooled().spread.mean, rel=1e-6)


def test_many_members_by_a_polynomial_are_many_members_one_by_one(monkeypatch):
    rng = np.random.default_rng(2)
    n = 1500
    sds = rng.uniform(0.1, 0.6, n)
    table = _table(rng.normal(0.3, 0.4, n) + sds * rng.standard_normal(n), sds)
    quick = pool(table, unit=BASELINE_SD)
    monkeypatch.setattr(integration, "_SMOOTH_FROM", 10**9)
    slow = pool(table, unit=BASELINE_SD)
    assert quick.mean.mean == pytest.approx(slow.mean.mean, abs=0.002 * slow.mean.sd)
    assert quick.mean.sd == pytest.approx(slow.mean.sd, rel=2e-3)
    assert quick.spread.ci_upper == pytest.approx(slow.spread.ci_upper, rel=2e-3)
    away = (quick.members["mean"] - slow.members["mean"]).abs().max()
    assert away < 0.002 * slow.members["sd"].min()


def test_spread_is_integrated_and_never_plugged_in():
    alike = pool(_table([0.3, 0.31, 0.29], [0.2, 0.2, 0.2]), unit=BASELINE_SD)
    # Three that agree do not say that people are all alike.
    assert alike.spread.ci_upper > 0.5
    assert alike.next_person.sd > 1.5 * alike.mean.sd
    assert alike.mean.sd > 0.2 / np.sqrt(3)
    assert frame.SPREAD_DF == 4.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda: pool(_table().iloc[:1], unit=BASELINE_SD), "at least 2 members but got 1"),
        (lambda: pool([], unit=BASELINE_SD), "at least 2 members but got 0"),
        (lambda: pool(_table([0.1, np.nan], [1.0, 1.0]), unit=BASELINE_SD), "'p1'.*nan"),
        (lambda: pool(_table([0.1, 0.2], [1.0, 0.0]), unit=BASELINE_SD), "'p1'.*sd > 0.*0.0"),
        (lambda: Estimate.normal("ann", 0.1, -1.0), "'ann'.*sd > 0.*-1.0"),
        (lambda: pool(_table().rename({"p1": "p0"}), unit=BASELINE_SD), r"once but \['p0'\]"),
        (
            lambda: pool([Estimate.normal("a", 1, 1, "steps"), Estimate.normal("b", 1, 1, "h")]),
            "one unit but got 1 in 'steps', 1 in 'h'",
        ),
        (lambda: pool(_table(), unit="steps"), "give `scale`"),
        (lambda: pool(_table(), unit="steps", scale=0.0), "scale must be finite and > 0"),
        (lambda: pool(_table(), unit=BASELINE_SD, direction="up"), "direction must be"),
        (lambda: pool(_table(), unit=BASELINE_SD, minimum_effect=-1.0), ">= 0 but got -1.0"),
        (
            lambda: pool(_table(), unit=BASELINE_SD, without_estimate={"refused": -1}),
            r"\['refused'\] must be a whole number >= 0 but got -1",
        ),
        (lambda: pool(_table()[["mean"]], unit=BASELINE_SD), r"columns mean and sd but \['sd'\]"),
        (
            lambda: _pooled().with_member(Estimate.normal("p0", 1.0, 1.0, BASELINE_SD)),
            "'p0' is in this pool already",
        ),
        (lambda: _pooled().with_member(Estimate.normal("q", 1.0, 1.0, "steps")), "one unit"),
        (
            lambda: _pooled().regression(pd.DataFrame({"age": [1.0]}, index=["p0"])),
            "4 members have no traits",
        ),
        (
            lambda: _pooled().regression(pd.DataFrame({"age": 1.0}, index=_table().index)),
            "'age' is 1 for every member",
        ),
        (
            lambda: _pooled().regression(
                pd.DataFrame({"a": range(5), "b": range(5)}, index=_table().index)
            ),
            "correlation 1.0000",
        ),
        (
            lambda: EffectLikelihood(np.array([[1.0], [np.inf], [1.0]])),
            "must be finite",
        ),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_remedy(change, says):
    with pytest.raises(ValueError, match=says):
        change()


def test_the_same_sum_whatever_the_cores(monkeypatch):
    members = Members.of(_table(np.tile(MEANS, 900), np.tile(SDS, 900)), BASELINE_SD)
    nodes = integration.integrate(members, 1.0)
    monkeypatch.setattr(integration.os, "cpu_count", lambda: 1)
    assert (integration.integrate(members, 1.0).summed == nodes.summed).all()
