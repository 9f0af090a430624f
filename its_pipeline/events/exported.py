"""What an app's export is to the store: readings of metrics, and how they become raw events.

What belongs here: the shape of a reading and of an export, condensing to hours, and choosing
between devices that measured the same. What does not: any app's format (`exports`), or versions of
imports (`importing`).

Three rules are kept here for every app. Readings of a metric that is measured many times an hour
become one event an hour: their sum, or their mean, so that a workout with a reading every five
seconds does not outweigh the day. On a day on which several devices measured a metric, one counts:
of sums the one with the largest total, because a device misses what it was not worn for and counts
nothing twice; of the others the one with the most readings. And a reading that cannot be read, or
lies outside its metric's range, goes on as it stands, for the contract to reject.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa

from its_pipeline.events.duck import in_memory, literal, sql
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import FIRST_DAY, INSTANT_TEXT, NUMBER
from its_pipeline.files.parquet import ParquetSink

MEMORY = "64MB"
"""Bound for DuckDB while an export is written; one of 1 GB passes within it."""

STAGED_ROWS = 5_000
"""Readings that are held before they are written."""

SHOWN_PROBLEMS = 8
"""At most so many kinds of broken readings are told of; all of them are counted."""


SHOWN_METRICS = 12
"""At most so many metrics are named in the sentence that says what an export is."""


class Reading(NamedTuple):
    """One value of one metric, as the export has it.

    Attributes
    ----------
    metric
        Name of the metric.
    value
        The number in the metric's unit, or the text that stands in its place.
    started, ended
        Instants as ISO 8601 with an offset; equal for a moment. With metric and source they say
        which event it is.
    counted_at
        The instant that decides the day: `started`, or when one woke. A text that is no time goes
        on as it is.
    time_zone
        IANA zone of the day.
    source
        Which device or app measured it.
    place
        Where in the export it stands, for messages.
    """

    metric: str
    value: str
    started: str
    ended: str
    counted_at: str
    time_zone: str
    source: str
    place: str


_READINGS = pa.schema([pa.field(name, pa.string()) for name in Reading._fields])


@dataclass(frozen=True)
class Said:
    """What a person says of an export beside its files.

    Attributes
    ----------
    time_zone
        IANA zone of times without an offset and of days, or None.
    moods
        Number by name of a mood, for names that are a person's own.
    """

    time_zone: str | None = None
    moods: Mapping[str, float] = field(default_factory=dict)


def mood_numbers(pairs: Mapping[str, str]) -> dict[str, float]:
    """Return the numbers that a person gives to moods.

    Raises
    ------
    ValueError
        If one is not a number from 1 to 5.
    """
    numbers = {}
    for name, text in pairs.items():
        try:
            numbers[name] = float(text)
        except ValueError:
            numbers[name] = math.nan
        if not 1.0 <= numbers[name] <= 5.0:
            raise ValueError(f"mood {name!r} should be a number from 1 to 5 but got {text!r}")
    return numbers


@dataclass(frozen=True)
class ExportMetric:
    """A metric of an export, what the app calls it, and whether its readings are condensed."""

    metric: OutcomeMetric
    label: str
    hourly: bool = False


class Export(Protocol):
    """An app's export that has been recognised, not yet read."""

    @property
    def name(self) -> str:
        """Short name of the app, part of the import's name."""
        ...

    @property
    def title(self) -> str:
        """What it is, for people."""
        ...

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    def signature(self) -> object:
        """Return what changes when a file of the export does."""
        ...

    def digest(self) -> hashlib._Hash:
        """Return a SHA-256 of the contents, which more can be added to."""
        ...

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings; counts by metric and source what was left out for a better source.

        Raises
        ------
        ImportFileError
            If a file is broken, or something has to be said first.
        """
        ...

    def metric(self, name: str) -> ExportMetric:
        """Return the metric of a reading's name."""
        ...


@dataclass(frozen=True)
class Written:
    """What was written of an export: its metrics, and what there is to tell of it."""

    metrics: tuple[OutcomeMetric, ...]
    told: tuple[str, ...]


def write_exported(
    export: Export, said: Said, user_id: str, target: Path, taken_at: datetime
) -> Written:
    """Write an export's readings as raw events.

    Parameters
    ----------
    export
        The export.
    said
        What the person says of it.
    user_id
        Whose it is.
    target
        The Parquet file to write, in the form of `importing`.
    taken_at
        When it is taken.

    Raises
    ------
    ImportFileError
        If the export is broken, or nothing in it can be read.
    """
    staged = target.with_name("readings.parquet")
    left_out: Counter[tuple[str, str]] = Counter()
    names = _stage(export.readings(said, left_out), staged)
    metrics = {name: export.metric(name) for name in sorted(names)}
    if not metrics:
        raise ImportFileError(f"{export.path}: {export.title} without anything that is known of it")
    with in_memory(MEMORY, threads=1, spill_to=target.parent) as connection:
        _declare(connection, metrics)
        _open_readings(connection, staged, taken_at)
        problems = _problems(connection)
        connection.execute(sql("export_points"))
        found = _span(connection)
        if found is None:
            first = problems[0] if problems else "no reading"
            raise ImportFileError(
                f"{export.path}: {export.title}, but nothing in it can be read; {first}"
            )
        connection.execute(
            sql(
                "export_events",
                target=literal(str(target)),
                user=literal(user_id),
                ingested_at=literal(taken_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
            )
        )
        for metric, source, readings in connection.execute(sql("export_left_out")).fetchall():
            left_out[metric, source] += readings
    staged.unlink()
    labels = [metric.label for metric in metrics.values()]
    if len(labels) > SHOWN_METRICS:
        labels[SHOWN_METRICS:] = [f"{len(labels) - SHOWN_METRICS} more"]
    days, first_on, last_on = found
    count = f"{days:,} day{'s' * (days > 1)}"
    sentence = f"{export.title}: {', '.join(labels)} of {count} from {first_on} to {last_on}"
    told = [sentence, *problems, *_said_of_left_out(left_out, metrics)]
    return Written(tuple(found.metric for found in metrics.values()), tuple(told))


def _stage(readings: Iterator[Reading], staged: Path) -> set[str]:
    """Write readings as they come; return the names of their metrics."""
    sink = ParquetSink(staged, _READINGS)
    names: set[str] = set()
    batch: list[Reading] = []
    try:
        for reading in readings:
            batch.append(reading)
            if len(batch) == STAGED_ROWS:
                _add(sink, batch, names)
                batch = []
        if batch:
            _add(sink, batch, names)
        sink.close()
    finally:
        sink.abandon()
    return names


def _add(sink: ParquetSink, batch: list[Reading], names: set[str]) -> None:
    columns = list(zip(*batch, strict=True))
    names.update(columns[0])
    arrays = [_text_array(column) for column in columns]
    sink.add(pa.RecordBatch.from_arrays(arrays, schema=_READINGS))


def _text_array(texts: Sequence[str]) -> pa.Array:
    """Return texts as an array; `pa.array` would load pandas, and its memory with it."""
    # Half of a surrogate pair, which JSON can have, has no place in UTF-8.
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = array("i", accumulate(map(len, encoded), initial=0))
    buffers = [pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.StringArray.from_buffers(len(texts), *buffers)


def _declare(connection: duckdb.DuckDBPyConnection, metrics: Mapping[str, ExportMetric]) -> None:
    """Make the table of the metrics' rules."""
    connection.execute(
        "CREATE TEMP TABLE metrics (metric VARCHAR, minimum DOUBLE, maximum DOUBLE, "
        "summed BOOLEAN, hourly BOOLEAN)"
    )
    rows = [
        [name, found.metric.minimum, found.metric.maximum, _is_sum(found), found.hourly]
        for name, found in metrics.items()
    ]
    connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", rows)


def _is_sum(found: ExportMetric) -> bool:
    return found.metric.aggregation == "sum"


def _open_readings(connection: duckdb.DuckDBPyConnection, staged: Path, taken_at: datetime) -> None:
    connection.execute(
        sql(
            "export_readings",
            readings=literal(str(staged)),
            number=literal(NUMBER),
            instant=literal(INSTANT_TEXT),
            first_day=f"TIMESTAMPTZ '{FIRST_DAY} 00:00:00+00'",
            last=f"TIMESTAMPTZ '{taken_at:%Y-%m-%d %H:%M:%S}+00' + INTERVAL 1 DAY",
        )
    )


def _problems(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return a line for each kind of broken reading, most frequent first."""
    rows = connection.execute(sql("export_problems")).fetchall()
    lines = [
        f"{count:,} readings of {metric} will be rejected: {problem}, such as {text!r} ({place})"
        for metric, problem, count, text, place in rows[:SHOWN_PROBLEMS]
    ]
    if len(rows) > SHOWN_PROBLEMS:
        more = sum(row[2] for row in rows[SHOWN_PROBLEMS:])
        lines.append(f"{more:,} further readings will be rejected")
    return lines


def _span(connection: duckdb.DuckDBPyConnection) -> tuple[int, date, date] | None:
    """Return how many local days there are, the first and the last; None without any."""
    row = connection.execute(
        "SELECT count(DISTINCT local_day), min(local_day), max(local_day) FROM points"
    ).fetchone()
    return None if row is None or not row[0] else row


def _said_of_left_out(
    left_out: Counter[tuple[str, str]], metrics: Mapping[str, ExportMetric]
) -> Sequence[str]:
    """Return a line for each metric and device that another one was preferred to."""
    return [
        f"left out, because another device counts on those days: {count:,} readings of "
        f"{metrics[metric].label} by {source}"
        for (metric, source), count in sorted(left_out.items())
        if metric in metrics
    ]
