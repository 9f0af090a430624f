"""A damaged log of interventions is refused with words; a copy is kept, and restored if told."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.log_copies import (
    DamagedLogError,
    keep_nightly_copy,
    log_copies,
    restore_log,
)

ENTRY = {
    "user_id": "ada",
    "name": "Study in the morning",
    "outcome_metric": "sessionPerformanceScore",
    "started_on": date(2026, 3, 1),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "interventions.sqlite"
    log_one(file, "first")
    return file


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def log_one(file: Path, intervention_id: str) -> None:
    log = InterventionLog(url(file))
    log.log(**ENTRY, intervention_id=intervention_id)
    log.close()


def logged(file: Path) -> list[str]:
    log = InterventionLog(url(file))
    try:
        return [entry.intervention_id for entry in log.list()]
    finally:
        log.close()


def damaged(file: Path, way: str) -> None:
    """Damage the file under another inode, as another process would meet it at its start."""
    content = file.read_bytes()
    file.unlink()
    if way == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif way == "emptied":
        file.touch()
    elif way == "garbage":
        file.write_bytes(os.urandom(len(content)))
    elif way == "all but the first page":
        file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


@pytest.mark.parametrize(
    "way", ["truncated", "emptied", "garbage", "all but the first page", "deleted"]
)
def test_a_damaged_log_is_refused_and_restored_on_command(file: Path, way: str) -> None:
    assert keep_nightly_copy(url(file)) == file.with_name("interventions.copy.sqlite")
    damaged(file, way)
    for _ in range(2):
        with pytest.raises(DamagedLogError, match=r"interventions\.sqlite is damaged.*restore-log"):
            logged(file)
    restore_log(url(file), file.parent)
    assert logged(file) == ["first"]
    if way != "deleted":
        assert list((file.parent / "set-aside").glob("interventions.sqlite.*"))


def test_without_a_copy_the_remedy_is_a_backup(file: Path) -> None:
    damaged(file, "garbage")
    with pytest.raises(DamagedLogError, match="no copy of it beside it; put a backup"):
        logged(file)
    with pytest.raises(ValueError, match="no copy of"):
        restore_log(url(file), file.parent)


def test_a_whole_log_is_not_replaced(file: Path) -> None:
    keep_nightly_copy(url(file))
    log_one(file, "second")
    with pytest.raises(ValueError, match="is whole, so no copy"):
        restore_log(url(file), file.parent)
    assert sorted(logged(file)) == ["first", "second"]


def test_the_copy_follows_the_log_and_the_one_that_says_most_is_taken(file: Path) -> None:
    copy = keep_nightly_copy(url(file))
    assert copy is not None
    file.with_name("interventions.before-0002.sqlite").write_bytes(copy.read_bytes())
    before = copy.stat().st_ino
    assert keep_nightly_copy(url(file)) == copy
    assert copy.stat().st_ino == before
    log_one(file, "second")
    keep_nightly_copy(url(file))
    assert log_copies(file)[0] == copy
    damaged(file, "garbage")
    restore_log(url(file), file.parent)
    assert sorted(logged(file)) == ["first", "second"]


def test_a_log_that_never_was_is_made(tmp_path: Path) -> None:
    assert logged(tmp_path / "new.sqlite") == []
