"""Addresses of runs in the user interfaces of Dagster and MLflow.

What belongs here: from a run's identifier to the address under which people see it. What does not:
the runs themselves (`defs`, `stores.runs`), or paths of the HTTP API.
"""

from __future__ import annotations

from its_pipeline.settings import Settings


def dagster_run_url(settings: Settings, run_id: str | None) -> str | None:
    """Return the address of a run in Dagster's UI, or None where either is not known."""
    return _joined(settings.dagster_url, "runs", run_id)


def mlflow_run_url(settings: Settings, run_id: str | None) -> str | None:
    """Return the address of a run in MLflow's UI, or None where either is not known."""
    return _joined(settings.mlflow_url, "#/runs", run_id)


def _joined(base: str | None, path: str, run_id: str | None) -> str | None:
    return f"{base.rstrip('/')}/{path}/{run_id}" if base and run_id else None
