"""What starts runs by itself: the intervention log, the end of a night's ingest, of a refresh.

What belongs here: comparing and requesting. What does not: any work, a sensor registers partitions
and requests runs; or telling somebody (`alert_sensors`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from its_pipeline.defs.experiment_jobs import analyse_experiment, collect_evidence
from its_pipeline.defs.ingest_job import ingest_events
from its_pipeline.defs.names import (
    JOB_ANALYSE,
    JOB_EVIDENCE,
    JOB_INGEST,
    JOB_POOLED,
    JOB_REFRESH,
    PURPOSE_BURST,
    PURPOSE_INTERVENTION,
    PURPOSE_NIGHT,
    TAG_NIGHT,
    TAG_PURPOSE,
    TAG_SEQUENCE,
    TAG_SHARD,
    TAG_SHARDS,
)
from its_pipeline.defs.partitions import EXPERIMENTS
from its_pipeline.defs.pooled_asset import is_pooling_wanted, refresh_pooled_effects
from its_pipeline.defs.refresh_job import refresh_experiments
from its_pipeline.defs.resources import Installation
from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.pooling import has_stale_kinds
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import is_sharded
from its_pipeline.settings import Settings

#: Seconds between two readings of the intervention log.
LOG_EVERY_SECONDS: Final = 30
#: More experiments than this are not named in a run's configuration, which Dagster keeps.
MOST_KEYS: Final = 1_000

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dataclass(frozen=True)
class LogChanges:
    """What a reading of the intervention log asks for.

    Attributes
    ----------
    new_keys
        Experiments that are no partition yet.
    requests
        Runs to start; their keys carry the log's sequence, so that asking again adds nothing.
    sequence
        The newest sequence seen.
    """

    new_keys: list[str]
    requests: list[dg.RunRequest]
    sequence: int


def log_changes(
    settings: Settings, changed: Sequence[Intervention], known_partitions: Iterable[str]
) -> LogChanges:
    """Compare changed interventions with the partitions and the stored verdicts.

    Parameters
    ----------
    settings
        ``burst_size``: more experiments than this become one bulk run.
    changed
        Newest versions of what was written since the last reading (or all there is).
    known_partitions
        The experiments that are partitions.
    """
    store = open_store(settings)
    known = set(known_partitions)
    wanted: list[Intervention] = []
    for intervention in changed:
        key = str(intervention.key)
        verdict = store.verdict(key) if key in known else None
        if verdict is None or verdict.intervention_version != intervention.version:
            wanted.append(intervention)
    sequence = max((intervention.sequence for intervention in changed), default=0)
    keys = [str(intervention.key) for intervention in wanted]
    new_keys = [key for key in keys if key not in known]
    if len(wanted) > settings.burst_size:
        newest = max(intervention.sequence for intervention in wanted)
        requests = [_burst(sorted(keys), newest)]
    else:
        requests = [_single(intervention) for intervention in wanted]
    return LogChanges(new_keys, requests, sequence)


def _single(intervention: Intervention) -> dg.RunRequest:
    key = str(intervention.key)
    return dg.RunRequest(
        run_key=f"{PURPOSE_INTERVENTION}:{key}:{intervention.sequence}",
        job_name=JOB_ANALYSE,
        partition_key=key,
        tags={TAG_PURPOSE: PURPOSE_INTERVENTION, TAG_SEQUENCE: str(intervention.sequence)},
    )


def _burst(keys: list[str] | None, sequence: int) -> dg.RunRequest:
    config = {} if keys is None else {"keys": keys}
    return dg.RunRequest(
        run_key=f"{PURPOSE_BURST}:{sequence}",
        job_name=JOB_REFRESH,
        run_config={"ops": {"refresh": {"config": config}}},
        tags={TAG_PURPOSE: PURPOSE_BURST, TAG_SEQUENCE: str(sequence)},
    )


@dg.sensor(
    jobs=[analyse_experiment, refresh_experiments],
    minimum_interval_seconds=LOG_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Makes a partition of every intervention in the log and asks for its analysis; an amended "
        "one is analysed again, a withdrawn one closed. Many at once become one bulk run, and any "
        "number where the partitions are shards."
    ),
)
def intervention_sensor(
    context: dg.SensorEvaluationContext, installation: dg.ResourceParam[Installation]
) -> dg.SensorResult | dg.SkipReason:
    """Read what was written to the log since the last reading."""
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.events.interventions import InterventionLog
    from its_pipeline.events.log_counts import count_interventions

    settings = installation.settings
    since = int(context.cursor or 0)
    if is_sharded(settings, count_interventions(settings)):
        return _changes_of_shards(settings, since)
    log = InterventionLog(
        settings.resolved_intervention_log_url, forgotten=Forgotten(settings.store_root)
    )
    try:
        changed = log.changed_since(since)
    finally:
        log.close()
    if not changed:
        return dg.SkipReason(f"nothing was logged after sequence {since}")
    partitions = context.instance.get_dynamic_partitions(EXPERIMENTS.name or "")
    changes = log_changes(settings, changed, partitions)
    return dg.SensorResult(
        run_requests=changes.requests,
        skip_reason=None
        if changes.requests
        else f"everything up to sequence {changes.sequence} has its verdict",
        dynamic_partitions_requests=[EXPERIMENTS.build_add_request(changes.new_keys)]
        if changes.new_keys
        else [],
        cursor=str(changes.sequence),
    )


def _changes_of_shards(settings: Settings, since: int) -> dg.SensorResult | dg.SkipReason:
    """Ask for what was logged in a store with shards: one run that finds the shards by its keys.

    Partitions are the runs' own business there. So many at once that they would fill a run's
    configuration are found by the run itself, among all that is stale.
    """
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.events.interventions import InterventionLog
    from its_pipeline.events.log_counts import count_since

    count, newest = count_since(settings, since)
    if not count:
        return dg.SkipReason(f"nothing was logged after sequence {since}")
    if count > MOST_KEYS:
        return dg.SensorResult(run_requests=[_burst(None, newest)], cursor=str(newest))
    log = InterventionLog(
        settings.resolved_intervention_log_url, forgotten=Forgotten(settings.store_root)
    )
    try:
        changed = log.changed_since(since)
    finally:
        log.close()
    store = open_store(settings)
    keys = []
    for intervention in changed:
        verdict = store.verdict(str(intervention.key))
        if verdict is None or verdict.intervention_version != intervention.version:
            keys.append(str(intervention.key))
    newest = max((intervention.sequence for intervention in changed), default=newest)
    if not keys:
        return dg.SensorResult(
            skip_reason=f"everything up to sequence {newest} has its verdict", cursor=str(newest)
        )
    return dg.SensorResult(run_requests=[_burst(sorted(keys), newest)], cursor=str(newest))


def shard_requests(night: str, shards: int) -> list[dg.RunRequest]:
    """Return the runs of ``refresh_experiments`` of a night, each a part of what is stale."""
    return [
        dg.RunRequest(
            run_key=f"{PURPOSE_NIGHT}:{night}:{shard}/{shards}",
            job_name=JOB_REFRESH,
            run_config={"ops": {"refresh": {"config": {"shard": shard, "shards": shards}}}},
            tags={
                TAG_PURPOSE: PURPOSE_NIGHT,
                TAG_NIGHT: night,
                TAG_SHARD: f"{shard + 1} of {shards}",
            },
        )
        for shard in range(shards)
    ]


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[ingest_events],
    request_jobs=[refresh_experiments, refresh_pooled_effects],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "When a night's events are in: asks for its shards of stale experiments. Where none is "
        "stale, for kinds whose settings or traits have changed."
    ),
)
def night_ingested_sensor(
    context: dg.RunStatusSensorContext, installation: dg.ResourceParam[Installation]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request the shards that the ingest run counted; else stale kinds, which no shard will."""
    tags = context.dagster_run.tags
    run = context.instance.get_run_by_id(context.dagster_run.run_id)
    if run is not None:
        tags = run.tags
    night, shards = tags.get(TAG_NIGHT), int(tags.get(TAG_SHARDS, "0"))
    if night is None:
        yield dg.SkipReason("the run belongs to no night")
    elif shards == 0 and has_stale_kinds(installation.settings):
        yield dg.RunRequest(run_key=f"pooled:{PURPOSE_NIGHT}:{night}", job_name=JOB_POOLED)
    elif shards == 0:
        yield dg.SkipReason(f"night {night}: nothing is stale")
    else:
        yield from shard_requests(night, shards)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[refresh_experiments, analyse_experiment],
    request_jobs=[collect_evidence, refresh_pooled_effects],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "When the last of several refreshing runs has ended: pools what people who tried the same "
        "came to, and collects the evidence."
    ),
)
def refreshed_sensor(
    context: dg.RunStatusSensorContext, installation: dg.ResourceParam[Installation]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request kinds and evidence once no other run is going to change them."""
    run_id = context.dagster_run.run_id
    yield from evidence_requests(installation.settings, context.instance, run_id)


@dg.run_failure_sensor(
    monitored_jobs=[refresh_experiments, analyse_experiment],
    request_jobs=[collect_evidence, refresh_pooled_effects],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="As refreshed_sensor: a run that failed has published the rest.",
)
def refresh_failed_sensor(
    context: dg.RunFailureSensorContext, installation: dg.ResourceParam[Installation]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request kinds and evidence after a failed run as well."""
    run_id = context.dagster_run.run_id
    yield from evidence_requests(installation.settings, context.instance, run_id)


def evidence_requests(
    settings: Settings, instance: dg.DagsterInstance, run_id: str
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Return the requests for kinds and evidence, unless a run to come will ask for them."""
    for job_name in (JOB_REFRESH, JOB_ANALYSE):
        pending = instance.get_run_ids(
            dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), limit=1
        )
        if pending:
            yield dg.SkipReason(f"{job_name} {pending[0]} is still to come and will ask again")
            return
    if is_pooling_wanted(settings, instance):
        yield dg.RunRequest(run_key=f"pooled:{run_id}", job_name=JOB_POOLED)
    yield dg.RunRequest(run_key=f"evidence:{run_id}", job_name=JOB_EVIDENCE)


SENSORS: Final = [
    intervention_sensor,
    night_ingested_sensor,
    refreshed_sensor,
    refresh_failed_sensor,
]

__all__ = ["JOB_INGEST", "SENSORS", "LogChanges", "log_changes", "shard_requests"]
