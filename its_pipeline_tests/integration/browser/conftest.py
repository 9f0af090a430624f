"""A real Chromium with nothing to reach, and pages written where it can open them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1280, "height": 900}


@dataclass
class Opened:
    """A page in the browser, with everything it said and asked for."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def sideways(self) -> list[str]:
        """Elements that stick out of the window and are not inside a box that scrolls."""
        return self.page.evaluate(
            """() => Array.from(document.querySelectorAll("main *, header *"))
                .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().width > 0
                    && e.getBoundingClientRect().right > innerWidth + 1)
                .map((e) => e.outerHTML.slice(0, 120))"""
        )


@pytest.fixture(scope="session")
def browser_context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser context with a fresh profile and no network."""
    if not CHROMIUM.exists() and shutil.which("chromium") is None:
        pytest.skip("Debian's chromium is not installed; `apt-get install chromium` brings it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")),
            executable_path=str(CHROMIUM if CHROMIUM.exists() else shutil.which("chromium")),
            args=list(ARGUMENTS),
            headless=True,
        )
        try:
            context.set_offline(True)
            yield context
        finally:
            context.close()


@pytest.fixture
def open_page(browser_context: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Return a function that writes HTML to a file and opens it in a window of a given size."""
    pages = []

    def opener(html: str, size: dict[str, int] | None = None) -> Opened:
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(html, encoding="utf-8")
        page = browser_context.new_page()
        pages.append(page)
        opened = Opened(page)
        page.on("console", lambda message: opened.messages.append(message.text))
        page.on("pageerror", lambda error: opened.messages.append(str(error)))
        page.on("dialog", lambda dialog: opened.messages.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.set_viewport_size(size or DESKTOP)
        page.goto(path.as_uri())
        return opened

    yield opener
    for page in pages:
        page.close()
