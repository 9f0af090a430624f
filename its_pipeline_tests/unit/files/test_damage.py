"""What cannot be read is set aside, said with its path, and taken for not there."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import pytest

from its_pipeline.files.atomic import exclusive
from its_pipeline.files.contents import (
    CONTENTS_FILE,
    differing,
    read_contents,
    write_contents,
)
from its_pipeline.files.damage import read_or_set_aside, set_aside, set_aside_files


def read(path: Path) -> dict[str, int]:
    return dict(json.loads(path.read_bytes()))


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\x00\x10", b"[1, 2", b"3"])
def test_a_damaged_file_is_moved_and_named(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "people" / "ada.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_or_set_aside(path, read, tmp_path) is None
    assert not path.exists()
    (kept,) = set_aside_files(tmp_path)
    assert kept.parent == tmp_path / "set-aside" / "people"
    assert kept.read_bytes() == content
    assert str(path) in caplog.text
    assert read_or_set_aside(path, read, tmp_path) is None


def test_a_whole_file_and_a_missing_one_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_or_set_aside(path, read, tmp_path) is None
    path.write_text('{"a": 1}')
    assert read_or_set_aside(path, read, tmp_path) == {"a": 1}
    assert set_aside_files(tmp_path) == []


def test_trouble_of_the_machine_sets_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")

    def starved(_: Path) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    with pytest.raises(OSError, match="too many open files"):
        read_or_set_aside(path, starved, tmp_path)
    assert path.exists()


def test_a_file_that_was_replaced_while_it_was_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": ')

    def replaced(file: Path) -> dict[str, int]:
        try:
            return read(file)
        except ValueError:
            (tmp_path / "new").write_text('{"a": 2}')
            (tmp_path / "new").replace(file)
            raise

    assert read_or_set_aside(path, replaced, tmp_path) == {"a": 2}
    assert set_aside_files(tmp_path) == []


def test_two_of_the_same_name_are_both_kept(tmp_path: Path) -> None:
    for content in ("1", "2"):
        (tmp_path / "a").write_text(content)
        set_aside(tmp_path / "a", tmp_path, "test")
    assert [path.read_text() for path in set_aside_files(tmp_path)] == ["1", "2"]


def test_contents_see_any_other_state_of_a_file(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text("12345")
    write_contents(tmp_path, "abcd")
    contents = read_contents(tmp_path / CONTENTS_FILE)
    assert differing(tmp_path, contents) == {}
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("123")
    (tmp_path / "c").write_text("12346")
    (tmp_path / "d").touch()
    assert differing(tmp_path, contents) == {
        "a": "it is missing",
        "b": "it has 3 bytes instead of 5",
        "c": "its contents have changed",
    }


def test_a_changed_byte_under_the_same_time_is_seen_by_the_thorough_look(tmp_path: Path) -> None:
    import os

    path = tmp_path / "a"
    path.write_text("12345")
    write_contents(tmp_path, "a")
    before = path.stat()
    path.write_text("12346")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    contents = read_contents(tmp_path / CONTENTS_FILE)
    assert differing(tmp_path, contents) == {}
    assert differing(tmp_path, contents, thorough=True) == {"a": "its contents have changed"}


def test_a_lock_without_rights_is_held_all_the_same(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.touch()
    lock.chmod(0)
    with exclusive(lock):
        pass
