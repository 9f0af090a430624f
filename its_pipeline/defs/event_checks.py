"""The checks of events and daily outcomes.

What belongs here: how a check stands in Dagster. What does not: the rules (`events.contract`), or
what a check says (`event_metadata`).
"""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster_duckdb import DuckDBResource

from its_pipeline.defs import event_metadata as shown
from its_pipeline.defs.event_assets import EventAssets, days_of
from its_pipeline.defs.partitioned_checks import partitioned_check
from its_pipeline.defs.resources import Installation

if TYPE_CHECKING:
    from its_pipeline.ingest.steps import ValidationResult

_DAILY_FACTS = """
select
    count(*) as "rows",
    count(*) - count(distinct (user_id, outcome, day)) as repeated,
    count(*) filter (where value is null or not isfinite(value)) as not_finite,
    count(*) filter (
        where abs(share_morning + share_afternoon + share_evening + share_night - 1) > 1e-6
    ) as shares_off
from read_parquet(?)
"""


def event_checks(
    assets: EventAssets, days: dg.DailyPartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """Make the checks for the assets of a range of days."""

    @partitioned_check(
        asset=assets.valid_events,
        partitions_def=days,
        description="At most 1 % of a day's rows are rejected; above 20 % it is an error.",
    )
    def reject_rate(
        context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.AssetCheckResult:
        return shown.reject_rate(_validations(context, installation)).result()

    @partitioned_check(
        asset=assets.valid_events,
        partitions_def=days,
        description="Every row that was read is valid, rejected or a duplicate: read = the sum.",
    )
    def counts_add_up(
        context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.AssetCheckResult:
        return shown.counts_add_up(_validations(context, installation)).result()

    @partitioned_check(
        asset=assets.valid_events,
        partitions_def=days,
        description=(
            "The day looks like the 28 days ahead of it: number of events, shares of rejected and "
            "empty, the score's distribution. Warns; what cannot be assessed yet passes."
        ),
    )
    def no_drift(
        context: dg.AssetCheckExecutionContext, installation: dg.ResourceParam[Installation]
    ) -> dg.AssetCheckResult:
        from its_pipeline.ingest.drift import drift_of_days

        return shown.no_drift(drift_of_days(installation.settings, days_of(context))).result()

    @dg.asset_check(
        asset=assets.daily_outcomes,
        description="One row a user, outcome and day; values are finite; shares add up to one.",
    )
    def unique_and_in_range(
        installation: dg.ResourceParam[Installation], duckdb: DuckDBResource
    ) -> dg.AssetCheckResult:
        path = str(installation.settings.daily_outcomes_path)
        with duckdb.get_connection() as connection:
            try:
                row = connection.execute(_DAILY_FACTS, [path]).fetchall()[0]
            finally:
                connection.close()
        facts = dict(
            zip(("rows", "repeated", "not_finite", "shares_off"), map(int, row), strict=True)
        )
        return dg.AssetCheckResult(
            passed=not (facts["repeated"] or facts["not_finite"] or facts["shares_off"]),
            metadata=dict(facts.items()),
        )

    return [reject_rate, counts_add_up, no_drift, unique_and_in_range]


def _validations(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> "dict[date, ValidationResult]":
    from its_pipeline.ingest.steps import read_validation

    return {day: read_validation(installation.settings, day) for day in days_of(context)}
