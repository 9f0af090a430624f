"""Kinds in a real browser, on the server: the index, a kind's page, and what each one may see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from its_pipeline.api.http.page_requests import COOKIE
from its_pipeline.events.metrics import SHIPPED
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.pooling import refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import publish_experiment
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.stores.person_traits import set_traits
from its_pipeline_tests.integration.browser.conftest import DESKTOP, PHONE, Opened
from tools.live_api import Live, running
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    series,
    short_settings,
    write_daily,
)

pytestmark = pytest.mark.browser

PEOPLE = ("anna", "bruno", "carl", "doris", "edwin", "frida")
ADDRESS = f"/kinds/morning/{METRIC}"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server over people who began one after the other, each with an age."""
    settings = short_settings(tmp_path_factory.mktemp("kinds") / "store")
    settings.store_root.mkdir(parents=True)
    metric = {**SHIPPED[0].model_dump(mode="json", exclude_defaults=True), "pooled_by": ["age"]}
    (settings.store_root / "metrics.yaml").write_text(json.dumps({"metrics": [metric]}))
    days, starts = {}, {}
    for n, who in enumerate(PEOPLE):
        starts[who] = START_ON + timedelta(days=3 * n)
        days[who] = series(30, 24, effect=3.0 + 2.0 * n, seed=n, started_on=starts[who])
    write_daily(settings, days)
    rows = {"user_id": PEOPLE, "trait": "age", "value": [30.0 + 5.0 * n for n in range(6)]}
    set_traits(settings, pd.DataFrame(rows))
    for who in PEOPLE:
        log_intervention(settings, who, started_on=starts[who])
    snapshot = Snapshot(settings)
    for key in snapshot.experiment_keys():
        fit_experiment(snapshot, key)
        publish_experiment(settings, key, snapshot=snapshot)
    refresh_kinds(settings)
    collect_evidence(settings)
    with running(settings) as server:
        yield server


@pytest.fixture
def visit(browser_context: Any, live: Live) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens an address as somebody."""
    pages = []
    browser_context.set_offline(False)

    def opener(who: str, path: str, size: dict[str, int] = DESKTOP) -> Opened:
        browser_context.clear_cookies()
        browser_context.add_cookies([{"name": COOKIE, "value": live.tokens[who], "url": live.url}])
        page = browser_context.new_page()
        pages.append(page)
        opened = Opened(page)
        page.on("console", lambda message: opened.messages.append(message.text))
        page.on("pageerror", lambda error: opened.messages.append(str(error)))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.set_viewport_size(size)
        page.goto(live.url + path)
        return opened

    yield opener
    browser_context.clear_cookies()
    browser_context.set_offline(True)
    for page in pages:
        page.close()


def others_named(opened: Opened) -> list[str]:
    """Who but anna is named on a page, in what is shown or in any attribute."""
    html = re.sub(r"data:[^\"]*", "", opened.page.content())
    return [who for who in PEOPLE[1:] if re.search(rf"\b{who}\b", html)]


def check(opened: Opened, live: Live) -> None:
    """Nothing was said, fetched from elsewhere, or sticks out."""
    assert opened.messages == []
    assert [url for url in opened.requests if not url.startswith((live.url, "data:"))] == []
    assert opened.overflow() <= 0
    assert opened.sideways() == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_service_goes_from_the_index_to_a_kind_and_searches_its_people(visit, live, size):
    opened = visit("service", "/", size)
    page = opened.page
    check(opened, live)
    link = page.locator(f'a[href="{ADDRESS}"]')
    assert link.count() == 1
    link.click()
    page.wait_for_load_state()
    assert page.url == live.url + ADDRESS
    check(opened, live)
    assert page.locator(".badge").first.is_visible()
    # The forest has everybody, the average and the next person.
    forest = page.locator('section[aria-labelledby="forest"] svg')
    assert forest.is_visible()
    assert forest.bounding_box()["height"] > 100
    drawn = forest.inner_html()
    assert all(who in drawn for who in (*PEOPLE, "Average", "A next person"))
    assert page.locator('section[aria-labelledby="starts"] svg').is_visible()
    traits = page.locator('section[aria-labelledby="traits"]').inner_text()
    assert "People with higher age benefit more" in traits
    between = page.locator('section[aria-labelledby="single-case"]').inner_text()
    assert "multiple baseline over 6 people" in between
    rows = page.locator("#t tbody tr")
    assert rows.count() == len(PEOPLE)
    page.fill("#q", "dor")
    page.wait_for_function("document.querySelectorAll('#t tbody tr:not([hidden])').length === 1")
    visible = [row for row in rows.all() if row.is_visible()]
    assert [row.locator("th").inner_text() for row in visible] == ["doris"]
    page.fill("#q", "")
    page.get_by_role("button", name="Given the others").click()
    check(opened, live)
    page.locator('#t a[href="/people/doris/experiments/morning/page"]').click()
    page.wait_for_load_state()
    assert "doris" in page.content()
    check(opened, live)


def test_a_person_is_told_of_the_others_without_a_name_and_refused_the_page(visit, live):
    opened = visit("anna", "/people/anna/experiments/morning/page")
    others = opened.page.locator("section.others")
    assert others.is_visible()
    assert "5 other people" in others.inner_text()
    assert others_named(opened) == []
    check(opened, live)
    refused = visit("anna", ADDRESS)
    assert others_named(refused) == []
    assert refused.page.locator('[role="alert"]').is_visible()
    home = visit("anna", "/")
    assert home.page.locator(f'a[href="{ADDRESS}"]').count() == 0
    assert others_named(home) == []
    assert others_named(visit("service", ADDRESS)) == list(PEOPLE[1:])
