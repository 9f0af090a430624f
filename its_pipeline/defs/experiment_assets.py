"""The assets of one experiment, or of a shard of very many: plan, fit, report.

What belongs here: how the three stand in Dagster; each calls one plain function. What does not:
computing anything (`experiments`), the form of metadata (`experiment_metadata`), many at once
(`refresh_job`).

The three have no backfill policy on purpose: one run a partition. In a run over several partitions
Dagster records one verdict of a check for all of them, and one bad experiment would block, and be
marked as, every other. Bulk work is the job ``refresh_experiments``.

A partition that is a shard (`experiments.sharding`) is brought up to date by whichever of the three
is materialised; what is up to date is passed over.
"""

from collections.abc import Iterator

import dagster as dg

from its_pipeline.defs import experiment_metadata as shown
from its_pipeline.defs import shard_metadata as of_shard
from its_pipeline.defs.names import GROUP_EXPERIMENTS, OWNERS
from its_pipeline.defs.partitioned_checks import partitioned_check
from its_pipeline.defs.partitions import EXPERIMENTS
from its_pipeline.defs.refresh_metadata import summary_line
from its_pipeline.defs.resources import Installation, RunTracking
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.announced import mark_announced
from its_pipeline.experiments.bulk import RefreshSummary
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_tables import ShardStanding, standing_of_shard
from its_pipeline.experiments.sharding import known_shards
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import RunContext, Verdict


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=["daily_outcomes"],
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"python"},
    description=(
        "What is known of an experiment before any effect is: its window, the observed days of "
        "each phase, the baseline's mean, spread and autocorrelation, the first date on which "
        "it can be analysed, and how many days an effect that matters needs to be told."
    ),
)
def its_plan(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:
    """Plan one experiment."""
    from its_pipeline.experiments.planning import with_days_needed
    from its_pipeline.experiments.preparation import Snapshot

    settings = installation.settings
    shard = Shard.of_name(context.partition_key)
    if shard is not None:
        _, standing = refreshed_shard(context, settings, shard)
        return dg.MaterializeResult(metadata=of_shard.plan_metadata(standing))
    plan = with_days_needed(settings, Snapshot(settings).prepare(context.partition_key))
    context.log.info(f"{plan.key} is {plan.state}. {plan.reason}".rstrip())
    return dg.MaterializeResult(metadata=shown.plan_metadata(plan))


@partitioned_check(
    asset=its_plan,
    partitions_def=EXPERIMENTS,
    description="Both phases have the days that an analysis needs. Warns while it waits for them.",
)
def enough_days(
    context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.AssetCheckResult:
    """Check the number of observed days of one experiment."""
    from its_pipeline.experiments.preparation import Snapshot

    shard = Shard.of_name(context.partition_key)
    if shard is not None:
        return of_shard.enough_days(standing_of_shard(installation.settings, shard)).result()
    plan = Snapshot(installation.settings).prepare(context.partition_key).plan
    return shown.enough_days(plan).result()


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=[its_plan],
    output_required=False,
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"numba", "nutpie", "mlflow"},
    description=(
        "The posterior of an experiment's effects: interrupted time series with errors that drift. "
        "The published numbers are the project's own quadrature, compiled by Numba; nutpie's NUTS "
        "on the same density audits them. PyMC and CausalPy take no part here: they are the "
        "independent witness of the asset peer_audit. Materialised whether or not the gate was "
        "passed; the check sampler_converged says which. Skipped while the experiment waits."
    ),
)
def its_fit(
    context: dg.AssetExecutionContext,
    installation: dg.ResourceParam[Installation],
    run_tracking: dg.ResourceParam[RunTracking],
) -> Iterator[dg.MaterializeResult]:
    """Analyse one experiment, or say why not."""
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.publish import publish_experiment
    from its_pipeline.experiments.service import fit_experiment

    settings, key = installation.settings, context.partition_key
    shard = Shard.of_name(key)
    if shard is not None:
        summary, standing = refreshed_shard(context, settings, shard)
        run = RunContext(dagster_run_id=context.run.run_id)
        run_id = run_tracking.record_shard(shard, standing.table, standing.numbers(summary), run)
        metadata = of_shard.fit_metadata(settings, standing, summary, run_id)
        yield dg.MaterializeResult(metadata=metadata)
        return
    outcome = fit_experiment(
        Snapshot(settings),
        key,
        RunContext(dagster_run_id=context.run.run_id, dagster_partition=key),
        run_tracking,
    )
    verdict = outcome.verdict
    if verdict.diagnostics is None:
        publish_experiment(settings, verdict.key, run_tracking)
        mark_announced(settings, verdict)
        context.log.info(f"{key} is {verdict.status}: {verdict.reason}")
        return
    context.log.info(
        f"{key} is {verdict.status}"
        + (" (stored before, nothing computed)" if outcome.cached else "")
    )
    yield dg.MaterializeResult(
        metadata=shown.fit_metadata(settings, verdict, outcome.mlflow_run_id)
    )


@partitioned_check(
    asset=its_fit,
    partitions_def=EXPERIMENTS,
    blocking=True,
    description=(
        "The quadrature's error and edges, its difference from the auditing sampler, and that "
        "sampler's rank-normalised split R-hat, bulk and tail effective sample size, divergences "
        "and E-BFMI are within their thresholds (Vehtari et al. 2021; Betancourt 2016). Nothing is "
        "published otherwise."
    ),
)
def sampler_converged(
    context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.AssetCheckResult:
    """Check the stored verdict of one experiment's sampler."""
    from its_pipeline.experiments.publish import publish_experiment

    settings = installation.settings
    shard = Shard.of_name(context.partition_key)
    if shard is not None:
        return of_shard.samplers_converged(standing_of_shard(settings, shard)).result()
    verdict = stored_verdict(settings, context.partition_key)
    outcome = shown.sampler_converged(verdict)
    if not outcome.passed:
        publish_experiment(settings, verdict.key)
        mark_announced(settings, verdict)
    return outcome.result()


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=[its_fit],
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"matplotlib", "html"},
    description=(
        "The published answer: the sentence, four plots and one page, for converged analyses only."
    ),
)
def its_report(
    context: dg.AssetExecutionContext,
    installation: dg.ResourceParam[Installation],
    run_tracking: dg.ResourceParam[RunTracking],
) -> dg.MaterializeResult:
    """Publish one experiment; the stored verdict is read again, whatever Dagster remembers."""
    from its_pipeline.experiments.publish import publish_experiment

    settings = installation.settings
    shard = Shard.of_name(context.partition_key)
    if shard is not None:
        _, standing = refreshed_shard(context, settings, shard)
        return dg.MaterializeResult(metadata=of_shard.report_metadata(settings, standing))
    verdict = stored_verdict(settings, context.partition_key)
    if verdict.status != "analysed":
        raise dg.Failure(
            f"{verdict.key} is {verdict.status}, and only a converged analysis is published: "
            f"{verdict.reason or 'materialise its_fit first'}"
        )
    publication = publish_experiment(settings, verdict.key, run_tracking)
    mark_announced(settings, verdict)
    return dg.MaterializeResult(metadata=shown.report_metadata(settings, verdict, publication))


def stored_verdict(settings: Settings, key: str) -> Verdict:
    """Return the stored verdict of an experiment.

    Raises
    ------
    dagster.Failure
        It was never evaluated.
    """
    verdict = open_store(settings).verdict(key)
    if verdict is None:
        raise dg.Failure(f"{key} has no verdict yet: materialise its_fit first")
    return verdict


def refreshed_shard(
    context: dg.AssetExecutionContext, settings: Settings, shard: Shard
) -> tuple[RefreshSummary, ShardStanding]:
    """Bring a shard up to date; return what that came to and how it stands.

    Raises
    ------
    dagster.Failure
        The store has no such shard any more, or something in it crashed; the rest is stored.
    """
    from its_pipeline.experiments.shard_runs import refresh_shard
    from its_pipeline.ingest.daily import ensure_daily

    if shard not in known_shards(settings):
        raise dg.Failure(
            f"{shard.name} is none of the store's {len(known_shards(settings))} shards now; the "
            "next ingest or refresh brings the partitions up to date"
        )
    ensure_daily(settings)
    summary = refresh_shard(settings, shard, run=RunContext(dagster_run_id=context.run.run_id))
    context.log.info(summary_line(summary))
    if summary.crashed:
        raise dg.Failure(
            f"{len(summary.crashed)} of {summary.total} experiments crashed; the others are done. "
            f"First: {summary.crashed[0]}: {summary.problems.get(summary.crashed[0], '')}"
        )
    return summary, standing_of_shard(settings, shard)
