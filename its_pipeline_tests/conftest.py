"""What every test gets: no telemetry, one thread a call, no settings of the machine; a webhook."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from its_pipeline_tests.support import Quiet, answering

# Set before anything is imported: these libraries read them once.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every ITS_ setting, so that a test sees the defaults and its own."""
    for name in list(os.environ):
        if name.startswith("ITS_") and name != "ITS_SHARED_DATA":
            monkeypatch.delenv(name)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture
def webhook() -> Iterator[SimpleNamespace]:
    """A webhook's `url` and what it `received`; it answers 500 under ``/broken``."""
    received = []

    class Handler(Quiet):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

    with answering(Handler) as address:
        yield SimpleNamespace(url=address, received=received)
