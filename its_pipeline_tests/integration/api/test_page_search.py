"""Looking for a person or an experiment on the first page, without any script."""

from __future__ import annotations

import re
from datetime import date

import pytest

from its_pipeline.api.pages.views import MOST_FOUND
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import open_log
from its_pipeline_tests.integration.api.browsing import Browser
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

MANY = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A store with shards: two people with results, and many without days."""
    settings = short_settings(tmp_path_factory.mktemp("search"), partition_limit=0)
    for user in ("anna", "ben"):
        log_intervention(settings, user, name=f"{user}s quiet hour")
    write_daily(settings, {"anna": series(effect=8.0, seed=1), "ben": series(seed=2)})
    log = open_log(settings)
    log.log_all(
        Intervention.declared(
            user_id=f"person-{n:03d}",
            intervention_id="walks" if n % 2 else "a_nap",
            outcome_metric="sessionPerformanceScore",
            # They began later, so that the newest are these.
            started_on=date(2027, 1, 1),
        )
        for n in range(MANY)
    )
    log.close()
    with open_instance(settings) as instance:
        assert LocalRunner(settings, instance, "test").refresh().success
    with running(settings) as live:
        yield live


def people_on(html: str) -> list[str]:
    return re.findall(r'<a href="/people/([^"/]+)"><bdi>', html)


def test_a_person_beyond_those_that_began_last_is_found(server):
    service = Browser(server, "service").client
    first = service.get("/")
    assert "ben" not in people_on(first.text)
    assert '<form method="get"' in first.text
    found = service.get("/", params={"find": "BE"})
    assert people_on(found.text) == ["ben"]
    assert "1 begins with" in found.text
    assert "bens quiet hour" in found.text
    assert 'value="BE"' in found.text
    assert 'href="/people/ben/experiments/morning/page"' in found.text


def test_an_intervention_is_found_and_of_too_many_the_first(server):
    service = Browser(server, "service").client
    assert set(people_on(service.get("/", params={"find": "morn"}).text)) == {"anna", "ben"}
    many = service.get("/", params={"find": "walk"}).text
    assert people_on(many) == [f"person-{n:03d}" for n in range(1, 2 * MOST_FOUND, 2)]
    assert f"The first {MOST_FOUND} that begin with" in many


@pytest.mark.parametrize("text", ["nobody", "<b>x</b>", "%", "Jörg", "'--", "a|b|c"])
def test_what_nobody_is_called_finds_nobody(server, text):
    answer = Browser(server, "service").client.get("/", params={"find": text})
    assert answer.status_code == 200
    assert "None begins with" in answer.text
    assert people_on(answer.text) == []
    assert "<b>x" not in answer.text


def test_a_person_finds_only_their_own(server):
    anna = Browser(server, "anna").client
    for text in ("ben", "person", "walk"):
        answer = anna.get("/", params={"find": text})
        assert "None begins with" in answer.text
        assert "quiet hour" not in answer.text
        assert "/people/person" not in answer.text
    own = anna.get("/", params={"find": "morn"}).text
    assert "annas quiet hour" in own
    assert "bens quiet hour" not in own


def test_without_a_token_nothing_is_found(server):
    answer = Browser(server).client.get("/", params={"find": "ben"})
    assert answer.status_code == 401
    assert "quiet hour" not in answer.text


def test_a_text_that_is_too_long_is_refused_with_words(server):
    answer = Browser(server, "service").client.get("/", params={"find": "x" * 201})
    assert answer.status_code == 422
    assert "200" in answer.text
