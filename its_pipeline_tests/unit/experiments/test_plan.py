"""What is said of an experiment before its effect is: counts, states and dates."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pytest

from its_pipeline.experiments.plan import autocorrelation, plan_experiment
from its_pipeline.experiments.window import experiment_window
from its_pipeline_tests.unit.experiments.test_window import START, intervention


def plan_of(n_pre: int, n_post: int, complete_until_on: date, missing=(), **changes):
    one = intervention(**changes)
    window = experiment_window(one, [], complete_until_on)
    first = START - timedelta(days=n_pre)
    days = np.array(
        [np.datetime64(first) + step for step in range(n_pre + n_post) if step not in missing]
    )
    values = np.linspace(40.0, 60.0, len(days))
    return plan_experiment(one, window, days, values, complete_until_on)


def test_enough_days_are_ready():
    plan = plan_of(30, 20, date(2026, 5, 20))
    assert (plan.state, plan.n_pre, plan.n_post) == ("ready", 30, 20)
    assert plan.analysable_on is None
    assert plan.baseline_mean == pytest.approx(np.linspace(40.0, 60.0, 50)[:30].mean())


def test_too_few_post_days_wait_for_a_date():
    # Days 1 to 5 May are observed; 6, 7 and 8 May complete the eight, so 9 May is the first date.
    plan = plan_of(30, 5, date(2026, 5, 5))
    assert plan.state == "waiting"
    assert plan.reason_code == "too_few_post_days"
    assert plan.analysable_on == date(2026, 5, 9)
    assert "30 observed days before the start and 5 after it" in plan.reason


def test_eight_days_each_are_enough_and_seven_are_not():
    assert plan_of(8, 8, date(2026, 5, 8)).state == "ready"
    assert plan_of(8, 7, date(2026, 5, 7)).state == "waiting"
    assert plan_of(7, 8, date(2026, 5, 8)).state == "closed"


def test_washout_days_do_not_count():
    plan = plan_of(30, 10, date(2026, 5, 10), washout_days=3)
    assert (plan.state, plan.n_post) == ("waiting", 7)
    assert plan.analysable_on == date(2026, 5, 12)


def test_one_in_the_future_waits_from_its_start():
    plan = plan_of(30, 0, START - timedelta(days=1))
    assert (plan.state, plan.reason_code) == ("waiting", "not_started")
    assert plan.analysable_on == START + timedelta(days=8)


def test_a_baseline_that_is_over_and_too_short_has_no_date():
    plan = plan_of(5, 20, date(2026, 5, 20))
    assert (plan.state, plan.reason_code, plan.analysable_on) == (
        "closed",
        "too_few_pre_days",
        None,
    )


def test_a_horizon_too_short_for_ever_is_closed():
    plan = plan_of(30, 7, date(2026, 6, 20), horizon_days=7)
    assert (plan.state, plan.reason_code) == ("closed", "too_few_post_days")


def test_a_withdrawn_one_is_closed_whatever_its_days():
    assert plan_of(30, 20, date(2026, 5, 20), status="withdrawn").state == "closed"


def test_missing_values_are_not_observed_days():
    one = intervention()
    window = experiment_window(one, [], date(2026, 5, 20))
    days = np.datetime64(START) + np.arange(-10, 10)
    values = np.where(np.arange(20) % 2, np.nan, 50.0 + np.arange(20))
    plan = plan_experiment(one, window, days, values, date(2026, 5, 20))
    assert (plan.n_pre, plan.n_post) == (5, 5)


def test_the_plan_is_json():
    text = json.dumps(plan_of(30, 5, date(2026, 5, 5)).to_dict())
    assert '"analysable_on": "2026-05-09"' in text


def test_autocorrelation_uses_neighbouring_days_only():
    rng = np.random.default_rng(4)
    noise = np.zeros(4000)
    for step in range(1, len(noise)):
        noise[step] = 0.6 * noise[step - 1] + rng.standard_normal()
    days = np.datetime64("2020-01-01") + np.arange(len(noise))
    assert autocorrelation(days, noise) == pytest.approx(0.6, abs=0.05)
    assert autocorrelation(days[::2], noise[::2]) is None
    assert autocorrelation(days[:20], np.ones(20)) is None
