"""What every test gets: no telemetry, one thread a call, and no settings of the machine."""

from __future__ import annotations

import os

import pytest

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
