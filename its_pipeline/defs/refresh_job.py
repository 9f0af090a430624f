"""The job ``refresh_experiments``: many experiments in one warm run, told to Dagster one by one.

What belongs here: the job's configuration, and turning every evaluation into exactly the events
that a run of that one experiment records. What does not: the loop (`experiments.bulk`), or what is
shown (`experiment_metadata`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from pydantic import Field

from its_pipeline.defs.experiment_assets import its_fit, its_plan, its_report
from its_pipeline.defs.experiment_metadata import (
    CheckOutcome,
    enough_days,
    fit_metadata,
    plan_metadata,
    report_metadata,
    sampler_converged,
)
from its_pipeline.defs.names import JOB_REFRESH
from its_pipeline.defs.notify import Alert, tell
from its_pipeline.defs.partitions import register_experiments
from its_pipeline.defs.progress import ProgressLog, duration
from its_pipeline.defs.recording import told_together
from its_pipeline.defs.resources import Installation, RunTracking
from its_pipeline.experiments.bulk import RefreshSummary, refresh, select_keys
from its_pipeline.experiments.evaluate import Evaluation
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import STATUSES, RunContext

#: A summary lists at most as many problems; all of them are in the evidence table.
MOST_PROBLEMS_SHOWN: Final = 50


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
    shard: int = Field(default=0, ge=0, description="Which shard this run is, from 0.")
    shards: int = Field(default=1, ge=1, description="How many shards there are.")


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
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.ingest.daily import ensure_daily

    settings = installation.settings
    if ensure_daily(settings):
        context.log.warning(f"{settings.daily_outcomes_path} was missing or damaged: made again")
    snapshot = Snapshot(settings)
    keys = select_keys(snapshot, config.keys, config.shard, config.shards)
    register_experiments(context.instance, keys)
    progress = ProgressLog(context.log.info, "experiments")

    def tell_dagster(evaluations: Sequence[Evaluation]) -> None:
        events = [event for each in evaluations for event in evaluation_events(settings, each)]
        with told_together(context.instance):
            for event in events:
                log_event(context, event)

    summary = refresh(
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
    context.log.info(summary_line(summary))
    shown = summary_metadata(summary)
    context.instance.add_run_tags(context.run_id, summary_tags(summary))
    _alert(context, settings, summary)
    if summary.crashed:
        raise dg.Failure(
            f"{len(summary.crashed)} of {summary.total} experiments crashed; the others are done. "
            f"First: {summary.crashed[0]}: {summary.problems[summary.crashed[0]]}",
            metadata=shown,
        )
    return dg.Output(None, metadata=shown)


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


def _alert(context: dg.OpExecutionContext, settings: Settings, summary: RefreshSummary) -> None:
    """Tell somebody of what did not converge; a crash is told by the failed run itself."""
    stuck = summary.counts["not_converged"]
    if not stuck:
        return
    listed = "\n".join(
        f"{key}: {reason}"
        for key, reason in list(summary.problems.items())[:MOST_PROBLEMS_SHOWN]
        if key not in summary.crashed
    )
    # The verdicts are stored and shown: a chat tool that is down does not undo the night.
    tell(
        settings,
        Alert(
            f"its_pipeline: {stuck} of {summary.total} experiments did not converge",
            listed,
            {"run_id": context.run_id, "not_converged": stuck},
        ),
    )


Event = dg.AssetMaterialization | tuple[dg.AssetKey, str, CheckOutcome, str, bool]


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


def log_event(context: dg.OpExecutionContext, event: Event) -> None:
    """Record a materialisation or a check's outcome from an op, as a run of its own would."""
    if isinstance(event, dg.AssetMaterialization):
        context.log_event(event)
        return
    asset_key, name, outcome, partition, blocking = event
    log_check(
        context,
        dg.AssetCheckEvaluation(
            asset_key=asset_key,
            check_name=name,
            passed=outcome.passed,
            severity=outcome.severity,
            description=outcome.description,
            metadata=outcome.metadata,
            blocking=blocking,
            partition=partition,
            target_materialization_data=_target(context.instance, asset_key, partition),
        ),
    )


def log_check(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Record a check's evaluation from an op.

    Dagster 1.13 does it, but its signature does not say so.
    """
    context.log_event(cast("Any", evaluation))


def _target(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return which materialisation a check looked at, as Dagster's own check step does."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[partition]), limit=1
    ).records
    if not found:
        return None
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=found[0].storage_id,
        run_id=found[0].run_id,
        timestamp=found[0].timestamp,
    )


def summary_line(summary: RefreshSummary) -> str:
    """Return the summary in one sentence."""
    parts = [
        f"{summary.counts[name]} {name.replace('_', ' ')}"
        for name in (*STATUSES, "unchanged")
        if summary.counts[name]
    ]
    return (
        f"{summary.total} experiments in {duration(summary.seconds)}: "
        + (", ".join(parts) or "nothing to do")
        + f" ({summary.computed} computed)"
    )


def summary_tags(summary: RefreshSummary) -> Mapping[str, str]:
    """Return the counts as run tags, so that the list of runs shows them."""
    return {
        f"its/{name}": str(summary.counts[name])
        for name in (*STATUSES, "unchanged")
        if summary.counts[name]
    }


def summary_metadata(summary: RefreshSummary) -> dict[str, Any]:
    """Return the summary as metadata: a table, counts, seconds, and a table of the problems."""
    names = (*STATUSES, "unchanged")
    shown: dict[str, Any] = {
        "summary": dg.MetadataValue.table(
            records=[
                dg.TableRecord(
                    {"verdict": name.replace("_", " "), "experiments": summary.counts[name]}
                )
                for name in names
                if summary.counts[name]
            ],
            schema=dg.TableSchema(
                columns=[dg.TableColumn("verdict", "string"), dg.TableColumn("experiments", "int")]
            ),
        )
    }
    shown |= {name: summary.counts[name] for name in names}
    shown |= {
        "total": summary.total,
        "computed": summary.computed,
        "seconds": round(summary.seconds, 3),
    }
    if summary.problems:
        schema = dg.TableSchema(
            columns=[dg.TableColumn("experiment", "string"), dg.TableColumn("reason", "string")]
        )
        shown["problems"] = dg.MetadataValue.table(
            records=[
                dg.TableRecord({"experiment": key, "reason": reason[:300]})
                for key, reason in list(summary.problems.items())[:MOST_PROBLEMS_SHOWN]
            ],
            schema=schema,
        )
    return shown
