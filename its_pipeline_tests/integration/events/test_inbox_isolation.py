"""One file of the drop folder, whatever it is, stops no other; and none shows what others hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events import file_rules
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.importing import import_file
from its_pipeline.events.inbox import InboxFile, inbox_dir, take_inbox
from its_pipeline.events.mapping import ImportMapping, MappingError, read_mapping_fields
from its_pipeline.settings import Settings

MAPPING = ImportMapping(time="time", user="user", outcomes={"mood": "mood"})
GOOD = "user,time,mood\nada,2026-03-10T10:00:00Z,5\nada,2026-03-11T10:00:00Z,6\n"
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(store_root=tmp_path / "store")
    folder = inbox_dir(settings)
    folder.mkdir(parents=True)
    (folder / "mapping.yaml").write_text("{time: time, user: user, outcomes: {mood: mood}}")
    (folder / "z.csv").write_text(GOOD)
    return settings


def outcomes(settings: Settings) -> dict[str, InboxFile]:
    return {found.name: found for found in take_inbox(settings, 0)}


def deep_json(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"user": "ada", "time": "2026-03-10", "mood": ' + DEEP + "}\n")


def deep_mapping(folder: Path) -> None:
    (folder / "a.csv").write_text(GOOD)
    (folder / "a.csv.mapping.yaml").write_text("[" * 3_000)


def link(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("hunter2,hunter3\n")
    (folder / "a.csv").symlink_to(secret)


def linked_mapping(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("hunter2: [hunter3\n")
    (folder / "a.csv").write_text(GOOD)
    (folder / "a.csv.mapping.yaml").symlink_to(secret)


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "a.csv")


def packed(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"\x1f\x8b\x08\x00" + bytes(40))


def repeated_text(folder: Path) -> None:
    """Write some kilobytes that unfold to 20 GB: one text of 100 kB, 200 000 times."""
    rows = 200_000
    text = pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), ["x" * 100_000])
    plain = pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), ["2026-03-10"])
    table = pa.table({"user": text, "time": plain, "mood": plain})
    pq.write_table(table, folder / "a.parquet")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (deep_json, "line 1 is nested too deeply"),
        (deep_mapping, "not a YAML file"),
        (link, "a link; only plain files"),
        (linked_mapping, "a link; only plain files"),
        (pipe, "a pipe; only plain files"),
        (packed, "a packed file (gzip)"),
        (repeated_text, "unfold to more than"),
    ],
)
def test_a_bad_file_is_refused_and_the_next_one_taken(
    settings: Settings, put: Callable[[Path], None], says: str
) -> None:
    put(inbox_dir(settings))
    found = outcomes(settings)
    assert found.pop("z.csv").outcome == "taken"
    ((name, bad),) = found.items()
    assert bad.outcome == "refused"
    assert says in bad.reason
    beside = (inbox_dir(settings) / f"{name}.error.txt").read_text()
    assert says in beside
    assert "hunter" not in beside
    again = outcomes(settings)
    assert (again["z.csv"].outcome, again[name].outcome) == ("unchanged", "refused")


def test_a_crash_is_that_files_with_its_traceback_beside_it_until_it_is_taken(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox_dir(settings) / "a.csv").write_text(GOOD.replace("ada", "bob"))

    own = inbox_dir(settings) / "a.csv.mapping.yaml"
    own.write_text((inbox_dir(settings) / "mapping.yaml").read_text())

    def falling(path: Path) -> dict[str, Any]:
        if path == own:
            raise MemoryError("no room")
        return read_mapping_fields(path)

    monkeypatch.setattr("its_pipeline.events.inbox.read_mapping_fields", falling)
    found = outcomes(settings)
    assert found["z.csv"].outcome == "taken"
    assert (found["a.csv"].outcome, found["a.csv"].reason.endswith("ended in MemoryError")) == (
        "refused",
        True,
    )
    beside = inbox_dir(settings) / "a.csv.error.txt"
    assert "Traceback" in beside.read_text()
    monkeypatch.undo()
    assert outcomes(settings)["a.csv"].outcome == "taken"
    assert not beside.exists()


def test_a_row_of_many_megabytes_is_refused(settings: Settings, tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(np.zeros(3, dtype=np.int32), ["x" * 40_000_000])
    plain = pa.array(["2026-03-10"] * 3)
    pq.write_table(pa.table({"user": text, "time": plain, "mood": plain}), tmp_path / "a.parquet")
    with pytest.raises(ImportFileError, match="unfold to a row of"):
        import_file(settings, tmp_path / "a.parquet", MAPPING)


def test_a_column_of_endless_lists_is_refused(settings: Settings, tmp_path: Path) -> None:
    lists = pa.array([[None] * 3_000_000], pa.list_(pa.int8()))
    plain = pa.array(["2026-03-10"])
    pq.write_table(pa.table({"user": plain, "time": plain, "mood": lists}), tmp_path / "a.parquet")
    with pytest.raises(ImportFileError, match="nested values"):
        import_file(settings, tmp_path / "a.parquet", MAPPING)


def test_long_texts_of_an_honest_file_come_through_in_parts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("its_pipeline.events.parquet_rows.BATCH_BYTES", 1000)
    table = pa.table(
        {
            "user": [f"u{n:03d}" * 20 for n in range(100)],
            "time": ["2026-03-10T10:00:00Z"] * 100,
            "mood": [*range(99), None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert import_file(settings, tmp_path / "a.parquet", MAPPING, anyway=True).rows == 100
    file = settings.store_root / "imports" / "a_parquet" / "000001" / "events.parquet"
    read = pq.read_table(file)
    assert read["user_id"].to_pylist() == table["user"].to_pylist()


def test_a_line_that_does_not_end_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("its_pipeline.events.reading.LINE_CHARACTERS", 100)
    file = tmp_path / "a.jsonl"
    file.write_text('{"user": "' + "a" * 200 + '"}\n')
    with pytest.raises(ImportFileError, match="line 1 is longer than 100 characters"):
        import_file(settings, file, MAPPING)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_column_that_is_there_twice_is_refused(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    if name == "a.csv":
        file.write_text("user,time,mood,mood\nada,2026-03-10,5,6\n")
    else:
        columns = [pa.array(["2026-03-10"])] * 4
        pq.write_table(pa.Table.from_arrays(columns, ["user", "time", "mood", "mood"]), file)
    with pytest.raises(ImportFileError, match="column 'mood' is there 2 times; rename or remove"):
        import_file(settings, file, MAPPING)


@pytest.mark.parametrize(
    "content", ["hunter2:x:0:0:/bin/sh\n", "user,time,mood\nhunter2,x\n", "hunter2\n"]
)
def test_no_message_shows_what_stands_in_a_file(
    settings: Settings, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(content)
    with pytest.raises(ImportFileError) as refused:
        import_file(settings, file, MAPPING)
    file.write_text("hunter2: [hunter3:\n")
    with pytest.raises(MappingError) as unreadable:
        read_mapping_fields(file)
    for error in (refused, unreadable):
        assert "hunter2" not in str(error.value)


def test_what_a_file_may_unfold_to_grows_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_rules, "UNFOLDED_BYTES", 100)
    file = tmp_path / "a"
    file.write_bytes(b"x" * 10)
    batch = pa.record_batch({"a": ["y" * 300]})
    assert len(list(file_rules.bounded(file, [batch] * 3))) == 3
    with pytest.raises(ImportFileError, match="10 bytes unfold to more than"):
        list(file_rules.bounded(file, [batch] * 4))
