"""Addresses under which people see a run in Dagster or MLflow, or an experiment's page.

What belongs here: from an identifier to an address. What does not: the runs themselves (`defs`,
`stores.runs`), the pages (`publish`, `pages`), or the other paths of the HTTP API.
"""

from __future__ import annotations

from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.settings import Settings


def dagster_run_url(settings: Settings, run_id: str | None) -> str | None:
    """Return the address of a run in Dagster's UI, or None where either is not known."""
    return _joined(settings.dagster_url, "runs", run_id)


def mlflow_run_url(settings: Settings, run_id: str | None) -> str | None:
    """Return the address of a run in MLflow's UI, or None where either is not known."""
    return _joined(settings.mlflow_url, "#/runs", run_id)


def page_url(settings: Settings, key: str) -> str | None:
    """Return the address of an experiment's page on our server, or None where that is not known."""
    parsed = parse_experiment_key(key)
    path = f"people/{parsed.user_id}/experiments"
    return _joined(settings.server_url, path, f"{parsed.intervention_id}/page")


def _joined(base: str | None, path: str, run_id: str | None) -> str | None:
    return f"{base.rstrip('/')}/{path}/{run_id}" if base and run_id else None
