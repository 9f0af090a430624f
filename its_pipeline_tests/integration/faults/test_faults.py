"""Short forms of the faults; `python -m benchmarks.faults` runs the long ones.

Each runs as a program of its own, because it forks: pytest's process has threads and open files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "tools.faults"
IN_SHARDS = ("--partition-limit", "0")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run_fault(module: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run one fault in its short form and return the summary it prints last."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"{PACKAGE}.{module}", *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "TMPDIR": str(folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.rindex("\n{") if "\n{" in done.stdout else 0 :])


def test_killed_nights_end_in_the_undisturbed_state(tmp_path: Path) -> None:
    found = run_fault("kills", tmp_path, "--kills", "2", "--seed", "1", "--people", "1")
    assert found["problems"] == []
    assert found["analysed"] == 1
    assert found["operations"] > 300


def test_killed_nights_whose_results_go_into_a_set_end_there_too(tmp_path: Path) -> None:
    asked = ("--kills", "2", "--seed", "5", "--people", "1", "--gather-from", "1")
    found = run_fault("kills", tmp_path, *asked)
    assert found["problems"] == []
    assert (found["analysed"], found["sets"]) == (1, 1)


def test_killed_nights_of_a_store_with_shards_end_in_the_undisturbed_state(tmp_path: Path) -> None:
    asked = ("--kills", "2", "--seed", "7", "--people", "2", "--ingested", *IN_SHARDS)
    found = run_fault("kills", tmp_path, *asked)
    assert found["problems"] == []
    # Two people in two of four shards: no run an analysis, but a set a shard.
    assert (found["analysed"], found["sets"]) == (0, 2)
    assert found["operations"] > 100


def test_a_killed_compaction_loses_nothing(tmp_path: Path) -> None:
    found = run_fault("compactions", tmp_path, "--kills", "6", "--people", "2", "--seed", "1")
    assert found["problems"] == []
    assert found["kills"] == 6
    assert found["operations"] > 30


def test_a_killed_compaction_of_a_store_with_shards_loses_nothing(tmp_path: Path) -> None:
    found = run_fault("compactions", tmp_path, "--kills", "3", "--seed", "1", *IN_SHARDS)
    assert found["problems"] == []
    assert (found["kills"], found["sets"]) == (3, 3)


def test_killed_closings_of_old_days_lose_no_outcome(tmp_path: Path) -> None:
    found = run_fault("closings", tmp_path, "--kills", "4", "--seed", "1")
    assert found["problems"] == []
    assert (found["kills"], found["refused"]) == (4, 3)
    assert found["operations"] > 200


def test_a_full_disk_damages_nothing_and_is_said(tmp_path: Path) -> None:
    found = run_fault("full_disk", tmp_path, "--times", "1", "--people", "1", "--seed", "2")
    assert found["problems"] == []


def test_a_crowd_meets_no_lock_and_no_double_result(tmp_path: Path) -> None:
    found = run_fault("crowd", tmp_path, "--seconds", "12", "--people", "2")
    assert found["problems"] == []
    assert all(times > 0 for times in found["times"].values()), found["times"]


def test_a_crowd_over_shards_meets_no_lock_and_no_double_result(tmp_path: Path) -> None:
    found = run_fault("crowd", tmp_path, "--seconds", "12", "--people", "2", *IN_SHARDS)
    assert found["problems"] == []
    assert found["analyses"] >= 2
    assert all(times > 0 for times in found["times"].values()), found["times"]


def test_ticks_killed_while_logging_ask_for_each_experiment_once(tmp_path: Path) -> None:
    found = run_fault("ticks", tmp_path, "--kills", "2", "--seed", "1")
    assert found["problems"] == []
    assert found["kills"] >= 1
    assert found["logged"] == 12


@pytest.mark.parametrize("shards", [0, 4])
def test_bad_apples_do_not_spoil_the_night(tmp_path: Path, shards: int) -> None:
    asked = IN_SHARDS if shards else ()
    found = run_fault("bad_apples", tmp_path, "--people", "6", *asked)
    assert found["shards"] == shards
    assert found["told"] == (found["counts"] if shards else {})
    assert found["untold"] == []
    assert found["pages"] == 6
    assert found["counts"]["analysed"] == 3
    crashed, unconverged, poisoned = found["bad"].values()
    assert crashed[0] == "crashed"
    assert "the model fell over" in crashed[1]
    assert unconverged[0] == "not_converged"
    assert "bulk ESS" in unconverged[1]
    assert poisoned[0] in ("not_converged", "refused")
    assert poisoned[1]
    assert [bad[2] for bad in found["bad"].values()] == [True, True, True]
    # Not converging is a verdict; a crash fails the run, after all others were done.
    assert not found["run_succeeded"]
    assert "1 of 6 experiments crashed" in found["run_says"]
    assert found["evidence_succeeded"]
    # The crashed one is tried again; nothing else is.
    assert found["computed_again"] == 0
    assert found["unchanged_again"] == 5


@pytest.mark.parametrize("asked", [(), IN_SHARDS])
def test_a_killed_deletion_is_gone_on_with_and_leaves_no_byte(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    found = run_fault("departures", tmp_path, "--kills", "2", "--seed", "3", *asked)
    assert found["problems"] == []
    assert found["kills"] == 2
    assert found["operations"] > 200
