"""The schedules: the night's, and the week's.

What belongs here: when a night and an audit start. What does not: what they do (`ingest_job`,
`sensors`, `audit_asset`).
"""

from typing import Final

import dagster as dg

from its_pipeline.defs.experiment_jobs import audit_by_peers, audit_intervals
from its_pipeline.defs.ingest_job import ingest_events
from its_pipeline.defs.names import PURPOSE_AUDIT, PURPOSE_NIGHT, TAG_NIGHT, TAG_PURPOSE
from its_pipeline.settings import Settings

#: Hours from the nightly run to the weekly audit: it is to see the night's days.
_AUDIT_AFTER: Final = 3
#: The same to the peer audit: it takes minutes, and is to see what the night published.
_PEERS_AFTER: Final = 5


def night_request(night: str) -> dg.RunRequest:
    """Return the run that a night starts with; its end asks for the shards."""
    return dg.RunRequest(
        run_key=f"{PURPOSE_NIGHT}:{night}",
        run_config={"ops": {"ingest": {"config": {}}}},
        tags={TAG_PURPOSE: PURPOSE_NIGHT, TAG_NIGHT: night},
    )


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Make the schedule for the hour and time zone of the settings.

    A night missed while nobody was at work is caught up by the next one: it asks the sources for
    every day that changed, not for yesterday's.
    """

    @dg.schedule(
        name="nightly_schedule",
        cron_schedule=f"0 {settings.nightly_hour} * * *",
        execution_timezone=settings.nightly_time_zone,
        job=ingest_events,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Every night: events of the last days and of every day that changed, daily outcomes, "
            "then one run of refresh_experiments a shard of stale experiments."
        ),
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return night_request(context.scheduled_execution_time.date().isoformat())

    return nightly


def weekly_audit_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Make the schedule of the placebo audit, once a week some hours after a night.

    Not every night: coverage moves with months of new days, and a factor that moved with it would
    have experiments analysed anew for nothing.
    """
    return dg.ScheduleDefinition(
        name="weekly_audit_schedule",
        cron_schedule=f"0 {(settings.nightly_hour + _AUDIT_AFTER) % 24} * * 0",
        execution_timezone=settings.nightly_time_zone,
        job=audit_intervals,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={TAG_PURPOSE: PURPOSE_AUDIT},
        description="Every week: do the intervals hold what they promise on days without a change?",
    )


def weekly_peer_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Make the schedule of the peer audit, once a week some hours after a night."""
    return dg.ScheduleDefinition(
        name="weekly_peer_audit",
        cron_schedule=f"0 {(settings.nightly_hour + _PEERS_AFTER) % 24} * * 0",
        execution_timezone=settings.nightly_time_zone,
        job=audit_by_peers,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={TAG_PURPOSE: PURPOSE_AUDIT},
        description="Every week: a few analyses fitted again by PyMC.",
    )
