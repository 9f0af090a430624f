"""Pages of a store with shards: drawn for whoever opens them first, with nothing beside them."""

from __future__ import annotations

import pytest

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.static_pages import write_pages
from its_pipeline_tests.integration.api.browsing import Browser, opened_at_once
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

PEOPLE = ("anna", "ben", "cem")
AT_ONCE = 4


def address(user):
    return f"/people/{user}/experiments/morning/page"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    chosen = short_settings(
        tmp_path_factory.mktemp("shards"), partition_limit=0, pooled_min_people=2
    )
    write_daily(chosen, {user: series(effect=8.0, seed=n) for n, user in enumerate(PEOPLE)})
    for user in PEOPLE:
        log_intervention(chosen, user)
    with open_instance(chosen) as instance:
        runner = LocalRunner(chosen, instance, "test")
        assert runner.refresh().success
        pooled = runner.pooled()
        assert pooled is not None
        assert pooled.success
    return chosen


@pytest.fixture(scope="module")
def server(settings):
    with running(settings) as live:
        yield live


def test_many_who_open_pages_at_once_get_them_and_none_is_sent_twice(server, settings):
    answers = opened_at_once(server, address, PEOPLE * AT_ONCE)
    assert [answer.status_code for _, answer in answers] == [200] * len(answers)
    pages = {user: {answer.content for who, answer in answers if who == user} for user in PEOPLE}
    assert {len(each) for each in pages.values()} == {1}
    assert len({content for each in pages.values() for content in each}) == len(PEOPLE)
    tag = answers[0][1].headers["etag"]
    with Browser(server, "service").client as client:
        again = client.get(address(answers[0][0]), headers={"If-None-Match": tag})
    assert again.status_code == 304
    # Neither folder nor mark was made for any of them.
    assert not [user for user in PEOPLE if (settings.reports_dir / user).exists()]
    assert not list(settings.experiments_dir.rglob("*"))


def test_a_page_tells_of_people_like_them_and_names_nobody_else(server):
    with Browser(server, "service").client as client:
        html = client.get(address("anna")).text
    assert "People like you" in html
    assert "ben" not in html.split("People like you")[1].split("</section>")[0]


def test_an_experiment_asked_for_over_http_is_answered_from_the_sets(server):
    found = server.request("GET", "/experiments/anna")
    assert found.status_code == 200
    [experiment] = found.json()["experiments"]
    assert experiment["state"] == "analysed"


def test_the_static_site_is_written_on_demand_and_served_from_then_on(server, settings):
    found = write_pages(Snapshot(settings), "cem")
    assert found.counts == {"written": 1}
    assert (settings.reports_dir / "cem" / "morning" / "index.html").is_file()
    with Browser(server, "service").client as client:
        assert client.get(address("cem")).status_code == 200
    assert write_pages(Snapshot(settings), "cem").counts == {"unchanged": 1}
