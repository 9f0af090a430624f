"""Applying the contract to one UTC day: valid rows, rejected rows with reasons, no duplicates.

Works in batches and on files, so memory stays bounded whatever the day holds. Which day, and where
its files lie, belongs to `ingest`; the rules themselves to `contract`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from its_pipeline.events.contract import event_schema, reported_column
from its_pipeline.events.duck import in_memory, sql
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.parsing import NOT_A_NUMBER, NOT_AN_INSTANT, parse_batch
from its_pipeline.events.schema import DUPLICATE_RULE, EVENT_SCHEMA, REJECTION_SCHEMA, pc
from its_pipeline.events.summary import BrokenRule, DaySummary, DayWatch
from its_pipeline.files.parquet import ParquetSink

SUMMARY_KEY = "its.summary"
"""Footer key of the summary in a file of valid events."""

BATCH_ROWS = 65_536

REQUIRED_RULE = "required"
"""Rule name of an empty cell in a column that must not be empty."""

MAXIMUM_VALUE_CHARACTERS = 1000
"""A rejected row keeps at most so much of each raw value."""


class ContractCrashError(RuntimeError):
    """A rule could not be applied: an error in the contract or its environment, not in the data."""


@dataclass(frozen=True)
class Judged:
    """A batch split by the contract; `rows` are the places of the rejected rows in the batch."""

    valid: pa.Table
    rejected: pa.Table
    rows: np.ndarray


def validate_day(
    batches: Iterable[pa.RecordBatch | pa.Table],
    day: date,
    metrics: tuple[OutcomeMetric, ...],
    valid_path: Path,
    rejected_path: Path,
    footer: Mapping[str, str] | None = None,
) -> DaySummary:
    """Split one day's raw events into a file of valid and a file of rejected ones.

    Valid rows are sorted by user, time and id, so that the order and batching of delivery leave no
    trace. Of several valid rows with one `event_id` the one with the latest `ingested_at` stays,
    among equals the one whose contents hash highest; the others go to the rejected rows with the
    rule `duplicate`.

    Parameters
    ----------
    batches
        Raw events; each column of its contract type or text.
    day
        The partition's UTC day.
    metrics
        Metrics read from `event_data`, whose ranges are rules too.
    valid_path, rejected_path
        Files to write; a working file lies beside `valid_path` meanwhile.
    footer
        Texts for the footer of the valid file, where the summary is kept as well.

    Raises
    ------
    ContractCrashError
        If a rule itself fails to run.
    """
    working = valid_path.with_name(valid_path.stem + "-working.parquet")
    rejected_sink = ParquetSink(rejected_path, REJECTION_SCHEMA)
    working_sink = ParquetSink(working, EVENT_SCHEMA)
    rules: Counter[tuple[str, str]] = Counter()
    read = rejected = 0
    try:
        with in_memory(spill_to=working.parent) as connection:
            for batch in batches:
                raw = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
                parsed = parse_batch(raw, day, metrics, connection)
                judged = judge(raw, parsed.table, parsed.failures, metrics)
                read += raw.num_rows
                rejected += judged.rejected.num_rows
                _count_rules(judged.rejected, rules)
                working_sink.add(judged.valid)
                rejected_sink.add(judged.rejected)
            accepted = working_sink.close()
            parameters = {"file": str(working)}
            connection.execute(sql("duplicates"), parameters)
            repeated = connection.sql(sql("duplicate_rows"), params=parameters)
            for batch in repeated.to_arrow_reader(BATCH_ROWS):
                rejected_sink.add(_as_duplicates(pa.Table.from_batches([batch])))
            rejected_sink.close()
            unique = connection.sql(sql("unique_rows"), params=parameters)
            counts = (day, read, rejected, accepted, _ordered(rules))
            return _write_valid(unique.to_arrow_reader(BATCH_ROWS), valid_path, counts, footer)
    finally:
        working_sink.abandon()
        rejected_sink.abandon()
        working.unlink(missing_ok=True)


def _ordered(rules: Counter[tuple[str, str]]) -> tuple[BrokenRule, ...]:
    """Return the broken rules, most frequent first."""
    return tuple(
        BrokenRule(rule, column, rows)
        for (rule, column), rows in sorted(rules.items(), key=lambda item: (-item[1], item[0]))
    )


def _write_valid(
    batches: Iterable[pa.RecordBatch],
    path: Path,
    counts: tuple[date, int, int, int, tuple[BrokenRule, ...]],
    footer: Mapping[str, str] | None,
) -> DaySummary:
    """Write the unique valid rows and, into the footer, the day's summary."""
    sink = ParquetSink(path, EVENT_SCHEMA)
    watch = DayWatch()
    valid = 0
    try:
        for batch in batches:
            rows = watch.watch(pa.Table.from_batches([batch]).cast(EVENT_SCHEMA))
            valid += rows.num_rows
            sink.add(rows)
        day, read, rejected, accepted, broken = counts
        summary = watch.summary(day, read, rejected, accepted, valid, broken)
        sink.close({**(footer or {}), SUMMARY_KEY: summary.to_json()})
        return summary
    finally:
        sink.abandon()


def judge(
    raw: pa.Table,
    typed: pa.Table,
    failures: Mapping[str, tuple[str, pa.ChunkedArray]],
    metrics: tuple[OutcomeMetric, ...],
) -> Judged:
    """Apply the Pandera schema to a typed batch and split it.

    Parameters
    ----------
    raw, typed
        The batch as delivered and as read; same rows.
    failures
        By column, the rule that reading it broke and which rows did.
    metrics
        Metrics read from `event_data`.

    Raises
    ------
    ContractCrashError
        If a rule itself fails to run.
    """
    broken = _unreadable(failures)
    broken += _illegal(typed, metrics, {name: set(rows) for name, _, rows in broken})
    if not broken:
        none = np.array([], dtype=np.int64)
        return Judged(typed.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA), _no_rejections(), none)
    order = _rule_order(metrics)
    broken.sort(key=lambda entry: order[entry[0], entry[1]])
    names = np.array([f"{rule}({reported_column(column)})" for column, rule, _ in broken])
    rows = np.concatenate([np.asarray(entry[2], dtype=np.int64) for entry in broken])
    which = np.repeat(np.arange(len(broken)), [len(entry[2]) for entry in broken])
    by_row = np.lexsort((which, rows))
    rows, which = rows[by_row], which[by_row]
    bad, first = np.unique(rows, return_index=True)
    all_rules = pd.Series(names[which]).groupby(rows, sort=True).agg(", ".join)
    firsts = [broken[number] for number in which[first]]
    rejected = _rejections(
        raw.take(pa.array(bad)),
        pa.array([rule for _, rule, _ in firsts]),
        pa.array([reported_column(column) for column, _, _ in firsts]),
        pa.array(all_rules.to_numpy(), pa.string()),
    )
    keep = np.ones(typed.num_rows, dtype=bool)
    keep[bad] = False
    valid = typed.filter(pa.array(keep)).select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA)
    return Judged(valid, rejected, bad)


def _rule_order(metrics: tuple[OutcomeMetric, ...]) -> dict[tuple[str, str], int]:
    """Return the place of every rule: by column; reading it, its presence, its checks."""
    order: dict[tuple[str, str], int] = {}
    for name, column in event_schema(metrics).columns.items():
        checks = [str(check.name) for check in column.checks]
        for rule in (NOT_A_NUMBER, NOT_AN_INSTANT, REQUIRED_RULE, *checks):
            order[str(name), rule] = len(order)
    return order


def _unreadable(
    failures: Mapping[str, tuple[str, pa.ChunkedArray]],
) -> list[tuple[str, str, np.ndarray]]:
    """Return (column, rule, rows) of the cells that did not read as their type."""
    found = []
    for column, (rule, flags) in failures.items():
        rows = np.flatnonzero(flags.to_numpy())
        if len(rows):
            found.append((column, rule, rows))
    return found


def _illegal(
    typed: pa.Table, metrics: tuple[OutcomeMetric, ...], unreadable: Mapping[str, set[int]]
) -> list[tuple[str, str, np.ndarray]]:
    """Return (column, rule, rows) of the cells that break a rule of the schema."""
    from pandera.errors import SchemaErrors

    frame = typed.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        event_schema(metrics).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    if cases["index"].isna().any():
        raise ContractCrashError(
            f"a rule of the contract could not be applied: {cases.to_string(max_rows=5)}"
        )
    found = []
    for (column, check), group in cases.groupby(["column", "check"], sort=False):
        rows = np.unique(group["index"].to_numpy(dtype=np.int64))
        known = unreadable.get(str(column))
        if known:
            rows = np.array([row for row in rows if row not in known], dtype=np.int64)
        if len(rows):
            rule = REQUIRED_RULE if check == "not_nullable" else str(check)
            found.append((str(column), rule, rows))
    return found


def _rejections(raw: pa.Table, rule: pa.Array, column: pa.Array, all_rules: pa.Array) -> pa.Table:
    texts = {}
    for field in EVENT_SCHEMA:
        text = raw.column(field.name).cast(pa.string())
        texts[field.name] = pc.utf8_slice_codeunits(text, 0, MAXIMUM_VALUE_CHARACTERS)
    place = {name: number for number, name in enumerate(EVENT_SCHEMA.names)}
    which = pa.array([place[name] for name in column.to_pylist()], pa.int32())
    value = pc.choose(which, *texts.values()) if raw.num_rows else pa.array([], pa.string())
    arrays = [*texts.values(), rule, column, value, all_rules]
    return pa.table(arrays, schema=REJECTION_SCHEMA)


def _no_rejections() -> pa.Table:
    return REJECTION_SCHEMA.empty_table()


def _count_rules(rejected: pa.Table, rules: Counter[tuple[str, str]]) -> None:
    if rejected.num_rows == 0:
        return
    counted = rejected.group_by(["rule", "column"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        rules[row["rule"], row["column"]] += row["count_all"]


def _as_duplicates(rows: pa.Table) -> pa.Table:
    count = rows.num_rows
    return _rejections(
        rows,
        pa.array([DUPLICATE_RULE] * count, pa.string()),
        pa.array(["event_id"] * count, pa.string()),
        pa.array([f"{DUPLICATE_RULE}(event_id)"] * count, pa.string()),
    )
