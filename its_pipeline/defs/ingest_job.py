"""The job ``ingest_events``: events in, day by day, then the daily outcomes, then what is stale.

What belongs here: which days, and telling Dagster of each day what a run of that day records. What
does not: exporting, validating and aggregating (`ingest.steps`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from its_pipeline.defs import event_metadata as shown
from its_pipeline.defs.databases import mend_run_store
from its_pipeline.defs.experiment_metadata import CheckOutcome
from its_pipeline.defs.names import JOB_INGEST, POOL_WAREHOUSE, REJECTED_BY, TAG_SHARDS
from its_pipeline.defs.partitions import register_experiments, register_shards
from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.recording import log_check, told_together
from its_pipeline.defs.resources import Installation
from its_pipeline.defs.shard_refresh import runs_of_night, shards_to_do
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.sharding import shards_now
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    from its_pipeline.ingest.steps import IngestedDay

BEHAVIORAL_EVENTS = dg.AssetKey("behavioral_events")
VALID_EVENTS = dg.AssetKey("valid_events")
DAILY_OUTCOMES = dg.AssetKey("daily_outcomes")


class IngestConfig(dg.Config):
    """Which UTC days are ingested."""

    days: list[str] | None = Field(
        default=None,
        description="Exactly these UTC days (YYYY-MM-DD); default: every day whose source changed "
        "or that was not validated, and the late window.",
    )


def days_to_ingest(
    settings: Settings, given: list[str] | None, instance: dg.DagsterInstance
) -> list[date]:
    """Return the UTC days to export and validate, in order.

    Days that are whole but that Dagster knows nothing of, or nothing of as they are, are among
    them: a run was killed before it told of them, the HTTP API took them, or Dagster's own records
    were lost.

    Raises
    ------
    ValueError
        A given day is no date.
    """
    if given is not None:
        return sorted({date.fromisoformat(day) for day in given})
    from its_pipeline.ingest.steps import (
        changed_days,
        first_open_day,
        open_lake,
        unvalidated_days,
    )
    from its_pipeline.ingest.untold import untold_days

    today_on = settings.utc_today()
    late = (today_on - timedelta(days=ago) for ago in range(settings.late_window_days + 1))
    lake = settings.lake_dir / "behavioral_events"
    known = {day for day in late if (lake / f"day={day.isoformat()}").is_dir()}
    told = instance.get_materialized_partitions(VALID_EVENTS)
    there = open_lake(settings).days(VALID_EVENTS.to_user_string())
    untold = {day for day in there if day.isoformat() not in told}
    untold |= untold_days(settings) & set(there)
    first = first_open_day(settings)
    again = {day for day in known | untold if day >= first}
    return sorted(again | set(changed_days(settings)) | set(unvalidated_days(settings)))


@dg.op(
    name="ingest",
    out=dg.Out(dg.Nothing),
    description="Exports and validates each day, and records what a run of that day records.",
)
def ingest_op(
    context: dg.OpExecutionContext,
    config: IngestConfig,
    installation: dg.ResourceParam[Installation],
) -> dg.Output[None]:
    """Export and validate days, and tell Dagster of each."""
    from its_pipeline.events.import_metrics import restore_metrics
    from its_pipeline.events.inbox import take_inbox
    from its_pipeline.events.log_copies import keep_nightly_copy
    from its_pipeline.events.schema import OPEN_RULE
    from its_pipeline.exports.recognising import recognised
    from its_pipeline.ingest.ahead import ingest_ahead
    from its_pipeline.ingest.closing import refuse_late_events
    from its_pipeline.leaving.forget import finish_forgetting
    from its_pipeline.tables.understanding import completed_mapping

    settings = installation.settings
    for departure in finish_forgetting(settings):
        # Whom, is nobody's business any more.
        context.log.info(f"somebody was forgotten: {'; '.join(departure.left) or 'all is deleted'}")
    keep_nightly_copy(settings.resolved_intervention_log_url)
    mend_run_store(settings)
    restored = restore_metrics(settings)
    if restored:
        context.log.warning(f"metrics registered again from the imports {', '.join(restored)}")
    refused = 0
    for file in take_inbox(settings, complete=completed_mapping, recognised=recognised):
        context.log.info(f"inbox: {file.name} {file.outcome} {file.reason}".rstrip())
        refused += file.outcome == "refused"
    days = days_to_ingest(settings, config.days, context.instance)
    progress = ProgressLog(context.log.info, "days of events")
    progress.update(0, len(days))
    done = read = valid = failed = left_out = 0
    rejected: Counter[str] = Counter()
    for portion in ingest_ahead(settings, days):
        events = _events_of(settings, portion)
        with told_together(context.instance):
            for event in events:
                if isinstance(event, dg.AssetMaterialization):
                    context.log_event(event)
                else:
                    log_check(context, event)
        for ingested in portion:
            if ingested.exported is None or ingested.validated is None:
                failed += 1
                why = ingested.failure
                context.log.error(f"the events of {ingested.day} could not be taken: {why}")
                continue
            summary = ingested.validated.summary
            read += summary.read
            valid += summary.valid
            for broken in summary.broken_rules:
                rejected[f"{REJECTED_BY}{broken.rule}({broken.column})"] += broken.rows
            left_out += ingested.exported.left_out
        done += len(portion)
        progress.update(done, len(days))
    for late in refuse_late_events(settings):
        read += late.rows
        rejected[f"{REJECTED_BY}{OPEN_RULE}(occurred_at)"] += late.rows
        context.log.warning(
            f"{late.rows} events came for {late.day}, which is closed (ITS_KEEP_EVENTS_DAYS): they "
            "were refused and are among the rejected events of that day; its daily outcomes stay "
            "as they are"
        )
    return dg.Output(
        None,
        metadata={
            "days": len(days),
            "days_failed": failed,
            "read": read,
            "valid": valid,
            "rejected": rejected.total(),
            "files_refused": refused,
            "left_out": left_out,
            **rejected,
        },
    )


def _events_of(
    settings: Settings, portion: "Sequence[IngestedDay]"
) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return what runs of these days, one a day, would record."""
    from its_pipeline.ingest.drift import drift_of_days

    taken = [(one.exported, one.validated) for one in portion if one.exported and one.validated]
    drifts = drift_of_days(settings, [result.day for _, result in taken])
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
    for (exported, result), drift in zip(taken, drifts, strict=True):
        partition = result.day.isoformat()
        for asset, metadata in (
            (BEHAVIORAL_EVENTS, shown.export_metadata(exported)),
            (VALID_EVENTS, shown.validation_metadata(result)),
        ):
            events.append(dg.AssetMaterialization(asset, partition=partition, metadata=metadata))
        for name, outcome in (
            ("reject_rate", shown.reject_rate({result.day: result})),
            ("counts_add_up", shown.counts_add_up({result.day: result})),
            ("no_drift", shown.no_drift([drift])),
        ):
            events.append(check_event(VALID_EVENTS, name, outcome, partition))
    return events


def check_event(
    asset_key: dg.AssetKey, name: str, outcome: CheckOutcome, partition: str | None = None
) -> dg.AssetCheckEvaluation:
    """Return the event that a check of its own would record."""
    return dg.AssetCheckEvaluation(
        asset_key=asset_key,
        check_name=name,
        passed=outcome.passed,
        severity=outcome.severity,
        description=outcome.description,
        metadata=outcome.metadata,
        partition=partition,
    )


@dg.op(
    name="aggregate",
    ins={"ingested": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    pool=POOL_WAREHOUSE,
    description="Rebuilds the daily outcomes and the analysts' warehouse, and deletes the events "
    "of days that are older than events are kept.",
)
def aggregate_op(
    context: dg.OpExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.Output[None]:
    """Aggregate, and tell Dagster."""
    from its_pipeline.ingest.closing import close_old_days
    from its_pipeline.ingest.daily import build_daily

    result = build_daily(installation.settings)
    closing = close_old_days(installation.settings)
    if closing.deleted:
        context.log.info(
            f"the events of {closing.deleted} days were deleted (ITS_KEEP_EVENTS_DAYS); UTC days "
            f"up to {closing.through} are closed"
        )
    if closing.waiting_for is not None:
        context.log.warning(
            f"{closing.waiting_for} is too old to be kept, but its events could not be taken in as "
            "they are now: no day from it on is closed until they are"
        )
    metadata = {**shown.daily_metadata(result), **shown.closing_metadata(closing)}
    context.log_event(dg.AssetMaterialization(DAILY_OUTCOMES, metadata=metadata))
    return dg.Output(None, metadata=metadata)


@dg.op(
    name="count_stale",
    ins={"aggregated": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    description="Makes partitions of new experiments and counts those that are stale.",
)
def count_stale_op(
    context: dg.OpExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.Output[None]:
    """Count the stale experiments; the number of runs that they need goes to the run's tags."""
    from its_pipeline.events.log_counts import count_interventions
    from its_pipeline.experiments.bulk import select_keys, stale_keys
    from its_pipeline.experiments.preparation import Snapshot

    settings = installation.settings
    experiments = count_interventions(settings)
    shards = shards_now(settings, experiments)
    if shards:
        return _count_stale_shards(context, settings, shards, experiments)
    snapshot = Snapshot(settings)
    keys = select_keys(snapshot, None)
    registered = register_experiments(context.instance, keys)
    stale = stale_keys(snapshot, keys)
    shards = -(-len(stale) // settings.shard_size)
    context.instance.add_run_tags(context.run_id, {TAG_SHARDS: str(shards)})
    context.log.info(f"{len(stale)} of {len(keys)} open experiments are stale: {shards} shards")
    return dg.Output(
        None,
        metadata={
            "open": len(keys),
            "new_partitions": len(registered),
            "stale": len(stale),
            "shards": shards,
        },
    )


def _count_stale_shards(
    context: dg.OpExecutionContext, settings: Settings, shards: list[Shard], experiments: int
) -> dg.Output[None]:
    """Count the shards with anything to do, in a store that has shards."""
    registered = register_shards(context.instance, shards)
    stale = shards_to_do(settings, shards)
    runs = runs_of_night(settings, shards, len(stale), experiments)
    context.instance.add_run_tags(context.run_id, {TAG_SHARDS: str(runs)})
    context.log.info(
        f"{len(stale)} of {len(shards)} shards of {experiments} experiments have something to do: "
        f"{runs} runs"
    )
    return dg.Output(
        None,
        metadata={
            "open": experiments,
            "new_partitions": len(registered),
            "stale_shards": len(stale),
            "shards": runs,
        },
    )


@dg.job(
    name=JOB_INGEST,
    executor_def=dg.in_process_executor,
    description=(
        "Events of the days that changed and of the late window, the daily outcomes, and how many "
        "experiments are stale. Of a night's run, the end asks for the shards that refresh them."
    ),
)
def ingest_events() -> None:
    """Ingest events."""
    count_stale_op(aggregate_op(ingest_op()))
