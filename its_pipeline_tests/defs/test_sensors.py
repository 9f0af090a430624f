"""What sensors and the schedule ask for, called directly on a real instance."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.names import (
    JOB_EVIDENCE,
    JOB_INGEST,
    JOB_POOLED,
    JOB_REFRESH,
    TAG_NIGHT,
    TAG_SHARDS,
)
from its_pipeline.defs.partitions import EXPERIMENTS, event_days
from its_pipeline.defs.resources import Installation
from its_pipeline.defs.schedules import nightly_schedule
from its_pipeline.defs.sensors import (
    evidence_requests,
    intervention_sensor,
    night_ingested_sensor,
    refreshed_sensor,
    shard_requests,
)
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.experiments.pooling import has_stale_kinds, refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, open_store
from tools.stores import METRIC, log_intervention, series, short_settings, write_daily


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path, burst_size=3)


@pytest.fixture
def instance(settings):
    with open_instance(settings) as instance:
        yield instance


def tick(settings, instance, cursor=None) -> Any:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"installation": Installation(settings)}
    )
    return intervention_sensor(context)


def apply(instance, result):
    """What the daemon does with a tick's partitions."""
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions("experiment", list(request.partition_keys))


def test_a_logged_intervention_becomes_a_partition_and_a_run(settings, instance):
    logged = log_intervention(settings, "ada")
    result = tick(settings, instance)
    (request,) = result.run_requests
    assert request.partition_key == "ada|morning"
    assert request.job_name == "analyse_experiment"
    assert request.run_key == f"intervention:ada|morning:{logged.sequence}"
    assert result.dynamic_partitions_requests[0].partition_keys == ["ada|morning"]
    assert result.cursor == str(logged.sequence)


def test_a_repeated_tick_asks_for_the_same_run_again(settings, instance):
    log_intervention(settings, "ada")
    first, again = tick(settings, instance), tick(settings, instance)
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in again.run_requests]


def test_nothing_new_is_skipped(settings, instance):
    log_intervention(settings, "ada")
    first = tick(settings, instance)
    apply(instance, first)
    assert isinstance(tick(settings, instance, first.cursor), dg.SkipReason)


def test_what_has_its_verdict_is_not_asked_for_by_a_sensor_without_memory(settings, instance):
    write_daily(settings, {"ada": series(n_post=3)})
    log_intervention(settings, "ada")
    fit_experiment(Snapshot(settings), "ada|morning")
    instance.add_dynamic_partitions("experiment", ["ada|morning"])
    result = tick(settings, instance)
    assert not result.run_requests
    assert "has its verdict" in result.skip_reason.skip_message


@pytest.mark.parametrize("change", ["amend", "withdraw"])
def test_a_correction_is_looked_at_again(settings, instance, change):
    write_daily(settings, {"ada": series(n_post=3)})
    log_intervention(settings, "ada")
    fit_experiment(Snapshot(settings), "ada|morning")
    first = tick(settings, instance)
    apply(instance, first)
    log = InterventionLog(settings.resolved_intervention_log_url)
    if change == "amend":
        log.amend("ada", "morning", baseline_days=20)
    else:
        log.withdraw("ada", "morning", "not done")
    log.close()
    result = tick(settings, instance, first.cursor)
    assert [request.partition_key for request in result.run_requests] == ["ada|morning"]
    assert result.run_requests[0].run_key not in {r.run_key for r in first.run_requests}
    fit_experiment(Snapshot(settings), "ada|morning")
    verdict = open_store(settings).verdict("ada|morning")
    assert verdict is not None
    assert verdict.status == ("waiting" if change == "amend" else "closed")


def test_a_burst_becomes_one_bulk_run(settings, instance):
    users = [f"u{n}" for n in range(4)]
    for user in users:
        log_intervention(settings, user)
    result = tick(settings, instance)
    (request,) = result.run_requests
    assert request.job_name == JOB_REFRESH
    assert request.run_config["ops"]["refresh"]["config"]["keys"] == [
        f"{user}|morning" for user in users
    ]
    assert len(result.dynamic_partitions_requests[0].partition_keys) == 4


def test_a_night_asks_every_shard_once(settings):
    requests = shard_requests("2026-06-20", 3)
    assert len({request.run_key for request in requests}) == 3
    configs = [request.run_config["ops"]["refresh"]["config"] for request in requests]
    assert configs == [{"shard": n, "shards": 3} for n in range(3)]
    assert {request.tags["its/shard"] for request in requests} == {"1 of 3", "2 of 3", "3 of 3"}


def test_the_schedule_starts_one_run_a_night(settings):
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 6, 20, 3))
    (request,) = nightly_schedule(settings).evaluate_tick(context).run_requests or []
    assert request.run_key == "night:2026-06-20"
    assert request.tags[TAG_NIGHT] == "2026-06-20"
    assert TAG_SHARDS not in request.tags


def test_the_evidence_waits_for_the_last_refreshing_run(settings, instance):
    pending = instance.create_run_for_job(
        _empty_job(JOB_REFRESH), status=dg.DagsterRunStatus.STARTED
    )
    (skipped,) = evidence_requests(settings, instance, "some-run")
    assert isinstance(skipped, dg.SkipReason)
    assert pending.run_id in (skipped.skip_message or "")
    instance.delete_run(pending.run_id)
    (request,) = evidence_requests(settings, instance, "some-run")
    assert isinstance(request, dg.RunRequest)
    assert request.job_name == JOB_EVIDENCE


def test_kinds_are_asked_for_where_enough_people_try_the_same(settings, instance):
    def asked():
        requests: Any = evidence_requests(settings, instance, "some-run")
        return [request.job_name for request in requests]

    for number in range(4):
        log_intervention(settings, f"p{number}")
    log_intervention(settings, "p9", started_on=settings.today_on + timedelta(days=1))
    assert asked() == [JOB_EVIDENCE]
    log_intervention(settings, "p4")
    assert asked() == [JOB_POOLED, JOB_EVIDENCE]


def test_the_end_of_a_refresh_asks_for_kinds_and_evidence(settings, instance):
    for number in range(5):
        log_intervention(settings, f"p{number}")
    done = _empty_job(JOB_REFRESH).execute_in_process(instance=instance)
    context = dg.build_run_status_sensor_context(
        sensor_name="refreshed_sensor",
        dagster_instance=instance,
        dagster_run=done.dagster_run,
        dagster_event=done.filter_events(lambda event: event.is_job_success)[0],
        resources={"installation": Installation(settings)},
    )
    requests: Any = refreshed_sensor(context)
    assert [request.job_name for request in requests] == [JOB_POOLED, JOB_EVIDENCE]


def test_a_night_in_which_nothing_is_stale_sees_kinds_that_are(settings, instance):
    for number in range(5):
        log_intervention(settings, f"p{number}")

    def asked(shards):
        job = _empty_job(JOB_INGEST)
        done = job.execute_in_process(
            instance=instance, tags={TAG_NIGHT: "2026-06-20", TAG_SHARDS: str(shards)}
        )
        context = dg.build_run_status_sensor_context(
            sensor_name="night_ingested_sensor",
            dagster_instance=instance,
            dagster_run=done.dagster_run,
            dagster_event=done.filter_events(lambda event: event.is_job_success)[0],
            resources={"installation": Installation(settings)},
        )
        requests: Any = night_ingested_sensor(context)
        return [getattr(request, "job_name", "skipped") for request in requests]

    assert asked(1) == [JOB_REFRESH]
    assert asked(0) == [JOB_POOLED]
    refresh_kinds(settings)
    assert not has_stale_kinds(settings)
    assert asked(0) == ["skipped"]
    raised = {"name": METRIC, "event_types": ["SESSION_ENDED"], "pooled_in": "baseline_sd"}
    metric = {**raised, "column": "session_performance_score", "unit": "points"}
    file = settings.store_root / "metrics.yaml"
    file.write_text(json.dumps({"metrics": [metric]}))
    assert asked(0) == [JOB_POOLED]
    refresh_kinds(settings)
    assert asked(0) == ["skipped"]
    fewer = settings.model_copy(update={"pooled_min_people": 6})
    assert has_stale_kinds(fewer)


def test_kinds_that_are_gone_are_asked_for_once_more(settings, instance):
    instance.add_dynamic_partitions("kind", ["morning|sessionPerformanceScore"])
    requests: Any = evidence_requests(settings, instance, "some-run")
    assert [request.job_name for request in requests] == [JOB_POOLED, JOB_EVIDENCE]


def _empty_job(name):
    @dg.op(name=f"{name}_op")
    def nothing():
        return None

    @dg.job(name=name)
    def empty():
        nothing()

    return empty


def test_event_days_begin_where_the_lake_begins(settings):
    assert event_days(settings).get_first_partition_key() == "2026-03-22"
    (settings.lake_dir / "behavioral_events" / "day=2026-02-03").mkdir(parents=True)
    days = event_days(settings)
    assert days.get_first_partition_key() == "2026-02-03"
    assert days.get_last_partition_key() == "2026-06-20"
    chosen = short_settings(settings.store_root, first_day_on="2025-01-01")
    assert event_days(chosen).get_first_partition_key() == "2025-01-01"
    assert EXPERIMENTS.name == "experiment"
