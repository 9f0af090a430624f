"""Schedules over HTTP: logged, amended, refused, and asked for without being logged."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.preparing import ask
from its_pipeline.api.questions.requests import AnalyzeRequest
from its_pipeline.experiments.preparation import Prepared
from its_pipeline.schedules.schedule import Schedule
from its_pipeline_tests.integration.api.test_analyze import problem
from its_pipeline_tests.integration.api.test_interventions import path, written

_numbers = itertools.count()

PERIODS = [["2026-05-01", "2026-05-10"], ["2026-05-21", None]]
LOT = {
    "on_periods": [["2026-05-02", "2026-05-03"], ["2026-05-06", "2026-05-06"]],
    "mechanism": {"first": "off", "seed": 5, "drawn_at": "2020-01-01T00:00:00Z"},
    "drawn_from_on": "2026-05-01",
    "drawn_to_on": "2026-05-06",
    "done_otherwise": ["2026-05-04"],
}


@pytest.fixture
def entry():
    return {"user_id": "dora", "intervention_id": f"drops-{next(_numbers)}"}


def test_a_schedule_is_logged_read_and_sent_back(live, entry):
    body = {**entry, "schedule": LOT, "carryover_days": 1, "kind": "drops"}
    before = datetime.now(UTC)
    logged = live.request("POST", "/interventions", json=body)
    assert logged.status_code == 201
    answer = logged.json()
    assert (answer["started_on"], answer["ended_on"]) == ("2026-05-01", "2026-05-06")
    assert (answer["carryover_days"], answer["kind"]) == (1, "drops")
    schedule = answer["schedule"]
    assert {name: schedule[name] for name in LOT if name != "mechanism"} == {
        name: LOT[name] for name in LOT if name != "mechanism"
    }
    assert schedule["mechanism"]["seed"] == 5
    # What the client says of the lot's age is not kept.
    assert datetime.fromisoformat(schedule["mechanism"]["drawn_at"]) >= before
    read = live.request("GET", path(entry)).json()
    assert read["schedule"] == schedule
    again = live.request("POST", "/interventions", json={**body, "schedule": schedule})
    assert (again.status_code, again.json()) == (200, answer)


def test_a_schedule_is_amended_and_taken_back(live, entry):
    live.request("POST", "/interventions", json={**entry, "schedule": {"on_periods": PERIODS}})
    change = {"version": 1, "reason": "A week more.", "schedule": {"on_periods": [PERIODS[0]]}}
    amended = live.request("PATCH", path(entry), json={**change, "carryover_days": 2}).json()
    assert amended["schedule"]["on_periods"] == [PERIODS[0]]
    assert (amended["ended_on"], amended["carryover_days"]) == ("2026-05-10", 2)
    back = {"version": 2, "reason": "It went on.", "schedule": None}
    refused = problem(live.request("PATCH", path(entry), json=back), 422, "validation")
    assert "carryover_days is 2 but there is no schedule" in refused["detail"]
    bare = live.request("PATCH", path(entry), json={**back, "carryover_days": 0}).json()
    assert (bare["schedule"], bare["started_on"], bare["ended_on"]) == (None, "2026-05-01", None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "give started_on, its first day, or a schedule"),
        (
            {"schedule": {"on_periods": PERIODS}, "started_on": "2026-05-02"},
            "started_on 2026-05-02 is not the schedule's first day, 2026-05-01",
        ),
        (
            {"schedule": {"on_periods": PERIODS}, "ended_on": "2026-05-12"},
            "ended_on 2026-05-12 is not the schedule's last day",
        ),
        ({"started_on": "2026-05-01", "carryover_days": 2}, "use washout_days"),
        ({"schedule": {"on_periods": []}}, "at least 1 item"),
        ({"schedule": {"on_periods": PERIODS[::-1]}}, "only the last period may go on"),
        ({"schedule": {"on_periods": [["2026-05-01"]]}}, "on_periods.0.1"),
        ({"schedule": {"on_periods": [["2026-05-04", "2026-05-01"]]}}, "must not be earlier"),
        (
            {"schedule": {**LOT, "mechanism": {"balance": "block", "block_days": 3}}},
            "block_days must be an even number of units of 1 days but got 3",
        ),
        ({"schedule": {**LOT, "mechanism": None}}, "are for schedules with a mechanism"),
        ({"schedule": {**LOT, "mechanism": {"drawn_at": "2026-05-01"}}}, "with time zone like"),
        ({"schedule": {**LOT, "colour": "red"}}, "colour"),
        ({"started_on": "2026-05-01", "kind": "a/b"}, "kind"),
    ],
)
def test_what_breaks_a_rule_is_not_logged(live, entry, change, told):
    before = written(live)
    answer = live.request("POST", "/interventions", json={**entry, **change})
    refused = problem(answer, 422, "validation")
    assert told in refused["detail"] + str(refused["errors"])
    assert written(live) == before


def asked(live, **body) -> Prepared:
    request = AnalyzeRequest.model_validate({"user_id": "p15", **body})
    return ask(live.services, request).prepared


def test_a_schedule_may_be_asked_for_without_being_logged(live):
    prepared = asked(live, schedule={"on_periods": PERIODS}, carryover_days=2)
    assert prepared.intervention.schedule == Schedule.periods(PERIODS)
    assert prepared.intervention.started_on.isoformat() == "2026-05-01"
    assert prepared.intervention.carryover_days == 2
    # 45 days ahead are observed and 40 from 1 May on; two are left out after each switch.
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (45 + 8, 8 + 18)
    bare = asked(live, intervention_date="2026-05-01")
    since = asked(live, schedule={"on_periods": [["2026-05-01", None]]})
    assert since.fingerprint == bare.fingerprint != prepared.fingerprint


def test_a_lot_that_is_not_logged_is_no_older_than_the_question(live):
    days = [f"2026-05-{day:02}" for day in range(2, 32, 2)]
    lot = {
        "on_periods": [[day, day] for day in days],
        "mechanism": {"first": "off", "drawn_at": "2020-01-01T00:00:00Z"},
        "drawn_from_on": "2026-05-01",
        "drawn_to_on": "2026-05-30",
    }
    schedule = asked(live, schedule=lot).intervention.schedule
    assert schedule is not None
    assert not schedule.in_zone("UTC").is_randomised


def test_the_schedule_that_is_logged_is_the_logged_experiment(live, entry):
    entry["user_id"] = "p14"
    schedule = {"on_periods": PERIODS}
    live.request("POST", "/interventions", json={**entry, "schedule": schedule})
    own = asked(live, user_id="p14", intervention_id=entry["intervention_id"])
    same = asked(live, user_id="p14", schedule=schedule)
    assert same.intervention == own.intervention
    # Other days from the same first one are another intervention beside it.
    with pytest.raises(Problem, match=f"{entry['intervention_id']} started on the same day"):
        asked(live, user_id="p14", schedule={"on_periods": [PERIODS[0]]})
    refused = live.analyze(
        user_id="p14",
        intervention_id=entry["intervention_id"],
        intervention_date=...,
        schedule=schedule,
    )
    assert "has the schedule that was logged" in problem(refused, 422, "validation")["detail"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"intervention_date": "2026-05-02", "schedule": {"on_periods": PERIODS}},
            "intervention_date 2026-05-02 is not the schedule's first day, 2026-05-01",
        ),
        ({"intervention_date": "2026-05-01", "carryover_days": 2}, "use washout_days"),
    ],
)
def test_questions_that_contradict_themselves(live, body, told):
    refused = problem(live.analyze(**{"user_id": "p15", **body}), 422, "validation")
    assert told in refused["detail"] + str(refused["errors"])


def test_too_few_days_on_are_said(live):
    short = {"on_periods": [["2026-05-01", "2026-05-04"]]}
    answer = live.analyze(user_id="p15", intervention_date=..., schedule=short)
    refused = problem(answer, 422, "insufficient_data")
    assert "too few days on" in refused["detail"]
    assert (refused["n_pre"], refused["n_post"]) == (45 + 36, 4)
