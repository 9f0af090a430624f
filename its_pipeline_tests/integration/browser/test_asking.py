"""The page to ask on in a real browser: by keyboard, on a phone, read aloud."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from its_pipeline_tests.integration.browser.conftest import DESKTOP, Opened
from its_pipeline_tests.integration.browser.test_pages import violations
from its_pipeline_tests.support import PROJECT_ROOT
from tools.live_api import Live, running
from tools.stores import short_settings

pytestmark = pytest.mark.browser

MOOD = PROJECT_ROOT / "docs/examples/mood.csv"
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = short_settings(tmp_path_factory.mktemp("asking"), today_on=date(2026, 6, 20))
    with running(settings, tokens=(), allow_anonymous=True, upload_bytes=100_000) as server:
        yield server


@pytest.fixture
def opened(browser_context: Any, live: Live) -> Iterator[Opened]:
    browser_context.set_offline(False)
    page = browser_context.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.messages.append(message.text))
    page.on("pageerror", lambda error: found.messages.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    page.set_viewport_size(DESKTOP)
    page.set_default_timeout(120_000)
    page.goto(live.url)
    yield found
    page.close()
    browser_context.set_offline(True)


def check(opened: Opened, live: Live) -> None:
    """Everybody can read it, at both widths, and it fetches nothing from elsewhere."""
    for size in (NARROW, DESKTOP):
        opened.page.set_viewport_size(size)
        assert opened.overflow() <= 0
        assert opened.sideways() == []
    assert violations(opened) == []
    outside = [u for u in opened.requests if not u.startswith((live.url, "data:"))]
    assert outside == []
    assert opened.messages == []


def press_until(page: Any, name: str) -> None:
    """Move on with the tabulator until something of that name has the focus."""
    script = """() => { const e = document.activeElement;
        return [(e.labels && e.labels[0] || e).textContent.trim(), e.id]; }"""
    for _ in range(60):
        if name in page.evaluate(script):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by keyboard")


def test_from_an_empty_store_to_an_answer_that_is_followed(
    opened: Opened, live: Live, record_property: Any
):
    page, started = opened.page, time.monotonic()
    check(opened, live)
    page.set_input_files("#file", MOOD)
    page.get_by_role("button", name="Read it").click()
    page.locator("#understood").wait_for()
    check(opened, live)
    box = page.locator(".days-chart").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 40)
    assert page.input_value("#first_on") == "2026-06-10"
    page.fill("#first_on", "2026-05-01")
    page.get_by_role("button", name="Did it work?").click()
    page.locator("#answer").wait_for()
    record_property("seconds_to_the_answer", round(time.monotonic() - started, 1))
    assert "12.9" in page.locator(".lead").inner_text()
    check(opened, live)
    page.fill("#name", "Walk")
    page.get_by_role("button", name="Log this and follow it nightly").click()
    page.locator("#plan").wait_for()
    check(opened, live)
    page.goto(live.url + "/people/me")
    assert page.get_by_role("link", name="Walk", exact=True).is_visible()
    check(opened, live)


def test_by_keyboard_alone_and_the_message_has_the_focus(opened: Opened, live: Live):
    page = opened.page
    page.set_viewport_size(NARROW)
    # Choosing a file opens the system's own dialogue, which is not the page's.
    page.set_input_files("#file", MOOD)
    press_until(page, "Read it")
    page.keyboard.press("Enter")
    page.locator("#understood").wait_for()
    press_until(page, "First day with it")
    page.keyboard.type("03062026")
    press_until(page, "Did it work?")
    page.keyboard.press("Enter")
    page.locator("#message").wait_for()
    assert page.evaluate("document.activeElement.id") == "message"
    assert page.input_value("#first_on") == "2026-03-06"
    opened.messages.clear()  # The browser tells of the status, 422.
    check(opened, live)
    press_until(page, "First day with it")
    page.keyboard.type("05012026")
    press_until(page, "Did it work?")
    page.keyboard.press("Enter")
    page.locator("#answer").wait_for()


def test_a_file_that_is_too_large_is_refused_ahead_of_sending_and_after(
    opened: Opened, live: Live, tmp_path: Any
):
    large = tmp_path / "large.csv"
    large.write_bytes(b"day,mood\n" + b"0" * 1_000_000)
    page = opened.page
    page.set_input_files("#file", large)
    assert page.locator("#too-large").is_visible()
    assert page.evaluate("document.activeElement.id") == "too-large"
    # Without the page's script the server says the same, once the browser has sent it all.
    page.evaluate("document.querySelector('form.drop').submit()")
    page.locator("#message").wait_for()
    assert "0.1 MB" in page.locator("#message").inner_text()
    opened.messages.clear()
    check(opened, live)
