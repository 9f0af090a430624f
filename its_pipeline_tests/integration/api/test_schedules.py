"""Schedules over HTTP: logged, amended, refused, and asked for without being logged."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from its_pipeline.api.questions.bodies import analysis_answer
from its_pipeline.api.questions.preparing import ask
from its_pipeline.api.questions.requests import AnalyzeRequest
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.service import fit_experiment
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
    request = AnalyzeRequest.model_validate({"user_id": "p25", **body})
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
    entry["user_id"] = "p24"
    schedule = {"on_periods": PERIODS}
    live.request("POST", "/interventions", json={**entry, "schedule": schedule})
    own = asked(live, user_id="p24", intervention_id=entry["intervention_id"])
    same = asked(live, user_id="p24", schedule=schedule)
    assert same.intervention == own.intervention
    # Other days from the same first one are another intervention beside it, in one model with it.
    other = asked(live, user_id="p24", schedule={"on_periods": [PERIODS[0]]})
    assert other.intervention.intervention_id.startswith("adhoc-")
    assert list(other.others) == [entry["intervention_id"]]
    refused = live.analyze(
        user_id="p24",
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
    refused = problem(live.analyze(**{"user_id": "p25", **body}), 422, "validation")
    assert told in refused["detail"] + str(refused["errors"])


def test_too_few_days_on_are_said(live):
    short = {"on_periods": [["2026-05-01", "2026-05-04"]]}
    answer = live.analyze(user_id="p25", intervention_date=..., schedule=short)
    refused = problem(answer, 422, "insufficient_data")
    assert "too few days on" in refused["detail"]
    assert (refused["n_pre"], refused["n_post"]) == (45 + 36, 4)


def test_the_answer_has_phases_likeness_and_no_histogram_of_the_lot(live):
    answer = live.analyze(
        user_id="p23", intervention_date=..., schedule={"on_periods": PERIODS}, carryover_days=1
    ).json()
    told = _stored(live, "p23", answer)
    assert [phase["on"] for phase in answer["phases"]] == [False, True, False, True]
    assert answer["phases"][1]["from_on"] == "2026-05-01"
    for phase, stored in zip(answer["phases"], told["phases"], strict=True):
        assert (phase["n"], phase["mean"]) == (stored["n"], stored["mean"])
        assert (phase["effect"] is None) is not phase["on"]
    on = told["phases"][1]["effect"]
    assert answer["phases"][1]["effect"]["estimate"] == on["mean"]
    assert answer["likeness"]["word"] == told["likeness"]["word"]
    alike = answer["likeness"]["probability_alike"]
    assert alike == told["likeness"]["probability_alike"]
    later = told["likeness"]["first_less_later"]["mean"]
    assert answer["likeness"]["first_less_later"]["estimate"] == later
    assert (answer["others"], answer["as_done"], answer["randomisation"]) == ([], None, None)
    assert answer["sustained_effect"] is None
    assert live.request("GET", answer["links"]["self"]).json()["phases"] == answer["phases"]


def test_one_change_has_nothing_of_a_schedule(live):
    answer = live.analyze(user_id="p22").json()
    assert answer["status"] == "analysed"
    assert (answer["phases"], answer["others"], answer["window"]["together"]) == ([], [], [])
    assert {answer[name] for name in ("likeness", "as_done", "randomisation")} == {None}
    assert len(_stored(live, "p22", answer)["phases"]) == 2


def test_the_lot_and_what_was_done_otherwise_are_answered(live):
    schedule = {
        "on_periods": PERIODS,
        "done_otherwise": ["2026-05-03", "2026-05-04"],
    }
    answer = live.analyze(user_id="p21", intervention_date=..., schedule=schedule).json()
    done = _stored(live, "p21", answer)["as_done"]
    assert answer["as_done"]["estimate"] == done["mean"]
    # Only the log can make a lot count, and what it logs now lies ahead: so a stored test is given.
    verdict = live.services.store.finished(
        f"p21|{answer['intervention_id']}", answer["fingerprint"]
    )
    tested = {
        "p_value": 0.01, "n_assignments": 165, "exact": True, "statistic": 2.5,
        "alternative": "two-sided", "bin_edges": [0.0, 1.0], "bin_counts": [165],
    }  # fmt: skip
    told = {"by_schedule": {**_stored(live, "p21", answer), "randomisation": tested}}
    full = analysis_answer(live.settings, verdict, None, cached=True, told=told)
    assert full.randomisation is not None
    assert full.randomisation.model_dump() == {
        name: value for name, value in tested.items() if not name.startswith("bin_")
    }
    # Nothing of it where the analysis did not converge, whatever lies in the folder.
    failed = replace(verdict, status="not_converged", effects=None, probability_of_benefit=None)
    bare = analysis_answer(live.settings, failed, None, cached=True, told=told)
    assert (bare.phases, bare.others) == ([], [])
    assert (bare.likeness, bare.as_done, bare.randomisation) == (None, None, None)


def test_the_persons_other_interventions_are_in_the_model_as_at_night(live):
    first, second = (
        {"user_id": "p20", "intervention_id": name, "started_on": started_on, "name": name}
        for name, started_on in (("tea", "2026-05-01"), ("walks", "2026-05-15"))
    )
    for body in (first, second):
        assert live.request("POST", "/interventions", json=body).status_code == 201
    answer = live.analyze(user_id="p20", intervention_id="tea", intervention_date=...).json()
    (other,) = answer["others"]
    assert other["name"] == "walks"
    (stored,) = _stored(live, "p20", answer)["others"]
    assert other["effect"]["estimate"] == stored["effect"]["mean"]
    assert other["together"]["ci_upper"] == stored["together"]["ci_upper"]
    assert (other["correlation"], other["same_days"]) == (stored["correlation"], False)
    assert answer["phases"] == []
    (together,) = answer["window"]["together"]
    assert (together["started_on"], together["code"]) == ("2026-05-15", "overlap")
    assert "“walks” is in the same model" in together["reason"]
    at_night = fit_experiment(Snapshot(live.settings), "p20|tea", recorder=live.services.runs)
    assert at_night.cached
    assert at_night.verdict.fingerprint == answer["fingerprint"]
    # A date that is not logged is asked beside both of them, too.
    beside = live.analyze(user_id="p20", intervention_date="2026-05-08").json()
    assert {each["name"] for each in beside["others"]} == {"tea", "walks"}


def _stored(live, user_id, answer):
    folder = live.services.store.analysis_folder(
        f"{user_id}|{answer['intervention_id']}", answer["fingerprint"]
    )
    return json.loads((folder / "analysis.json").read_text())["by_schedule"]
