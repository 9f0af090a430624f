"""Addresses of runs in the user interfaces."""

from __future__ import annotations

import pytest

from its_pipeline.experiments.links import dagster_run_url, mlflow_run_url
from its_pipeline.settings import Settings


@pytest.mark.parametrize("end", ["", "/"])
def test_runs_have_addresses_where_the_interfaces_are_known(tmp_path, end):
    settings = Settings(
        store_root=tmp_path, dagster_url=f"http://d:3000{end}", mlflow_url=f"http://m:5000{end}"
    )
    assert dagster_run_url(settings, "ab") == "http://d:3000/runs/ab"
    assert mlflow_run_url(settings, "ab") == "http://m:5000/#/runs/ab"
    assert dagster_run_url(settings, None) is None
    assert mlflow_run_url(settings, None) is None


def test_there_are_none_without_the_interfaces(tmp_path):
    settings = Settings(store_root=tmp_path, dagster_url=None, mlflow_url=None)
    assert dagster_run_url(settings, "ab") is None
    assert mlflow_run_url(settings, "ab") is None
