"""What goes wrong with simulated events: malformed extras, re-deliveries, late arrivals.

A defect never changes what a person's valid events say, so the planted truth stays true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from its_pipeline.events.people import Person
from its_pipeline.events.schema import EVENT_SCHEMA, as_raw, raw_schema

SCORE = "session_performance_score"

MALFORMED: tuple[tuple[str, Any], ...] = (
    (SCORE, "n/a"),
    (SCORE, "250"),
    (SCORE, "NaN"),
    ("time_zone", "Mars/Olympus"),
    ("event_data", '{"broken": '),
    ("occurred_at", datetime(1970, 1, 1, tzinfo=UTC)),
    ("occurred_at", datetime(9999, 12, 31, tzinfo=UTC)),
    ("engagement_level", "EXTREME"),
    ("user_id", "mia|../etc"),
    ("event_type", ""),
    ("event_id", None),
)
"""Column and illegal value of each kind of malformed event, in the order they are used."""


def with_defects(table: pa.Table, people: Sequence[Person], seed: int) -> pa.Table:
    """Add people's defects to their events; without any, the table is returned as it is.

    With malformed events the score column becomes text, as in a source that delivers text.
    """
    affected = [p for p in people if p.defects.malformed or p.defects.duplicates or p.defects.late]
    if not affected:
        return table
    schema = raw_schema({SCORE})
    table = as_raw(table, schema)
    users = np.array(table.column("user_id").to_pylist())
    extras = []
    for person in affected:
        rng = np.random.default_rng([seed, 77, len(person.user_id), ord(person.user_id[0])])
        rows = np.flatnonzero(users == person.user_id)
        sessions = rows[
            np.array(table.column("event_type").take(pa.array(rows)).to_pylist()) == "SESSION_ENDED"
        ]
        late = rng.choice(rows, size=min(person.defects.late, len(rows)), replace=False)
        table = _late(table, late, rng)
        repeated = rng.choice(
            sessions, size=min(person.defects.duplicates, len(sessions)), replace=False
        )
        extras.append(_changed(table, repeated, _redelivery, schema))
        broken = rng.choice(sessions, size=person.defects.malformed)
        extras.append(_changed(table, broken, _malformed, schema))
    return pa.concat_tables([table, *extras])


def _late(table: pa.Table, rows: np.ndarray, rng: np.random.Generator) -> pa.Table:
    place = EVENT_SCHEMA.get_field_index("ingested_at")
    ingested = table.column(place).cast(pa.int64()).to_numpy().copy()
    ingested[rows] += rng.integers(1, 6, size=len(rows)) * 86_400_000_000
    arrived = pa.array(ingested).cast(EVENT_SCHEMA.field(place).type)
    return table.set_column(place, table.schema.field(place), arrived)


def _changed(
    table: pa.Table,
    rows: np.ndarray,
    change: Callable[[dict[str, Any], int], dict[str, Any]],
    schema: pa.Schema,
) -> pa.Table:
    copies = table.take(pa.array(rows)).to_pylist()
    changed = [change(copy, number) for number, copy in enumerate(copies)]
    return pa.Table.from_pylist(changed, schema=schema)


def _redelivery(event: dict[str, Any], number: int) -> dict[str, Any]:
    """Deliver an event again: the same a little later, or an outdated value a little earlier."""
    if number % 2:
        return {**event, "ingested_at": event["ingested_at"].replace(microsecond=0), SCORE: "1"}
    return {**event, "ingested_at": event["ingested_at"].replace(microsecond=999_999)}


def _malformed(event: dict[str, Any], number: int) -> dict[str, Any]:
    column, value = MALFORMED[number % len(MALFORMED)]
    return {**event, "event_id": f"{event['event_id']}-bad{number}", column: value}
