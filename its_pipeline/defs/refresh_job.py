"""The job ``refresh_experiments``: many experiments in one warm run, told to Dagster one by one.

What belongs here: the job's configuration, and turning every evaluation into exactly the events
that a run of that one experiment records. What does not: the loop (`experiments.bulk`), a store
with shards (`shard_refresh`), or what is shown (`experiment_metadata`).
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from its_pipeline.defs.experiment_assets import its_fit, its_plan, its_report
from its_pipeline.defs.experiment_metadata import (
    enough_days,
    fit_metadata,
    plan_metadata,
    report_metadata,
    sampler_converged,
)
from its_pipeline.defs.names import JOB_REFRESH
from its_pipeline.defs.notify import Alert, tell
from its_pipeline.defs.partitions import register_experiments, register_shards
from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.recording import Event, log_event, told_together
from its_pipeline.defs.refresh_metadata import (
    MOST_PROBLEMS_SHOWN,
    summary_line,
    summary_metadata,
    summary_tags,
)
from its_pipeline.defs.resources import Installation, RunTracking
from its_pipeline.defs.shard_refresh import refresh_in_shards, shards_of_part
from its_pipeline.experiments.bulk import RefreshSummary, refresh, select_keys
from its_pipeline.experiments.evaluate import Evaluation
from its_pipeline.experiments.sharding import shard_of_key, shards_now
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import RunContext


class RefreshConfig(dg.Config):
    """Which experiments one bulk run evaluates."""

    select: str = Field(
        default="stale",
        pattern="^(stale|all)$",
        description="stale: pass over what cannot have changed. all: publish every one again.",
    )
    keys: list[str] | None = Field(
        default=None, description="Exactly these experiments (user_id|intervention_id)."
    )
    shard: int = Field(
        default=0,
        ge=0,
        description="Which part of the work this run does, from 0: a share of the experiments or, "
        "in a store beyond ITS_PARTITION_LIMIT, of its shards.",
    )
    shards: int = Field(default=1, ge=1, description="How many parts there are.")


@dg.op(
    name="refresh",
    out=dg.Out(dg.Nothing),
    description="Evaluates experiments in turn; records for each what a run of its own would.",
)
def refresh_op(
    context: dg.OpExecutionContext,
    config: RefreshConfig,
    installation: dg.ResourceParam[Installation],
    run_tracking: dg.ResourceParam[RunTracking],
) -> dg.Output[None]:
    """Refresh experiments, tell Dagster, summarise; fail if any crashed."""
    from its_pipeline.events.log_counts import count_interventions
    from its_pipeline.ingest.daily import ensure_daily

    settings = installation.settings
    if ensure_daily(settings):
        context.log.warning(f"{settings.daily_outcomes_path} was missing or damaged: made again")
    shards = shards_now(settings, count_interventions(settings))
    if shards:
        register_shards(context.instance, shards)
        part = shards_of_part(shards, config.shard, config.shards)
        select = "all" if config.select == "all" else "stale"
        summary = refresh_in_shards(
            context, settings, run_tracking, part, select=select, keys=config.keys
        )
    else:
        summary = _refresh(context, config, settings, run_tracking)
    context.log.info(summary_line(summary))
    shown = summary_metadata(summary)
    context.instance.add_run_tags(context.run_id, summary_tags(summary))
    _alert(context, settings, summary, len(shards))
    if summary.crashed:
        raise dg.Failure(
            f"{len(summary.crashed)} of {summary.total} experiments crashed; the others are done. "
            f"First: {summary.crashed[0]}: {summary.problems[summary.crashed[0]]}",
            metadata=shown,
        )
    return dg.Output(None, metadata=shown)


def _refresh(
    context: dg.OpExecutionContext,
    config: RefreshConfig,
    settings: Settings,
    run_tracking: RunTracking,
) -> RefreshSummary:
    """Refresh experiments one by one, and tell of each."""
    from its_pipeline.experiments.preparation import Snapshot

    snapshot = Snapshot(settings)
    keys = select_keys(snapshot, config.keys, config.shard, config.shards)
    register_experiments(context.instance, keys)
    progress = ProgressLog(context.log.info, "experiments")

    def tell_dagster(evaluations: Sequence[Evaluation]) -> None:
        events = [event for each in evaluations for event in evaluation_events(settings, each)]
        with told_together(context.instance):
            for event in events:
                log_event(context, event)

    return refresh(
        snapshot,
        keys,
        tell_dagster,
        select="all" if config.select == "all" else "stale",
        run=RunContext(dagster_run_id=context.run_id),
        recorder=run_tracking,
        parent_mlflow_run=run_tracking.parent_run_id,
        on_progress=lambda done, total, _: progress.update(done, total),
        on_crash=lambda crash: context.log.error(f"{crash.key} crashed: {crash.detail}"),
    )


@dg.job(
    name=JOB_REFRESH,
    executor_def=dg.in_process_executor,
    description=(
        "Evaluates every experiment whose data, intervention or settings changed (or at all, or at "
        "given ones), in one warm process, and publishes what converged. Records for each "
        "experiment what a run of its own records. Interrupted, it resumes; a crash of one does "
        "not stop the others but fails the run."
    ),
)
def refresh_experiments() -> None:
    """Refresh experiments in bulk."""
    refresh_op()


def _alert(
    context: dg.OpExecutionContext, settings: Settings, summary: RefreshSummary, shards: int
) -> None:
    """Tell somebody of what did not converge; a crash is told by the failed run itself."""
    stuck = summary.counts["not_converged"]
    if not stuck:
        return
    told = set(summary.problems) - set(summary.crashed)
    hit = len({shard_of_key(key, shards) for key in told}) if shards else 0
    where = f" (in {hit} of {shards} shards)" if shards else ""
    listed = "\n".join(
        f"{key}: {reason}"
        for key, reason in list(summary.problems.items())[:MOST_PROBLEMS_SHOWN]
        if key not in summary.crashed
    )
    # The verdicts are stored and shown: a chat tool that is down does not undo the night.
    tell(
        settings,
        Alert(
            f"its_pipeline: {stuck} of {summary.total} experiments did not converge{where}",
            listed,
            {
                "run_id": context.run_id,
                "not_converged": stuck,
                **({"shards": hit} if shards else {}),
            },
        ),
    )


def evaluation_events(settings: Settings, evaluation: Evaluation) -> list[Event]:
    """Return what a single run records of this evaluation, in its order."""
    verdict, key, plan = evaluation.verdict, evaluation.verdict.key, evaluation.plan
    events: list[Event] = [
        dg.AssetMaterialization(its_plan.key, partition=key, metadata=plan_metadata(plan)),
        (its_plan.key, "enough_days", enough_days(plan), key, False),
    ]
    if verdict.diagnostics is None:
        return events
    events.append(
        dg.AssetMaterialization(
            its_fit.key,
            partition=key,
            metadata=fit_metadata(settings, verdict, evaluation.mlflow_run_id),
        )
    )
    events.append((its_fit.key, "sampler_converged", sampler_converged(verdict), key, True))
    if verdict.status == "analysed":
        events.append(
            dg.AssetMaterialization(
                its_report.key,
                partition=key,
                metadata=report_metadata(settings, verdict, evaluation.publication),
            )
        )
    return events
