"""Both at once: what is logged over HTTP while `dagster dev` runs is found and evaluated."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tools.live_api import running
from tools.stores import series, short_settings, write_daily


@contextmanager
def dagster_dev(settings, output):
    """Run `its-pipeline ui` on a free port; end it and all that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("its-pipeline")), "ui", "--port", str(port)],
            env={
                **clean,
                "ITS_STORE_ROOT": str(settings.store_root),
                "ITS_TODAY_ON": str(settings.today_on),
                "ITS_DRAWS": str(settings.draws),
                "ITS_TUNE": str(settings.tune),
            },
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        started = [process, *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        for one in started:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


@pytest.mark.timeout(540)
def test_what_is_logged_over_http_is_analysed_or_planned_by_the_sensor(tmp_path):
    settings = short_settings(tmp_path / "store")
    write_daily(settings, {"anna": series(50, 40, effect=6.0), "few": series(30, 3)})
    output = tmp_path / "dagster.log"
    with dagster_dev(settings, output) as dagster, running(settings, wait=False) as live:
        for user in ("anna", "few"):
            entry = {"user_id": user, "intervention_id": "morning", "started_on": "2026-05-01"}
            assert live.request("POST", "/interventions", json=entry).status_code == 201
        states = {}
        deadline = time.monotonic() + 420
        while states != {"anna": ("analysed", True), "few": ("waiting", True)}:
            assert dagster.poll() is None, output.read_text()[-3000:]
            assert time.monotonic() < deadline, (states, output.read_text()[-3000:])
            time.sleep(1)
            for user in ("anna", "few"):
                [found] = live.request("GET", f"/experiments/{user}").json()["experiments"]
                states[user] = found["state"], found["up_to_date"]
        # The sensor's analysis is the API's answer: nothing is computed again.
        answer = live.analyze(intervention_id="morning", intervention_date=...).json()
        assert answer["cached"] is True
        [run] = live.request("GET", "/analytics/its/history/anna").json()["runs"]
        assert run["mlflow_run_id"] == answer["mlflow_run_id"]
