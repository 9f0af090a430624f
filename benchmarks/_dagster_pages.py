"""Dagster's own pages in a real browser: how long they take to show what they are about.

What belongs here: starting the webserver on a store, opening pages and taking pictures. What does
not: which pages.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from its_pipeline.settings import Settings

_ARGUMENTS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
#: A page is there once nothing of these is on it and nothing was asked for half a second.
_LOADING: Final = '[class*="Spinner"], [class*="spinner"]'


def opened(
    settings: Settings, pages: Mapping[str, str], pictures: Path | None
) -> Iterator[tuple[str, float, float]]:
    """Open pages one after the other, each twice; yield their names and the seconds of both.

    Parameters
    ----------
    settings
        The store.
    pages
        Name to path.
    pictures
        Folder for a picture of each, if any.
    """
    from playwright.sync_api import sync_playwright

    with (
        _webserver(settings) as address,
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as profile,
    ):
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            args=list(_ARGUMENTS),
            headless=True,
        )
        # The UI itself is loaded once, as by somebody who works with it.
        _open(context, f"{address}/runs")
        for name, path in pages.items():
            seconds = []
            for _ in range(2):
                page, took = _open(context, f"{address}{path}")
                seconds.append(took)
                if pictures is not None:
                    pictures.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=str(pictures / f"{name.replace(' ', '-')}.png"))
                page.close()
            yield name, seconds[0], seconds[1]
        context.close()


def _open(context: Any, url: str) -> tuple[Any, float]:
    page = context.new_page()
    page.set_viewport_size({"width": 1400, "height": 900})
    started = time.perf_counter()
    page.goto(url, wait_until="load", timeout=120_000)
    quiet_since = time.perf_counter()
    asked = [time.perf_counter()]
    page.on("requestfinished", lambda _: asked.append(time.perf_counter()))
    while time.perf_counter() - max(quiet_since, asked[-1]) < 0.5:
        if page.locator(_LOADING).count():
            quiet_since = time.perf_counter()
        page.wait_for_timeout(50)
        if time.perf_counter() - started > 120:
            break
    return page, max(quiet_since, asked[-1]) - started


@contextmanager
def _webserver(settings: Settings) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "from its_pipeline.cli.main import app; app()",
            *("webserver", "--port", str(port)),
        ],
        env={**os.environ, "ITS_STORE_ROOT": str(settings.store_root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
                break
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("the webserver did not start") from None
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()
