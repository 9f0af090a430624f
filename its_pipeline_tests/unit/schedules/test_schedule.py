"""The rules of a schedule and of a mechanism, and that both survive the way to JSON and back."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Period, Schedule, as_date

NOON = datetime(2026, 4, 30, 12, tzinfo=UTC)


def _on(schedule, first, n):
    start = date.fromisoformat(first)
    return "".join("01"[schedule.is_on(start + timedelta(days=i))] for i in range(n))


def test_both_ends_of_a_period_are_on():
    assert _on(Schedule.periods([("2026-05-02", "2026-05-04")]), "2026-05-01", 5) == "01110"
    assert _on(Schedule.periods([("2026-05-02", "2026-05-02")]), "2026-05-01", 3) == "010"


def test_a_bare_date_is_on_from_that_day_for_good():
    since = Schedule.since("2026-05-02")
    assert _on(since, "2026-05-01", 3) == "011"
    assert since.is_on(date(2040, 1, 1))
    assert since.last_on is None
    assert since.is_single_change


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule.periods([("2026-05-02", "2026-05-04")]),
        Schedule.periods([("2026-05-02", "2026-05-04"), ("2026-05-06", None)]),
        Schedule((Period(date(2026, 5, 2)),), Mechanism()),
        Schedule((Period(date(2026, 5, 2)),), done_otherwise=(date(2026, 5, 3),)),
    ],
)
def test_whatever_else_is_said_makes_it_no_single_change(schedule):
    assert not schedule.is_single_change


def test_neighbours_without_a_day_off_are_one_period():
    merged = Schedule.periods([("2026-05-01", "2026-05-03"), ("2026-05-04", None)])
    assert merged == Schedule.since("2026-05-01")
    apart = Schedule.periods([("2026-05-01", "2026-05-03"), ("2026-05-05", None)])
    assert len(apart.on_periods) == 2
    assert Schedule.days(["2026-05-03", "2026-05-01", "2026-05-02", "2026-05-01"]) == (
        Schedule.periods([("2026-05-01", "2026-05-03")])
    )


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "at least one day on"),
        ([("2026-05-01", "2026-05-03"), ("2026-05-03", None)], "must not overlap"),
        ([("2026-05-05", "2026-05-06"), ("2026-05-01", "2026-05-02")], "must be in order"),
        ([("2026-05-01", None), ("2026-05-03", None)], "only the last period may go on"),
        ([("2026-05-03", "2026-05-02")], "2026-05-02, must not be earlier"),
        ([("2026-05-03",)], "is a pair"),
        ([("tomorrow", None)], "'tomorrow'"),
    ],
)
def test_periods_that_contradict_themselves_are_refused(pairs, words):
    with pytest.raises(ValueError, match=words):
        Schedule.periods(pairs)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"drawn_from_on": "2026-05-03"}, "before the first day drawn, 2026-05-03"),
        ({"drawn_to_on": "2026-05-03"}, "after the last day drawn, 2026-05-03"),
    ],
)
def test_days_outside_of_what_was_drawn_are_refused(given, words):
    days = ["2026-05-02", "2026-05-04"]
    with pytest.raises(ValueError, match=words):
        Schedule.days(days, Mechanism(), **given)
    with pytest.raises(ValueError, match="are for schedules with a mechanism"):
        Schedule.days(days, drawn_from_on="2026-05-01")
    with pytest.raises(ValueError, match="an open period is on"):
        Schedule((Period(date(2026, 5, 2)),), Mechanism(), drawn_to_on=date(2026, 6, 1))


def test_what_was_done_differs_on_the_days_that_are_named():
    planned = Schedule.days(
        ["2026-05-02", "2026-05-03"], done_otherwise=["2026-05-03", "2026-05-05", "2026-05-01"]
    )
    done = planned.as_done(date(2026, 5, 6))
    assert done is not None
    assert _on(done, "2026-04-30", 7) == "0110010"
    assert done.done_otherwise == ()
    # What lies behind the last day told is not known.
    assert _on(planned.as_done(date(2026, 5, 4)), "2026-04-30", 7) == "0110000"
    plain = Schedule.since("2026-05-02")
    assert plain.as_done(date(2026, 5, 6)) is plain
    never = Schedule.days(["2026-05-02"], done_otherwise=["2026-05-02"])
    assert never.as_done(date(2026, 5, 6)) is None


@pytest.mark.parametrize(
    ("drawn_at", "drawn_from_on", "expected"),
    [
        (None, None, True),
        (NOON, None, True),
        (NOON, "2026-05-01", True),
        (NOON, "2026-04-30", False),
        (NOON + timedelta(days=1), None, True),
        (NOON + timedelta(days=2), None, False),
        (NOON + timedelta(days=40), None, False),
    ],
)
def test_only_what_was_drawn_ahead_counts_as_randomised(drawn_at, drawn_from_on, expected):
    mechanism = Mechanism(drawn_at=drawn_at)
    drawn = Schedule.days(["2026-05-02"], mechanism, drawn_from_on=drawn_from_on)
    assert drawn.is_randomised is expected
    assert not Schedule.days(["2026-05-02"]).is_randomised


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule.since("2026-05-02"),
        Schedule.periods([("2026-05-02", "2026-05-04"), ("2026-05-06", None)]),
        Schedule.days(
            ["2026-05-02", "2026-05-09"],
            Mechanism(2, "block", 8, 3, 1, 4, "on", 7, drawn_at=NOON),
            drawn_from_on="2026-05-01",
            drawn_to_on="2026-05-16",
            done_otherwise=["2026-05-03"],
        ),
    ],
)
def test_a_schedule_survives_json(schedule):
    assert Schedule.from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule


def test_a_mechanism_survives_json_and_keeps_defaults():
    mechanism = Mechanism(2, "block", 8, 3, 1, 4, "on", 7, drawn_at=NOON)
    assert Mechanism.from_dict(json.loads(json.dumps(mechanism.to_dict()))) == mechanism
    assert Mechanism.from_dict({"seed": 3}) == Mechanism(seed=3)
    elsewhere = datetime(2026, 4, 30, 14, tzinfo=timezone(timedelta(hours=2)))
    # By its own date it is asked whether that was ahead of the first day.
    assert Mechanism(drawn_at=elsewhere).to_dict()["drawn_at"] == "2026-04-30T14:00:00+02:00"


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match=r"a mechanism has no field \['sede'\]"):
        Mechanism.from_dict({"sede": 3})
    with pytest.raises(ValueError, match=r"a schedule has no field \['on'\]"):
        Schedule.from_dict({"on": []})
    with pytest.raises(ValueError, match="needs on_periods"):
        Schedule.from_dict({})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unit_days": 0}, r"unit_days must be an integer in \[1, 366\] but got 0"),
        ({"unit_days": True}, "unit_days must be an integer"),
        ({"balance": "half"}, "balance must be one of none, block, total but got 'half'"),
        ({"first": "maybe"}, "first must be one of off, on, either"),
        ({"balance": "block"}, "block_days must be an integer"),
        ({"balance": "block", "block_days": 7}, "even number of units of 1 days but got 7"),
        (
            {"balance": "block", "block_days": 6, "unit_days": 2},
            "even number of units of 2 days but got 6",
        ),
        ({"block_days": 4}, "block_days is for balance"),
        ({"longest_run": 2, "shortest_run": 3}, r"longest_run must be an integer in \[3, "),
        ({"phases": 1}, "phases must be an integer in"),
        ({"seed": -1}, "seed must be an integer in"),
        ({"drawn_at": datetime(2026, 5, 1)}, "instant with time zone"),
    ],
)
def test_rules_that_no_lot_can_keep_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Mechanism(**fields)


@pytest.mark.parametrize(
    "value",
    [
        "2026-05-01",
        date(2026, 5, 1),
        datetime(2026, 5, 1),
        pd.Timestamp("2026-05-01"),
        np.datetime64("2026-05-01"),
    ],
)
def test_dates_are_taken_as_they_come(value):
    assert as_date("day", value) == date(2026, 5, 1)


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 5, 1, 9), datetime(2026, 5, 1, tzinfo=UTC), 20260501, None, pd.NaT, "May"],
)
def test_what_is_no_local_date_is_refused(value):
    with pytest.raises(ValueError, match="day must be a local date"):
        as_date("day", value)
