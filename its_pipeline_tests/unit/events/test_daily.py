"""Daily outcomes: against a plain-Python reference over random events, zones, order and files."""

from __future__ import annotations

import json
import math
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from its_pipeline.events.closed_days import ClosedDays
from its_pipeline.events.daily import (
    SERIES_COLUMNS,
    build_daily_outcomes,
    read_series,
    write_outcomes_through,
    write_people,
    zone_offsets,
)
from its_pipeline.events.metrics import SHIPPED, OutcomeMetric
from its_pipeline.events.schema import EVENT_SCHEMA
from its_pipeline.events.validation import RawDay, validate_days
from its_pipeline_tests.unit.events.reference import daily_outcomes

ALL_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SCORE = "session_performance_score"
METRICS = (
    *SHIPPED,
    OutcomeMetric(name="sessions", event_types=("SESSION_ENDED",), aggregation="count",
                  zero_days=True),
    OutcomeMetric(name="thorough", column="completion_quality", aggregation="rate",
                  equals="THOROUGH"),
    OutcomeMetric(name="minutes", json_path="$.minutes", aggregation="mean"),
    OutcomeMetric(name="minutesSum", json_path="$.minutes", aggregation="sum", zero_days=True),
    OutcomeMetric(name="scoreMedian", column=SCORE, aggregation="median"),
    OutcomeMetric(name="scored", column=SCORE, aggregation="count"),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}

# Both changes of clocks of 2026 in Europe and Lord Howe (half an hour), and zones off the hour.
ZONES = (None, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Honolulu")
STARTS = (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 4, 4, tzinfo=UTC),
          datetime(2026, 10, 24, tzinfo=UTC))  # fmt: skip


@st.composite
def events(draw: st.DrawFn, days: int = 3) -> list[dict[str, Any]]:
    """Some events of two people within a few UTC days; ids repeat within a UTC day."""
    start = draw(st.sampled_from(STARTS))
    found = []
    for _ in range(draw(st.integers(1, 40))):
        microseconds = draw(st.integers(0, days * 86_400_000_000 - 1))
        quarter = draw(st.booleans())
        if quarter:
            microseconds -= microseconds % 900_000_000
        occurred = start + timedelta(microseconds=microseconds)
        minutes = draw(st.none() | st.floats(-1e9, 1e9, allow_subnormal=False))
        ended = draw(st.booleans())
        found.append(
            {
                "event_id": f"{occurred.date()}-{draw(st.integers(0, 30))}",
                "user_id": draw(st.sampled_from(["ada", "bob"])),
                "occurred_at": occurred,
                "event_type": "SESSION_ENDED" if ended else "CARD_REVIEWED",
                "time_zone": draw(st.sampled_from(ZONES)),
                SCORE: draw(st.none() | st.floats(0, 100, allow_subnormal=False)),
                "completion_quality": draw(st.sampled_from([None, "RUSHED", "THOROUGH"])),
                "event_data": None if minutes is None else json.dumps({"minutes": minutes}),
                "ingested_at": occurred + timedelta(microseconds=len(found) + 1),
            }
        )
    # Of one id, deliveries must differ in ingested_at for "the latest" to mean one of them.
    for number, event in enumerate(found):
        event["ingested_at"] = start + timedelta(days=days, microseconds=number)
    return found


def _built(files: list[Path], folder: Path, **options: Any) -> tuple[dict[Any, Any], bytes]:
    out = folder / "daily.parquet"
    build_daily_outcomes(files, BY_NAME, out, **options)
    rows = {
        (row["user_id"], row["outcome"], row["day"]): (
            row["value"], row["n_events"], row["share_morning"], row["share_afternoon"],
            row["share_evening"], row["share_night"],
        )
        for row in pq.read_table(out).to_pylist()
    }  # fmt: skip
    return rows, out.read_bytes()


def _assert_same(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        told = [math.nan if value is None else value for value in found[key]]
        wanted = [math.nan if value is None else value for value in row]
        assert told == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), key


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=EVENT_SCHEMA), path)
    return path


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=ALL_CHECKS)
@given(events(), st.integers(0, 39), st.randoms(use_true_random=False))
def test_daily_outcomes_equal_the_reference_however_split_and_ordered(
    drawn: list[dict[str, Any]], cut: int, shuffle: Any
) -> None:
    unique = list({event["event_id"]: event for event in drawn}.values())
    expected = daily_outcomes(unique, METRICS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, content = _built([_write(folder / "all.parquet", unique)], folder)
        _assert_same(found, expected)
        shuffle.shuffle(unique)
        files = [
            _write(folder / "a.parquet", unique[:cut]),
            _write(folder / "b.parquet", unique[cut:]),
        ]
        again, content_again = _built(files[::-1], folder, threads=1)
        assert again == found
        assert content_again == content


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=ALL_CHECKS)
@given(events(days=9), st.integers(-1, 9), st.integers(0, 4))
def test_outcomes_are_the_same_when_the_events_of_closed_days_are_gone(
    drawn: list[dict[str, Any]], closed_after: int, and_later: int
) -> None:
    unique = list({event["event_id"]: event for event in drawn}.values())
    start = min(event["occurred_at"] for event in unique).date()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        days = sorted({event["occurred_at"].date() for event in unique})
        files = {
            day: _write(
                folder / f"{day}.parquet", [e for e in unique if e["occurred_at"].date() == day]
            )
            for day in days
        }
        expected, content = _built(list(files.values()), folder)
        closed = None
        # Closed twice: what was known of closed days goes into what is known later.
        for number, through in enumerate((closed_after, closed_after + and_later)):
            last = ClosedDays(folder / str(number), start + timedelta(days=through))
            going = [day for day in files if day <= last.gone_through]
            if not going:
                continue
            last.folder.mkdir()
            write_outcomes_through(folder / "daily.parquet", last.outcomes, last.last_local_on)
            write_people([files.pop(day) for day in going], last.people, closed)
            closed = last
            again, content_again = _built(list(files.values()), folder, closed=closed)
            assert again == expected
            assert content_again == content


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=ALL_CHECKS)
@given(events(), st.randoms(use_true_random=False))
def test_redelivery_and_order_change_nothing_from_contract_to_outcomes(
    drawn: list[dict[str, Any]], shuffle: Any
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = daily_outcomes(drawn, METRICS)
        first, content = _built(_validated(drawn, folder / "first"), folder)
        _assert_same(first, expected)
        delivered = drawn + drawn
        shuffle.shuffle(delivered)
        second, content_again = _built(_validated(delivered, folder / "second"), folder)
        assert content_again == content
        assert second == first


def _validated(rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    folder.mkdir()
    files = []
    for day in sorted({row["occurred_at"].date() for row in rows}):
        of_day = [row for row in rows if row["occurred_at"].date() == day]
        table = pa.Table.from_pylist(of_day, schema=EVENT_SCHEMA)
        target = folder / f"{day}.parquet"
        raw = RawDay(day, table.to_batches(7), target, folder / "rejected.parquet")
        (counts,) = validate_days([raw], ())
        assert counts.adds_up
        assert counts.rejected == 0
        files.append(target)
    return files


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Pacific/Auckland", date(2026, 4, 5), 25),
        ("Pacific/Honolulu", date(2026, 3, 29), 24),
        ("America/New_York", date(2028, 2, 29), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_a_local_day_has_the_hours_it_has(
    tmp_path: Path, zone: str, day: date, hours: float
) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    quarters = [start + timedelta(minutes=15 * n) for n in range(4 * 24 * 3)]
    rows = [
        {
            "event_id": f"e{n}", "user_id": "ada", "occurred_at": moment,
            "event_type": "SESSION_ENDED", "time_zone": zone, SCORE: 1.0, "ingested_at": moment,
        }
        for n, moment in enumerate(quarters)
    ]  # fmt: skip
    build_daily_outcomes([_write(tmp_path / "e.parquet", rows)], BY_NAME, tmp_path / "d.parquet")
    series = read_series(tmp_path / "d.parquet", "ada", "sessions").set_index("day")
    assert series.loc[pd.Timestamp(day), "value"] == hours * 4


@pytest.mark.parametrize(
    ("clock", "share"),
    [
        ("04:59:59.999999", "night"),
        ("05:00:00", "morning"),
        ("11:59:59.999999", "morning"),
        ("12:00:00", "afternoon"),
        ("16:59:59.999999", "afternoon"),
        ("17:00:00", "evening"),
        ("21:59:59.999999", "evening"),
        ("22:00:00", "night"),
        ("00:00:00", "night"),
    ],
)
def test_the_parts_of_a_day_begin_at_their_hour(tmp_path: Path, clock: str, share: str) -> None:
    moment = datetime.fromisoformat(f"2026-03-10T{clock}+00:00")
    row = {
        "event_id": "e", "user_id": "ada", "occurred_at": moment, "event_type": "SESSION_ENDED",
        "time_zone": "UTC", SCORE: 1.0, "ingested_at": moment,
    }  # fmt: skip
    build_daily_outcomes([_write(tmp_path / "e.parquet", [row])], BY_NAME, tmp_path / "d.parquet")
    series = read_series(tmp_path / "d.parquet", "ada", "sessionPerformanceScore")
    shares = series.filter(like="share_").iloc[0].to_dict()
    assert {name for name, value in shares.items() if value != 0.0} == {f"share_{share}"}
    assert shares[f"share_{share}"] == 1.0


def test_sums_do_not_depend_on_the_order_of_the_events(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    moment = datetime(2026, 3, 10, 9, tzinfo=UTC)
    values = rng.standard_normal(500) * 10.0 ** rng.integers(-9, 9, 500)
    rows = [
        {
            "event_id": f"e{n}", "user_id": "ada", "occurred_at": moment,
            "event_type": "SESSION_ENDED", "time_zone": "UTC", SCORE: float(rng.random() * 100),
            "event_data": json.dumps({"minutes": value}), "ingested_at": moment,
        }
        for n, value in enumerate(values)
    ]  # fmt: skip
    contents = set()
    for _ in range(4):
        rng.shuffle(rows)  # pyright: ignore[reportArgumentType]
        contents.add(_built([_write(tmp_path / "e.parquet", rows)], tmp_path)[1])
    assert len(contents) == 1


def test_offsets_follow_the_zone_through_a_change() -> None:
    table = zone_offsets(["Europe/Berlin"], date(2026, 3, 28), date(2026, 3, 30)).to_pylist()
    assert [row["offset_us"] / 3.6e9 for row in table] == [1, 1, 2]
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert table[1]["changes_at"] == int(change.timestamp() * 1e6)
    assert change.astimezone(ZoneInfo("Europe/Berlin")).hour == 3


def test_offsets_of_old_days_change_on_the_very_second() -> None:
    # Amsterdam left its own mean time, 19 min 32 s ahead of Greenwich, at 0 o'clock on 1937-07-01.
    [row] = zone_offsets(["Europe/Amsterdam"], date(1937, 6, 30), date(1937, 6, 30)).to_pylist()
    zone = ZoneInfo("Europe/Amsterdam")
    second = timedelta(seconds=1)
    change = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["changes_at"])
    before, after = (change - second).astimezone(zone), change.astimezone(zone)
    assert before.utcoffset() == timedelta(microseconds=row["offset_us"])
    assert after.utcoffset() == timedelta(microseconds=row["later_offset_us"])
    assert before.utcoffset() != after.utcoffset()


def test_a_series_is_read_alone_and_typed(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 10, 9, tzinfo=UTC)
    rows = [
        {
            "event_id": f"{user}{n}", "user_id": user, "occurred_at": moment + timedelta(days=n),
            "event_type": "SESSION_ENDED", "time_zone": "UTC", SCORE: float(n),
            "ingested_at": moment + timedelta(days=n),
        }
        for user in ("a", "b", "c")
        for n in range(30)
        if n % 3
    ]  # fmt: skip
    out = tmp_path / "d.parquet"
    build_daily_outcomes([_write(tmp_path / "e.parquet", rows)], BY_NAME, out)
    frame = read_series(out, "b", "sessionPerformanceScore")
    assert tuple(frame.columns) == SERIES_COLUMNS
    assert frame["day"].dtype == "datetime64[ns]"
    assert frame["value"].tolist() == [float(n) for n in range(30) if n % 3]
    assert (frame["share_morning"] == 1.0).all()
    assert read_series(out, "b", "sessions")["value"].tolist() == [
        float(bool(n % 3)) for n in range(1, 30)
    ]
    assert read_series(out, "nobody", "sessions").empty
    assert read_series(out, "b", "nothing").empty
    assert {user for user in "abcd" if not read_series(out, user, "sessions").empty} == set("abc")


def test_without_events_there_are_no_outcomes(tmp_path: Path) -> None:
    out = tmp_path / "d.parquet"
    assert build_daily_outcomes([], BY_NAME, out) == ()
    assert read_series(out, "ada", "sessions").empty
