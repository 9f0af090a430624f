"""Pages that a night left: drawn for whoever opens them, many at once, and for nobody else."""

from __future__ import annotations

import pytest

from its_pipeline.experiments.bulk import refresh
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.static_pages import write_pages
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.integration.api.browsing import Browser, message, opened_at_once
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

PEOPLE = ("anna", "ben", *(f"p{number}" for number in range(6)))
AT_ONCE = 5
"""Of each of the people."""


def address(user):
    return f"/people/{user}/experiments/morning/page"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    chosen = short_settings(tmp_path_factory.mktemp("left"), pages="on_demand")
    write_daily(chosen, {user: series(effect=8.0, seed=n) for n, user in enumerate(PEOPLE)})
    for user in PEOPLE:
        log_intervention(chosen, user)
    snapshot = Snapshot(chosen)
    runs = RunStore.from_settings(chosen)
    found = refresh(snapshot, snapshot.experiment_keys(), lambda _: None, recorder=runs)
    assert found.counts == {"analysed": len(PEOPLE)}
    return chosen


@pytest.fixture(scope="module")
def server(settings):
    with running(settings, queue_size=2) as live:
        yield live


def test_many_who_open_pages_at_once_wait_and_get_them(server, settings):
    assert not list(settings.reports_dir.rglob("*.html"))
    answers = opened_at_once(server, address, PEOPLE * AT_ONCE)
    assert [answer.status_code for _, answer in answers] == [200] * len(answers)
    pages = {user: {answer.content for who, answer in answers if who == user} for user in PEOPLE}
    assert all(len(found) == 1 for found in pages.values())
    assert len({page for found in pages.values() for page in found}) == len(PEOPLE)
    assert len(list(settings.page_cache_dir.iterdir())) == len(PEOPLE)


def test_a_page_has_a_strong_tag_by_which_it_is_not_sent_twice(server):
    anna = Browser(server, "anna").client
    page = anna.get(address("anna"))
    tag = page.headers["etag"]
    assert tag.startswith('"')
    assert page.headers["cache-control"] == "private, no-cache"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for named in (tag, f'"another", {tag}', f"W/{tag}", "*"):
        again = anna.get(address("anna"), headers={"If-None-Match": named})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
    other = anna.get(address("anna"), headers={"If-None-Match": '"another"'})
    assert other.content == page.content


def test_nobody_else_learns_of_a_page_that_is_there(server):
    page = Browser(server, "anna").client.get(address("anna"))
    ben = Browser(server, "ben").client
    told = ben.get(address("anna"), headers={"If-None-Match": page.headers["etag"]})
    message(told, 403)
    nobody = Browser(server).client
    told = nobody.get(address("anna"), headers={"If-None-Match": page.headers["etag"]})
    assert told.status_code == 401
    message(Browser(server, "anna").get("/people/anna/experiments/none/page"), 404)


def test_the_list_and_the_api_lead_to_it(server):
    page = Browser(server, "anna").get(address("anna"))
    assert "/page" in Browser(server, "anna").get("/people/anna").text
    (run,) = server.request("GET", "/analytics/its/history/anna").json()["runs"]
    report = server.request("GET", f"/analytics/its/runs/{run['mlflow_run_id']}/report")
    assert report.content == page.content
    assert report.headers["etag"] == page.headers["etag"]


def test_a_dropped_page_is_drawn_again_and_is_the_same(server, settings):
    first = Browser(server, "anna").get(address("anna"))
    PageCache.of(settings).delete_of_person("anna")
    again = Browser(server, "anna").get(address("anna"))
    assert again.content == first.content
    write_pages(Snapshot(settings), "anna")
    assert page_path(settings, "anna|morning").read_bytes() == first.content
    static = Browser(server, "anna").get(address("anna"))
    assert static.content == first.content
    assert static.headers["etag"] == first.headers["etag"]


def test_everything_of_a_person_is_everything(server, settings, tmp_path):
    import io
    import zipfile

    PageCache.of(settings).delete_of_person("p5")
    packed = server.request("GET", "/analytics/its/people/p5/export").content
    page = zipfile.ZipFile(io.BytesIO(packed)).read("reports/morning.html")
    assert b"N-of-1 report" in page


def test_a_person_is_forgotten_with_their_pages(server, settings):
    cache = PageCache.of(settings)
    assert Browser(server).client.get(address("ben")).status_code == 401
    assert Browser(server, "ben").get(address("ben")).status_code == 200
    before = len(list(cache.folder.iterdir()))
    assert server.request("DELETE", "/analytics/its/people/ben").status_code in (200, 202)
    assert len(list(cache.folder.iterdir())) == before - 1
    assert Browser(server).get(address("ben")).status_code in (401, 404)
    assert Browser(server, "service").get(address("ben")).status_code in (403, 404)
