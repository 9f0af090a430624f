"""What a person is told of: a failed run, events that are missing or rejected, a late night.

What belongs here: deciding that there is an alert, from what Dagster recorded and from the lake.
What does not: delivering it (`notify`), or when it is looked for (`alert_sensors`, `local`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import dagster as dg

from its_pipeline.defs.ingest_job import DAILY_OUTCOMES
from its_pipeline.defs.names import TAG_NIGHT, TAG_PURPOSE, TAG_SHARD, TAG_SHARDS
from its_pipeline.defs.notify import Alert
from its_pipeline.experiments.links import dagster_run_url
from its_pipeline.settings import Settings

#: An alert names at most as many days.
_MOST_DAYS: Final = 10


def failure_alert(settings: Settings, run: dg.DagsterRun, message: str) -> Alert:
    """Return the alert of a failed run."""
    return Alert(
        f"its_pipeline: {run.job_name} failed",
        _lines([message], _link(settings, run.run_id)),
        {
            "job": run.job_name,
            "run_id": run.run_id,
            "partition": run.tags.get("dagster/partition"),
            "purpose": run.tags.get(TAG_PURPOSE),
        },
    )


def ingest_alert(
    settings: Settings, instance: dg.DagsterInstance, run_id: str, now: datetime
) -> Alert | None:
    """Return what is wrong with the events that a run of ``ingest_events`` took, or None.

    Parameters
    ----------
    settings
        ``alert_rejected_share`` and ``alert_events_hours``.
    instance
        Where the run recorded its checks and counts.
    run_id
        The run, which has ended well.
    now
        The present instant.
    """
    rejected, uneven, counts = _recorded(settings, instance, run_id)
    found = []
    if rejected:
        found.append(
            f"{len(rejected)} days of events have more than "
            f"{100 * settings.alert_rejected_share:g} % of their rows rejected: {_listed(rejected)}"
        )
    if uneven:
        found.append(f"rows were lost between read and validated on {_listed(uneven)}")
    if counts.get("days_failed"):
        found.append(f"{counts['days_failed']} days of events could not be taken")
    if counts.get("files_refused"):
        found.append(
            f"{counts['files_refused']} files of the inbox were not taken: see NAME.error.txt"
        )
    newest = _newest_event(settings) if settings.alert_events_hours else None
    if newest is not None and settings.alert_events_hours:
        hours = (now - newest).total_seconds() / 3600
        if hours > settings.alert_events_hours:
            found.append(
                f"the newest event is of {newest:%Y-%m-%d %H:%M} UTC, {hours:.0f} hours ago"
            )
    if not found:
        return None
    return Alert(
        "its_pipeline: events need a look",
        _lines(found, _link(settings, run_id)),
        {
            "run_id": run_id,
            "days_rejected": len(rejected),
            "days_uneven": len(uneven),
            "days_failed": counts.get("days_failed", 0),
            "files_refused": counts.get("files_refused", 0),
            "newest_event_at": newest.isoformat() if newest else None,
        },
    )


def _recorded(
    settings: Settings, instance: dg.DagsterInstance, run_id: str
) -> tuple[list[str], list[str], dict[str, int]]:
    """Return the days of which too much was rejected, those that do not add up, and the counts."""
    rejected, uneven, counts = [], [], {}
    kinds = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_OUTPUT}
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.STEP_OUTPUT:
            if event.step_key == "ingest":
                counts = {
                    name: value.value
                    for name, value in event.step_output_data.metadata.items()
                    if isinstance(value, dg.IntMetadataValue) and value.value is not None
                }
            continue
        check = event.asset_check_evaluation_data
        found = check.metadata.get("reject_rate")
        share = (found.value or 0.0) if isinstance(found, dg.FloatMetadataValue) else 0.0
        if check.check_name == "counts_add_up" and not check.passed:
            uneven.append(str(check.partition))
        elif share > settings.alert_rejected_share:
            rejected.append(f"{check.partition} ({100 * share:.0f} %)")
    return rejected, uneven, counts


def _newest_event(settings: Settings) -> datetime | None:
    """Return when the newest valid event happened; None where there is none."""
    from its_pipeline.ingest.steps import open_lake, read_validation
    from its_pipeline.stores.lake import VALID_EVENTS

    for day in reversed(open_lake(settings).days(VALID_EVENTS)):
        newest = read_validation(settings, day).summary.last_occurred_at
        if newest is not None:
            return newest
    return None


def watched(settings: Settings, asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """Return the daily outcomes with the hours in which Dagster expects them to be made anew."""
    policy = dg.FreshnessPolicy.time_window(timedelta(hours=settings.alert_ingest_hours))
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=policy))


def overdue_alerts(
    settings: Settings, instance: dg.DagsterInstance, since: datetime, now: datetime
) -> Iterator[tuple[str, Alert]]:
    """Return what should have happened by now and did not, each with a name of the occasion.

    Parameters
    ----------
    settings
        ``alert_ingest_hours``, ``alert_night_hours``, and when nights begin.
    instance
        What Dagster's daemon found of the daily outcomes' freshness, and the runs.
    since
        Nights that were to begin earlier are nobody's business: the installation was not there.
    now
        The present instant.
    """
    state = instance.get_freshness_state_records([DAILY_OUTCOMES]).get(DAILY_OUTCOMES)
    if state is not None and state.freshness_state.value == "FAIL":
        last = instance.get_latest_materialization_event(DAILY_OUTCOMES)
        at = datetime.fromtimestamp(last.timestamp, ZoneInfo("UTC")) if last else None
        yield (
            f"ingest:{at}",
            Alert(
                f"its_pipeline: no ingest for more than {settings.alert_ingest_hours} hours",
                f"The last one ended {at:%Y-%m-%d %H:%M} UTC." if at else "There never was one.",
                {"last_ingest_at": at.isoformat() if at else None},
            ),
        )
    zone = ZoneInfo(settings.nightly_time_zone)
    due = (now - timedelta(hours=settings.alert_night_hours)).astimezone(zone)
    began = due.replace(hour=settings.nightly_hour, minute=0, second=0, microsecond=0)
    if began > due:
        began -= timedelta(days=1)
    late = _late(instance, began.date().isoformat()) if began >= since else ""
    if late:
        night = began.date().isoformat()
        yield (
            f"night:{night}",
            Alert(
                f"its_pipeline: the night of {night} {late}",
                f"It was to begin at {began:%Y-%m-%d %H:%M} {settings.nightly_time_zone}, and to "
                f"be over {settings.alert_night_hours} hours later. Look at Dagster's daemon, its "
                "schedules, sensors and queued runs.",
                {"night": night},
            ),
        )


def _late(instance: dg.DagsterInstance, night: str) -> str:
    """Return what a night still lacks; empty where it is over. A failed run told of itself."""
    runs = instance.get_runs(dg.RunsFilter(tags={TAG_NIGHT: night}))
    shards = [run for run in runs if TAG_SHARD in run.tags]
    ingests = [run for run in runs if TAG_SHARD not in run.tags]
    if not ingests:
        return "did not begin"
    unfinished = [run for run in runs if not run.is_finished]
    if unfinished:
        return f"is not over: {unfinished[0].job_name} {unfinished[0].run_id} has not ended"
    asked = max(int(run.tags.get(TAG_SHARDS, "0")) for run in ingests)
    if len(shards) < asked and any(run.is_success for run in ingests):
        return f"asked for {len(shards)} of {asked} shards of stale experiments"
    return ""


def _listed(days: list[str]) -> str:
    more = len(days) - _MOST_DAYS
    return ", ".join(days[:_MOST_DAYS]) + (f" and {more} more" if more > 0 else "")


def _link(settings: Settings, run_id: str) -> str:
    return dagster_run_url(settings, run_id) or ""


def _lines(found: list[str], link: str) -> str:
    return "\n".join(line for line in (*found, link) if line)
