"""From delivered text to typed values, without ever coercing in silence.

Text that does not read as its column's type becomes empty and is named as a failure; which values
are then legal is decided by `contract`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from its_pipeline.events.contract import AHEAD_HOURS, IN_PARTITION, IS_JSON, METRIC_PREFIX
from its_pipeline.events.duck import literal
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import EVENT_SCHEMA, INSTANT_TEXT, NUMBER, pc

_STRINGS = r'"(\\.|[^"\\])*"'
_IS_JSON_SQL = (
    "(json_valid(event_data) AND (NOT regexp_matches(event_data, '(?i)nan|inf') OR NOT "
    f"regexp_matches(regexp_replace(event_data, {literal(_STRINGS)}, '', 'g'), '(?i)nan|inf')))"
)
"""DuckDB's JSON admits the numbers NaN and Infinity, which JSON has not; in texts they are fine."""

NOT_A_NUMBER = "is_number"
NOT_AN_INSTANT = "is_instant_with_offset"


@dataclass(frozen=True)
class Parsed:
    """A typed batch.

    Attributes
    ----------
    table
        Contract columns in their types and the derived columns; unreadable cells are null.
    failures
        By column: the rule that reading it broke, and for each row whether it did.
    """

    table: pa.Table
    failures: Mapping[str, tuple[str, pa.ChunkedArray]]


def parse_batch(
    raw: pa.Table,
    days: pa.Array | pa.ChunkedArray,
    metrics: tuple[OutcomeMetric, ...],
    connection: duckdb.DuckDBPyConnection,
) -> Parsed:
    """Read a raw batch into the contract's types and add the derived columns.

    Parameters
    ----------
    raw
        Contract columns, each of its contract type or text.
    days
        Of each row, the UTC day of its partition.
    metrics
        Metrics that are read from `event_data`.
    connection
        A DuckDB connection in UTC to compute with.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a column is neither text nor of its contract type.
    """
    expressions = []
    flags = {}
    for field in EVENT_SCHEMA:
        actual = raw.schema.field(field.name).type
        if actual == field.type:
            expressions.append(f'"{field.name}"')
            continue
        if not (pa.types.is_string(actual) or pa.types.is_large_string(actual)):
            raise pa.ArrowInvalid(
                f"column {field.name} must be {field.type} or text but is {actual}"
            )
        rule, pattern, target = _reading(field)
        reading = (
            f'CASE WHEN regexp_full_match("{field.name}", {literal(pattern)}) '
            f'THEN TRY_CAST(trim("{field.name}") AS {target}) END'
        )
        expressions.append(f'{reading} AS "{field.name}"')
        flags[field.name] = rule
    expressions += _metric_expressions(metrics)
    expressions += [f'"{name}" AS "raw.{name}"' for name in flags]
    expressions.append(f'{_IS_JSON_SQL} AS "{IS_JSON}"')
    connection.register("raw_batch", raw)
    try:
        parsed = connection.sql(
            f"SELECT {', '.join(expressions)} FROM raw_batch"  # noqa: S608
        ).to_arrow_table()
    finally:
        connection.unregister("raw_batch")
    failures: dict[str, tuple[str, pa.ChunkedArray]] = {}
    for name, rule in flags.items():
        given = pc.is_valid(parsed.column(f"raw.{name}"))
        failures[name] = (rule, pc.and_(given, pc.is_null(parsed.column(name))))
    for metric in metrics:
        name = METRIC_PREFIX + metric.name
        given = pc.is_valid(parsed.column(f"text.{name}"))
        unread = pc.is_null(parsed.column(name))
        failures[name] = (NOT_A_NUMBER, pc.and_(given, unread))
    return Parsed(_with_derived(parsed, days, metrics), failures)


def _reading(field: pa.Field) -> tuple[str, str, str]:
    if field.type == pa.float64():
        return NOT_A_NUMBER, NUMBER, "DOUBLE"
    return NOT_AN_INSTANT, INSTANT_TEXT, "TIMESTAMPTZ"


def _metric_expressions(metrics: tuple[OutcomeMetric, ...]) -> list[str]:
    expressions = []
    for metric in metrics:
        path = literal(metric.json_path or "")
        types = ", ".join(literal(kind) for kind in metric.event_types)
        counts = f"event_type IN ({types})" if types else "true"
        text = (
            f"CASE WHEN event_data IS NOT NULL AND {counts} AND {_IS_JSON_SQL} "
            f"THEN json_extract_string(event_data, {path}) END"
        )
        name = METRIC_PREFIX + metric.name
        expressions.append(f'{text} AS "text.{name}"')
        expressions.append(
            f'CASE WHEN regexp_full_match("text.{name}", {literal(NUMBER)}) '
            f'THEN TRY_CAST(trim("text.{name}") AS DOUBLE) END AS "{name}"'
        )
    return expressions


def _with_derived(
    parsed: pa.Table, days: pa.Array | pa.ChunkedArray, metrics: tuple[OutcomeMetric, ...]
) -> pa.Table:
    columns = {field.name: parsed.column(field.name).cast(field.type) for field in EVENT_SCHEMA}
    occurred, ingested = columns["occurred_at"], columns["ingested_at"]
    ahead = pc.subtract(_as_float(occurred), _as_float(ingested))
    columns[AHEAD_HOURS] = pc.divide(ahead, 3.6e9)
    columns[IN_PARTITION] = pc.equal(occurred.cast(pa.date32()), days)
    columns[IS_JSON] = parsed.column(IS_JSON)
    for metric in metrics:
        name = METRIC_PREFIX + metric.name
        columns[name] = parsed.column(name)
    return pa.table(columns)


def _as_float(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return microseconds since 1970 as numbers; their differences cannot overflow."""
    return instants.cast(pa.int64()).cast(pa.float64(), safe=False)
