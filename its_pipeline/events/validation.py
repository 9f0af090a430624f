"""Applying the contract to UTC days: valid rows, rejected rows with reasons, no duplicates.

Works in batches and on files, so memory stays bounded whatever the days hold. Which day, and where
its files lie, belongs to `ingest`; the rules themselves to `contract`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
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
from its_pipeline.files.parquet import ROW_GROUP_BYTES, ParquetSink

SUMMARY_KEY = "its.summary"
"""Footer key of the summary in a file of valid events."""

BATCH_ROWS = 65_536

_PLACE = "place"
"""Column of the working file: which of the days that are done together a row is of."""
_WORKING_SCHEMA = EVENT_SCHEMA.append(pa.field(_PLACE, pa.int32(), nullable=False))

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


@dataclass(frozen=True)
class RawDay:
    """One UTC day to be validated.

    Attributes
    ----------
    day
        The partition's UTC day.
    batches
        Raw events; each column of its contract type or text. Consumed once.
    valid_path, rejected_path
        Files to write.
    footer
        Texts for the footer of the valid file, where the summary is kept as well.
    """

    day: date
    batches: Iterable[pa.RecordBatch | pa.Table]
    valid_path: Path
    rejected_path: Path
    footer: Mapping[str, str] = field(default_factory=dict)


def validate_days(
    days: Sequence[RawDay], metrics: tuple[OutcomeMetric, ...]
) -> tuple[DaySummary, ...]:
    """Split the raw events of some days into a file of valid and a file of rejected ones a day.

    Valid rows are sorted by user, time and id, so that the order and batching of delivery leave no
    trace. Of several valid rows of a day with one `event_id` the one with the latest `ingested_at`
    stays, among equals the one whose contents hash highest; the others go to the rejected rows with
    the rule `duplicate`. What a day comes to does not depend on the days that it is done with: many
    small ones together cost little more than one, for the rules are applied to as many rows at once
    as a batch may have.

    Parameters
    ----------
    days
        At most a few dozen, for two files of each are open; a working file lies beside the first
        one's valid rows meanwhile.
    metrics
        Metrics read from `event_data`, whose ranges are rules too.

    Raises
    ------
    ContractCrashError
        If a rule itself fails to run.
    """
    first = days[0].valid_path
    working = first.with_name(first.stem + "-working.parquet")
    with ExitStack() as stack:
        stack.callback(working.unlink, missing_ok=True)
        working_sink = ParquetSink(working, _WORKING_SCHEMA)
        stack.callback(working_sink.abandon)
        counts = [_Counts(ParquetSink(day.rejected_path, REJECTION_SCHEMA)) for day in days]
        for count in counts:
            stack.callback(count.rejections.abandon)
        connection = stack.enter_context(in_memory(spill_to=working.parent))
        dates = pa.array([day.day for day in days], pa.date32())
        for raw, places in _chunks(days):
            parsed = parse_batch(raw, dates.take(places), metrics, connection)
            judged = judge(raw, parsed.table, parsed.failures, metrics)
            for place, rows in _runs(places):
                counts[place].read += rows.stop - rows.start
            for place, rows in _runs(places.take(pa.array(judged.rows))):
                counts[place].reject(judged.rejected[rows])
            kept = pa.array(np.delete(places.to_numpy(), judged.rows), pa.int32())
            for place, rows in _runs(kept):
                counts[place].accepted += rows.stop - rows.start
            working_sink.add(judged.valid.append_column(_WORKING_SCHEMA.field(_PLACE), kept))
        working_sink.close()
        parameters = {"file": str(working)}
        connection.execute(sql("duplicates"), parameters)
        repeated = connection.sql(sql("duplicate_rows"), params=parameters)
        for place, rows in _by_place(repeated.to_arrow_reader(BATCH_ROWS)):
            counts[place].rejections.add(rejected_by(rows, DUPLICATE_RULE, "event_id"))
        for count in counts:
            count.rejections.close()
        unique = connection.sql(sql("unique_rows"), params=parameters)
        return _write_valid(_by_place(unique.to_arrow_reader(BATCH_ROWS)), days, counts)


@dataclass
class _Counts:
    """What the rules have come to on one day so far, and the file of what they reject."""

    rejections: ParquetSink
    read: int = 0
    rejected: int = 0
    accepted: int = 0
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)

    def reject(self, rows: pa.Table) -> None:
        self.rejections.add(rows)
        self.rejected += rows.num_rows
        counted = rows.group_by(["rule", "column"]).aggregate([([], "count_all")])
        for row in counted.to_pylist():
            self.rules[row["rule"], row["column"]] += row["count_all"]

    def broken_rules(self) -> tuple[BrokenRule, ...]:
        """Return the broken rules, most frequent first."""
        return tuple(
            BrokenRule(rule, column, rows)
            for (rule, column), rows in sorted(
                self.rules.items(), key=lambda item: (-item[1], item[0])
            )
        )


def _chunks(days: Sequence[RawDay]) -> Iterator[tuple[pa.Table, pa.Array]]:
    """Yield the rows of all days in their order, and of each row the place of its day.

    Rows of the same types are put together until there are `BATCH_ROWS`, or `ROW_GROUP_BYTES`.
    """
    tables: list[pa.Table] = []
    places: list[np.ndarray] = []
    for place, day in enumerate(days):
        for batch in day.batches:
            raw = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
            # A partition's footer comes along in its schema, and is another one every day.
            raw = raw.replace_schema_metadata()
            together = [*tables, raw]
            is_more = (
                sum(table.num_rows for table in together) > BATCH_ROWS
                or sum(table.nbytes for table in together) > ROW_GROUP_BYTES
            )
            if tables and (is_more or tables[0].schema != raw.schema):
                yield pa.concat_tables(tables), pa.array(np.concatenate(places), pa.int32())
                tables, places = [], []
            tables.append(raw)
            places.append(np.full(raw.num_rows, place, dtype=np.int32))
    if tables:
        yield pa.concat_tables(tables), pa.array(np.concatenate(places), pa.int32())


def _runs(places: pa.Array) -> Iterator[tuple[int, slice]]:
    """Yield each place that there is, and where its rows are; places are in order."""
    found, starts = np.unique(places.to_numpy(), return_index=True)
    stops = [*starts, len(places)][1:]
    for place, start, stop in zip(found, starts, stops, strict=True):
        yield int(place), slice(int(start), int(stop))


def _by_place(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each place as events, in the order of the places."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        events = table.select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA)
        for place, rows in _runs(table.column(_PLACE).combine_chunks()):
            yield place, events[rows]


def _write_valid(
    pieces: Iterator[tuple[int, pa.Table]], days: Sequence[RawDay], counts: Sequence[_Counts]
) -> tuple[DaySummary, ...]:
    """Write each day's unique valid rows and, into the footer, its summary."""
    summaries = []
    piece = next(pieces, None)
    for place, (day, count) in enumerate(zip(days, counts, strict=True)):
        sink, watch = ParquetSink(day.valid_path, EVENT_SCHEMA), DayWatch()
        valid = 0
        try:
            while piece is not None and piece[0] == place:
                valid += piece[1].num_rows
                sink.add(watch.watch(piece[1]))
                piece = next(pieces, None)
            summary = watch.summary(
                day.day, count.read, count.rejected, count.accepted, valid, count.broken_rules()
            )
            sink.close({**day.footer, SUMMARY_KEY: summary.to_json()})
        finally:
            sink.abandon()
        summaries.append(summary)
    return tuple(summaries)


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
        with warnings.catch_warnings():
            # Of how Pandera itself puts its findings together; nothing that a person can mend.
            warnings.filterwarnings("ignore", category=FutureWarning, module="pandera")
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
    for name in EVENT_SCHEMA.names:
        text = raw.column(name).cast(pa.string())
        texts[name] = pc.utf8_slice_codeunits(text, 0, MAXIMUM_VALUE_CHARACTERS)
    place = {name: number for number, name in enumerate(EVENT_SCHEMA.names)}
    which = pa.array([place[name] for name in column.to_pylist()], pa.int32())
    value = pc.choose(which, *texts.values()) if raw.num_rows else pa.array([], pa.string())
    arrays = [*texts.values(), rule, column, value, all_rules]
    return pa.table(arrays, schema=REJECTION_SCHEMA)


def _no_rejections() -> pa.Table:
    return REJECTION_SCHEMA.empty_table()


def rejected_by(raw: pa.Table, rule: str, column: str) -> pa.Table:
    """Return rows that all break one rule, as they go to the rejected events."""
    count = raw.num_rows
    texts = (rule, column, f"{rule}({column})")
    return _rejections(raw, *(pa.array([text] * count, pa.string()) for text in texts))
