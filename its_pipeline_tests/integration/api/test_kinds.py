"""Kinds over HTTP: everybody's numbers, and nobody's row but one's own."""

from __future__ import annotations

import pytest

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.stores.pooled_store import PooledStore
from its_pipeline_tests.integration.api.test_analyze import problem
from tools.kinds import between_case, pooled_result, too_few
from tools.live_api import running
from tools.stores import METRIC, short_settings

KINDS = "/analytics/its/kinds"
PEOPLE = ("anna", "ben", "carl", "dora", "emil")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A server whose store keeps three kinds."""
    settings = short_settings(tmp_path_factory.mktemp("kinds"))
    store = PooledStore(settings)
    store.write(pooled_result(PEOPLE))
    store.write(pooled_result(PEOPLE[1:], kind="walk"))
    store.write(too_few())
    store.write(pooled_result([*PEOPLE, "fritz"], metric="completionCount"))
    with running(settings, wait=False) as server:
        yield server


def asked(kinds, who, path=""):
    response = kinds.request("GET", f"{KINDS}{path}", who)
    assert response.status_code == 200, response.text
    return response.json()["kinds"]


def test_a_service_sees_every_member(kinds):
    one, other = asked(kinds, "service", "/morning")
    assert (one["metric"], other["metric"]) == ("completionCount", METRIC)
    assert [row["user_id"] for row in other["members"]] == list(PEOPLE)
    assert other["without_estimate"] == {"stopped early": 1}
    assert (other["n_people"], other["n_with_estimate"], other["n_needed"]) == (6, 5, 5)
    record = pooled_result(PEOPLE)
    assert other["mean"] == vars(record.mean)
    assert other["imputed"]["n_people"] == 1
    assert (other["traits"]["n_people"], other["traits"]["n_without"]) == (11, 2)
    assert other["traits"]["slopes"][0]["ci_lower"] == 1.0
    assert other["between_case"]["g"] == between_case().g


@pytest.mark.parametrize("who", ["anna", "ben"])
def test_a_person_sees_the_numbers_and_the_own_row_alone(kinds, who):
    service = asked(kinds, "service", f"/morning?metric={METRIC}")
    [told] = asked(kinds, who, f"/morning?metric={METRIC}")
    assert [row["user_id"] for row in told["members"]] == [who]
    assert told["without_estimate"] is None
    # How few lack a trait is a count of few people.
    assert (told["traits"]["n_people"], told["traits"]["n_without"]) == (None, None)
    shown = {**service[0]["traits"], "n_people": None, "n_without": None}
    assert told["traits"] == shown
    hidden = ("members", "without_estimate", "traits")
    assert {name: value for name, value in told.items() if name not in hidden} == {
        name: value for name, value in service[0].items() if name not in hidden
    }
    text = kinds.request("GET", f"{KINDS}/morning", who).text
    assert not any(f'"{other}"' in text for other in PEOPLE if other != who)


def test_of_too_few_people_there_is_no_number(kinds):
    # Four members: made under an earlier, lower setting.
    for kind in ("tea", "walk"):
        for who in ("anna", "ben", "service"):
            [told] = asked(kinds, who, f"/{kind}")
            assert told["state"] == "too_few_people"
            assert told["members"] == []
            assert told["mean"] is None
            assert told["n_needed"] == 5
            counted = told["n_people"], told["without_estimate"]
            assert (counted == (None, None)) == (who != "service")


def test_the_list_has_every_kind_and_nobody(kinds):
    for who in ("anna", "service"):
        found = asked(kinds, who)
        assert [(each["kind"], each["state"]) for each in found] == [
            ("morning", "pooled"),
            ("morning", "pooled"),
            ("tea", "too_few_people"),
            ("walk", "too_few_people"),
        ]
        assert all(each["members"] == [] for each in found)
        text = kinds.request("GET", KINDS, who).text
        assert not any(f'"{user}"' in text for user in PEOPLE)


def test_what_is_not_there_is_told_to_everybody_alike(kinds):
    for who in ("anna", "service"):
        problem(kinds.request("GET", f"{KINDS}/swim", who), 404, "unknown_kind")
        problem(kinds.request("GET", f"{KINDS}/tea?metric=other", who), 404, "unknown_kind")
        problem(kinds.request("GET", f"{KINDS}/..%2fx", who), 404, "not_found")
        problem(kinds.request("GET", f"{KINDS}/tea?metrics={METRIC}", who), 422, "validation")
    problem(kinds.request("GET", KINDS, None), 401, "unauthenticated")


def test_nobody_who_was_forgotten_is_shown_or_sees_anything(kinds):
    forgotten = Forgotten(kinds.settings.store_root)
    forgotten.begin("anna")
    try:
        problem(kinds.request("GET", KINDS, "anna"), 404, "unknown_user")
        problem(kinds.request("GET", f"{KINDS}/morning", "anna"), 404, "unknown_user")
        for told in asked(kinds, "service", "/morning"):
            assert "anna" not in {row["user_id"] for row in told["members"]}
    finally:
        forgotten.finish("anna")
        forgotten.lift("anna")
