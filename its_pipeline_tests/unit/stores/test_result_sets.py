"""Result sets: rows by key, the newest of each place, and files that change under their readers."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.files.damage import set_aside_files
from its_pipeline.stores.result_file import GROUP_ROWS
from its_pipeline.stores.result_rows import STANDING, ResultRow
from its_pipeline.stores.result_sets import ResultSets


def row(user: str = "u000", fingerprint: str = "f1", **changes) -> ResultRow:
    fields = {
        "key": f"{user}|a",
        "user_id": user,
        "fingerprint": fingerprint,
        "decided_at": "2026-05-01T00:00:00",
        "verdict": f'{{"of":"{user} {fingerprint}"}}',
        "analysis": None if fingerprint == STANDING else f"{user} {fingerprint}".encode() * 50,
    }
    return ResultRow(**{**fields, **changes})


def people(count: int) -> list[str]:
    return [f"u{number:03d}" for number in range(count)]


@pytest.fixture
def sets(tmp_path: Path) -> ResultSets:
    return ResultSets(tmp_path)


def test_a_row_is_found_by_its_key(sets):
    many = [row(user, name) for user in reversed(people(200)) for name in ("f2", STANDING, "f1")]
    path = sets.add(many)
    assert pq.ParquetFile(path).num_row_groups == -(-600 // GROUP_ROWS)
    for user in people(200):
        found = sets.rows(f"{user}|a")
        assert [each.fingerprint for each in found] == [STANDING, "f1", "f2"]
        assert found[1] == replace(row(user, "f1"), analysis=None)
        assert sets.analysis(f"{user}|a", "f2") == row(user, "f2").analysis
    assert sets.rows("u0005|a") == sets.rows("a|a") == sets.rows("z|a") == []
    assert sets.analysis("u001|a", "f3") is None
    assert sets.experiments("u007") == {"u007|a"}
    assert len(sets.experiments()) == 200


def test_an_empty_store_has_no_sets_and_makes_none_by_being_asked(sets):
    assert sets.rows("u|a") == []
    assert sets.drop([("u|a", "f1")]) == 0
    assert sets.drop_person("u") == set()
    assert not sets.folder.exists()


def test_people_whose_names_begin_alike_are_kept_apart(sets):
    sets.add([row("u"), row("u1"), row("u.x"), row("u", key="u|b")])
    assert sets.experiments("u") == {"u|a", "u|b"}
    assert sets.drop_person("u") == {"u|a", "u|b"}
    assert sets.experiments() == {"u1|a", "u.x|a"}


def test_the_newest_row_of_a_place_wins_before_and_after_merging(sets):
    for number in range(4):
        told = [row("u000", STANDING, verdict=f'"{number}"'), row("u000", f"f{number}")]
        sets.add([*told, row(f"u{number + 1:03d}")])
    before = {key: sorted(sets.rows(key), key=lambda r: r.place) for key in sets.experiments()}
    assert sets.row("u000|a", STANDING).verdict == '"3"'
    assert sets.merge() == 3
    assert [path.name for path in sets.paths()] == ["set-000000004.parquet"]
    assert {key: sets.rows(key) for key in sets.experiments()} == before
    assert sets.analysis("u000|a", "f0") == row("u000", "f0").analysis
    assert sets.merge() == 0
    assert sets.add([row("u000", STANDING, verdict='"4"')]).name == "set-000000005.parquet"
    assert sets.row("u000|a", STANDING).verdict == '"4"'


def test_a_bulk_run_leaves_large_sets_alone(sets):
    for count in (100, 3, 2, 1):
        sets.add([row(user, f"f{count}") for user in people(count)])
    assert sets.merge(most_times=2.0) == 2
    assert [path.name for path in sets.paths()] == [
        "set-000000004.parquet",
        "set-000000001.parquet",
    ]
    assert sets.merge(most_rows=105) == 0


def test_a_kill_while_merging_loses_nothing(sets, monkeypatch):
    for number in range(3):
        sets.add([row("u000", STANDING, verdict=f'"{number}"'), row(f"u{number + 1:03d}")])
    kept = {key: sets.rows(key) for key in sets.experiments()}
    unlink = Path.unlink

    def die(path, *_, **__):
        if path.suffix == ".parquet" and path.name.startswith("set-"):
            raise KeyboardInterrupt
        unlink(path, missing_ok=True)

    monkeypatch.setattr(Path, "unlink", die)
    with pytest.raises(KeyboardInterrupt):
        sets.merge()
    monkeypatch.undo()
    assert len(sets.paths()) == 3
    assert {key: sets.rows(key) for key in sets.experiments()} == kept
    assert sets.merge() == 2
    assert {key: sets.rows(key) for key in sets.experiments()} == kept


def test_deleting_rows_leaves_the_others_and_no_bytes(sets):
    sets.add([row(user, name) for user in people(100) for name in ("f1", "f2")])
    sets.add([row("u050", "f1")])
    assert sets.drop([("u050|a", "f1"), ("u001|a", "f2")]) == 3
    assert len(sets.paths()) == 1
    assert [each.fingerprint for each in sets.rows("u050|a")] == ["f2"]
    assert sets.analysis("u051|a", "f1") == row("u051", "f1").analysis
    assert b"u050 f1" not in sets.paths()[0].read_bytes()
    assert sets.rewrite(lambda each: replace(each, mlflow_run_id="r")) == 198
    assert sets.row("u050|a", "f2").mlflow_run_id == "r"
    assert sets.analysis("u050|a", "f2") == row("u050", "f2").analysis


def test_nobody_who_was_forgotten_meanwhile_is_written(sets, tmp_path):
    Forgotten(tmp_path).begin("u001")
    sets.add([row("u000"), row("u001")])
    assert sets.experiments() == {"u000|a"}
    assert sets.add([row("u001")]) is None


def test_readers_find_everything_while_sets_are_written_and_merged(sets):
    keys = [f"{user}|a" for user in people(60)]
    sets.add([row(user) for user in people(60)])
    done, missing = threading.Event(), []

    def read() -> None:
        own = ResultSets(sets.folder.parent)
        while not done.is_set():
            missing.extend(key for key in keys[::7] if own.analysis(key, "f1") is None)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(25):
        sets.add([row(user, f"g{number}") for user in people(60)[number::30]])
        if number % 3 == 2:
            sets.merge()
        if number % 5 == 4:
            sets.drop([("u000|a", "g0")])
    done.set()
    for reader in readers:
        reader.join()
    assert missing == []


def damage(path: Path, needle: bytes) -> None:
    """Change one byte in the middle of a text, and leave size and time as they are."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[content.index(needle) + 1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_changed_byte_costs_one_group_of_rows(sets, tmp_path):
    path = sets.add([row(user) for user in people(100)])
    damage(path, b"u050 f1")
    assert [found for found, _ in sets.damage()] == [path]
    assert sets.analysis("u000|a", "f1") == row("u000", "f1").analysis
    assert sets.analysis("u050|a", "f1") is None
    assert path.name in set_aside_files(tmp_path)[0].name
    group = {user for user in people(100) if not sets.rows(f"{user}|a")}
    assert group == set(people(100)[GROUP_ROWS : 2 * GROUP_ROWS])
    assert not list(sets.damage())
    assert sets.is_whole("u000|a", "f1")
    assert not sets.is_whole("u050|a", "f1")


@pytest.mark.parametrize("how", ["truncated", "garbage", "emptied", "deleted"])
def test_a_lost_set_is_set_aside_and_the_others_are_read(sets, tmp_path, how):
    sets.add([row("u000")])
    path = sets.add([row("u001")])
    if how == "deleted":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"truncated": content[:300], "garbage": b"x" * 900}.get(how, b""))
    assert sets.rows("u001|a") == []
    assert sets.rows("u000|a") != []
    assert len(set_aside_files(tmp_path)) == (how != "deleted")
    assert sets.add([row("u001")]).is_file()
    assert sets.is_whole("u001|a", "f1")


def test_a_set_of_another_time_is_read_to_its_end_once(sets, tmp_path):
    path = sets.add([row(user) for user in people(100)])
    damage(path, b"u050 f1")
    assert sets.is_whole("u000|a", "f1")  # Of the right size and time, it is known to be whole.
    os.utime(path, ns=(1, 1))
    assert sets.is_whole("u000|a", "f1")
    assert not sets.is_whole("u050|a", "f1")
    assert set_aside_files(tmp_path)
    os.utime(path, ns=(1, 1))
    assert sets.is_whole("u000|a", "f1")
    assert len(set_aside_files(tmp_path)) == 1


def test_merging_does_not_lose_what_is_whole_of_a_damaged_set(sets, tmp_path):
    path = sets.add([row(user) for user in people(100)])
    sets.add([row("u999")])
    damage(path, b"u050 f1")
    sets.merge()
    assert len(sets.experiments()) == 101 - GROUP_ROWS
    assert len(set_aside_files(tmp_path)) == 1
