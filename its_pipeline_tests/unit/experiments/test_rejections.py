"""Counting a person's rejected events while days are being validated again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa

from its_pipeline.experiments.rejections import Rejections
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.stores.lake import REJECTED_EVENTS, Lake

DAYS = (date(2026, 3, 1), date(2026, 3, 2))


def quarantine(root: Path) -> Lake:
    lake = Lake(root)
    for day in DAYS:
        rows = pa.table({"user_id": ["ada", "ada", "bob"], "rule": ["range", "future", "range"]})
        lake.write(REJECTED_EVENTS, day, rows.schema, [rows])
    return lake


def test_rejections_are_counted_by_person_rule_and_days_inclusive(tmp_path: Path) -> None:
    quarantine(tmp_path)
    counts = Rejections(tmp_path)
    assert counts.of("ada", None, None) == {"future": 2, "range": 2}
    assert counts.of("ada", DAYS[1], DAYS[1]) == {"future": 1, "range": 1}
    assert counts.of("bob", None, DAYS[0]) == {"range": 1}
    assert counts.of("cyd", None, None) == {}


def test_no_quarantine_is_no_rejection(tmp_path: Path) -> None:
    assert Rejections(tmp_path).of("ada", None, None) == {}


def test_a_partition_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    lake = quarantine(tmp_path)
    half = lake.path(REJECTED_EVENTS, DAYS[0]).with_name(f"{UNFINISHED_PREFIX}0f.parquet")
    half.write_bytes(b"PAR1 and no end")
    (tmp_path / REJECTED_EVENTS / "day=2026-03-03").mkdir()
    assert Rejections(tmp_path).of("ada", None, None) == {"future": 2, "range": 2}
