"""The assets of events: raw days, valid days, daily outcomes.

What belongs here: how the three stand in Dagster; each calls one plain function of
`ingest`. What does not: computing anything, or the form of metadata (`event_metadata`).

A day's files are replaced whole, so several days may be done in one run: both day assets have a
single-run backfill policy, and record each day's own metadata.
"""

from dataclasses import dataclass
from datetime import date

import dagster as dg

from its_pipeline.defs import event_metadata as shown
from its_pipeline.defs.names import GROUP_EVENTS, OWNERS, POOL_WAREHOUSE
from its_pipeline.defs.resources import Installation


@dataclass(frozen=True)
class EventAssets:
    """The three assets, made for one range of days."""

    behavioral_events: dg.AssetsDefinition
    valid_events: dg.AssetsDefinition
    daily_outcomes: dg.AssetsDefinition

    def all(self) -> list[dg.AssetsDefinition]:
        """Return them in the order of the pipeline."""
        return [self.behavioral_events, self.valid_events, self.daily_outcomes]


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """Return the UTC days that a run covers."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def event_assets(days: dg.DailyPartitionsDefinition) -> EventAssets:
    """Make the assets for a range of UTC days."""

    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP_EVENTS,
        owners=OWNERS,
        kinds={"parquet"},
        metadata={"dagster/column_schema": shown.EVENT_COLUMNS},
        description=(
            "Events as delivered by the sources (the app's database, files, the simulator), one "
            "Parquet file a UTC day, raw values kept. A day is exported again when its source's "
            "version changed."
        ),
    )
    def behavioral_events(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> None:
        from its_pipeline.ingest.steps import export_days

        for result in export_days(installation.settings, days_of(context)):
            context.add_asset_metadata(
                shown.export_metadata(result), partition_key=result.day.isoformat()
            )

    @dg.asset(
        partitions_def=days,
        deps=[behavioral_events],
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP_EVENTS,
        owners=OWNERS,
        kinds={"parquet", "pandera"},
        metadata={"dagster/column_schema": shown.EVENT_COLUMNS},
        description=(
            "Events that keep the contract, one row an event_id. Every other row lies in "
            "rejected_events with its raw values, the rule it broke, the column and the value."
        ),
    )
    def valid_events(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> None:
        from its_pipeline.ingest.steps import validate_day_partitions

        for result in validate_day_partitions(installation.settings, days_of(context)):
            context.add_asset_metadata(
                shown.validation_metadata(result), partition_key=result.day.isoformat()
            )

    @dg.asset(
        deps=[valid_events],
        pool=POOL_WAREHOUSE,
        group_name=GROUP_EVENTS,
        owners=OWNERS,
        kinds={"duckdb", "parquet"},
        metadata={
            "dagster/column_schema": shown.DAILY_COLUMNS,
            "dagster/table_name": "daily_outcomes",
        },
        description=(
            "One row a user, local day and outcome metric: the value, the events behind it, and "
            "when in the day they were. Days without events are absent. Sorted, so that one "
            "person's series is read in milliseconds; a copy is a table of the warehouse."
        ),
    )
    def daily_outcomes(
        context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.MaterializeResult:
        from its_pipeline.ingest.daily import build_daily

        result = build_daily(installation.settings)
        context.log.info(f"{result.rows} daily outcomes in {result.path}")
        return dg.MaterializeResult(metadata=shown.daily_metadata(result))

    return EventAssets(behavioral_events, valid_events, daily_outcomes)
