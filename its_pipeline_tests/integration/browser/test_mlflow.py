"""MLflow's own pages in a real browser: the address we print shows the analyses."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore

pytestmark = pytest.mark.browser

KEYS = ("ada|mornings", "ben|tea")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """What `its-pipeline mlflow` prints, on a store with two analyses under one parent."""
    client, experiment_id = RunStore.from_settings(Settings(store_root=tmp_path)).open()
    parent = client.create_run(
        experiment_id, run_name="refresh_experiments", tags={"dagster_run_id": "0a1b2c3d-0000"}
    )
    parent_id = parent.info.run_id
    for key in KEYS:
        tags = {"its.status": "analysed", "mlflow.parentRunId": parent_id}
        run = client.create_run(experiment_id, run_name=key, tags=tags)
        client.set_terminated(run.info.run_id)
    client.set_terminated(parent_id)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from its_pipeline.cli.main import app; app()",
            *("mlflow", "--port", str(port)),
        ],
        env={**os.environ, "ITS_STORE_ROOT": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        printed = re.fullmatch(r"all analyses: (\S+)\n", process.stdout.readline())
        assert printed is not None
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield printed.group(1)
    finally:
        os.killpg(process.pid, 15)
        process.communicate()


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, f"mlflow ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"{url} did not answer")


def test_the_printed_address_shows_every_analysis_as_a_row_of_its_own(
    browser_context: Any, address: str
):
    browser_context.set_offline(False)
    page = browser_context.new_page()
    try:
        page.goto(address)
        for key in KEYS:
            page.get_by_text(key, exact=True).first.wait_for(timeout=120_000)
        assert page.get_by_text("refresh_experiments").count() == 0
    finally:
        page.close()
        browser_context.set_offline(True)
