"""Who is told of what: failed runs, rejected and missing events, nights that are late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from pydantic import SecretStr

from its_pipeline.defs import notify
from its_pipeline.defs.alert_sensors import failure_sensor, ingested_sensor, overdue_sensor
from its_pipeline.defs.alerts import failure_alert, ingest_alert, overdue_alerts
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.ingest_job import DAILY_OUTCOMES, VALID_EVENTS
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.names import TAG_NIGHT, TAG_SHARD, TAG_SHARDS
from its_pipeline.defs.resources import Installation
from its_pipeline.events.people import Defects, Person
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.opening import simulation_dir
from tools.stores import short_settings

START_ON, DAYS = date(2026, 5, 1), 3
#: The simulated events end with this day.
AFTERWARDS = datetime(2026, 5, 4, tzinfo=UTC)
NIGHT = datetime(2026, 6, 20, 3, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path, webhook, monkeypatch):
    monkeypatch.setattr(notify, "RETRY_SECONDS", ())
    return short_settings(
        tmp_path, notifier="webhook", notifier_webhook_url=SecretStr(f"{webhook.url}/ok")
    )


@pytest.fixture
def instance(settings):
    with open_instance(settings) as instance:
        yield instance


def titles(webhook):
    return [alert["title"] for alert in webhook.received]


def test_a_failed_run_is_told_with_its_link(settings):
    linked = short_settings(settings.store_root, dagster_url="http://dagster.example/")
    run = dg.DagsterRun("refresh_experiments", run_id="abc", tags={"its/purpose": "night"})
    alert = failure_alert(linked, run, "3 of 9 experiments crashed")
    assert "http://dagster.example/runs/abc" in alert.text
    assert "3 of 9" in alert.text
    assert alert.facts["purpose"] == "night"


@dg.op(name="ingest", out=dg.Out(dg.Nothing))
def told_ingest(context):
    """What an ingest run records of one day that lost rows, one that failed and a refused file."""
    context.log_event(
        dg.AssetCheckEvaluation(
            asset_key=VALID_EVENTS, check_name="counts_add_up", passed=False, partition="2026-05-02"
        )
    )
    return dg.Output(None, metadata={"days_failed": 2, "files_refused": 1})


@dg.op(name="ingest")
def failing_ingest():
    raise ValueError("the disk is full")


@dg.job(name="ingest_events")
def ingest_with_troubles():
    told_ingest()


@dg.job(name="ingest_events")
def ingest_that_fails():
    failing_ingest()


def sensed(sensor, settings, instance, result):
    """Let a sensor of runs see one that has ended."""
    end = {True: dg.DagsterEventType.RUN_SUCCESS, False: dg.DagsterEventType.RUN_FAILURE}
    (event,) = [e for e in result.all_events if e.event_type == end[result.success]]
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
        resources={"installation": Installation(settings)},
    )
    if not result.success:
        context = context.for_run_failure()
    return sensor(context)


def test_the_daemon_tells_of_a_failed_run(settings, instance, webhook):
    result = ingest_that_fails.execute_in_process(instance=instance, raise_on_error=False)
    sensed(failure_sensor, settings, instance, result)
    assert titles(webhook) == ["its_pipeline: ingest_events failed"]


def test_days_and_files_that_were_not_taken_are_told(settings, instance, webhook):
    result = ingest_with_troubles.execute_in_process(instance=instance)
    sensed(ingested_sensor, settings, instance, result)
    (alert,) = webhook.received
    assert "2 days of events could not be taken" in alert["text"]
    assert "1 files of the inbox were not taken" in alert["text"]
    assert "rows were lost between read and validated on 2026-05-02" in alert["text"]
    assert alert["facts"]["days_uneven"] == 1


def ingest(settings, instance, malformed):
    person = Person("ada", defects=Defects(malformed=malformed))
    simulate([person], simulation_dir(settings), seed=1, start_on=START_ON, days=DAYS)
    return LocalRunner(settings, instance, "test").ingest()


def test_rejected_rows_beyond_the_share_are_told_and_fewer_are_not(settings, instance, webhook):
    simulated = settings.model_copy(update={"source": "simulator", "alert_rejected_share": 0.05})
    run = ingest(simulated, instance, malformed=4)
    assert run.success
    assert run.numbers["rejected"] == 4
    (alert,) = webhook.received
    assert "more than 5 % of their rows rejected: 2026-05-0" in alert["text"]
    assert alert["facts"]["days_rejected"] >= 1
    lenient = simulated.model_copy(update={"alert_rejected_share": 0.9})
    assert ingest_alert(lenient, instance, run.run_id, AFTERWARDS) is None


def test_events_that_stopped_coming_are_told(settings, instance, webhook):
    simulated = settings.model_copy(update={"source": "simulator"})
    run = ingest(simulated, instance, malformed=0)
    assert webhook.received == []
    for hours, told in ((None, False), (1000, False), (30, True)):
        watching = simulated.model_copy(update={"alert_events_hours": hours})
        alert = ingest_alert(watching, instance, run.run_id, AFTERWARDS + timedelta(hours=40))
        assert (alert is not None and "the newest event is of 2026-05-0" in alert.text) == told


def test_a_run_without_the_daemon_tells_of_its_failure(settings, instance, webhook):
    (settings.store_root / "metrics.yaml").write_text("- not a metric")
    assert not LocalRunner(settings, instance, "test").ingest().success
    assert titles(webhook) == ["its_pipeline: ingest_events failed"]


def add_run(instance, night, status, **tags):
    job = ingest_with_troubles if TAG_SHARD not in tags else ingest_that_fails
    return instance.create_run_for_job(job, status=status, tags={TAG_NIGHT: night, **tags})


SUCCESS, FAILURE, STARTED, WAITING = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.NOT_STARTED,
)


NIGHTS = [
    ([], "did not begin"),
    ([(STARTED, {})], "is not over: ingest_events"),
    ([(SUCCESS, {TAG_SHARDS: "0"})], None),
    ([(FAILURE, {})], None),
    ([(SUCCESS, {TAG_SHARDS: "1"}), (SUCCESS, {TAG_SHARD: "1 of 1"})], None),
    ([(SUCCESS, {TAG_SHARDS: "1"}), (WAITING, {TAG_SHARD: "1 of 1"})], "is not over"),
    ([(SUCCESS, {TAG_SHARDS: "2"}), (SUCCESS, {TAG_SHARD: "1 of 2"})], "asked for 1 of 2"),
]


def test_a_night_that_is_not_whole_in_time_is_told(settings, instance):
    for ago, (runs, said) in enumerate(NIGHTS):
        began = NIGHT - timedelta(days=ago)
        night = began.date().isoformat()
        for status, tags in runs:
            add_run(instance, night, status, **tags)
        found = dict(overdue_alerts(settings, instance, LONG_AGO, began + timedelta(hours=12)))
        assert list(found) == ([f"night:{night}"] if said else [])
        assert said is None or said in found[f"night:{night}"].title


ZONES = [
    ("UTC", 3, NIGHT + timedelta(hours=11, minutes=59), "2026-06-19"),
    ("UTC", 3, NIGHT + timedelta(hours=12), "2026-06-20"),
    ("Pacific/Auckland", 3, datetime(2026, 6, 20, 3, tzinfo=UTC), "2026-06-20"),
    ("America/New_York", 23, datetime(2026, 6, 21, 15, tzinfo=UTC), "2026-06-20"),
]


def test_the_night_is_that_of_the_schedules_own_zone(settings, instance):
    for zone, hour, now, night in ZONES:
        there = settings.model_copy(update={"nightly_time_zone": zone, "nightly_hour": hour})
        assert list(dict(overdue_alerts(there, instance, LONG_AGO, now))) == [f"night:{night}"]


def test_nights_before_the_installation_are_nobodys_business(settings, instance):
    now = NIGHT + timedelta(hours=13)
    assert dict(overdue_alerts(settings, instance, NIGHT + timedelta(minutes=1), now)) == {}


def look(settings, instance, cursor):
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"installation": Installation(settings)}
    )
    overdue_sensor(context)
    return context.cursor


def find_stale(instance, state):
    """Record what Dagster's freshness daemon records."""
    instance._report_runless_asset_event(
        FreshnessStateChange(
            key=DAILY_OUTCOMES,
            new_state=state,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=0.0,
        )
    )


def test_a_stale_ingest_is_told_once_and_again_after_it_was_well(settings, instance, webhook):
    told = ["its_pipeline: no ingest for more than 30 hours"]
    cursor = look(settings, instance, None)
    assert titles(webhook) == []
    find_stale(instance, FreshnessState.FAIL)
    cursor = look(settings, instance, look(settings, instance, cursor))
    assert titles(webhook) == told
    find_stale(instance, FreshnessState.PASS)
    cursor = look(settings, instance, cursor)
    find_stale(instance, FreshnessState.FAIL)
    look(settings, instance, cursor)
    assert titles(webhook) == told * 2


def test_what_could_not_be_told_is_told_at_the_next_look(settings, instance, webhook):
    find_stale(instance, FreshnessState.FAIL)
    broken = settings.model_copy(
        update={"notifier_webhook_url": SecretStr(f"{webhook.url}/broken")}
    )
    cursor = look(broken, instance, None)
    look(settings, instance, look(settings, instance, cursor))
    assert len(webhook.received) == 2
