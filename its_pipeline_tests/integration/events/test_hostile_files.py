"""Twenty hostile inputs: each gets what the contract promises, the rest goes on unharmed."""

from __future__ import annotations

import json
import os
import threading
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events import reading
from its_pipeline.events.daily import read_series
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.importing import import_file
from its_pipeline.events.inbox import inbox_dir, take_inbox
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.validation import RawDay, validate_days
from its_pipeline.ingest import daily
from its_pipeline.ingest import steps as ingest
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import REJECTED_EVENTS
from its_pipeline_tests.unit.events.factories import ALL_TEXT, DAY, event

MAPPING = ImportMapping(time="time", user="user", outcomes={"mood": "mood"})
SCORES = ImportMapping(
    time="time",
    user="user",
    outcomes={"sessionPerformanceScore": "score"},
    event_type="SESSION_ENDED",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store_root=tmp_path / "store")


def taken(settings: Settings, path: Path, mapping: ImportMapping = MAPPING) -> dict[str, Any]:
    """Import a file and run it through; return counts and the first broken rules."""
    imported = import_file(settings, path, mapping, anyway=True)
    days = ingest.changed_days(settings)
    exported = [ingest.export_day(settings, day) for day in days]
    results = [ingest.validate_day_partition(settings, day) for day in days]
    assert sum(export.rows for export in exported) == imported.rows
    assert all(result.summary.adds_up for result in results)
    daily.build_daily(settings)
    rules: dict[str, int] = {}
    for result in results:
        for broken in result.summary.broken_rules:
            rules[broken.rule] = rules.get(broken.rule, 0) + broken.rows
    return {
        "rows": imported.rows,
        "valid": sum(result.summary.valid for result in results),
        "rules": rules,
    }


def values(settings: Settings, user: str = "ada", outcome: str = "mood") -> list[float]:
    return read_series(settings.daily_outcomes_path, user, outcome)["value"].tolist()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


GOOD = "user,time,mood\nada,2026-03-10T10:00:00Z,5\nada,2026-03-11T10:00:00Z,6\n"


def test_01_truncated_parquet(settings: Settings, tmp_path: Path) -> None:
    whole = tmp_path / "a.parquet"
    table = pa.table({"user": ["ada"] * 2, "time": ["2026-03-10T10:00:00Z"] * 2, "mood": [5, 7]})
    pq.write_table(table, whole)
    assert taken(settings, whole)["valid"] == 2
    content = whole.read_bytes()
    write(whole, content[: len(content) // 2])
    with pytest.raises(ImportFileError, match=r"a\.parquet: not a complete Parquet.*deliver it"):
        import_file(settings, whole, MAPPING)
    assert ingest.changed_days(settings) == []
    assert values(settings) == [6.0]


def test_02_wrong_encoding(settings: Settings, tmp_path: Path) -> None:
    header = "user,time,mood,näme\nada,2026-03-10T10:00:00Z,5,\n".encode("latin-1")
    with pytest.raises(ImportFileError, match=r"not in encoding utf-8.*set encoding"):
        import_file(settings, write(tmp_path / "a.csv", header), MAPPING)
    body = GOOD.encode() + b"ada,2026-03-10,1\n" * 9000 + "adä,2026-03-10,5\n".encode("latin-1")
    with pytest.raises(ImportFileError, match=r"b\.csv: not readable as CSV .*encoding"):
        import_file(settings, write(tmp_path / "b.csv", body), MAPPING)
    latin = MAPPING.model_copy(update={"encoding": "latin-1"})
    assert taken(settings, tmp_path / "b.csv", latin)["rules"] == {"legal_id": 1}


def test_03_byte_order_mark(settings: Settings, tmp_path: Path) -> None:
    assert taken(settings, write(tmp_path / "a.csv", "\ufeff" + GOOD))["valid"] == 2
    assert values(settings) == [5.0, 6.0]


def test_04_crlf(settings: Settings, tmp_path: Path) -> None:
    assert taken(settings, write(tmp_path / "a.csv", GOOD.replace("\n", "\r\n")))["valid"] == 2


def test_05_semicolons_and_decimal_commas(settings: Settings, tmp_path: Path) -> None:
    content = "user;time;mood\nada;2026-03-10T10:00:00Z;5,5\n"
    comma = MAPPING.model_copy(update={"decimal_comma": True})
    taken(settings, write(tmp_path / "a.csv", content), comma)
    assert values(settings) == [5.5]


def test_06_quoted_newlines_and_delimiters(settings: Settings, tmp_path: Path) -> None:
    content = 'user,note,time,mood\nada,"two\nlines, ""quoted""",2026-03-10T10:00:00Z,5\n'
    assert taken(settings, write(tmp_path / "a.csv", content))["valid"] == 1
    assert values(settings) == [5.0]


def test_07_numbers_as_text(settings: Settings, tmp_path: Path) -> None:
    content = '{"user":"ada","time":"2026-03-10T10:00:00Z","mood":"5"}\n'
    content += '{"user":"ada","time":"2026-03-10T11:00:00Z","mood":"five"}\n'
    result = taken(settings, write(tmp_path / "a.jsonl", content))
    assert (result["valid"], result["rules"]) == (1, {"is_number": 1})
    assert values(settings) == [5.0]


def test_08_nan_infinity_and_overflow(settings: Settings, tmp_path: Path) -> None:
    rows = "".join(
        f"ada,2026-03-10T10:0{n}:00Z,{text}\n"
        for n, text in enumerate(["NaN", "inf", "-Infinity", "1e400", "50"])
    )
    result = taken(settings, write(tmp_path / "a.csv", "user,time,score\n" + rows), SCORES)
    assert (result["valid"], result["rules"]) == (1, {"is_number": 3, "finite": 1})
    other = Settings(store_root=tmp_path / "other")
    result = taken(other, write(tmp_path / "b.csv", "user,time,mood\n" + rows))
    assert (result["valid"], sum(result["rules"].values())) == (1, 4)
    assert values(other) == [50.0]


def test_09_years_1970_and_9999(settings: Settings, tmp_path: Path) -> None:
    content = GOOD + "ada,1970-01-01T00:00:00Z,1\nada,9999-12-31T23:59:59Z,1\nada,0000-00-00,1\n"
    content += "ada,1899-12-31,1\nada,1900-01-02,1\nada,1970-01-02,1\n"
    result = taken(settings, write(tmp_path / "a.csv", content))
    assert result["valid"] == 4
    assert result["rules"] == {
        "not_too_old": 1, "not_zero": 1, "not_in_the_future": 1, "is_instant_with_offset": 1,
    }  # fmt: skip


def test_10_naive_and_mixed_time_stamps(settings: Settings, tmp_path: Path) -> None:
    content = (
        "user,time,mood\nada,2026-03-10 23:30:00,1\nada,2026-03-10T23:30:00Z,3\n"
        "ada,2026-03-10T23:30:00-05:00,5\nada,2026-03-10,7\nada,10/03/2026,9\n"
    )
    berlin = MAPPING.model_copy(update={"time_zone": "Europe/Berlin"})
    result = taken(settings, write(tmp_path / "a.csv", content), berlin)
    assert (result["valid"], result["rules"]) == (4, {"is_instant_with_offset": 1})
    series = read_series(settings.daily_outcomes_path, "ada", "mood")
    assert [day.date() for day in series["day"]] == [date(2026, 3, 10), date(2026, 3, 11)]
    assert series["value"].tolist() == [4.0, 4.0]


def test_11_emoji_and_right_to_left_ids(settings: Settings, tmp_path: Path) -> None:
    content = (
        GOOD + "😀,2026-03-10T10:00:00Z,1\n\u202eada,2026-03-10T10:00:00Z,1\nשלום,2026-03-10,1\n"
    )
    result = taken(settings, write(tmp_path / "a.csv", content))
    assert (result["valid"], result["rules"]) == (2, {"legal_id": 3})


def test_12_paths_and_separators_in_ids(settings: Settings, tmp_path: Path) -> None:
    content = GOOD + "../../etc/passwd,2026-03-10,1\na|b,2026-03-10,1\na..b,2026-03-10,1\n"
    result = taken(settings, write(tmp_path / "a.csv", content))
    assert (result["valid"], result["rules"]) == (2, {"legal_id": 2, "no_double_dot": 1})
    rows = ingest.open_lake(settings).read(REJECTED_EVENTS, DAY).to_pylist()
    assert {row["value"] for row in rows} == {"../../etc/passwd", "a|b", "a..b"}


def test_13_a_10_mb_json(tmp_path: Path) -> None:
    large = json.dumps({"text": "x" * 10_000_000})
    table = pa.Table.from_pylist([event(0, event_data=large), event(1)], schema=ALL_TEXT)
    valid, rejected = tmp_path / "v.parquet", tmp_path / "r.parquet"
    (summary,) = validate_days([RawDay(DAY, [table], valid, rejected)], ())
    assert (summary.valid, summary.rejected) == (1, 1)
    row = pq.read_table(rejected).to_pylist()[0]
    assert row["rule"] == "at_most_1_mib"
    assert len(row["event_data"]) == 1000


def test_14_a_million_duplicates(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([event(0)], schema=ALL_TEXT)
    batch = table.take(pa.array([0] * 50_000))
    before = pa.total_allocated_bytes()
    batches = (batch for _ in range(20))
    day = RawDay(DAY, batches, tmp_path / "v.parquet", tmp_path / "r.parquet")
    (summary,) = validate_days([day], ())
    assert (summary.read, summary.valid, summary.duplicates) == (1_000_000, 1, 999_999)
    assert pq.read_metadata(tmp_path / "r.parquet").num_rows == 999_999
    assert pa.total_allocated_bytes() - before < 200_000_000


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_15_an_empty_file(settings: Settings, tmp_path: Path, name: str) -> None:
    with pytest.raises(ImportFileError, match=r"the file is empty; deliver it again"):
        import_file(settings, write(tmp_path / name, ""), MAPPING)
    assert ingest.changed_days(settings) == []


def test_15b_a_header_without_rows(settings: Settings, tmp_path: Path) -> None:
    assert taken(settings, write(tmp_path / "a.csv", "user,time,mood\n"))["rows"] == 0


def test_16_a_file_growing_while_read(settings: Settings, tmp_path: Path) -> None:
    inbox = inbox_dir(settings)
    file = write(inbox / "a.csv", GOOD)
    write(inbox / "mapping.yaml", "{time: time, user: user, outcomes: {mood: mood}}")

    def grow(_seconds: float) -> None:
        with file.open("a") as more:
            more.write("ada,2026-03-12T10:00:00Z,7\n")

    assert [found.outcome for found in take_inbox(settings, 1.0, sleep=grow)] == ["growing"]
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert [found.outcome for found in take_inbox(settings, 1.0, lambda _: None)] == ["taken"]
    pipe_read, pipe_write = tmp_path / "growing.csv", "user,time,mood\n" + "ada,2026-03-10,1\n" * 9
    write(pipe_read, pipe_write * 20_000)
    stop = threading.Event()

    def keep_growing() -> None:
        with pipe_read.open("a") as more:
            while not stop.is_set():
                more.write("ada,2026-03-10,1\n")
                more.flush()

    writer = threading.Thread(target=keep_growing)
    writer.start()
    try:
        with pytest.raises(ImportFileError, match="changed while it was read"):
            import_file(settings, pipe_read, MAPPING)
    finally:
        stop.set()
        writer.join()


def test_16_half_a_row_of_a_growing_file_is_no_fault_of_the_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "growing.csv", GOOD)

    def grow(_path: Path) -> None:
        with file.open("a") as more:
            more.write("ada,2026-03")

    monkeypatch.setattr(reading, "refuse_packed", grow)  # Between its signature and its rows.
    with pytest.raises(ImportFileError, match="changed while it was read"):
        import_file(settings, file, MAPPING)
    monkeypatch.undo()
    with pytest.raises(ImportFileError, match="Expected 3 columns, got 2"):
        import_file(settings, file, MAPPING)


def test_17_a_column_missing(settings: Settings, tmp_path: Path) -> None:
    for name, content in (
        ("a.csv", b"user,time\nada,2026-03-10\n"),
        ("a.jsonl", b'{"user": "ada", "time": "2026-03-10"}\n'),
    ):
        with pytest.raises(ImportFileError, match=rf"{name}: column 'mood' is missing; the file"):
            import_file(settings, write(tmp_path / name, content), MAPPING)
    pq.write_table(pa.table({"user": ["ada"], "time": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(ImportFileError, match=r"a\.parquet: column 'mood' is missing.*user, time"):
        import_file(settings, tmp_path / "a.parquet", MAPPING)


def test_18_a_column_renamed_keeps_the_earlier_version(settings: Settings, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", GOOD)
    taken(settings, file)
    write(file, GOOD.replace("mood", "Mood"))
    with pytest.raises(ImportFileError, match=r"column 'mood' is missing; the file has .*Mood"):
        import_file(settings, file, MAPPING)
    daily.build_daily(settings)
    assert values(settings) == [5.0, 6.0]


def test_19_two_versions_of_a_day(settings: Settings, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", GOOD)
    taken(settings, file)
    assert not import_file(settings, file, MAPPING).taken
    write(file, "user,time,mood\nada,2026-03-10T10:00:00Z,9\n")
    second = import_file(settings, file, MAPPING)
    assert (second.version, second.taken) == (2, True)
    assert ingest.changed_days(settings) == [date(2026, 3, 10), date(2026, 3, 11)]
    for day in ingest.changed_days(settings):
        ingest.export_day(settings, day)
        ingest.validate_day_partition(settings, day)
    daily.build_daily(settings)
    assert values(settings) == [9.0]


def test_20_json_lines_with_broken_and_foreign_lines(settings: Settings, tmp_path: Path) -> None:
    good = '{"user":"ada","time":"2026-03-10T10:00:00Z","mood":5}\n'
    for line, text in (("{", "is not JSON"), ("[1]", "is not a JSON object")):
        with pytest.raises(ImportFileError, match=rf"line 2 {text}"):
            import_file(settings, write(tmp_path / "a.jsonl", good + line + "\n"), MAPPING)
    content = good + '{"user":"ada","time":"2026-03-10T11:00:00Z","mood":1e400}\n'
    result = taken(settings, write(tmp_path / "a.jsonl", content))
    assert (result["valid"], sum(result["rules"].values())) == (1, 1)


def test_typed_parquet_keeps_instants_and_nulls(settings: Settings, tmp_path: Path) -> None:
    moment = datetime(2026, 3, 10, 23, 30)
    table = pa.table(
        {
            "user": pa.array(["ada", "ada", "bob"]).dictionary_encode(),
            "time": pa.array([moment] * 3, pa.timestamp("ns", tz="Europe/Berlin")),
            "mood": pa.array([1, None, 3], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert taken(settings, tmp_path / "a.parquet")["valid"] == 3
    assert values(settings) == [1.0]
    assert values(settings, "bob") == [3.0]
