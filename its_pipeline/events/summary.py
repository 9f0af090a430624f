"""What a validated day looked like: counts, shares of nulls, the score's distribution.

Gathered while the day is written, kept in its file's footer, compared over days by `ingest.drift`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from its_pipeline.events.schema import EVENT_SCHEMA, pc

SCORE = "session_performance_score"
SCORE_BINS = 20
"""Bins of equal width over the score's legal range 0..100."""

LATE_US = 86_400_000_000
"""An event that arrives more than a day after it happened is late."""

NULLABLE = tuple(field.name for field in EVENT_SCHEMA if field.nullable)


@dataclass(frozen=True)
class BrokenRule:
    """How many rows broke this rule first."""

    rule: str
    column: str
    rows: int


@dataclass(frozen=True)
class DaySummary:
    """One validated UTC day; `read = valid + rejected + duplicates`.

    Attributes
    ----------
    day
        UTC day.
    read, valid, rejected, duplicates
        Numbers of rows.
    broken_rules
        Of the rejected rows, by first broken rule, most frequent first.
    late
        Valid rows that arrived more than a day after they happened.
    users
        People with valid rows.
    nulls
        Empty cells of the valid rows by nullable column.
    score_bins
        Valid scores by bin.
    first_occurred_at, last_occurred_at
        Interval of the valid rows; None without any.
    """

    day: date
    read: int
    valid: int
    rejected: int
    duplicates: int
    broken_rules: tuple[BrokenRule, ...] = ()
    late: int = 0
    users: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    score_bins: tuple[int, ...] = ()
    first_occurred_at: datetime | None = None
    last_occurred_at: datetime | None = None

    @property
    def adds_up(self) -> bool:
        """Whether every row read is valid, rejected or a duplicate."""
        return self.read == self.valid + self.rejected + self.duplicates

    @property
    def reject_rate(self) -> float:
        """Rejected rows over read rows, 0 for an empty day; duplicates are not counted."""
        return self.rejected / self.read if self.read else 0.0

    def to_json(self) -> str:
        """Return the summary as JSON text, the same for the same summary."""
        values = asdict(self)
        values["day"] = self.day.isoformat()
        for name in ("first_occurred_at", "last_occurred_at"):
            if values[name] is not None:
                values[name] = values[name].isoformat()
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DaySummary:
        """Read back what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["day"] = date.fromisoformat(values["day"])
        values["broken_rules"] = tuple(BrokenRule(**rule) for rule in values["broken_rules"])
        values["score_bins"] = tuple(values["score_bins"])
        for name in ("first_occurred_at", "last_occurred_at"):
            if values[name] is not None:
                values[name] = datetime.fromisoformat(values[name])
        return cls(**values)


class DayWatch:
    """Gathers what a summary says of the valid rows while they pass, sorted by user."""

    def __init__(self) -> None:
        self.late = 0
        self.users = 0
        self.nulls = dict.fromkeys(NULLABLE, 0)
        self.bins = np.zeros(SCORE_BINS, dtype=np.int64)
        self.first: datetime | None = None
        self.last: datetime | None = None
        self._last_user: str | None = None

    def watch(self, rows: pa.Table) -> pa.Table:
        """Take note of some rows and return them."""
        if rows.num_rows == 0:
            return rows
        occurred, ingested = rows.column("occurred_at"), rows.column("ingested_at")
        delay = pc.subtract(ingested.cast(pa.int64()), occurred.cast(pa.int64()))
        self.late += int(pc.sum(pc.greater(delay, LATE_US)).as_py() or 0)
        for name in NULLABLE:
            self.nulls[name] += rows.column(name).null_count
        scores = rows.column(SCORE).drop_null().to_numpy()
        places = np.minimum((scores * (SCORE_BINS / 100.0)).astype(np.int64), SCORE_BINS - 1)
        self.bins += np.bincount(places, minlength=SCORE_BINS)
        users = pc.unique(rows.column("user_id")).to_pylist()
        self.users += len(users) - int(users[0] == self._last_user)
        self._last_user = users[-1]
        extremes = pc.min_max(occurred).as_py()
        self.first = min(filter(None, (self.first, extremes["min"])))
        self.last = max(filter(None, (self.last, extremes["max"])))
        return rows

    def summary(
        self,
        day: date,
        read: int,
        rejected: int,
        accepted: int,
        valid: int,
        broken_rules: tuple[BrokenRule, ...],
    ) -> DaySummary:
        """Return the day's summary; `accepted` rows kept every rule, `valid` of them are unique."""
        return DaySummary(
            day=day,
            read=read,
            valid=valid,
            rejected=rejected,
            duplicates=accepted - valid,
            broken_rules=broken_rules,
            late=self.late,
            users=self.users,
            nulls=self.nulls,
            score_bins=tuple(int(n) for n in self.bins),
            first_occurred_at=self.first,
            last_occurred_at=self.last,
        )
