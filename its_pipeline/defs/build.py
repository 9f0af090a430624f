"""All of Dagster's definitions, put together.

What belongs here: the list of what there is. What does not: any of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from its_pipeline.defs.alert_sensors import ALERT_SENSORS
from its_pipeline.defs.alerts import watched
from its_pipeline.defs.audit_asset import intervals_hold, placebo_audit
from its_pipeline.defs.event_assets import event_assets
from its_pipeline.defs.event_checks import event_checks
from its_pipeline.defs.evidence_asset import evidence, evidence_consistent
from its_pipeline.defs.experiment_assets import (
    enough_days,
    its_fit,
    its_plan,
    its_report,
    sampler_converged,
)
from its_pipeline.defs.experiment_jobs import (
    analyse_experiment,
    audit_by_peers,
    audit_intervals,
    collect_evidence,
)
from its_pipeline.defs.ingest_job import ingest_events
from its_pipeline.defs.partitions import event_days
from its_pipeline.defs.peer_audit_asset import peer_audit, peers_agree
from its_pipeline.defs.pooled_asset import (
    pool_is_accurate,
    pooled_effects,
    refresh_pooled_effects,
)
from its_pipeline.defs.refresh_job import refresh_experiments
from its_pipeline.defs.resources import Installation, run_tracking
from its_pipeline.defs.schedules import (
    nightly_schedule,
    weekly_audit_schedule,
    weekly_peer_schedule,
)
from its_pipeline.defs.sensors import SENSORS
from its_pipeline.settings import Settings, get_settings


def build_defs(
    settings: Settings | None = None, overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Return fresh definitions.

    Parameters
    ----------
    settings
        Fixed settings; by default the environment is read now for what definitions hold (hours,
        days), and again by every run for what it does.
    overrides
        Resources by key, instead of the project's own.
    """
    known = settings or get_settings()
    days = event_days(known)
    with warnings.catch_warnings():
        # Backfill policies are marked beta; the version is pinned and a test holds what they do.
        warnings.simplefilter("ignore", dg.BetaWarning)
        made = event_assets(days)
    events = replace(made, daily_outcomes=watched(known, made.daily_outcomes))
    return dg.Definitions(
        assets=[
            *events.all(),
            its_plan,
            its_fit,
            its_report,
            pooled_effects,
            evidence,
            placebo_audit,
            peer_audit,
        ],
        asset_checks=[
            *event_checks(events, days),
            enough_days,
            sampler_converged,
            pool_is_accurate,
            evidence_consistent,
            peers_agree,
            intervals_hold,
        ],
        jobs=[
            ingest_events,
            refresh_experiments,
            analyse_experiment,
            refresh_pooled_effects,
            collect_evidence,
            audit_by_peers,
            audit_intervals,
        ],
        schedules=[
            nightly_schedule(known),
            weekly_audit_schedule(known),
            weekly_peer_schedule(known),
        ],
        sensors=[*SENSORS, *ALERT_SENSORS],
        resources={
            "installation": Installation(settings),
            "run_tracking": run_tracking,
            "duckdb": DuckDBResource(database=":memory:"),
            **(overrides or {}),
        },
        # A step in a process of its own costs 10 to 50 seconds before it does anything.
        executor=dg.in_process_executor,
    )
