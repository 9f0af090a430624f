"""The lake and the sources' versions: whole files, the same bytes, and what counts as changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.schema import as_raw, common_raw_schema, raw_schema
from its_pipeline.events.sources.base import CombinedSource, DayRead, same_version
from its_pipeline.files import parquet as parquet_module
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.parquet import file_batches
from its_pipeline.stores.lake import VALID_EVENTS, Lake
from its_pipeline.stores.warehouse import rebuild_warehouse

DAY = date(2026, 3, 10)
SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string())])


def table(first: int, count: int) -> pa.Table:
    numbers = list(range(first, first + count))
    return pa.table([numbers, [f"t{n}" for n in numbers]], schema=SCHEMA)


def test_how_rows_were_batched_leaves_no_trace(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(parquet_module, "ROW_GROUP_ROWS", 100)
    contents = []
    for size in (1, 7, 250):
        lake = Lake(tmp_path / str(size))
        batches = (table(n, min(size, 250 - n)) for n in range(0, 250, size))
        written = lake.write(VALID_EVENTS, DAY, SCHEMA, batches, {"its.version": "v"})
        assert (written.rows, pq.read_metadata(written.path).num_row_groups) == (250, 3)
        contents.append(written.path.read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert lake.metadata(VALID_EVENTS, DAY) == {"its.version": "v"}
    assert lake.read(VALID_EVENTS, DAY)["n"].to_pylist() == list(range(250))


def test_a_failing_writer_leaves_the_earlier_partition_and_nothing_else(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(VALID_EVENTS, DAY, SCHEMA, [table(0, 3)])

    def breaks_off() -> Iterator[pa.Table]:
        yield table(5, 3)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        lake.write(VALID_EVENTS, DAY, SCHEMA, breaks_off())
    assert lake.read(VALID_EVENTS, DAY)["n"].to_pylist() == [0, 1, 2]
    assert [path.name for path in lake.path(VALID_EVENTS, DAY).parent.iterdir()] == [
        "events.parquet"
    ]


def test_only_finished_days_are_listed_and_leftovers_are_removed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.days(VALID_EVENTS) == []
    lake.write(VALID_EVENTS, DAY, SCHEMA, [table(0, 1)])
    (tmp_path / VALID_EVENTS / "day=2026-03-11").mkdir()
    (tmp_path / VALID_EVENTS / "notes").mkdir()
    leftover = lake.path(VALID_EVENTS, DAY).with_name(f"{UNFINISHED_PREFIX}x.parquet")
    leftover.write_bytes(b"half")
    assert lake.days(VALID_EVENTS) == [DAY]
    with lake.exclusive(VALID_EVENTS, DAY):
        assert not leftover.exists()


def test_long_rows_are_read_in_small_batches(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(parquet_module, "ROW_GROUP_BYTES", 50_000)
    path = tmp_path / "long.parquet"
    rows = pa.table({"text": [str(n) + "x" * 10_000 for n in range(40)]})
    pq.write_table(rows, path, use_dictionary=False, compression="none")
    sizes = [batch.num_rows for batch in file_batches(path)]
    assert sum(sizes) == 40
    assert max(sizes) <= 5


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("", "", True),
        ("a:1", "a:1", True),
        ("a:1", "a:2", False),
        ("a:1", "", False),
        ("a:1", "a:1 b:2", False),
        ("a:1|x", "a:1|x", True),
        ("a:1|x", "a:1|y", False),
        ("a:1|x", "a:1", True),
        ("a:2|x", "a:1", False),
        ("a:1|x b:2", "a:1 b:3", False),
    ],
)
def test_versions_are_compared_as_far_as_both_go(first: str, second: str, same: bool) -> None:
    assert same_version(first, second) is same
    assert same_version(second, first) is same


class FakeSource:
    """A source of one day."""

    def __init__(self, version: str, schema: pa.Schema, score: str | float | None) -> None:
        self._read = (version, schema, score)

    def day_versions(self) -> dict[date, str]:
        return {DAY: self._read[0]} if self._read[0] else {}

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        version, schema, score = self._read
        rows = pa.Table.from_pylist(
            [{"event_id": "e", "session_performance_score": score}] if version else [],
            schema=schema,
        )
        yield DayRead(version, schema, iter([rows]))


def test_sources_of_different_types_are_read_as_one() -> None:
    text = raw_schema({"session_performance_score"})
    combined = CombinedSource(
        {
            "typed": FakeSource("1", raw_schema(), 70.5),
            "text": FakeSource("2", text, "n/a"),
            "silent": FakeSource("", raw_schema(), None),
        }
    )
    assert combined.day_versions() == {DAY: "typed:1 text:2"}
    with combined.read_day(DAY) as read:
        rows = pa.concat_tables(list(read.batches))
    assert read.version == "typed:1 text:2"
    assert rows["session_performance_score"].to_pylist() == ["70.5", "n/a"]
    assert common_raw_schema([raw_schema(), raw_schema()]) == raw_schema()


def test_what_is_neither_text_nor_of_its_type_is_refused() -> None:
    wrong = pa.table({"session_performance_score": pa.array([["a"]])})
    with pytest.raises(pa.ArrowException):
        as_raw(wrong, raw_schema())


def test_a_warehouse_holds_what_there_is(tmp_path: Path) -> None:
    pq.write_table(table(0, 4), tmp_path / "a.parquet")
    tables = {"daily_outcomes": tmp_path / "a.parquet", "evidence": tmp_path / "none.parquet"}
    warehouse = rebuild_warehouse(tmp_path / "w.duckdb", tables)
    assert warehouse.rows == {"daily_outcomes": 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "w.duckdb"]
    with pytest.raises(ValueError, match="table name must be"):
        rebuild_warehouse(tmp_path / "w.duckdb", {'x"; DROP': tmp_path / "a.parquet"})
