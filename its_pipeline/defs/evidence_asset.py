"""The asset ``evidence``: all experiments in one table, one warehouse table, one index page.

What belongs here: how it stands in Dagster, and the check that nothing unpublishable is in it. What
does not: collecting it (`experiments.evidence`).
"""

import dagster as dg
from dagster_duckdb import DuckDBResource

from its_pipeline.defs.names import GROUP_EXPERIMENTS, OWNERS, POOL_WAREHOUSE
from its_pipeline.defs.resources import Installation

_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("key", "string", "user_id|intervention_id", tags={"primary_key": ""}),
        dg.TableColumn("status", "string", "analysed, waiting, not_converged, refused, ..."),
        dg.TableColumn("counterfactual_mean", "double", "Posterior mean of the effect"),
        dg.TableColumn("counterfactual_ci_lower", "double", "Lower end of the 95 % interval"),
        dg.TableColumn("counterfactual_ci_upper", "double", "Upper end of the 95 % interval"),
        dg.TableColumn("probability_of_benefit", "double", "Posterior probability of benefit"),
        dg.TableColumn("n_pre", "bigint", "Observed days ahead of the intervention"),
        dg.TableColumn("n_post", "bigint", "Observed days from the intervention on"),
        dg.TableColumn("fingerprint", "string", "Identity of the analysis"),
    ]
)

#: Rows that break a rule, by rule; every count should be zero.
_CONSISTENCY = {
    "effect without convergence": (
        "(counterfactual_mean is not null or probability_of_benefit is not null)"
        " and (status <> 'analysed' or converged is distinct from true)"
    ),
    "analysed without effect": "status = 'analysed' and counterfactual_mean is null",
    "interval that does not hold its mean": (
        "counterfactual_mean not between counterfactual_ci_lower and counterfactual_ci_upper"
    ),
    "probability outside [0, 1]": "probability_of_benefit not between 0 and 1",
}


@dg.asset(
    deps=["its_report"],
    pool=POOL_WAREHOUSE,
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"parquet", "duckdb", "html"},
    metadata={"dagster/column_schema": _COLUMNS, "dagster/table_name": "evidence"},
    description=(
        "Every experiment's newest verdict: one Parquet file, one table of the warehouse and one "
        "index page. Effects of converged analyses only."
    ),
)
def evidence(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:
    """Collect the evidence."""
    from its_pipeline.experiments.evidence import collect_evidence
    from its_pipeline.ingest.daily import refresh_warehouse

    collected = collect_evidence(installation.settings)
    warehouse = refresh_warehouse(installation.settings)
    context.log.info(f"{collected.n_rows} experiments in {collected.table_path}")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": collected.n_rows,
            **{status: int(count) for status, count in collected.counts.items()},
            "table": dg.MetadataValue.path(str(collected.table_path)),
            "index": dg.MetadataValue.path(str(collected.index_path)),
            "warehouse": dg.MetadataValue.path(str(warehouse.path)),
        }
    )


@dg.asset_check(
    asset=evidence,
    description="Nothing is published that did not converge, and every interval holds its mean.",
)
def evidence_consistent(
    installation: dg.ResourceParam[Installation], duckdb: DuckDBResource
) -> dg.AssetCheckResult:
    """Count the rows that break a rule."""
    path = str(installation.settings.evidence_path)
    with duckdb.get_connection() as connection:
        try:
            counts = {
                rule: int(
                    connection.execute(
                        f"select count(*) from read_parquet(?) where {condition}",  # noqa: S608
                        [path],
                    ).fetchall()[0][0]
                )
                for rule, condition in _CONSISTENCY.items()
            }
        finally:
            connection.close()
    return dg.AssetCheckResult(passed=not any(counts.values()), metadata=counts)
