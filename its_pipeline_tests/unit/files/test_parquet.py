"""Parquet files that come into being whole: several at a time, in the places of earlier ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from its_pipeline.files.parquet import unfinished_files


def targets(folder: Path) -> list[Path]:
    found = [folder / name / "events.parquet" for name in ("a", "b", "c")]
    for path in found[:2]:
        path.parent.mkdir()
        path.write_text("before")
    return found


def test_files_are_replaced_when_all_are_written(tmp_path: Path) -> None:
    places = targets(tmp_path)
    with unfinished_files(places) as files:
        for file in files:
            file.write_text("after")
        assert [path.read_text() for path in places[:2]] == ["before"] * 2
    assert [path.read_text() for path in places] == ["after"] * 3
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == ["events.parquet"] * 3


def test_what_fails_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    places = targets(tmp_path)

    def write_and_fail() -> None:
        with unfinished_files(places) as files:
            files[0].write_text("after")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_and_fail()
    assert [path.read_text() for path in places[:2]] == ["before"] * 2
    assert not places[2].exists()
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_nothing_is_replaced_before_all_are_safe_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = targets(tmp_path)
    seen = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append([path.exists() and path.read_text() for path in places])
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    with unfinished_files(places) as files:
        for file in files:
            file.write_text("after")
    # Three files, and when all have their names their three folders.
    assert seen == [["before", "before", False]] * 3 + [["after"] * 3] * 3
