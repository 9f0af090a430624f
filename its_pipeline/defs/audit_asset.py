"""The asset ``placebo_audit``: what the intervals hold on days without any change.

What belongs here: how it stands in Dagster, its table, and the check over it. What does not:
measuring (`experiments.audit`), or what a measurement amounts to (`experiments.audit_numbers`).
"""

from collections.abc import Iterable

import dagster as dg

from its_pipeline.defs.names import GROUP_EXPERIMENTS, OWNERS
from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.resources import Installation
from its_pipeline.stores.placebo_audit import AuditStore, IntervalFactor, Measured

_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("metric", "string"),
        dg.TableColumn("days", "string", "Length of the windows"),
        dg.TableColumn("factor", "float", "Intervals widened by"),
        dg.TableColumn("people", "int"),
        dg.TableColumn("windows", "int"),
        dg.TableColumn("coverage", "float", "Share of 95 % intervals that hold 0"),
        dg.TableColumn("coverage_se", "float", "Standard error, people as the unit"),
        dg.TableColumn("coverage_lower", "float", "Its 95 % interval"),
        dg.TableColumn("coverage_upper", "float", "Its 95 % interval"),
        dg.TableColumn("helped", "float", "Share with P(benefit) > 0.95"),
        dg.TableColumn("helped_se", "float"),
        dg.TableColumn("worse", "float", "Share with P(benefit) < 0.05"),
        dg.TableColumn("worse_se", "float"),
    ]
)


class AuditConfig(dg.Config):
    """What an audit may be asked for: factors measured now to be adopted, due or not."""

    adopt: bool = False


@dg.asset(
    deps=["daily_outcomes"],
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"numba", "parquet", "html"},
    description=(
        "What the pipeline says of days on which nobody changed anything: the share of its 95 % "
        "intervals that hold 0, false “helped” and false “made it worse”, by metric and length, "
        "people as the unit. Where intervals are too narrow, the factor that widens them; it is "
        "adopted when a fifth more people stand behind it, or on command. Weekly."
    ),
)
def placebo_audit(
    context: dg.AssetExecutionContext,
    config: AuditConfig,
    installation: dg.ResourceParam[Installation],
) -> dg.MaterializeResult:
    """Measure the intervals."""
    from its_pipeline.experiments.audit import run_audit

    settings = installation.settings
    progress = ProgressLog(context.log.info, "people")
    outcome = run_audit(settings, adopt=config.adopt, on_progress=progress.update)
    audit = outcome.audit
    for each in outcome.adopted:
        context.log.info(
            f"{each.metric}: intervals are widened by {each.factor:.2f} (version {each.version})"
        )
    return dg.MaterializeResult(
        metadata={
            "people": audit.people,
            "windows": sum(
                row.windows for row in audit.rows if row.n_days is None and row.factor == 1.0
            ),
            "factors_adopted": len(outcome.adopted),
            "seconds": float(audit.seconds),
            "model_version": audit.model_version,
            "measured": measured_table(audit.rows),
            "factors": factors_table(outcome.factors.values()),
            "table": dg.MetadataValue.path(str(AuditStore(settings).windows_path)),
            "page": dg.MetadataValue.path(str(settings.reports_dir / "trust.html")),
        }
    )


@dg.asset_check(
    asset=placebo_audit,
    description=(
        "Of each metric 95 % lies in the interval of the measured coverage of the intervals that "
        "are published, and at least 90 % hold 0. With fewer than a dozen people it cannot be told."
    ),
)
def intervals_hold(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
    """Judge the stored measurement."""
    from its_pipeline.experiments.audit_numbers import (
        LOWEST_COVERAGE,
        NOMINAL,
        TOLD_PEOPLE,
        verdict_of,
    )
    from its_pipeline.experiments.trust import judged_rows

    store = AuditStore(installation.settings)
    rows = judged_rows(store.read(), store.factors())
    verdicts = {row.metric: verdict_of(row) for row in rows}
    sentences = [f"{metric}: {sentence}" for metric, (_, sentence) in verdicts.items()]
    return dg.AssetCheckResult(
        passed=all(holds for holds, _ in verdicts.values()),
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(sentences) or "too few people to tell: no window could be looked at",
        metadata={
            "nominal_coverage": NOMINAL,
            "lowest_coverage": LOWEST_COVERAGE,
            "least_people": TOLD_PEOPLE,
            "measured": measured_table(rows),
        },
    )


def measured_table(rows: Iterable[Measured]) -> dg.TableMetadataValue:
    """Return what was measured as a table.

    Parameters
    ----------
    rows
        In their order.
    """
    records = [
        dg.TableRecord(
            {
                "metric": row.metric,
                "days": "all" if row.n_days is None else str(row.n_days),
                "people": row.people,
                "windows": row.windows,
                **{
                    column.name: round(float(getattr(row, column.name)), 4)
                    for column in _SCHEMA.columns
                    if column.type == "float"
                },
            }
        )
        for row in rows
    ]
    return dg.MetadataValue.table(records=records, schema=_SCHEMA)


def factors_table(factors: Iterable[IntervalFactor]) -> dg.TableMetadataValue:
    """Return the factors in force as a table.

    Parameters
    ----------
    factors
        One a metric.
    """
    records = [
        dg.TableRecord(
            {
                "metric": each.metric,
                "factor": each.factor,
                "version": each.version,
                "adopted_at": each.adopted_at,
                "people": each.people,
            }
        )
        for each in factors
    ]
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("metric", "string"),
            dg.TableColumn("factor", "float", "Intervals widened by"),
            dg.TableColumn("version", "int"),
            dg.TableColumn("adopted_at", "string", "UTC"),
            dg.TableColumn("people", "int", "Whom it was measured on"),
        ]
    )
    return dg.MetadataValue.table(records=records, schema=schema)
