"""Days that are validated together: each comes to exactly what it comes to by itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from its_pipeline.events import validation
from its_pipeline.events.schema import EVENT_SCHEMA, as_raw, raw_schema
from its_pipeline.events.summary import DaySummary
from its_pipeline.events.validation import RawDay, validate_days
from its_pipeline_tests.unit.events.factories import ALL_TEXT, event

DAYS = [date(2026, 3, day) for day in (9, 10, 11, 12, 13)]


def raw_days() -> list[list[pa.Table]]:
    """Return five days: text, numbers, nothing at all, all broken, and one id many times."""
    at = {"occurred_at": "2026-03-09T10:00:00Z", "ingested_at": "2026-03-09T11:00:00Z"}
    # The same ids as the next day has: an id is told apart within its day alone.
    first = [event(n, **at) for n in range(4)] + [event(1, **at, session_performance_score="1")]
    misplaced = [event(n) for n in range(3)] + [event(9, occurred_at="2026-03-09T10:00:00Z")]
    numbers = as_raw(
        pa.Table.from_pylist([event(n, session_performance_score=None) for n in range(2)],
                             schema=ALL_TEXT).drop_columns("session_performance_score"),
        raw_schema(set(EVENT_SCHEMA.names) - {"session_performance_score"}),
    )  # fmt: skip
    broken = [event(n, user_id="a|b", time_zone="Mars/Olympus") for n in range(3)]
    again = [event(7, occurred_at="2026-03-13T10:00:00Z", ingested_at=f"2026-03-13T1{n}:00:00Z")
             for n in range(5)]  # fmt: skip
    text = [pa.Table.from_pylist(rows, schema=ALL_TEXT) for rows in (first, misplaced)]
    late = [pa.Table.from_pylist(rows, schema=ALL_TEXT) for rows in (broken, again)]
    return [[text[0]], [text[1], numbers], [], [late[0]], late[1].to_batches(2)]


def outcome(folder: Path, groups: list[list[int]]) -> list[tuple[DaySummary, bytes, bytes]]:
    folder.mkdir()
    found = []
    for group in groups:
        days = [
            RawDay(DAYS[n], raw_days()[n], folder / f"{n}-v.parquet", folder / f"{n}-r.parquet")
            for n in group
        ]
        for day, summary in zip(days, validate_days(days, ()), strict=True):
            found.append((summary, day.valid_path.read_bytes(), day.rejected_path.read_bytes()))
    return found


@pytest.mark.parametrize("batch_rows", [1, 3, 65_536])
def test_days_together_are_what_each_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    alone = outcome(tmp_path / "alone", [[0], [1], [2], [3], [4]])
    monkeypatch.setattr(validation, "BATCH_ROWS", batch_rows)
    together = outcome(tmp_path / "together", [[0, 1, 2, 3, 4]])
    assert together == alone
    counts = [(s.read, s.valid, s.rejected, s.duplicates) for s, *_ in together]
    assert counts == [(5, 4, 0, 1), (6, 3, 1, 2), (0, 0, 0, 0), (3, 0, 3, 0), (5, 1, 0, 4)]
    assert sorted(path.suffix for path in (tmp_path / "together").iterdir()) == [".parquet"] * 10
