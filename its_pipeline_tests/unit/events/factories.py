"""Making events for tests: one valid event as delivered text, and a day of them validated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import EVENT_SCHEMA, raw_schema
from its_pipeline.events.summary import DaySummary
from its_pipeline.events.validation import RawDay, validate_days

DAY = date(2026, 3, 10)
ALL_TEXT = raw_schema(set(EVENT_SCHEMA.names))


def event(number: int = 0, **changes: str | None) -> dict[str, str | None]:
    """Return a valid event as text, with some columns changed."""
    values: dict[str, str | None] = {
        "event_id": f"e{number}",
        "user_id": "ada",
        "occurred_at": f"2026-03-10T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "event_type": "SESSION_ENDED",
        "time_zone": "Europe/Berlin",
        "session_performance_score": "70",
        "engagement_level": "HIGH",
        "completion_quality": None,
        "content_type": None,
        "difficulty_level": None,
        "experiment_phase": None,
        "event_data": None,
        "ingested_at": "2026-03-10T11:00:00Z",
    }
    return {**values, **changes}


@dataclass(frozen=True)
class Validated:
    """A day split by the contract, read back."""

    summary: DaySummary
    valid: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


def validated(
    events: list[dict[str, str | None]],
    folder: Path,
    day: date = DAY,
    metrics: tuple[OutcomeMetric, ...] = (),
    batch_rows: int = 1000,
) -> Validated:
    """Validate events delivered as text."""
    folder.mkdir(exist_ok=True, parents=True)
    table = pa.Table.from_pylist(events, schema=ALL_TEXT)
    valid, rejected = folder / "valid.parquet", folder / "rejected.parquet"
    batches = table.to_batches(max_chunksize=batch_rows)
    (summary,) = validate_days([RawDay(day, batches, valid, rejected)], metrics)
    return Validated(summary, pq.read_table(valid).to_pylist(), pq.read_table(rejected).to_pylist())
