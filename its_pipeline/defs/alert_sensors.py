"""What tells somebody by itself: a failed run, a run that took in poor events, what is overdue.

What belongs here: when it is looked, and that each occasion is told once. What does not: what is
told (`alerts`), delivering it (`notify`), or whether the services themselves answer, which a
service of Dagster's cannot tell (`cli.watch`).
"""

from datetime import UTC, datetime
from typing import Final

import dagster as dg

from its_pipeline.defs.alerts import failure_alert, ingest_alert, overdue_alerts
from its_pipeline.defs.ingest_job import ingest_events
from its_pipeline.defs.names import JOB_ANALYSE, JOB_REFRESH
from its_pipeline.defs.notify import tell
from its_pipeline.defs.resources import Installation

#: Seconds between two looks for what is overdue.
OVERDUE_EVERY_SECONDS: Final = 600


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=False,
    description="Tells somebody of a failed run, and ends its MLflow run as failed.",
)
def failure_sensor(
    context: dg.RunFailureSensorContext, installation: dg.ResourceParam[Installation]
) -> None:
    """Notify, and close what a killed process could not."""
    settings = installation.settings
    run = context.dagster_run
    tell(settings, failure_alert(settings, run, context.failure_event.message or ""))
    if run.job_name in (JOB_REFRESH, JOB_ANALYSE):
        from its_pipeline.stores.parent_runs import close_dagster_run
        from its_pipeline.stores.runs import RunStore

        close_dagster_run(RunStore.from_settings(settings), run.run_id, "FAILED")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[ingest_events],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells somebody of days with many rejected rows, days and files that could not be taken, "
        "and events that stopped coming."
    ),
)
def ingested_sensor(
    context: dg.RunStatusSensorContext, installation: dg.ResourceParam[Installation]
) -> None:
    """Look at what an ingest run recorded."""
    settings = installation.settings
    alert = ingest_alert(settings, context.instance, context.dagster_run.run_id, datetime.now(UTC))
    if alert is not None:
        tell(settings, alert)


@dg.sensor(
    minimum_interval_seconds=OVERDUE_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells somebody, once each, of an ingest or a night that should have been by now.",
)
def overdue_sensor(
    context: dg.SensorEvaluationContext, installation: dg.ResourceParam[Installation]
) -> dg.SkipReason:
    """Look at what is overdue; the cursor is when looking began, and what was told last."""
    settings = installation.settings
    now = datetime.now(UTC)
    since, *told = (context.cursor or now.isoformat()).split("\n")
    overdue = dict(overdue_alerts(settings, context.instance, datetime.fromisoformat(since), now))
    # What could not be delivered is told at the next look.
    done = [name for name, alert in overdue.items() if name in told or tell(settings, alert)]
    context.update_cursor("\n".join((since, *done)))
    titles = "; ".join(alert.title for alert in overdue.values())
    return dg.SkipReason(titles or "nothing is overdue")


ALERT_SENSORS: Final = [failure_sensor, ingested_sensor, overdue_sensor]
