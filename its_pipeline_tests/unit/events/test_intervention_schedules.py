"""Schedules in the log: their days, their rules, and when a lot was first recorded."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from its_pipeline.events.intervention_files import BulkLoadError, bulk_load
from its_pipeline.events.interventions import AlreadyLoggedError, Intervention, InterventionLog
from its_pipeline.events.metrics import load_metrics
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
REVERSAL = Schedule.periods([("2026-03-01", "2026-03-14"), ("2026-04-01", None)])
TEMPORARY = Schedule.periods([("2026-03-01", "2026-03-14")])


def lot(days: tuple[str, ...] = ("2026-03-02", "2026-03-05"), **rules: Any) -> Schedule:
    return Schedule.days(
        days, Mechanism(**rules), drawn_from_on="2026-03-01", drawn_to_on="2026-03-08"
    )


@pytest.fixture
def log(tmp_path: Path) -> InterventionLog:
    return InterventionLog(f"sqlite:///{tmp_path}/interventions.sqlite", load_metrics(None))


def declared(**changes: Any) -> dict[str, Any]:
    return {
        "user_id": "ada",
        "intervention_id": "morning",
        "outcome_metric": "sessionPerformanceScore",
        **changes,
    }


def drawn_at(entry: Intervention) -> datetime:
    assert entry.schedule is not None
    assert entry.schedule.mechanism is not None
    assert entry.schedule.mechanism.drawn_at is not None
    return entry.schedule.mechanism.drawn_at


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        (REVERSAL, (date(2026, 3, 1), None)),
        (TEMPORARY, (date(2026, 3, 1), date(2026, 3, 14))),
        (lot(), (date(2026, 3, 1), date(2026, 3, 8))),
    ],
)
def test_a_schedule_says_its_days_and_reads_back(
    log: InterventionLog, schedule: Schedule, days: tuple[date, date | None]
) -> None:
    logged = log.log(**declared(schedule=schedule, carryover_days=2, kind="morning_study"))
    assert (logged.started_on, logged.ended_on) == days
    assert log.get("ada", "morning") == logged
    assert logged.declaration()["schedule"] == schedule
    told = json.loads(json.dumps(logged.to_dict()))
    assert (told["carryover_days"], told["kind"]) == (2, "morning_study")
    # As a mapping, with its days said, it is the very same.
    mapping = told["schedule"]
    again = declared(schedule=mapping, carryover_days=2, kind="morning_study")
    assert log.log(**again, started_on=days[0], ended_on=days[1]) == logged
    assert len(log.changed_since(0)) == 1


def test_on_from_one_day_for_good_is_no_schedule(log: InterventionLog) -> None:
    since = Schedule.periods([("2026-03-01", "2026-03-14"), ("2026-03-15", None)])
    logged = log.log(**declared(schedule=since, ended_on=date(2026, 4, 1)))
    assert logged.schedule is None
    assert logged.to_dict()["schedule"] is None
    assert log.log(**declared(started_on=date(2026, 3, 1), ended_on=date(2026, 4, 1))) == logged


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "started_on must be a date, or be left out beside a schedule"),
        (
            {"schedule": REVERSAL, "started_on": date(2026, 3, 2)},
            "started_on 2026-03-02 is not the schedule's first day, 2026-03-01; leave",
        ),
        (
            {"schedule": lot(), "started_on": date(2026, 3, 2)},
            "started_on 2026-03-02 is not the schedule's first day, 2026-03-01; leave",
        ),
        (
            {"schedule": Schedule.since("2026-03-01"), "started_on": date(2026, 3, 2)},
            "started_on 2026-03-02 is not the schedule's first day, 2026-03-01; leave",
        ),
        (
            {"schedule": TEMPORARY, "ended_on": date(2026, 3, 13)},
            "ended_on 2026-03-13 is not the schedule's last day, 2026-03-14; leave",
        ),
        (
            {"schedule": REVERSAL, "ended_on": date(2026, 5, 13)},
            "ended_on 2026-05-13 is not the schedule's last day, which is open; leave",
        ),
        (
            {"started_on": date(2026, 3, 2), "carryover_days": 2},
            "carryover_days is 2 but there is no schedule, .* use washout_days",
        ),
        ({"schedule": REVERSAL, "carryover_days": -1}, r"carryover_days must be in \[0, 3650\]"),
        ({"schedule": {"on_periods": []}}, "schedule: a schedule needs at least one day on"),
        ({"schedule": 7}, "schedule: a schedule must be an object with fields but got 7"),
        ({"schedule": REVERSAL, "kind": "a/b"}, "kind 'a/b' is not a legal identifier"),
    ],
)
def test_a_broken_rule_names_value_rule_and_remedy(
    log: InterventionLog, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        log.log(**declared(**changes))
    assert log.list() == []


def test_another_schedule_is_another_intervention_and_is_told_as_it_is_given(
    log: InterventionLog,
) -> None:
    log.log(**declared(schedule=REVERSAL))
    with pytest.raises(AlreadyLoggedError, match=r"schedule is \{'on_periods': \[\['2026-03-01'"):
        log.log(**declared(schedule=TEMPORARY))


def test_an_amended_schedule_brings_its_days_along(log: InterventionLog) -> None:
    log.log(**declared(schedule=TEMPORARY))
    moved = log.amend("ada", "morning", schedule=Schedule.days(["2026-04-02", "2026-04-05"]))
    assert (moved.started_on, moved.ended_on) == (date(2026, 4, 2), date(2026, 4, 5))
    with pytest.raises(ValueError, match="started_on 2026-04-03 is not the schedule's first day"):
        log.amend("ada", "morning", started_on=date(2026, 4, 3))
    without = log.amend("ada", "morning", schedule=None)
    assert (without.started_on, without.ended_on) == (date(2026, 4, 2), None)
    assert without.version == 3


def test_a_lot_is_as_old_as_the_log_says_and_not_as_the_caller_says(log: InterventionLog) -> None:
    before = datetime.now(UTC)
    logged = log.log(**declared(schedule=lot(drawn_at=LONG_AGO)))
    assert before <= drawn_at(logged) == logged.logged_at
    assert logged.schedule is not None
    # Its first day was long before: it is kept, and counts for what it is.
    assert not logged.schedule.in_zone(logged.time_zone).is_randomised
    for repeated in (lot(), lot(drawn_at=LONG_AGO), logged.schedule):
        assert log.log(**declared(schedule=repeated)) == logged
    assert log.amend("ada", "morning", schedule=lot(drawn_at=LONG_AGO)) == logged


def test_only_other_days_or_rules_are_another_lot(log: InterventionLog) -> None:
    first = drawn_at(log.log(**declared(schedule=lot())))
    otherwise = {**lot(drawn_at=LONG_AGO).to_dict(), "done_otherwise": ["2026-03-02"]}
    assert drawn_at(log.amend("ada", "morning", schedule=otherwise)) == first
    assert drawn_at(log.amend("ada", "morning", name="Study early")) == first
    assert drawn_at(log.withdraw("ada", "morning", "moved house")) == first
    last = first
    for another in (
        lot(("2026-03-02", "2026-03-06")),
        lot(("2026-03-02", "2026-03-06"), seed=4),
        Schedule.days(["2026-03-02", "2026-03-06"], Mechanism(seed=4)),
        # What was drawn first is not as old as it was once something else had been logged.
        lot(),
    ):
        found = drawn_at(log.amend("ada", "morning", schedule=another))
        assert found > last
        last = found


def test_a_csv_holds_schedules_as_json(log: InterventionLog, tmp_path: Path) -> None:
    file = tmp_path / "interventions.csv"
    header = "user_id,intervention_id,outcome_metric,schedule,carryover_days,kind\n"
    cell = json.dumps(REVERSAL.to_dict()).replace('"', '""')
    good = f'ada,tea,sessionPerformanceScore,"{cell}",2,tea\n'
    file.write_text(header + good, encoding="utf-8")
    (loaded,) = bulk_load(log, file)
    assert (loaded.schedule, loaded.carryover_days, loaded.kind) == (REVERSAL, 2, "tea")
    assert loaded.started_on == date(2026, 3, 1)
    assert bulk_load(log, file) == (loaded,)
    file.write_text(
        header
        + "bob,tea,sessionPerformanceScore,{},,\n"
        + "bob,tea2,sessionPerformanceScore,March,,\n"
        + "bob,tea3,sessionPerformanceScore,,,\n"
        + 'bob,tea4,sessionPerformanceScore,"[1]",,\n',
        encoding="utf-8",
    )
    with pytest.raises(BulkLoadError) as caught:
        bulk_load(log, file)
    assert [error.line for error in caught.value.errors] == [2, 3, 4, 5]
    told = str(caught.value)
    for text in (
        "needs on_periods",
        "schedule cannot be read from 'March'",
        "started_on is empty, and there is no schedule",
        "must be an object with fields but got [1]",
    ):
        assert text in told
