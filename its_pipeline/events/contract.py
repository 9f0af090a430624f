"""The contract of an event: the one place where a rule about a value lives.

The Pandera schema drives validation, the reasons in the quarantine, the column schema shown in
Dagster and the table in `docs/data-contract.md`. Applying it to a day belongs to `validation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from its_pipeline.events.intervention import zone_names
from its_pipeline.events.keys import ID_PATTERN
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import EVENT_SCHEMA, FIRST_DAY, NO_TIME, pc

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema

CONTRACT_VERSION = "2"
"""Part of every validated file; raise it when a rule changes meaning."""

MAXIMUM_AHEAD_HOURS = 24.0
"""An event may be this far ahead of its own ingestion (clocks differ, zones are mistaken)."""

MAXIMUM_JSON_BYTES = 1_048_576
MAXIMUM_TEXT = 128

AHEAD_HOURS = "occurred_at.ahead_hours"
IN_PARTITION = "occurred_at.in_partition"
IS_JSON = "event_data.is_json"
METRIC_PREFIX = "metric."
"""Derived columns that are validated with an event and not stored."""

_NO_CONTROL = r"[^\x00-\x1f\x7f]"


@dataclass(frozen=True)
class ColumnRule:
    """One column of the contract, for people.

    Attributes
    ----------
    name, type
        Column and its type in words.
    nullable
        Whether it may be empty.
    rules
        (name, description) of each rule.
    meaning
        What the column holds.
    """

    name: str
    type: str
    nullable: bool
    rules: tuple[tuple[str, str], ...]
    meaning: str


def reported_column(name: str) -> str:
    """Return the delivered column that a derived column was computed from."""
    if name.startswith(METRIC_PREFIX):
        return "event_data"
    return name.split(".", 1)[0]


@lru_cache(maxsize=32)
def event_schema(metrics: tuple[OutcomeMetric, ...] = ()) -> DataFrameSchema:
    """Return the Pandera schema of events, columns backed by Arrow.

    Parameters
    ----------
    metrics
        Metrics read from `event_data`; each adds a derived column `metric.<name>` with its range.
    """
    from pandera.pandas import Check, Column, DataFrameSchema

    def pattern(regex: str, name: str, text: str) -> Check:
        return Check(_matches(regex), name=name, description=text, error=name)

    def short(limit: int) -> Check:
        regex = f"^{_NO_CONTROL}{{1,{limit}}}$"
        return pattern(
            regex, "plain_text", f"1 to {limit} characters, none of them a control character"
        )

    first = datetime.combine(FIRST_DAY, time(), UTC)
    checks: dict[str, list[Check]] = {
        "event_id": [short(MAXIMUM_TEXT)],
        "user_id": [
            pattern(f"^{ID_PATTERN}$", "legal_id", f"matches `{ID_PATTERN}`"),
            Check(_has_no_double_dot, name="no_double_dot", description="has no `..`"),
        ],
        "occurred_at": [
            Check(
                lambda series: series >= pd.Timestamp(first),
                name="not_too_old",
                description=f"not earlier than {FIRST_DAY} (UTC)",
            ),
            Check(
                lambda series: series != pd.Timestamp(NO_TIME),
                name="not_zero",
                description="not 1970-01-01T00:00:00Z exactly, which stands for no time",
            ),
        ],
        "event_type": [
            pattern(
                "^[A-Za-z0-9_.:-]{1,64}$",
                "legal_event_type",
                "1 to 64 letters, digits or any of _ . : - (unknown types are data)",
            )
        ],
        "time_zone": [
            Check(
                _is_zone,
                name="known_time_zone",
                description="a name of the IANA time zone database",
            )
        ],
        "session_performance_score": [_finite(Check), _between(Check, 0.0, 100.0)],
        "engagement_level": [_one_of(Check, "LOW", "MEDIUM", "HIGH")],
        "completion_quality": [_one_of(Check, "RUSHED", "NORMAL", "THOROUGH")],
        "content_type": [short(MAXIMUM_TEXT)],
        "difficulty_level": [short(MAXIMUM_TEXT)],
        "experiment_phase": [short(MAXIMUM_TEXT)],
        "event_data": [
            Check(
                _is_short,
                name="at_most_1_mib",
                description=f"at most {MAXIMUM_JSON_BYTES:,} bytes",
            ),
        ],
        "ingested_at": [],
    }
    columns = {
        field.name: Column(
            pd.ArrowDtype(field.type),
            checks[field.name],
            nullable=field.nullable,
            description=_MEANINGS[field.name],
        )
        for field in EVENT_SCHEMA
    }
    columns[AHEAD_HOURS] = Column(
        pd.ArrowDtype(pa.float64()),
        Check(
            lambda series: series <= MAXIMUM_AHEAD_HOURS,
            name="not_in_the_future",
            description=f"at most {MAXIMUM_AHEAD_HOURS:.0f} hours later than `ingested_at`",
        ),
        nullable=True,
        description="hours by which `occurred_at` is later than `ingested_at`",
    )
    columns[IN_PARTITION] = Column(
        pd.ArrowDtype(pa.bool_()),
        Check(
            lambda series: series.astype(bool),
            name="in_partition",
            description="the UTC day of `occurred_at` is the partition's day",
        ),
        nullable=True,
        description="whether `occurred_at` lies in the partition",
    )
    columns[IS_JSON] = Column(
        pd.ArrowDtype(pa.bool_()),
        Check(lambda series: series.astype(bool), name="json", description="JSON text"),
        nullable=True,
        description="whether `event_data` reads as JSON",
    )
    for metric in metrics:
        columns[METRIC_PREFIX + metric.name] = Column(
            pd.ArrowDtype(pa.float64()),
            [_finite(Check), _between(Check, metric.minimum, metric.maximum)],
            nullable=True,
            description=f"`{metric.json_path}` in `event_data`: {metric.title} ({metric.unit})",
        )
    return DataFrameSchema(columns, strict=True, ordered=True)


def json_metrics(metrics: dict[str, OutcomeMetric]) -> tuple[OutcomeMetric, ...]:
    """Return the metrics whose numbers are read from `event_data`, by name."""
    found = [m for m in metrics.values() if m.json_path is not None and m.equals is None]
    return tuple(sorted(found, key=lambda metric: metric.name))


def column_rules(metrics: tuple[OutcomeMetric, ...] = ()) -> tuple[ColumnRule, ...]:
    """Return every column of the contract with its rules, read from the Pandera schema."""
    rules = []
    for name, column in event_schema(metrics).columns.items():
        named = [(str(check.name), str(check.description)) for check in column.checks]
        arrow_type = column.dtype.type.pyarrow_dtype
        rules.append(
            ColumnRule(
                str(name),
                _TYPE_WORDS[str(arrow_type)],
                bool(column.nullable),
                tuple(named),
                str(column.description or ""),
            )
        )
    return tuple(rules)


_TYPE_WORDS = {
    "string": "text",
    "double": "number",
    "bool": "true or false",
    "timestamp[us, tz=UTC]": "instant, UTC, microseconds",
}

_MEANINGS = {
    "event_id": "unique; of several deliveries the one with the latest `ingested_at` counts",
    "user_id": "whose event it is",
    "occurred_at": "when it happened",
    "event_type": "what happened",
    "time_zone": "the person's zone at that moment; empty means the person's latest known one",
    "session_performance_score": "score of a session, points",
    "engagement_level": "how engaged",
    "completion_quality": "how it was completed",
    "content_type": "kind of content",
    "difficulty_level": "difficulty",
    "experiment_phase": "phase label of the app; not used in analyses",
    "event_data": "anything else; JSON metrics are read from it",
    "ingested_at": "when the event reached the source",
}


def _between(check: type[Check], minimum: float, maximum: float) -> Check:
    return check(
        lambda series: (series >= minimum) & (series <= maximum),
        name="in_range",
        description=f"in [{minimum:g}, {maximum:g}]",
    )


def _finite(check: type[Check]) -> Check:
    return check(
        lambda series: _from_numpy(series, np.isfinite(series.to_numpy(dtype=float))),
        name="finite",
        description="a finite number",
    )


def _one_of(check: type[Check], *allowed: str) -> Check:
    return check(
        lambda series: series.isin(allowed),
        name="one_of",
        description=f"one of {', '.join(allowed)}",
    )


def _arrow(series: pd.Series) -> pa.ChunkedArray:
    array: Any = series.array
    return pa.chunked_array(array.__arrow_array__())


def _from_numpy(series: pd.Series, flags: np.ndarray) -> pd.Series:
    return pd.Series(flags, index=series.index)


def _on_distinct(
    series: pd.Series, test: Callable[[pa.Array], pa.Array | pa.ChunkedArray]
) -> pd.Series:
    """Apply a test to the distinct values only; columns of few values are the rule."""
    encoded = _arrow(series).combine_chunks().dictionary_encode()
    verdicts = test(encoded.dictionary).to_numpy(zero_copy_only=False)
    return _from_numpy(series, verdicts[encoded.indices.to_numpy()])


def _matches(regex: str) -> Callable[[pd.Series], pd.Series]:
    def test(series: pd.Series) -> pd.Series:
        return _on_distinct(series, lambda d: pc.match_substring_regex(d, regex))

    return test


def _has_no_double_dot(series: pd.Series) -> pd.Series:
    return _on_distinct(series, lambda d: pc.invert(pc.match_substring(d, "..")))


def _is_zone(series: pd.Series) -> pd.Series:
    names = pa.array(sorted(zone_names()))
    return _on_distinct(series, lambda d: pc.is_in(d, value_set=names))


def _is_short(series: pd.Series) -> pd.Series:
    lengths = pc.binary_length(_arrow(series)).to_numpy()
    return _from_numpy(series, lengths <= MAXIMUM_JSON_BYTES)
