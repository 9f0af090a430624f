"""A hundred thousand generated rows: no crash, counts add up, what is valid keeps every rule."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.validation import RawDay, validate_days
from its_pipeline_tests.unit.events.factories import ALL_TEXT, DAY, event

ROWS = 100_000
MINUTES = OutcomeMetric(name="minutes", json_path="$.minutes", minimum=0, maximum=1440)

GARBAGE = [
    "", " ", "NaN", "inf", "-1", "1e400", "0x1f", "null", "None", "\x00", "\n", "\ufeff", "😀",
    "\u202e", "../..", "a|b", "'; DROP TABLE x; --", "{", "[]", '{"minutes": -1}', "9" * 400,
    '{"minutes": {"a": 1}}', "2026-02-30T00:00:00Z", "2026-03-10", "24:00", "LOW", "100.0000001",
    "2026-03-10T25:00:00Z", "true", "1,5", "١٢", "Europe/Berlin ", "\\", "$.x", "a" * 3000,
]  # fmt: skip
LEGAL: dict[str, list[str | None]] = {
    "user_id": ["ada", "b.c@d", "X" * 64],
    "event_type": ["SESSION_ENDED", "NEW_TYPE"],
    "time_zone": [None, "Asia/Tokyo", "America/St_Johns"],
    "session_performance_score": [None, "0", "100", "55.5", "1e1", "+7"],
    "engagement_level": [None, "LOW"],
    "completion_quality": [None, "RUSHED"],
    "content_type": [None, "ünïcode text"],
    "event_data": [None, "{}", '{"minutes": 12}', '{"minutes": "30"}', "[1, 2]"],
}


def rows(seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name, value in event(0).items():
        legal = np.array(LEGAL.get(name, [value]), dtype=object)
        chosen = legal[rng.integers(0, len(legal), ROWS)]
        if name == "event_id":
            chosen = np.array([f"e{n}" for n in rng.integers(0, ROWS, ROWS)], dtype=object)
        if name == "occurred_at":
            seconds = rng.integers(0, 86_400, ROWS)
            start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
            chosen = np.array(
                [(start + timedelta(seconds=int(s))).isoformat() for s in seconds], dtype=object
            )
        broken = rng.random(ROWS) < 0.03
        garbage = np.array([*GARBAGE, None], dtype=object)
        chosen[broken] = garbage[rng.integers(0, len(garbage), int(broken.sum()))]
        columns[name] = pa.array(chosen.tolist(), pa.string())
    return pa.table(columns, schema=ALL_TEXT)


def keeps_every_rule(row: dict[str, Any], zones: set[str]) -> bool:
    """Check one valid row against the contract, written a second time."""
    plain = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
    score, data = row["session_performance_score"], row["event_data"]
    minutes = json.loads(data) if data is not None else {}
    minutes = minutes.get("minutes") if isinstance(minutes, dict) else None
    texts = [row[n] for n in ("content_type", "difficulty_level", "experiment_phase")]
    return (
        plain.fullmatch(row["event_id"]) is not None
        and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}", row["user_id"]) is not None
        and ".." not in row["user_id"]
        and row["occurred_at"].astimezone(UTC).date() == DAY
        and row["occurred_at"] <= row["ingested_at"] + timedelta(days=1)
        and re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", row["event_type"]) is not None
        and (row["time_zone"] is None or row["time_zone"] in zones)
        and (score is None or (math.isfinite(score) and 0 <= score <= 100))
        and row["engagement_level"] in (None, "LOW", "MEDIUM", "HIGH")
        and row["completion_quality"] in (None, "RUSHED", "NORMAL", "THOROUGH")
        and all(text is None or plain.fullmatch(text) for text in texts)
        and (minutes is None or 0 <= float(minutes) <= 1440)
    )


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    table = rows(seed=20260310)
    valid_path, rejected_path = tmp_path / "valid.parquet", tmp_path / "rejected.parquet"
    batches = table.to_batches(max_chunksize=30_000)
    day = RawDay(DAY, batches, valid_path, rejected_path)
    (summary,) = validate_days([day], (MINUTES,))
    valid = pq.read_table(valid_path).to_pylist()
    rejected = pq.read_table(rejected_path)
    assert (summary.read, summary.adds_up) == (ROWS, True)
    assert len(valid) == summary.valid
    assert rejected.num_rows == summary.rejected + summary.duplicates
    zones = available_timezones()
    assert [row for row in valid if not keeps_every_rule(row, zones)] == []
    ids = Counter(row["event_id"] for row in valid)
    assert max(ids.values()) == 1
    rules = set(rejected["rule"].to_pylist())
    assert {"required", "legal_id", "is_number", "in_range", "json", "duplicate"} <= rules
    assert ROWS * 0.3 < summary.valid < ROWS * 0.7
    # Every valid event is there because some delivered row of its id said so, unchanged.
    delivered = {
        (row["event_id"], row["user_id"], row["event_type"], row["event_data"])
        for row in table.to_pylist()
    }
    kept = {(r["event_id"], r["user_id"], r["event_type"], r["event_data"]) for r in valid}
    assert kept <= delivered
