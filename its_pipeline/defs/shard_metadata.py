"""What Dagster is told of a shard: one materialisation an asset, one evaluation a check, counts.

What belongs here: turning how a shard stands into events. What does not: evaluating it or logging
them (`shard_refresh`), or what is told of one experiment (`experiment_metadata`).
"""

from typing import Any, Final

import dagster as dg

from its_pipeline.defs.experiment_metadata import CheckOutcome
from its_pipeline.defs.recording import Event
from its_pipeline.defs.refresh_metadata import counts_table, problems_metadata
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary
from its_pipeline.experiments.links import mlflow_run_url
from its_pipeline.experiments.shard_tables import ShardStanding
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import STATUSES

PLAN: Final = dg.AssetKey("its_plan")
FIT: Final = dg.AssetKey("its_fit")
REPORT: Final = dg.AssetKey("its_report")


def shard_events(
    settings: Settings,
    shard: Shard,
    standing: ShardStanding,
    summary: RefreshSummary,
    mlflow_run_id: str | None,
) -> list[Event]:
    """Return what a shard's run records of it, in its order.

    Parameters
    ----------
    settings, shard
        The installation, and which of its shards.
    standing, summary
        How all of its experiments stand now, and what the run came to.
    mlflow_run_id
        The MLflow run with the shard's table, if there is one.
    """
    name = shard.name
    return [
        dg.AssetMaterialization(PLAN, partition=name, metadata=plan_metadata(standing)),
        (PLAN, "enough_days", enough_days(standing), name, False),
        dg.AssetMaterialization(
            FIT, partition=name, metadata=fit_metadata(settings, standing, summary, mlflow_run_id)
        ),
        (FIT, "sampler_converged", samplers_converged(standing), name, True),
        dg.AssetMaterialization(
            REPORT, partition=name, metadata=report_metadata(settings, standing)
        ),
    ]


def plan_metadata(standing: ShardStanding) -> dict[str, Any]:
    """Return how many experiments a shard has, by verdict."""
    return {
        "experiments": standing.counts.total(),
        "standing": counts_table(standing.counts, STATUSES),
        **{name: standing.counts[name] for name in STATUSES},
    }


def enough_days(standing: ShardStanding) -> CheckOutcome:
    """Check that no experiment of a shard waits for days; some do nearly always, so it warns."""
    waiting, total = standing.counts["waiting"], standing.counts.total()
    return CheckOutcome(
        not waiting,
        dg.AssetCheckSeverity.WARN,
        f"{waiting} of {total} experiments wait for days",
        {"waiting": waiting, "experiments": total},
    )


def fit_metadata(
    settings: Settings,
    standing: ShardStanding,
    summary: RefreshSummary,
    mlflow_run_id: str | None,
) -> dict[str, Any]:
    """Return what a run did in a shard, and what failed there."""
    shown: dict[str, Any] = {
        "experiments": standing.counts.total(),
        **{name: standing.counts[name] for name in STATUSES},
        "unchanged": summary.counts["unchanged"],
        "changed": summary.total - summary.counts["unchanged"],
        "computed": summary.computed,
        "seconds": round(summary.seconds, 3),
        "results": dg.MetadataValue.path(str(settings.store_root / "results")),
    }
    mlflow_url = mlflow_run_url(settings, mlflow_run_id)
    if mlflow_url is not None:
        shown["mlflow_run"] = dg.MetadataValue.url(mlflow_url)
    return shown | problems_metadata({**standing.problems, **summary.problems})


def samplers_converged(standing: ShardStanding) -> CheckOutcome:
    """Check that every analysis of a shard converged.

    Nothing is published of one that did not, whatever the check says, so it does not keep the other
    thousand from being reported.
    """
    failed, crashed = standing.counts["not_converged"], standing.counts["crashed"]
    analysed = standing.counts["analysed"]
    said = f"all {analysed} analyses converged"
    if failed or crashed:
        said = f"{analysed} analyses converged, {failed} did not, {crashed} crashed"
    return CheckOutcome(
        not (failed or crashed),
        dg.AssetCheckSeverity.WARN,
        said,
        {
            "analysed": analysed,
            "not_converged": failed,
            "crashed": crashed,
            **problems_metadata(standing.problems),
        },
    )


def report_metadata(settings: Settings, standing: ShardStanding) -> dict[str, Any]:
    """Return how many answers of a shard are published, and where their pages are."""
    shown: dict[str, Any] = {
        "published": standing.counts["analysed"],
        "index": dg.MetadataValue.path(str(settings.reports_dir / "index.html")),
        "evidence": dg.MetadataValue.path(str(settings.evidence_path)),
    }
    if settings.server_url:
        shown["pages"] = dg.MetadataValue.url(settings.server_url)
    else:
        shown["pages"] = dg.MetadataValue.text(
            "Drawn when somebody opens them: `its-pipeline serve` does that, `its-pipeline pages` "
            "draws all pages as files."
        )
    return shown
