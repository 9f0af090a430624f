"""Logging, reading, amending and withdrawing over HTTP."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.interventions import app as cli
from its_pipeline.events.interventions import InterventionLog
from its_pipeline_tests.integration.api.test_analyze import problem

_numbers = itertools.count()


@pytest.fixture
def entry():
    return {
        "user_id": "dora",
        "intervention_id": f"walk-{next(_numbers)}",
        "started_on": "2026-05-01",
        "name": "Walk “daily”",
        "hypothesis": "Fresh air.\nAnd light.",
        "time_zone": "Europe/Berlin",
        "protocol": {"ethics": "none needed"},
    }


def written(live):
    """The newest version of every intervention in the log."""
    return live.services.log.changed_since(0)


def path(entry):
    return f"/interventions/{entry['user_id']}/{entry['intervention_id']}"


def test_logged_read_and_found_by_the_sensor(live, entry):
    since = max((entry.sequence for entry in written(live)), default=0)
    logged = live.request("POST", "/interventions", json=entry)
    assert logged.status_code == 201
    assert logged.headers["location"] == path(entry)
    answer = logged.json()
    assert {name: answer[name] for name in entry} == entry
    assert (answer["version"], answer["status"]) == (1, "open")
    [found] = live.services.log.changed_since(since)
    assert found.intervention_id == entry["intervention_id"]

    read = live.request("GET", path(entry)).json()
    assert [version["reason"] for version in read.pop("history")] == ["logged"]
    assert read == answer
    listed = live.request("GET", "/interventions", params={"user_id": "dora"}).json()
    assert answer in listed["interventions"]


def test_repeating_changes_nothing_and_contradicting_is_a_conflict(live, entry):
    first = live.request("POST", "/interventions", json=entry)
    again = live.request("POST", "/interventions", json=entry)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = live.request("POST", "/interventions", json={**entry, "started_on": "2026-05-02"})
    problem(other, 409, "already_logged")


def test_amended_and_withdrawn_with_their_history(live, entry):
    live.request("POST", "/interventions", json=entry)
    change = {"version": 1, "reason": "It ended.", "ended_on": "2026-06-01", "washout_days": 2}
    amended = live.request("PATCH", path(entry), json=change)
    assert amended.status_code == 200
    assert (amended.json()["version"], amended.json()["ended_on"]) == (2, "2026-06-01")
    reopened = {"version": 2, "reason": "It did not.", "ended_on": None}
    assert live.request("PATCH", path(entry), json=reopened).json()["ended_on"] is None
    withdrawal = {"version": 3, "reason": "A mistake.", "status": "withdrawn"}
    assert live.request("PATCH", path(entry), json=withdrawal).json()["status"] == "withdrawn"
    history = live.request("GET", path(entry)).json()["history"]
    assert [version["reason"] for version in history] == [
        "logged",
        "It ended.",
        "It did not.",
        "A mistake.",
    ]
    problem(live.request("PATCH", path(entry), json={**change, "version": 4}), 409, "withdrawn")
    listed = live.request("GET", "/interventions", params={"user_id": "dora"}).json()
    assert entry["intervention_id"] not in [i["intervention_id"] for i in listed["interventions"]]
    asked = live.analyze(
        user_id="dora", intervention_id=entry["intervention_id"], intervention_date=...
    )
    problem(asked, 409, "withdrawn")


def test_options_of_the_analysis_are_logged_amended_and_taken_back(live, entry):
    said = {"slope": "no", "covariates": ["share_evening", "share_morning"], "trend": None}
    logged = live.request("POST", "/interventions", json={**entry, "analysis": said}).json()
    read = {"slope": False, "covariates": ["share_morning", "share_evening"]}
    assert logged["analysis"] == read
    assert live.request("GET", path(entry)).json()["analysis"] == read
    change = {"version": 1, "reason": "r", "analysis": {"season": "none"}}
    assert live.request("PATCH", path(entry), json=change).json()["analysis"] == {"season": "none"}
    back = {"version": 2, "reason": "r", "analysis": {}}
    assert live.request("PATCH", path(entry), json=back).json()["analysis"] == {}
    wrong = {"version": 3, "reason": "r", "analysis": {"season": "month"}}
    refused = problem(live.request("PATCH", path(entry), json=wrong), 422, "validation")
    assert refused["errors"][0]["location"] == "body.analysis.season"
    assert "got 'month'" in refused["errors"][0]["message"]


def test_two_amendments_of_one_version_at_once(live, entry):
    live.request("POST", "/interventions", json=entry)
    statuses = []

    def amend(number):
        change = {"version": 1, "reason": "r", "washout_days": number}
        statuses.append(live.request("PATCH", path(entry), json=change).status_code)

    threads = [threading.Thread(target=amend, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409]
    conflict = live.request("PATCH", path(entry), json={"version": 1, "reason": "r", "name": "x"})
    assert problem(conflict, 409, "version_conflict")["version"] == 2


@pytest.mark.parametrize(
    "change", [{"name": "HTTP"}, {"status": "withdrawn"}], ids=["amend", "withdraw"]
)
def test_what_the_command_line_writes_between_reading_and_writing_is_not_overwritten(
    live, entry, monkeypatch, change
):
    monkeypatch.setenv("ITS_STORE_ROOT", str(live.settings.store_root))
    live.request("POST", "/interventions", json=entry)
    read = InterventionLog.get

    def read_too_early(log, user_id, intervention_id):
        found = read(log, user_id, intervention_id)
        monkeypatch.setattr(InterventionLog, "get", read)
        command = ["amend", user_id, intervention_id, "--reason", "first", "--name", "CLI"]
        assert CliRunner().invoke(cli, command).exit_code == 0
        return found

    monkeypatch.setattr(InterventionLog, "get", read_too_early)
    late = live.request("PATCH", path(entry), json={"version": 1, "reason": "late", **change})
    assert problem(late, 409, "version_conflict")["version"] == 2
    found = live.request("GET", path(entry)).json()
    assert (found["name"], found["version"], found["status"]) == ("CLI", 2, "open")


def test_the_command_line_refuses_what_was_amended_over_http_meanwhile(live, entry, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(live.settings.store_root))
    live.request("POST", "/interventions", json=entry)
    change = {"version": 1, "reason": "Too early.", "started_on": "2026-05-03"}
    assert live.request("PATCH", path(entry), json=change).status_code == 200
    which = ["dora", entry["intervention_id"], "--reason", "r"]
    for command in (["amend", *which, "--from", "2026-05-09"], ["withdraw", *which]):
        refused = CliRunner().invoke(cli, [*command, "--expected-version", "1"])
        assert refused.exit_code == 2
        assert "is in version 2, not 1" in refused.output
    assert live.request("GET", path(entry)).json()["started_on"] == "2026-05-03"
    amended = CliRunner().invoke(
        cli, ["amend", *which, "--from", "2026-05-09", "--expected-version", "2"]
    )
    assert amended.exit_code == 0, amended.output
    problem(
        live.request("PATCH", path(entry), json={**change, "version": 2}), 409, "version_conflict"
    )
    withdrawn = CliRunner().invoke(cli, ["withdraw", *which, "--expected-version", "3"])
    assert withdrawn.exit_code == 0, withdrawn.output


def test_of_many_who_log_the_same_at_once_one_is_told_that_it_is_new(live, entry):
    with ThreadPoolExecutor(6) as threads:
        asked = [
            threads.submit(live.request, "POST", "/interventions", json=entry) for _ in range(6)
        ]
    statuses = sorted(one.result().status_code for one in asked)
    assert statuses == [200] * 5 + [201]


@pytest.mark.parametrize(
    "change",
    [
        {"started_on": "2026-06-31"},
        {"ended_on": "2026-04-01"},
        {"time_zone": "Mars/Olympus"},
        {"outcome_metric": "mood"},
        {"intervention_id": "adhoc-mine"},
        {"intervention_id": "a/b"},
        {"intervention_id": ".."},
        {"baseline_days": 0},
        {"minimum_effect": -1},
        {"name": "x" * 201},
        {"name": "a\u0000b"},
        {"protocol": {"a": 1}},
        {"status": "withdrawn"},
        {"version": 7},
    ],
)
def test_what_breaks_a_rule_is_not_logged(live, entry, change):
    before = written(live)
    problem(live.request("POST", "/interventions", json={**entry, **change}), 422, "validation")
    assert written(live) == before


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "r", "name": "x"},
        {"version": 1, "name": "x"},
        {"version": 1, "reason": " ", "name": "x"},
        {"version": 1, "reason": "r"},
        {"version": 1, "reason": "r", "name": None},
        {"version": 1, "reason": "r", "name": "x", "status": "withdrawn"},
        {"version": 1, "reason": "r", "user_id": "ben"},
        {"version": 1, "reason": "r", "ended_on": "2020-01-01"},
    ],
)
def test_amendments_that_break_a_rule(live, entry, change):
    live.request("POST", "/interventions", json=entry)
    problem(live.request("PATCH", path(entry), json=change), 422, "validation")
    assert live.request("GET", path(entry)).json()["version"] == 1


def test_unknown_ones(live):
    problem(live.request("GET", "/interventions/dora/nothing"), 404, "unknown_intervention")
    change = {"version": 1, "reason": "r", "name": "x"}
    unknown = live.request("PATCH", "/interventions/dora/nothing", json=change)
    problem(unknown, 404, "unknown_intervention")


def test_listing_is_paged(live):
    ask = {"limit": 1, "include_withdrawn": True}
    seen, offset = [], 0
    while offset is not None:
        page = live.request("GET", "/interventions", params={**ask, "offset": offset}).json()
        seen += [(i["user_id"], i["intervention_id"]) for i in page["interventions"]]
        offset = page["next_offset"]
    everything = live.services.log.list(include_withdrawn=True)
    assert seen == [(i.user_id, i.intervention_id) for i in everything]
