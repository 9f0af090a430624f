"""Kinds on the server's pages: everybody's for a service, one's own without others' names."""

from __future__ import annotations

import re

import pytest

from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.pooling import refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import publish_experiment
from its_pipeline.experiments.service import fit_experiment
from its_pipeline_tests.integration.api.browsing import Browser, message
from tools.live_api import running
from tools.stores import METRIC, log_intervention, series, short_settings, write_daily

PEOPLE = ("anna", "ben", "carl", "doris", "edwin")
ADDRESS = f"/kinds/morning/{METRIC}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = short_settings(tmp_path_factory.mktemp("kinds"))
    write_daily(settings, {who: series(30, 30, effect=4.0, seed=n) for n, who in enumerate(PEOPLE)})
    for who in PEOPLE:
        log_intervention(settings, who)
    log_intervention(settings, "anna", intervention_id="tea", name="Tea")
    snapshot = Snapshot(settings)
    for key in snapshot.experiment_keys():
        fit_experiment(snapshot, key)
        publish_experiment(settings, key, snapshot=snapshot)
    refresh_kinds(settings)
    collect_evidence(settings)
    with running(settings) as live:
        yield live


def others_on(page: str) -> list[str]:
    return [who for who in PEOPLE[1:] if re.search(rf"\b{who}\b", page)]


def test_a_service_sees_kinds_and_whose_they_are(server):
    service = Browser(server, "service")
    home = service.get("/")
    assert "For many people" in home.text
    assert f'href="{ADDRESS}"' in home.text
    page = service.get(ADDRESS)
    assert page.status_code == 200
    assert "of the 5 people has been" in page.text
    assert others_on(page.text) == list(PEOPLE[1:])
    # Every link leads somewhere on this server.
    assert 'href="../' not in page.text
    assert service.get("/people/ben/experiments/morning/page").status_code == 200
    assert 'href="/people/ben/experiments/morning/page"' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]


def test_one_person_sees_their_own_place_and_nobody_else(server):
    anna = Browser(server, "anna")
    assert "For many people" not in anna.get("/").text
    message(anna.get(ADDRESS), 403)
    shown = anna.get("/people/anna/experiments/morning")
    assert "People like you" in shown.text
    assert "4 other people" in shown.text
    assert others_on(shown.text[shown.text.index("<main") :]) == []
    report = anna.get("/people/anna/experiments/morning/page").text
    assert "4 other people" in report
    assert others_on(report[report.index('class="others"') : report.index('id="figures"')]) == []
    # What nobody else tried is on its own.
    assert "People like you" not in anna.get("/people/anna/experiments/tea").text


def test_without_a_token_there_is_nothing(server):
    assert Browser(server).get(ADDRESS).status_code == 401


def test_a_kind_that_is_not_told_of_is_not_there(server):
    service = Browser(server, "service")
    message(service.get(f"/kinds/tea/{METRIC}"), 404)
    assert service.get("/kinds/..%2f..%2fetc/passwd").status_code in (400, 404, 422)
