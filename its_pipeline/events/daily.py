"""From valid events to daily outcomes, and reading one person's series back in milliseconds.

The statements live in `sql/`; here their parts are chosen and the Parquet copy is written. Sums are
taken in whole numbers or in a fixed order, so the same events give the same bits whatever the
number of threads: a fingerprint must not change when nothing did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.closed_days import ClosedDays
from its_pipeline.events.duck import in_memory, literal, sql
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import FIRST_DAY, pc
from its_pipeline.files.parquet import unfinished_file

ROW_GROUP_SIZE = 8192
"""Rows in a row group of the daily outcomes; a person's series touches one or two of them."""

SERIES_COLUMNS = (
    "day",
    "value",
    "n_events",
    "share_morning",
    "share_afternoon",
    "share_evening",
    "share_night",
)

DEFAULT_ZONE = "UTC"
"""Zone of a person of whom no event names one."""

_DAY_US = 86_400_000_000
_NEVER = 2**62


@dataclass(frozen=True)
class OutcomeCount:
    """How much one outcome metric has: rows, people, and its first and last local day."""

    outcome: str
    rows: int
    users: int
    first_on: date
    last_on: date


def build_daily_outcomes(
    files: Sequence[Path],
    metrics: Mapping[str, OutcomeMetric],
    out_parquet: Path,
    *,
    closed: ClosedDays | None = None,
    memory: str = "2GB",
    threads: int | None = None,
) -> tuple[OutcomeCount, ...]:
    """Aggregate valid events to one row per person, outcome and local day.

    Parameters
    ----------
    files
        Parquet files of valid events, one event an `event_id`.
    metrics
        What to compute, by name.
    out_parquet
        The file to replace: sorted by `user_id`, `outcome`, `day`.
    closed
        Days whose outcomes are known, whatever events of theirs are still there.
    memory, threads
        Bounds for DuckDB; what does not fit is spilled beside `out_parquet`.

    Returns
    -------
    tuple
        What was written, by outcome, in name order.
    """
    out_parquet.parent.mkdir(parents=True, exist_ok=True)
    with in_memory(memory, threads, spill_to=out_parquet.parent) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            "CREATE TEMP TABLE outcomes (user_id VARCHAR, day DATE, outcome VARCHAR, "
            "value DOUBLE, n_events INTEGER, share_morning DOUBLE, share_afternoon DOUBLE, "
            "share_evening DOUBLE, share_night DOUBLE)"
        )
        if closed is not None:
            known = "SELECT * FROM read_parquet($file) WHERE list_contains($names, outcome)"
            given = {"file": str(closed.outcomes), "names": list(metrics)}
            connection.execute(f"INSERT INTO outcomes BY NAME {known}", given)
        if files:
            _open_events(connection, files, closed)
            for metric in sorted(metrics.values(), key=lambda m: m.name):
                connection.execute(_statement(metric, closed))
            _add_zero_days(connection, metrics, closed)
        counts = connection.execute(
            "SELECT outcome, count(*), count(DISTINCT user_id), min(day), max(day) "
            "FROM outcomes GROUP BY outcome ORDER BY outcome"
        ).fetchall()
        with unfinished_file(out_parquet) as unfinished:
            _write(connection, unfinished)
    return tuple(OutcomeCount(*row) for row in counts)


def _write(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    parts = {"path": literal(str(path)), "row_group_size": str(ROW_GROUP_SIZE)}
    connection.execute(sql("write_outcomes", **parts))


def write_without(daily_parquet: Path, user_id: str, *, within: Path | None = None) -> None:
    """Write the daily outcomes anew without one person; the others' rows stay as they are.

    Parameters
    ----------
    daily_parquet
        The file, as `build_daily_outcomes` wrote it.
    user_id
        Who is left out.
    within
        As in `files.parquet.unfinished_file`.
    """
    with unfinished_file(daily_parquet, within=within) as unfinished:
        _write_where(daily_parquet, unfinished, "user_id <> $value", user_id)


def write_outcomes_through(daily_parquet: Path, target: Path, last_on: date) -> None:
    """Write the daily outcomes of local days up to `last_on`, **INCLUSIVE**, to another file."""
    _write_where(daily_parquet, target, "day <= $value", last_on)


def _write_where(daily_parquet: Path, target: Path, condition: str, value: str | date) -> None:
    with in_memory(spill_to=target.parent) as connection:
        connection.execute(
            f"CREATE TEMP TABLE outcomes AS SELECT * FROM read_parquet($file) WHERE {condition}",  # noqa: S608
            {"file": str(daily_parquet), "value": value},
        )
        _write(connection, target)


def write_people(files: Sequence[Path], target: Path, closed: ClosedDays | None = None) -> None:
    """Write what has to be known of people once these events are gone: spans, and zones last seen.

    Parameters
    ----------
    files
        Parquet files of valid events.
    target
        The file to write.
    closed
        What was known of people whose events went earlier.
    """
    with in_memory(spill_to=target.parent) as connection:
        _open_events(connection, files, closed)
        _find_spans(connection, closed)
        connection.execute(
            sql("write_people", seen=_seen(_listed(files), closed), path=literal(str(target)))
        )


def read_series(daily_parquet: Path, user_id: str, outcome: str) -> pd.DataFrame:
    """Return one person's daily series of one outcome, by day.

    Only the row groups whose statistics may hold the person are read.

    Returns
    -------
    pd.DataFrame
        Columns `SERIES_COLUMNS`; `day` is datetime64 (local calendar days), `value` in the
        metric's unit. Empty if there is nothing.

    Raises
    ------
    FileNotFoundError
        If the daily outcomes were never built.
    """
    # As dictionaries the two texts, the same in thousands of rows, are neither copied nor compared.
    file = pq.ParquetFile(daily_parquet, read_dictionary=["user_id", "outcome"])
    wanted = [
        number
        for number in range(file.num_row_groups)
        if _may_hold(file.metadata.row_group(number), user_id, outcome)
    ]
    table = file.read_row_groups(wanted, use_threads=False)
    table = table.filter(
        pc.and_(pc.equal(table["user_id"], user_id), pc.equal(table["outcome"], outcome))
    )
    table = table.select(list(SERIES_COLUMNS))
    for name, kind in (("day", pa.timestamp("ns")), ("n_events", pa.int64())):
        table = table.set_column(SERIES_COLUMNS.index(name), name, table[name].cast(kind))
    return table.to_pandas()


def _may_hold(group: pq.RowGroupMetaData, user_id: str, outcome: str) -> bool:
    for place, value in ((0, user_id), (1, outcome)):
        statistics = group.column(place).statistics
        if statistics is None or not statistics.has_min_max:
            continue
        if not statistics.min <= value <= statistics.max:
            return False
    return group.num_rows > 0


def _listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(str(file)) for file in files) + "]"


def _seen(listed: str, closed: ClosedDays | None) -> str:
    """Return where people's zones stand: in the events, and in what is kept of closed days."""
    if closed is None:
        return f"read_parquet({listed}, hive_partitioning = false)"
    return sql("seen_people", files=listed, people=literal(str(closed.people)))


def _open_events(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], closed: ClosedDays | None
) -> None:
    """Create the view `local_events` over the files."""
    listed = _listed(files)
    found = connection.execute(
        f"SELECT DISTINCT time_zone FROM {_seen(listed, closed)}"  # noqa: S608
    ).fetchall()
    zones = sorted({zone or DEFAULT_ZONE for (zone,) in found})
    connection.register("offsets", zone_offsets(zones, *_utc_days(files)))
    zone, join = "time_zone", ""
    if (None,) in found:
        connection.execute(sql("home_zones", seen=_seen(listed, closed)))
        zone = f"coalesce(time_zone, home_zone, {literal(DEFAULT_ZONE)})"
        join = "LEFT JOIN home_zones USING (user_id)"
    connection.execute(sql("local_events", files=listed, zone=zone, home_zones=join))


def _utc_days(files: Sequence[Path]) -> tuple[date, date]:
    """Return the first and last UTC day of the events, from the files' statistics."""
    days: set[date] = set()
    for file in files:
        metadata = pq.read_metadata(file)
        place = metadata.schema.to_arrow_schema().get_field_index("occurred_at")
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.num_rows == 0:
                continue
            statistics = group.column(place).statistics
            days |= {statistics.min.date(), statistics.max.date()}
    return (min(days), max(days)) if days else (FIRST_DAY, FIRST_DAY)


def zone_offsets(zones: Sequence[str], first: date, last: date) -> pa.Table:
    """Return each zone's offset on every UTC day of `first` .. `last`, both **INCLUSIVE**.

    Returns
    -------
    pa.Table
        Columns `zone`, `utc_day` (days since 1970), `changes_at` (UTC microseconds; never reached
        on a day without a change), `offset_us` ahead of it and `later_offset_us` from it on.
    """
    names: list[str] = []
    days: list[int] = []
    changes: list[int] = []
    before: list[int] = []
    after: list[int] = []
    start = (first - date(1970, 1, 1)).days
    count = (last - first).days + 1
    for name in zones:
        zone = ZoneInfo(name)
        offsets = [_offset(zone, (start + n) * _DAY_US) for n in range(count + 1)]
        for number in range(count):
            names.append(name)
            days.append(start + number)
            before.append(offsets[number])
            after.append(offsets[number + 1])
            same = offsets[number] == offsets[number + 1]
            changes.append(_NEVER if same else _change(zone, start + number))
    return pa.table(
        {
            "zone": pa.array(names, pa.string()),
            "utc_day": pa.array(days, pa.int64()),
            "changes_at": pa.array(changes, pa.int64()),
            "offset_us": pa.array(before, pa.int64()),
            "later_offset_us": pa.array(after, pa.int64()),
        }
    )


def _offset(zone: ZoneInfo, utc_us: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_us)
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return round(offset.total_seconds() * 1e6)


def _change(zone: ZoneInfo, utc_day: int) -> int:
    """Return the second of a UTC day from which on the offset is another than at its start.

    No zone changed twice on a day since 1900. Changes are on a quarter of an hour since 2000, and
    ahead of that on any second.
    """
    second = 1_000_000
    earlier = _offset(zone, utc_day * _DAY_US)
    before, after = utc_day * _DAY_US, (utc_day + 1) * _DAY_US
    while after - before > second:
        middle = (before + after) // 2 // second * second
        if _offset(zone, middle) == earlier:
            before = middle
        else:
            after = middle
    return after


def _find_spans(connection: duckdb.DuckDBPyConnection, closed: ClosedDays | None) -> None:
    """Create the table `spans`: each person's first and last local day with any event."""
    connection.execute(sql("spans"))
    if closed is not None:
        connection.execute(sql("all_spans", people=literal(str(closed.people))))


def _add_zero_days(
    connection: duckdb.DuckDBPyConnection,
    metrics: Mapping[str, OutcomeMetric],
    closed: ClosedDays | None,
) -> None:
    with_zeros = sorted(name for name, metric in metrics.items() if metric.zero_days)
    if with_zeros:
        _find_spans(connection, closed)
    for name in with_zeros:
        connection.execute(sql("zero_days", name=literal(name)))


def _statement(metric: OutcomeMetric, closed: ClosedDays | None) -> str:
    types = ", ".join(literal(kind) for kind in metric.event_types)
    events = f"event_type IN ({types})" if types else "true"
    if closed is not None:
        events += f" AND local_day > {(closed.last_local_on - date(1970, 1, 1)).days}"
    return sql(
        "daily_outcome",
        name=literal(metric.name),
        events=events,
        value=_value(metric),
        legal=_legal(metric),
        aggregate=_aggregate(metric),
    )


def _value(metric: OutcomeMetric) -> str:
    if metric.column is None and metric.json_path is None:
        return "1.0"
    text = f'"{metric.column}"'
    if metric.json_path is not None:
        text = f"json_extract_string(event_data, {literal(metric.json_path)})"
    if metric.aggregation == "rate":
        return f"({text} = {literal(metric.equals or '')})::DOUBLE"
    if metric.aggregation == "count":
        return f"CASE WHEN {text} IS NOT NULL THEN 1.0 END"
    return text if metric.column is not None else f"TRY_CAST({text} AS DOUBLE)"


def _legal(metric: OutcomeMetric) -> str:
    conditions = ["value IS NOT NULL"]
    if metric.aggregation in ("mean", "median", "sum"):
        conditions.append("isfinite(value)")
        if math.isfinite(metric.minimum):
            conditions.append(f"value >= {metric.minimum!r}")
        if math.isfinite(metric.maximum):
            conditions.append(f"value <= {metric.maximum!r}")
    return " AND ".join(conditions)


def _aggregate(metric: OutcomeMetric) -> str:
    if metric.aggregation == "median":
        return "median(value)"
    if metric.aggregation == "count":
        return "count(*)::DOUBLE"
    if metric.aggregation == "rate":
        return "count_if(value = 1.0)::DOUBLE / count(*)"
    total = _exact_sum(metric)
    return total if metric.aggregation == "sum" else f"({total}) / count(*)"


def _exact_sum(metric: OutcomeMetric) -> str:
    """Return a sum whose bits do not depend on the order of the values.

    Within a finite legal range, values are whole multiples of a power of two small enough to keep
    52 bits of the largest, and whole numbers add up exactly. Otherwise they are added in order of
    size.
    """
    largest = max(abs(metric.minimum), abs(metric.maximum))
    if not math.isfinite(largest):
        return "sum(value ORDER BY value)"
    bits = 52 - math.ceil(np.log2(max(largest, 2.0**-500)))
    scale = 2.0**bits
    return f"sum((value * {scale!r})::BIGINT)::DOUBLE / {scale!r}"
