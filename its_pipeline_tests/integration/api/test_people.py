"""Over HTTP: taking one's data along, and being deleted, on a server of its own."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from its_pipeline_tests.integration.api.test_access import ABOUT_A_PERSON, ABOUT_A_RUN, send
from its_pipeline_tests.integration.api.test_analyze import problem
from tools.leftovers import leftovers
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

PEOPLE = "/analytics/its/people"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A server whose people may be deleted."""
    settings = short_settings(tmp_path_factory.mktemp("people"))
    write_daily(settings, {"anna": series(effect=6.0, seed=1), "ben": series(seed=2)})
    for user in ("anna", "ben"):
        log_intervention(settings, user)
    with running(settings) as server:
        yield server


def test_from_download_to_deletion(alone):
    runs = {}
    for user in ("anna", "ben"):
        asked = alone.analyze(user_id=user)
        assert asked.status_code == 200, asked.text
        runs[user] = asked.json()["mlflow_run_id"]
    other_day = alone.analyze(user_id="anna", intervention_date="2026-05-04")
    assert other_day.status_code == 200, other_day.text

    response = alone.request("GET", f"{PEOPLE}/anna/export", "anna")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="anna.zip"'
    assert int(response.headers["content-length"]) == len(response.content)
    with zipfile.ZipFile(io.BytesIO(response.content)) as packed:
        assert packed.testzip() is None
        results = json.loads(packed.read("results.json"))
        assert {r["verdict"]["user_id"] for r in results} == {"anna"}
        assert len([r for r in results if r["posterior"] in packed.namelist()]) == 2
        assert {r["user_id"] for r in json.loads(packed.read("history.json"))} == {"anna"}
        assert b"ben" not in b"".join(
            map(packed.read, ("daily_outcomes.csv", "interventions.json"))
        )
    left = [p for p in (alone.settings.store_root / ".downloads").rglob("*") if p.is_file()]
    assert left == [], "a download leaves no file"

    problem(alone.request("DELETE", f"{PEOPLE}/anna", "ben"), 403, "forbidden")
    assert alone.request("GET", "/experiments/anna", "anna").status_code == 200
    for _ in range(2):
        response = alone.request("DELETE", f"{PEOPLE}/anna", "anna")
        assert response.status_code == 200, response.text
        assert response.json()["finished"]
        assert response.json()["left"] == []
    for case in ABOUT_A_PERSON + ABOUT_A_RUN:
        for who in ("anna", "service"):
            response = send(alone, runs, who, "anna", *case[1:])
            if case[0] != "forget":
                problem(response, 404, "unknown_run" if case in ABOUT_A_RUN else "unknown_user")
    entries = alone.request("GET", "/interventions").json()["interventions"]
    assert {entry["user_id"] for entry in entries} == {"ben"}
    response = alone.request("GET", f"/analytics/its/runs/{runs['ben']}/plots/effects")
    assert response.status_code == 200
    assert alone.analyze(user_id="ben").json()["cached"]

    lines = (alone.settings.store_root / "api" / "audit.jsonl").read_text().splitlines()
    told = [(e["token"], e["status"]) for e in map(json.loads, lines) if e["method"] == "DELETE"]
    assert told[:3] == [("ben", 403), ("anna", None), ("anna", 200)]
    found = leftovers(alone.settings.store_root, ["anna"])
    # The server's own connections hold the databases' journals open, and empty.
    assert [each for each in found if not each.startswith("api/audit.jsonl")] == []


def test_what_a_worker_cannot_do_now_is_begun(alone, monkeypatch):
    from its_pipeline.processes.errors import QueueFullError

    def full(*_):
        raise QueueFullError

    monkeypatch.setattr(alone.services.pool, "submit", full)
    response = alone.request("DELETE", f"{PEOPLE}/ben", "ben")
    assert response.status_code == 202, response.text
    assert not response.json()["finished"]
    assert "next run" in response.json()["left"][0]
    problem(alone.request("GET", "/experiments/ben", "ben"), 404, "unknown_user")
    assert alone.request("GET", "/interventions").json()["interventions"] == []


def test_a_person_of_whom_nothing_is_known_has_nothing_to_take_along(alone):
    problem(alone.request("GET", f"{PEOPLE}/nobody/export"), 404, "unknown_user")
