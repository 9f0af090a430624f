"""The columns of an event: names, Arrow types, and the first day that can hold events.

Only shape, of values and of the texts that stand for them. What a value must satisfy lives in
`contract`; reading text into these types in `parsing`. Nothing heavy is imported, so that anyone
may.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute
"""Arrow's functions; they are made when it is imported, which type checkers cannot see."""

FIRST_DAY = date(1900, 1, 1)
"""First UTC day that can have a partition."""

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""What clocks and programs write that have no time: zero seconds since 1970."""

INSTANT = pa.timestamp("us", tz="UTC")

NUMBER = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,5})?\s*$"
"""Decimal numbers; `NaN`, `inf`, hexadecimal and thousands separators are not among them."""

INSTANT_TEXT = (
    r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r" ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"
)
"""ISO 8601 with an offset; digits below a microsecond are cut off."""

EVENT_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("occurred_at", INSTANT, nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("time_zone", pa.string()),
        pa.field("session_performance_score", pa.float64()),
        pa.field("engagement_level", pa.string()),
        pa.field("completion_quality", pa.string()),
        pa.field("content_type", pa.string()),
        pa.field("difficulty_level", pa.string()),
        pa.field("experiment_phase", pa.string()),
        pa.field("event_data", pa.string()),
        pa.field("ingested_at", INSTANT, nullable=False),
    ]
)
"""A valid event, as it lies in the lake."""

REJECTION_SCHEMA = pa.schema(
    [pa.field(field.name, pa.string()) for field in EVENT_SCHEMA]
    + [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("all_rules", pa.string(), nullable=False),
    ]
)
"""A rejected event: its raw values as text, and the first rule it broke."""

DUPLICATE_RULE = "duplicate"
"""Rule name of an event whose id was delivered again with a later `ingested_at`."""

OPEN_RULE = "day_is_open"
"""Rule name of an event that came when the events of its day were not kept any more."""


def raw_schema(text_columns: frozenset[str] | set[str] = frozenset()) -> pa.Schema:
    """Return the schema of events as delivered: the named columns are text, all are nullable.

    Parameters
    ----------
    text_columns
        Columns whose source delivers text, so that an unreadable value can be kept.
    """
    return pa.schema(
        [
            pa.field(field.name, pa.string() if field.name in text_columns else field.type)
            for field in EVENT_SCHEMA
        ]
    )


def as_raw(batch: pa.RecordBatch | pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a batch to a raw schema: order the columns, add absent ones, cast to text.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a column would have to be cast to anything but text.
    """
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(field.name)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.table(columns, schema=schema)


def common_raw_schema(schemas: list[pa.Schema]) -> pa.Schema:
    """Return the raw schema that holds all of `schemas`: text where their types differ."""
    text = set()
    for field in EVENT_SCHEMA:
        types = {s.field(field.name).type for s in schemas if s.get_field_index(field.name) >= 0}
        if any(kind != field.type for kind in types):
            text.add(field.name)
    return raw_schema(text)
