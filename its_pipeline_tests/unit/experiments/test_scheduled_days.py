"""Days of an experiment with a schedule: its window, what counts as off and on, and what waits."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.experiments.plan import Plan, plan_experiment
from its_pipeline.experiments.scheduled_days import off_and_on
from its_pipeline.experiments.window import experiment_window
from its_pipeline.its import AnalysisSpec, InsufficientData
from its_pipeline.its.series import MINIMUM_DAYS, prepare_series
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule
from its_pipeline_tests.unit.experiments.test_window import LATE, START, intervention

REVERSAL = Schedule.periods([("2026-05-01", "2026-05-10"), ("2026-05-21", None)])
TEMPORARY = Schedule.periods([("2026-05-01", "2026-05-10")])
LOT = Schedule.days(
    ["2026-05-02", "2026-05-03", "2026-05-06"],
    Mechanism(),
    drawn_from_on="2026-05-01",
    drawn_to_on="2026-05-08",
)


def plan_of(
    until_on: date, n_pre: int = 10, missing: tuple[date, ...] = (), **changes: Any
) -> Plan:
    """The plan with every day observed from `n_pre` days ahead of the start until a day."""
    one = intervention(**changes)
    window = experiment_window(one, [], until_on)
    first = START - timedelta(days=n_pre)
    all_days = [first + timedelta(days=i) for i in range((until_on - first).days + 1)]
    days = np.array([day for day in all_days if day not in missing], dtype="datetime64[D]")
    return plan_experiment(one, window, days, np.linspace(40.0, 60.0, len(days)), until_on)


@pytest.mark.parametrize(
    ("schedule", "end_on", "code"),
    [
        pytest.param(REVERSAL, date(2026, 7, 29), "horizon_days", id="open"),
        pytest.param(TEMPORARY, date(2026, 7, 29), "horizon_days", id="days after it are off"),
        pytest.param(LOT, date(2026, 5, 8), "ended", id="no day after the last one drawn"),
    ],
)
def test_only_the_lot_and_the_horizon_end_the_window(
    schedule: Schedule, end_on: date, code: str
) -> None:
    window = experiment_window(intervention(schedule=schedule), [], LATE)
    assert (window.pre_start_on, window.started_on) == (date(2026, 1, 31), START)
    assert (window.final_end_on, window.cuts[1].code) == (end_on, code)


def test_an_earlier_horizon_cuts_the_days_drawn() -> None:
    window = experiment_window(intervention(schedule=LOT, horizon_days=5), [], LATE)
    assert (window.final_end_on, window.cuts[1].code) == (date(2026, 5, 5), "horizon_days")


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        # Off are the 10 days ahead and the 10 between; on are 10, and 20 until 9 June.
        ({}, (20, 30)),
        # After 1, 11 and 21 May two days each.
        ({"carryover_days": 2}, (18, 26)),
        ({"carryover_days": 15}, (10, 5)),
        ({"washout_days": 3}, (20, 27)),
        # The last day of a period not done, and one of those between done.
        (
            {
                "schedule": Schedule(
                    REVERSAL.on_periods, done_otherwise=(date(2026, 5, 10), date(2026, 5, 15))
                )
            },
            (20, 30),
        ),
        # What was done otherwise changes no count: the answer is given as scheduled.
        (
            {
                "schedule": Schedule(
                    REVERSAL.on_periods, done_otherwise=(date(2026, 5, 10), date(2026, 5, 15))
                ),
                "carryover_days": 1,
            },
            (19, 28),
        ),
        ({"schedule": TEMPORARY}, (40, 10)),
        ({"baseline_days": 4}, (14, 30)),
        ({"missing": (date(2026, 5, 1), date(2026, 5, 11), date(2026, 5, 12))}, (18, 29)),
    ],
)
def test_days_off_and_on_are_counted_as_scheduled(
    changes: dict[str, Any], counts: tuple[int, int]
) -> None:
    plan = plan_of(date(2026, 6, 9), **{"schedule": REVERSAL, **changes})
    assert (plan.n_pre, plan.n_post) == counts
    assert plan.state == ("ready" if min(counts) >= 8 else "waiting")


def test_the_baseline_is_described_by_days_ahead_of_the_start_alone() -> None:
    plan = plan_of(date(2026, 6, 9), schedule=REVERSAL)
    assert plan.baseline_mean == pytest.approx(np.linspace(40.0, 60.0, 50)[:10].mean())
    assert plan_of(date(2026, 6, 9), n_pre=1, schedule=REVERSAL).baseline_mean is None


def test_a_switch_ahead_of_the_days_asked_for_reaches_into_them() -> None:
    one = intervention(schedule=REVERSAL, carryover_days=3)
    window = experiment_window(one, [], LATE)
    off, on = off_and_on(one, window, date(2026, 5, 12), date(2026, 5, 15))
    assert off.tolist() == [False, False, True, True]
    assert not on.any()


def test_what_is_missing_is_said_with_the_day_on_which_it_will_be_there() -> None:
    # Three days ahead and 11 to 13 May are off; 14 and 15 May complete the eight.
    plan = plan_of(date(2026, 5, 13), n_pre=3, schedule=REVERSAL)
    assert (plan.state, plan.reason_code) == ("waiting", "too_few_off_days")
    assert plan.analysable_on == date(2026, 5, 16)
    assert plan.reason == (
        "6 observed days off and 10 on: too few days off, at least 8 of each are needed. "
        "Possible from 2026-05-16 on"
    )
    early = plan_of(date(2026, 5, 4), schedule=REVERSAL, carryover_days=3)
    assert (early.n_pre, early.n_post, early.reason_code) == (10, 1, "too_few_on_days")
    # On count 4 to 10 May, and then 24 May.
    assert early.analysable_on == date(2026, 5, 25)
    assert "the first 3 after a switch do not count" in early.reason


def test_ahead_of_its_start_it_waits_for_both_kinds() -> None:
    plan = plan_of(START - timedelta(days=3), n_pre=5, schedule=REVERSAL)
    assert (plan.state, plan.reason_code) == ("waiting", "not_started")
    # Five days ahead are off, and three of those between are needed: 11, 12 and 13 May.
    assert plan.n_pre == 3
    assert "too few days off and on" in plan.reason
    assert plan.analysable_on == date(2026, 5, 14)


@pytest.mark.parametrize(
    ("until_on", "changes", "state", "code"),
    [
        pytest.param(
            date(2026, 5, 20),
            {"schedule": TEMPORARY, "carryover_days": 3},
            "closed",
            "too_few_on_days",
            id="no day on will come",
        ),
        pytest.param(
            LATE,
            {"schedule": TEMPORARY, "carryover_days": 3},
            "closed",
            "too_few_on_days",
            id="nor did one come",
        ),
        pytest.param(
            LATE,
            {"schedule": TEMPORARY, "n_pre": 2, "horizon_days": 12},
            "closed",
            "too_few_off_days",
            id="too few off, for events that arrive late",
        ),
    ],
)
def test_what_can_never_be_enough_says_which_days(
    until_on: date, changes: dict[str, Any], state: str, code: str
) -> None:
    plan = plan_of(until_on, **changes)
    assert (plan.state, plan.reason_code, plan.analysable_on) == (state, code, None)
    arm = code.split("_")[2]
    assert f"the window has too few days {arm}: only events that arrive late" in plan.reason


def test_a_withdrawn_one_is_closed() -> None:
    assert plan_of(LATE, schedule=REVERSAL, status="withdrawn").state == "closed"


LATER = Schedule.days(
    [f"2026-05-{day:02}" for day in (4, 5, 8, 9, 10, 14, 15, 17, 20, 21, 24, 25, 26, 30)],
    Mechanism(),
    drawn_from_on="2026-05-01",
    drawn_to_on="2026-05-31",
)
"""The first day drawn is off, so the first day on comes after the start."""


@pytest.mark.parametrize("schedule", [REVERSAL, TEMPORARY, LATER])
@pytest.mark.parametrize(("washout", "carryover"), [(0, 0), (2, 0), (0, 1)])
def test_the_plan_counts_the_days_that_the_analysis_takes(
    schedule: Schedule, washout: int, carryover: int
) -> None:
    plan = plan_of(
        date(2026, 5, 31), schedule=schedule, washout_days=washout, carryover_days=carryover
    )
    days = pd.date_range(START - timedelta(days=10), "2026-05-31")
    outcome = pd.Series(np.linspace(40.0, 60.0, len(days)), days)
    spec = AnalysisSpec(washout_days=washout, carryover_days=carryover)
    if min(plan.n_pre, plan.n_post) < MINIMUM_DAYS:
        with pytest.raises(InsufficientData) as caught:
            prepare_series(outcome, schedule, spec)
        taken = (caught.value.n_pre, caught.value.n_post)
    else:
        series = prepare_series(outcome, schedule, spec)
        taken = (series.n_pre, series.n_post)
    assert (plan.n_pre, plan.n_post) == taken
