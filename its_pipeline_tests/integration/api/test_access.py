"""Who may do what: every address, every kind of token, one's own data and somebody else's."""

from __future__ import annotations

import json
import time

import pytest

from its_pipeline.api.http.documentation import OPEN_PATHS
from its_pipeline.stores.pooled_store import PooledStore
from its_pipeline_tests.integration.api.test_analyze import problem
from tools.kinds import pooled_result
from tools.live_api import running

#: Name, method, path and body about a person; `{run}` is a run of that person.
ABOUT_A_PERSON = [
    ("analyze", "POST", "/analytics/its/analyze", {"intervention_date": "2026-05-01"}),
    ("history", "GET", "/analytics/its/history/{user}", None),
    ("looks", "GET", "/analytics/its/looks/{user}/morning", None),
    ("plan", "POST", "/analytics/its/plan", {"effect": 5.0}),
    ("list", "GET", "/interventions?user_id={user}", None),
    ("read", "GET", "/interventions/{user}/morning", None),
    ("experiments", "GET", "/experiments/{user}", None),
    ("log", "POST", "/interventions", {"intervention_id": "m2", "started_on": "2027-05-20"}),
    ("amend", "PATCH", "/interventions/{user}/m2", {"version": 99, "reason": "r", "name": "x"}),
    ("export", "GET", "/analytics/its/people/{user}/export", None),
    ("forget", "DELETE", "/analytics/its/people/{user}", None),
]
#: Where somebody else's is as if it were not there.
ABOUT_A_RUN = [
    ("run", "GET", "/analytics/its/runs/{run}", None),
    ("plot", "GET", "/analytics/its/runs/{run}/plots/effects", None),
    ("report", "GET", "/analytics/its/runs/{run}/report", None),
]
#: About no person: whoever has a token sees it, and of members their own row.
ABOUT_EVERYBODY = [
    ("kinds", "GET", "/analytics/its/kinds", None),
    ("kind", "GET", "/analytics/its/kinds/morning", None),
]
USERS = ("anna", "ben")


@pytest.fixture(scope="module")
def runs(live):
    found = {}
    for user in USERS:
        asked = live.analyze(user_id=user)
        assert asked.status_code == 200, asked.text
        found[user] = asked.json()["mlflow_run_id"]
    return found


def send(live, runs, who, user, method, path, body):
    if body is not None and method == "POST":
        body = {"user_id": user, **body}
    target = path.format(user=user, run=runs[user])
    return live.request(method, target, who, json=body)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("who", [None, "anna", "ben", "service"])
@pytest.mark.parametrize("case", ABOUT_A_PERSON + ABOUT_A_RUN, ids=lambda case: case[0])
def test_matrix(live, runs, case, who, user):
    name, method, path, body = case
    if name == "forget" and who in ("service", user):
        pytest.skip("whoever may do it does it to a server of its own, in test_people")
    response = send(live, runs, who, user, method, path, body)
    if who is None:
        problem(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"
    elif who in ("service", user):
        # The amendment names a version that does not exist: it got as far as the log.
        assert response.status_code in ({409} if name == "amend" else {200, 201}), response.text
    elif case in ABOUT_A_RUN:
        problem(response, 404, "unknown_run")
    else:
        problem(response, 403, "forbidden")


@pytest.mark.parametrize("who", [None, "anna", "service"])
@pytest.mark.parametrize("case", ABOUT_EVERYBODY, ids=lambda case: case[0])
def test_what_is_about_everybody_is_for_whoever_has_a_token(live, case, who):
    store = PooledStore(live.settings)
    store.write(pooled_result([*USERS, "carl", "cora", "emma"]))
    _, method, path, body = case
    response = live.request(method, path, who, json=body)
    if who is None:
        problem(response, 401, "unauthenticated")
        return
    [told] = response.json()["kinds"]
    seen = {row["user_id"] for row in told["members"]}
    everybody = {*USERS, "carl", "cora", "emma"} if who == "service" else {who}
    assert seen == (set() if case[0] == "kinds" else everybody)


def test_the_matrix_has_every_address(live):
    document = live.request("GET", "/openapi.json", None).json()
    every = ABOUT_A_PERSON + ABOUT_A_RUN + ABOUT_EVERYBODY
    covered = {(method, path.split("?")[0]) for _, method, path, _ in every}
    named = {"{user}": "{user_id}", "{run}": "{run_id}", "/morning": "/{intervention_id}"}
    named |= {"/m2": "/{intervention_id}", "plots/effects": "plots/{name}"}
    named |= {"kinds/morning": "kinds/{kind}"}
    for short, long in reversed(named.items()):
        covered = {(method, path.replace(short, long)) for method, path in covered}
    covered |= {("GET", path) for path in (*OPEN_PATHS, "/metrics")}
    offered = {
        (method.upper(), path) for path, found in document["paths"].items() for method in found
    }
    assert offered <= covered


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json"])
def test_open_addresses_need_no_token_and_name_nobody(live, path):
    response = live.request("GET", path, None)
    assert response.status_code == 200
    assert str(live.settings.store_root) not in response.text


def test_metrics_are_for_service_tokens(live):
    problem(live.request("GET", "/metrics", None), 401, "unauthenticated")
    problem(live.request("GET", "/metrics", "anna"), 403, "forbidden")
    text = live.request("GET", "/metrics").text
    assert "its_api_requests_total" in text
    assert "its_api_pool_ready 1.0" in text
    assert "anna" not in text


def test_a_list_without_a_user_is_ones_own(live):
    own = live.request("GET", "/interventions", "anna").json()["interventions"]
    assert {entry["user_id"] for entry in own} == {"anna"}
    every = live.request("GET", "/interventions").json()["interventions"]
    assert {entry["user_id"] for entry in every} >= {"anna", "ben", "few"}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer wrong",
        "Basic YW5uYTphbm5h",
        "Bearer " + "x" * 5000,
        "Bearer \xe4\xf6",
        "Bearer its_" + "0" * 43,
    ],
)
def test_what_is_not_a_token(live, authorization):
    headers = {"Authorization": authorization.encode("latin-1")}
    response = live.request("GET", "/experiments/anna", None, headers=headers)
    problem(response, 401, "unauthenticated")


def test_a_hash_is_not_a_token(live):
    [record] = [r for r in live.services.server_settings.tokens if r.name == "service"]
    headers = {"Authorization": f"Bearer {record.sha256}"}
    problem(live.request("GET", "/metrics", None, headers=headers), 401, "unauthenticated")


def test_an_address_that_is_not_there_needs_a_token_too(live):
    problem(live.request("GET", "/admin", None), 401, "unauthenticated")
    problem(live.request("GET", "/admin"), 404, "not_found")


def test_who_asked_for_whom_is_written_down(live):
    live.request("GET", "/experiments/anna", "ben")
    live.request("GET", "/experiments/anna", "anna")
    # Written after the answer is sent, so that nobody waits for the log.
    deadline = time.monotonic() + 10
    told, lines = [], []
    while told != [("ben", "anna", 403), ("anna", "anna", 200)]:
        assert time.monotonic() < deadline, told
        lines = (live.settings.store_root / "api" / "audit.jsonl").read_text().splitlines()
        last = [json.loads(line) for line in lines[-2:]]
        told = [(entry["token"], entry["user_id"], entry["status"]) for entry in last]
    assert not any(token in line for line in lines for token in live.tokens.values())


def test_too_many_requests_are_told_when_to_come_back(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, rate_per_minute=1, rate_burst=3) as slow:
        asked = [slow.request("GET", "/interventions", "anna") for _ in range(4)]
        assert [response.status_code for response in asked] == [200, 200, 200, 429]
        problem(asked[-1], 429, "too_many_requests")
        assert 1 <= int(asked[-1].headers["retry-after"]) <= 60
        assert slow.request("GET", "/interventions", "ben").status_code == 200


def test_guessing_tokens_is_slowed_down(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, refusals_per_minute=3) as slow:
        wrong = {"Authorization": "Bearer wrong"}
        asked = [slow.request("GET", "/metrics", None, headers=wrong) for _ in range(4)]
        assert [response.status_code for response in asked] == [401, 401, 401, 429]
        # Who has a token is not locked out by a neighbour who guesses.
        assert slow.request("GET", "/metrics").status_code == 200
