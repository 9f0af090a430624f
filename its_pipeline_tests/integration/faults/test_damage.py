"""Short forms of the damaged store and the foreign files; long ones: `benchmarks.faults`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from its_pipeline_tests.integration.faults.test_faults import run_fault

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_damaged_file_stops_nobody_and_is_made_again(tmp_path: Path) -> None:
    found = run_fault("damage", tmp_path, "--people", "1", "--most", "1", "--seed", "3")
    assert found["problems"] == []
    assert found["trials"] == 1


def test_a_damaged_set_stops_nobody_and_is_made_again(tmp_path: Path) -> None:
    asked = ("--people", "1", "--gather-from", "1", "--only", "results/set-", "--most", "1")
    found = run_fault("damage", tmp_path, *asked)
    assert found["problems"] == []
    assert found["trials"] == 1


def test_a_damaged_input_of_a_shard_stops_nobody_and_is_made_again(tmp_path: Path) -> None:
    asked = ("--people", "2", "--only", "shards/0", "--most", "1", "--partition-limit", "0")
    found = run_fault("damage", tmp_path, *asked)
    assert found["problems"] == []
    assert found["trials"] == 1


def test_foreign_files_end_in_no_traceback(tmp_path: Path) -> None:
    found = run_fault("fuzz", tmp_path, "--files", "40", "--seed", "8")
    assert found["problems"] == []
    assert found["counts"]["inbox taken"] > 0
    assert found["counts"]["inbox refused"] > 0
