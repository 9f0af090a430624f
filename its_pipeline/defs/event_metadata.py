"""What Dagster shows of a day of events and of the daily outcomes, and what its checks say.

What belongs here: turning the results of `ingest` into metadata and check outcomes, the same
for a single day and for many. What does not: computing anything that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from its_pipeline.defs.experiment_metadata import CheckOutcome, Metadata

if TYPE_CHECKING:
    from its_pipeline.ingest.closing import Closing
    from its_pipeline.ingest.daily import DailyResult
    from its_pipeline.ingest.drift import DriftReport
    from its_pipeline.ingest.steps import ExportResult, ValidationResult

#: Share of rejected rows from which the check warns and from which it is an error.
REJECT_RATE_WARN: Final = 0.01
REJECT_RATE_ERROR: Final = 0.20
#: A check's table lists at most as many jumps.
MOST_JUMPS_SHOWN: Final = 20

#: The columns of an event as people see them; `docs/data-contract.md` has every rule.
EVENT_COLUMNS: Final = dg.TableSchema(
    columns=[
        dg.TableColumn("event_id", "string", "unique", tags={"primary_key": ""}),
        dg.TableColumn("user_id", "string"),
        dg.TableColumn("occurred_at", "timestamp[us, UTC]", "when it happened"),
        dg.TableColumn("event_type", "string"),
        dg.TableColumn("time_zone", "string", "IANA zone of the person, nullable"),
        dg.TableColumn("session_performance_score", "double", "0 to 100, nullable"),
        dg.TableColumn("engagement_level", "string", "LOW, MEDIUM, HIGH, nullable"),
        dg.TableColumn("completion_quality", "string", "RUSHED, NORMAL, THOROUGH, nullable"),
        dg.TableColumn("content_type", "string", "nullable"),
        dg.TableColumn("difficulty_level", "string", "nullable"),
        dg.TableColumn("experiment_phase", "string", "nullable"),
        dg.TableColumn("event_data", "string", "JSON, nullable"),
        dg.TableColumn("ingested_at", "timestamp[us, UTC]", "when it was delivered"),
    ]
)

DAILY_COLUMNS: Final = dg.TableSchema(
    columns=[
        dg.TableColumn("user_id", "string"),
        dg.TableColumn("outcome", "string", "name of the outcome metric"),
        dg.TableColumn("day", "date", "local calendar day of the person"),
        dg.TableColumn("value", "double", "in the metric's unit"),
        dg.TableColumn("n_events", "bigint", "events behind the value"),
        *(
            dg.TableColumn(f"share_{part}", "double", f"share of that day's events in the {part}")
            for part in ("morning", "afternoon", "evening", "night")
        ),
    ]
)


def export_metadata(result: ExportResult) -> Metadata:
    """Return what one day's export did."""
    return {
        "dagster/partition_row_count": result.rows,
        "bytes": result.bytes,
        "changed": result.changed,
        "source_version": result.version,
        # Of people who were forgotten.
        "left_out": result.left_out,
        "file": dg.MetadataValue.path(str(result.path)),
        **_interval(result.first_occurred_at, result.last_occurred_at),
    }


def validation_metadata(result: ValidationResult) -> Metadata:
    """Return what became of one day's rows."""
    summary = result.summary
    shown: Metadata = {
        "dagster/partition_row_count": summary.valid,
        "read": summary.read,
        "valid": summary.valid,
        "rejected": summary.rejected,
        "duplicates": summary.duplicates,
        "late": summary.late,
        "users": summary.users,
        "file": dg.MetadataValue.path(str(result.valid_path)),
        **_interval(summary.first_occurred_at, summary.last_occurred_at),
    }
    rules = [(rule.rule, rule.column, rule.rows) for rule in summary.broken_rules]
    if rules:
        shown["broken_rules"] = _rules_table(rules)
        shown["rejected_file"] = dg.MetadataValue.path(str(result.rejected_path))
    return shown


def _interval(first: datetime | None, last: datetime | None) -> Metadata:
    if first is None or last is None:
        return {}
    return {"first_occurred_at": first.isoformat(), "last_occurred_at": last.isoformat()}


def _rules_table(rules: Sequence[tuple[str, str, int]]) -> dg.TableMetadataValue:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("rule", "string"),
            dg.TableColumn("column", "string"),
            dg.TableColumn("rows", "int"),
        ]
    )
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({"rule": rule, "column": column, "rows": rows})
            for rule, column, rows in rules
        ],
        schema=schema,
    )


def reject_rate(results: Mapping[date, ValidationResult]) -> CheckOutcome:
    """Check the share of rejected rows; of several days the worst one decides."""
    rates = {day: result.reject_rate for day, result in results.items()}
    worst = max(rates, key=lambda day: rates[day], default=None)
    rate = rates[worst] if worst is not None else 0.0
    return CheckOutcome(
        rate <= REJECT_RATE_WARN,
        dg.AssetCheckSeverity.ERROR if rate > REJECT_RATE_ERROR else dg.AssetCheckSeverity.WARN,
        f"{100 * rate:.2f} % of the rows were rejected" + (f" on {worst}" if worst else ""),
        {
            "reject_rate": rate,
            "warns_above": REJECT_RATE_WARN,
            "fails_above": REJECT_RATE_ERROR,
            **({"worst_day": worst.isoformat()} if worst else {}),
        },
    )


def counts_add_up(results: Mapping[date, ValidationResult]) -> CheckOutcome:
    """Check that every row that was read is valid, rejected or a duplicate, on every day."""
    wrong = [day.isoformat() for day, result in results.items() if not result.summary.adds_up]
    total: dict[str, Any] = {
        name: sum(getattr(result.summary, name) for result in results.values())
        for name in ("read", "valid", "rejected", "duplicates")
    }
    return CheckOutcome(
        not wrong,
        dg.AssetCheckSeverity.ERROR,
        f"read = valid + rejected + duplicates does not hold on {', '.join(wrong)}"
        if wrong
        else "read = valid + rejected + duplicates",
        total,
    )


def no_drift(reports: Sequence[DriftReport]) -> CheckOutcome:
    """Say whether a day is unlike the 28 days ahead of it; a warning, never an error.

    What cannot be assessed yet counts neither way.
    """
    jumped = [(report, s) for report in reports for s in report.statistics if s.jumped]
    assessed = sum(s.jumped is not None for report in reports for s in report.statistics)
    shown: Metadata = {
        "statistics_assessed": assessed,
        "statistics_jumped": len(jumped),
        "reference_days": max((report.reference_days for report in reports), default=0),
    }
    if jumped:
        names = ("day", "statistic", "value", "usual", "threshold")
        shown["jumps"] = dg.MetadataValue.table(
            records=[
                dg.TableRecord(
                    {
                        "day": report.day.isoformat(),
                        "statistic": statistic.name,
                        "value": f"{statistic.value:.4g}",
                        "usual": f"{statistic.reference:.4g}",
                        "threshold": statistic.threshold,
                    }
                )
                for report, statistic in jumped[:MOST_JUMPS_SHOWN]
            ],
            schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names]),
        )
    return CheckOutcome(
        not jumped,
        dg.AssetCheckSeverity.WARN,
        f"{len(jumped)} of {assessed} statistics jumped against the last 28 days",
        shown,
    )


def daily_metadata(result: DailyResult) -> Metadata:
    """Return what the aggregation came to."""
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("outcome", "string"),
            dg.TableColumn("rows", "int"),
            dg.TableColumn("users", "int"),
        ]
    )
    records = [
        dg.TableRecord({"outcome": count.outcome, "rows": count.rows, "users": count.users})
        for count in result.outcomes
    ]
    return {
        "dagster/row_count": result.rows,
        "users": result.users,
        "outcomes": dg.MetadataValue.table(records=records, schema=schema),
        "file": dg.MetadataValue.path(str(result.path)),
        "warehouse": dg.MetadataValue.path(str(result.warehouse.path)),
    }


def closing_metadata(closing: Closing) -> Metadata:
    """Return up to which day days are closed, and of how many the events were deleted."""
    if closing.through is None:
        return {}
    return {
        "closed_through": closing.through.isoformat(),
        "days_of_events_deleted": closing.deleted,
    }
