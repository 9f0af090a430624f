"""The nightly schedule.

What belongs here: when a night starts. What does not: what it does (`ingest_job`, `sensors`).
"""

import dagster as dg

from its_pipeline.defs.ingest_job import ingest_events
from its_pipeline.defs.names import PURPOSE_NIGHT, TAG_NIGHT, TAG_PURPOSE
from its_pipeline.settings import Settings


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
