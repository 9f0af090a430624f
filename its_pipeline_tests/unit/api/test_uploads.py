"""Dropped files that were not saved: removed in time, at the end, and after a kill."""

from __future__ import annotations

import os

from its_pipeline.api.pages.uploads import Uploads


def test_nothing_is_left_of_files_that_were_not_saved(tmp_path):
    now = [0.0]
    uploads = Uploads(3, 2, seconds=60, clock=lambda: now[0], parent=tmp_path)
    first = uploads.add("anna", "../../evil.csv", b"1")
    assert first.path.name == "evil.csv"
    assert (first.path.parent.parent.stat().st_mode & 0o777) == 0o700
    now[0] = 59.0
    second = uploads.add("ben", "b.csv", b"2")
    now[0] = 61.0
    uploads.sweep()
    assert not first.path.parent.exists()
    assert second.path.read_bytes() == b"2"
    uploads.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path):
    child = os.fork()
    if child == 0:
        Uploads(3, 2, 60, parent=tmp_path).add("anna", "a.csv", b"1")
        os._exit(0)
    os.waitpid(child, 0)
    living = Uploads(3, 2, 60, parent=tmp_path)
    assert len(list(tmp_path.glob("*/*/a.csv"))) == 1
    kept = living.add("ben", "b.csv", b"2")
    assert [file.name for file in tmp_path.glob("*/*/*.csv")] == ["b.csv"]
    Uploads(3, 2, 60, parent=tmp_path).add("carl", "c.csv", b"3")
    assert kept.path.exists()
