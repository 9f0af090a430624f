"""The definitions load, quickly and lightly, and hold what the design says."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from its_pipeline.defs.build import build_defs
from tools.stores import short_settings

SNAPSHOT = Path(__file__).with_name("asset_specs.json")
HEAVY = [
    "pymc",
    "causalpy",
    "matplotlib",
    "mlflow",
    "arviz",
    "pandera",
    "pandas",
    "numba",
    "sqlalchemy",
    "numpy",
]


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path)


@pytest.fixture
def defs(settings):
    return build_defs(settings)


def described(defs):
    """What a person sees of the assets and checks, as plain data."""
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(map(str, node.owners)),
            "partitions": type(node.partitions_def).__name__ if node.partitions_def else None,
            "parents": sorted(parent.to_user_string() for parent in node.parent_keys),
            "described": bool(node.description),
            "pools": sorted(node.pools or ()),
            "backfill": node.backfill_policy.policy_type.name if node.backfill_policy else None,
            "checks": sorted(check.name for check in node.check_keys),
        }
    return assets


def test_the_assets_are_as_the_snapshot_says(defs):
    assert described(defs) == json.loads(SNAPSHOT.read_text())


def test_jobs_schedules_and_sensors_exist_and_run_by_themselves(defs):
    jobs = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    assert jobs == {
        "ingest_events",
        "refresh_experiments",
        "analyse_experiment",
        "refresh_pooled_effects",
        "collect_evidence",
        "audit_intervals",
        "audit_by_peers",
    }
    assert all(
        job.executor_def is dg.in_process_executor
        for job in defs.resolve_all_job_defs()
        if not job.name.startswith("__")
    )
    assert {schedule.name: schedule.cron_schedule for schedule in defs.schedules} == {
        "nightly_schedule": "0 3 * * *",
        "weekly_audit_schedule": "0 6 * * 0",
        "weekly_peer_audit": "0 8 * * 0",
    }
    assert {sensor.name for sensor in defs.sensors} == {
        "intervention_sensor",
        "night_ingested_sensor",
        "refreshed_sensor",
        "refresh_failed_sensor",
        "failure_sensor",
        "ingested_sensor",
        "overdue_sensor",
    }
    assert all(s.default_status == dg.DefaultSensorStatus.RUNNING for s in defs.sensors)


def test_dagster_expects_the_daily_outcomes_within_the_hours_of_the_setting(tmp_path):
    defs = build_defs(short_settings(tmp_path, alert_ingest_hours=7))
    graph = defs.resolve_asset_graph()
    policies = {
        key.to_user_string(): node.freshness_policy
        for key in graph.get_all_asset_keys()
        if (node := graph.get(key)).freshness_policy
    }
    assert policies == {"daily_outcomes": dg.FreshnessPolicy.time_window(timedelta(hours=7))}


def test_only_the_gate_blocks(defs):
    checks = {
        check.name: check.blocking for checks in defs.asset_checks for check in checks.check_specs
    }
    assert checks == {
        "reject_rate": False,
        "counts_add_up": False,
        "no_drift": False,
        "unique_and_in_range": False,
        "enough_days": False,
        "sampler_converged": True,
        "pool_is_accurate": False,
        "evidence_consistent": False,
        "intervals_hold": False,
        "peers_agree": False,
    }


def test_the_definitions_load_without_anything_heavy():
    code = (
        "import sys; from its_pipeline.definitions import defs; defs();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


def test_definitions_read_the_environment_when_they_are_called(monkeypatch, tmp_path):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    monkeypatch.setenv("ITS_NIGHTLY_HOUR", "5")
    monkeypatch.setenv("ITS_NIGHTLY_TIME_ZONE", "Europe/Berlin")
    schedule = build_defs().get_schedule_def("nightly_schedule")
    assert schedule.cron_schedule == "0 5 * * *"
    assert schedule.execution_timezone == "Europe/Berlin"


def test_an_override_replaces_a_resource(settings):
    marker = object()
    defs = build_defs(settings, {"run_tracking": marker})
    assert (defs.resources or {})["run_tracking"] is marker


if __name__ == "__main__":
    # Writes the snapshot anew: python -m its_pipeline_tests.defs.test_definitions
    SNAPSHOT.write_text(
        json.dumps(described(build_defs(short_settings(Path("unused")))), indent=1) + "\n"
    )
