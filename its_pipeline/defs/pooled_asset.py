"""The asset ``pooled_effects``: what people who tried the same came to, a partition a kind.

What belongs here: how kinds stand in Dagster: the asset, its check, the job over all kinds. What
does not: who is in a kind (`experiments.kinds`), or making it (`experiments.pooling`).

Metadata tell of the kind alone: what Dagster records names no member.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from its_pipeline.defs.experiment_metadata import CheckOutcome
from its_pipeline.defs.names import GROUP_EXPERIMENTS, JOB_POOLED, OWNERS
from its_pipeline.defs.partitioned_checks import partitioned_check
from its_pipeline.defs.partitions import KINDS
from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.recording import log_event
from its_pipeline.defs.resources import Installation
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.kind_pages import publish_kinds
from its_pipeline.experiments.kinds import KindKey
from its_pipeline.experiments.pooling import (
    MOST_ERROR_SDS,
    RefreshedKind,
    has_kinds,
    refresh_kinds,
)
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_results import KindRecord, PooledResult
from its_pipeline.stores.pooled_store import PooledStore


@dg.asset(
    partitions_def=KINDS,
    deps=[dg.AssetDep("its_fit", partition_mapping=dg.AllPartitionMapping())],
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"numba", "json"},
    description=(
        "What people who tried the same change on the same outcome came to: the average effect, "
        "how much people differ, what a next person may expect, and each one given all the others. "
        "From the newest stored analyses of all days, by the project's own quadrature; a kind of "
        "too few people (ITS_POOLED_MIN_PEOPLE) has no numbers. The job refresh_pooled_effects "
        "makes those anew whose members have changed."
    ),
)
def pooled_effects(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:
    """Make one kind anew."""
    key = KindKey.parse(context.partition_key)
    done = refresh_kinds(installation.settings, [key], force=True)
    if not done.kinds:
        raise dg.Failure(
            f"too few people have tried {key}, so nothing of it is kept: the job {JOB_POOLED} "
            "takes its partition away"
        )
    [kind] = done.kinds
    publish_kinds(installation.settings)
    return dg.MaterializeResult(metadata=kind_metadata(installation.settings, kind))


@partitioned_check(
    asset=pooled_effects,
    partitions_def=KINDS,
    description=(
        "Half as many nodes move no number of the kind by more than a fiftieth of its posterior sd."
    ),
)
def pool_is_accurate(
    context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.AssetCheckResult:
    """Judge the stored numbers of one kind."""
    key = KindKey.parse(context.partition_key)
    record = PooledStore(installation.settings).read(*key)
    if record is None:
        raise dg.Failure(f"nothing is kept of {key}: materialise pooled_effects first")
    return accuracy(record).result()


def accuracy(record: KindRecord) -> CheckOutcome:
    """Return whether the quadrature over a kind was accurate enough; value and threshold beside."""
    shown: dict[str, Any] = {"most_error_sds": MOST_ERROR_SDS}
    severity = dg.AssetCheckSeverity.ERROR
    if not isinstance(record, PooledResult):
        said = f"{record.n_with_estimate} of {record.needed} people: there are no numbers yet"
        return CheckOutcome(True, severity, said, shown)
    shown["error_sds"] = record.error
    said = f"half as many nodes move a number by {record.error:.2g} of its sd at most"
    return CheckOutcome(record.error < MOST_ERROR_SDS, severity, said, shown)


class PoolConfig(dg.Config):
    """Which kinds one run goes over."""

    kinds: list[str] | None = Field(default=None, description="Exactly these (kind|metric).")


@dg.op(
    name="pool",
    out=dg.Out(dg.Nothing),
    description="Makes kinds anew whose members have changed; records each as its own run would.",
)
def pool_op(
    context: dg.OpExecutionContext,
    config: PoolConfig,
    installation: dg.ResourceParam[Installation],
) -> dg.Output[None]:
    """Refresh kinds, tell Dagster, and take away the partitions of those that are gone."""
    settings, instance = installation.settings, context.instance
    only = None if config.kinds is None else [KindKey.parse(text) for text in config.kinds]
    progress = ProgressLog(context.log.info, "kinds")
    done = refresh_kinds(settings, only, on_progress=progress.update)
    pages = publish_kinds(settings)
    if pages.written or pages.removed:
        # The index names the kinds; the evidence of this refresh may have been collected already.
        collect_evidence(settings)
    name = KINDS.name or ""
    partitions = set(instance.get_dynamic_partitions(name))
    there = [str(kind.key) for kind in done.kinds]
    instance.add_dynamic_partitions(name, sorted(set(there) - partitions))
    gone = partitions - set(there) if only is None else partitions & set(map(str, done.removed))
    for partition in sorted(gone):
        instance.delete_dynamic_partition(name, partition)
    told = 0
    for kind in done.kinds:
        if kind.made or not _is_known(instance, kind):
            _record(context, settings, kind)
            told += 1
    made = [kind for kind in done.kinds if kind.made]
    context.log.info(f"{len(done.kinds)} kinds, {len(made)} made anew, {len(gone)} gone")
    return dg.Output(
        None,
        metadata={
            "kinds": len(done.kinds),
            "made": len(made),
            "told": told,
            "gone": len(gone),
            "pages_written": pages.written,
            "pages_of_members_changed": pages.sections,
            "seconds": round(sum(kind.seconds for kind in made), 3),
        },
    )


@dg.job(
    name=JOB_POOLED,
    executor_def=dg.in_process_executor,
    description=(
        "Pools what people who tried the same came to: each kind whose members' analyses or whose "
        "settings have changed; the others stay. Runs after every refresh of experiments."
    ),
)
def refresh_pooled_effects() -> None:
    """Refresh kinds."""
    pool_op()


def is_pooling_wanted(settings: Settings, instance: dg.DagsterInstance) -> bool:
    """Tell whether there is a kind, or Dagster still knows one that there was."""
    return has_kinds(settings) or bool(instance.get_dynamic_partitions(KINDS.name or ""))


def _is_known(instance: dg.DagsterInstance, kind: RefreshedKind) -> bool:
    """Tell whether Dagster's newest materialisation is of what is kept."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=pooled_effects.key, asset_partitions=[str(kind.key)]),
        limit=1,
    ).records
    event = found[0].asset_materialization if found else None
    value = None if event is None else event.metadata.get("fingerprint")
    return value is not None and value.value == kind.record.fingerprint


def _record(context: dg.OpExecutionContext, settings: Settings, kind: RefreshedKind) -> None:
    partition = str(kind.key)
    metadata = kind_metadata(settings, kind)
    log_event(context, dg.AssetMaterialization(pooled_effects.key, None, metadata, partition))
    outcome = accuracy(kind.record)
    log_event(context, (pooled_effects.key, "pool_is_accurate", outcome, partition, False))


def kind_metadata(settings: Settings, kind: RefreshedKind) -> dict[str, Any]:
    """Return what Dagster shows of a kind; nobody of it is named."""
    record = kind.record
    shown: dict[str, Any] = {
        "people": record.n_people,
        "people_with_estimate": record.n_with_estimate,
        "without_estimate": _counts(record.without_estimate),
        "fingerprint": record.fingerprint,
        "made_at": record.made_at,
        "seconds": round(kind.seconds, 3),
        "record": dg.MetadataValue.path(str(PooledStore(settings).path(*kind.key))),
    }
    if not isinstance(record, PooledResult):
        return {**shown, "state": "too few people", "people_needed": record.needed}
    return {
        **shown,
        "state": "pooled",
        "unit": record.unit,
        "direction": record.direction,
        "minimum_effect": record.minimum_effect,
        "mean": record.mean.mean,
        "mean_ci_lower": record.mean.ci_lower,
        "mean_ci_upper": record.mean.ci_upper,
        "next_person_ci_lower": record.next_person.ci_lower,
        "next_person_ci_upper": record.next_person.ci_upper,
        "spread": record.spread.mean,
        "probability_helps_people": record.probability_helps_people,
        "probability_next_benefits": record.probability_next_benefits,
        "error_sds": record.error,
    }


def _counts(counts: Mapping[str, int]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[dg.TableRecord({"why": why, "people": n}) for why, n in counts.items()],
        schema=dg.TableSchema(
            columns=[dg.TableColumn("why", "string"), dg.TableColumn("people", "int")]
        ),
    )
