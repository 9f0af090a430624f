"""Looking for somebody on the first page, in a real browser: by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import open_log
from its_pipeline_tests.integration.browser.conftest import DESKTOP, PHONE, Opened
from its_pipeline_tests.integration.browser.test_pages import violations
from tools.live_api import Live, running
from tools.stores import short_settings

pytestmark = pytest.mark.browser

#: Longer ones there are none.
LONGEST = "x" * 64


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = short_settings(tmp_path_factory.mktemp("search"), partition_limit=0)
    log = open_log(settings)
    log.log_all(
        Intervention.declared(
            user_id=user,
            intervention_id=kind,
            name=name,
            outcome_metric="sessionPerformanceScore",
            started_on=date(2026, 8, 15),
        )
        for user in (*(f"person-{n:04d}" for n in range(60)), LONGEST)
        for kind, name in (("walks", "A walk before breakfast"), ("naps", "A nap after lunch"))
    )
    log.close()
    with running(settings, tokens=(), allow_anonymous=True) as server:
        yield server


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_somebody_is_found_by_keyboard(
    browser_context: Any, live: Live, size: dict[str, int], script: bool
):
    context = browser_context.browser.new_context(viewport=size, java_script_enabled=script)
    try:
        page = context.new_page()
        opened = Opened(page)
        page.on("console", lambda message: opened.messages.append(message.text))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(live.url)
        page.get_by_role("searchbox").fill("person-0007")
        page.keyboard.press("Enter")
        page.get_by_text("2 begin with").wait_for()
        assert page.locator(".experiments li").count() == 2
        assert page.get_by_role("searchbox").input_value() == "person-0007"
        if script:
            assert opened.overflow() <= 0
            assert opened.sideways() == []
            assert violations(opened) == []
        page.get_by_role("searchbox").fill(LONGEST)
        page.get_by_role("button", name="Find").click()
        page.get_by_text("2 begin with").wait_for()
        if script:
            assert opened.overflow() <= 0
            assert opened.sideways() == []
        assert opened.messages == []
        assert [url for url in opened.requests if not url.startswith((live.url, "data:"))] == []
    finally:
        context.close()
