"""Plans: what more days, larger effects, noise and looking do to the days that are needed."""

import math

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import InsufficientData, plan
from its_pipeline.its.planning import rehearsal
from its_pipeline.its.planning.summary import PlanSummary
from its_pipeline.schedules.look_plans import LOOK_PLANS


def days(n=60, rho=0.0, sd=5.0, seed=1):
    rng = np.random.default_rng(seed)
    noise = np.empty(n)
    noise[0] = rng.standard_normal()
    for t in range(1, n):
        noise[t] = rho * noise[t - 1] + math.sqrt(1 - rho**2) * rng.standard_normal()
    return pd.Series(50.0 + sd * noise, pd.date_range("2026-01-01", periods=n))


@pytest.fixture(scope="module")
def white():
    return plan(days())


def test_power_grows_with_the_effect_and_with_days(white):
    sd = white.baseline_sd
    powers = [white.power_at(28, factor * sd) for factor in (0.25, 0.5, 1.0, 2.0)]
    assert powers == sorted(powers)
    assert powers[0] < 0.35
    assert powers[-1] > 0.95
    assert white.power_at(8) < white.power_at(14) < white.power_at(60)


def test_the_days_needed_are_the_first_that_reach_the_power(white):
    needed = white.days_needed
    assert needed is not None
    assert white.power_at(needed) >= 0.8 > white.power_at(needed - 1)


def test_what_some_days_detect_has_the_power_there(white):
    effect = white.detectable(28)
    assert white.power_at(28, effect) == pytest.approx(0.8, abs=0.01)
    assert white.detectable(60) < effect
    assert math.isinf(white.detectable(7))


def test_days_that_resemble_each_other_need_more_of_them():
    lasting = plan(days(rho=0.6, seed=3))
    assert lasting.power_at(28) < plan(days(seed=3)).power_at(28)


def test_days_without_data_need_more_calendar_days():
    seen = np.random.default_rng(0).random(60) < 0.6
    sparse = plan(days()[seen])
    full = plan(days())
    assert sparse.power_at(14, full.effect) < full.power_at(14, full.effect)


def test_days_seldom_observed_still_make_a_plan():
    # The first look is on day 29, ahead of another one that sees nothing new.
    seen = np.sort(np.random.default_rng(4).choice(np.arange(1, 99), 26, replace=False))
    seldom = days(100).iloc[np.concatenate([[0], seen, [99]])]
    found = plan(seldom)
    assert 0.0 < found.power_at(30) < found.power_at(300) <= 1.0


def test_on_and_off_needs_fewer_days_than_one_change_where_days_drift():
    needed = plan(days(n=90, rho=0.9, seed=4)).by_design
    assert list(needed) == ["AB", "ABAB", "days by lot", "blocks by lot"]
    for design in ("ABAB", "days by lot", "blocks by lot"):
        found = needed[design]
        assert found is not None
        assert needed["AB"] is None or found < needed["AB"]


@pytest.mark.parametrize("looks", sorted(LOOK_PLANS))
def test_looking_costs_power_and_not_much_with_an_error_spent_late(monkeypatch, looks):
    # Of few courses an early look may say by chance what later days would not.
    monkeypatch.setattr(rehearsal, "COURSES", 256)
    once = plan(days(), looks="at_end").power_at(60)
    found = plan(days(), looks=looks).power_at(60)
    if looks == "at_end":
        assert found == pytest.approx(once)
    else:
        assert found < once + 0.005
    if looks == "daily":
        assert found > once - 0.04


def test_other_people_serve_where_nothing_is_known():
    several = [days(seed=seed, sd=sd) for seed, sd in ((1, 2.0), (2, 8.0))]
    found = plan(several, effect=5.0)
    single = [plan(each, effect=5.0).power_at(28) for each in several]
    assert found.n_people == 2
    assert found.power_at(28) == pytest.approx(np.mean(single))


def test_a_plan_s_numbers_come_back_from_json(white):
    told = PlanSummary.of(white, is_own=True)
    assert PlanSummary.from_dict(told.to_dict()) == told
    assert told.curve[28][1] == pytest.approx(white.power_at(28))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"effect": 0.0}, "effect must be"),
        ({"effect": 5e-324}, "effect must be from 1e-12"),
        ({"effect": 1e308}, "effect must be from 1e-12 to 1e[+]12"),
        ({"effect": -2.0}, "direction"),
        ({"power": 1.0}, "power"),
        ({"looks": "weekly"}, "looks must be one of daily"),
    ],
)
def test_a_wrong_argument_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        plan(days(), **arguments)


def test_too_few_days_are_refused():
    with pytest.raises(InsufficientData):
        plan(days(n=7))


def test_days_that_are_no_number_of_days(white):
    with pytest.raises(ValueError, match="n_days"):
        white.power_at(0)
