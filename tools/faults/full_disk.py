"""A disk that fills up during a night; with space again, one more night gives the calm state.

``python -m tools.faults.full_disk --times 12`` mounts a small tmpfs where
it may (root), sized so that the space ends at a random one of the night's writes; elsewhere, and
with ``--limit``, it bounds the size of a file instead, which fails the same system calls. Every
night starts from a finished earlier one whose events have changed since, so that there is a
previous state to damage.
"""

from __future__ import annotations

import argparse
import errno
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.experiments.sharding import has_shards
from tools.faults.forked import run_child
from tools.faults.state import differences, page_is_whole, whole_state
from tools.faults.world import (
    COMMON,
    DAYS,
    START_ON,
    build_world,
    import_everything,
    night,
    people,
    settings_of,
)

#: One of these is in the error of a write that found no space.
SAID_SO = ("No space left", "disk is full", "File too large", "disk I/O error")


@dataclass(frozen=True)
class Fill:
    """One disk that filled up: what the night said, and what was wrong afterwards."""

    said: str
    problems: tuple[str, ...]


def make_stores(folder: Path, count: int) -> tuple[Path, dict[str, Any], int, int]:
    """Return a store with changed events, the calm state after it, and bytes before and after."""
    scratch, changed, calm = folder / "scratch", folder / "changed", folder / "calm"

    def first() -> list[str]:
        return night(build_world(changed, count))

    def change() -> None:
        simulate(
            people(count)[:1],
            simulation_dir(settings_of(changed)),
            seed=4,
            start_on=START_ON + timedelta(days=DAYS // 2),
            days=DAYS - DAYS // 2,
        )

    _require(run_child(first, scratch))
    # The source's events are another draw now: half the days, and the people in them, changed.
    _require(run_child(change, scratch))
    shutil.copytree(changed, calm)
    before = _bytes(calm)
    _require(run_child(lambda: night(settings_of(calm)), scratch))
    ending = run_child(lambda: whole_state(settings_of(calm)), scratch)
    _require(ending, empty=False)
    return changed, ending.result, before, _bytes(calm)


def fill(place: Path, scratch: Path, limit: int | None, workers: int) -> Fill:
    """Run the night where there is too little space, and read what is there then."""
    dead = run_child(
        lambda: night(settings_of(place, refresh_workers=workers)), scratch, largest_file=limit
    )
    said = dead.error or "; ".join(dead.result or ())
    problems = []
    if not said:
        return Fill("", ("the night did not notice that the disk was full",))
    if not any(words in said for words in SAID_SO):
        problems.append(f"the night does not say that the disk is full: {said[-300:]}")
    readable = run_child(lambda: half_written(place), scratch)
    problems += [readable.error] if readable.error else readable.result
    lines = [line for line in said.splitlines() if any(words in line for words in SAID_SO)]
    return Fill((lines or [said])[-1].strip()[:160], tuple(problems))


def recover(place: Path, expected: dict[str, Any], scratch: Path) -> list[str]:
    """Run the night with space again; return what differs from the calm one."""
    after = run_child(lambda: night(settings_of(place)), scratch)
    if after.error or after.result:
        return [after.error or str(after.result)]
    ending = run_child(lambda: whole_state(settings_of(place)), scratch)
    return [ending.error] if ending.error else differences(expected, ending.result)


def half_written(root: Path) -> list[str]:
    """Read everything a person may be shown; return what cannot be read."""
    settings = settings_of(root)
    found = []
    for path in [*settings.lake_dir.rglob("events.parquet"), settings.daily_outcomes_path]:
        try:
            pq.read_table(path)
        except (OSError, ValueError) as error:
            found.append(f"{path}: {error}")
    store = open_store(settings)
    for key in Snapshot(settings).experiment_keys():
        verdict = store.verdict(key)
        if verdict is None:
            found.append(f"{key}: the verdict of the earlier night is gone")
            continue
        if verdict.status == "analysed" and load_analysis(settings, verdict) is None:
            found.append(f"{key}: no analysis behind its verdict")
        # With shards there are no pages yet: to draw one takes space.
        if not has_shards(settings) and not page_is_whole(settings, key):
            found.append(f"{key}: half a page")
    return found


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a tmpfs of `size` bytes (needs root)."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _leave_free(mounted: Path, free: int) -> Path:
    """Fill the disk up but for `free` bytes with one file; return the file."""
    ballast = mounted / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(file.tell() - free, 0))
    return ballast


def can_mount(folder: Path) -> bool:
    """Tell whether this process may mount a tmpfs."""
    try:
        with small_disk(folder / "probe", 1 << 20):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


def fill_repeatedly(
    folder: Path,
    times: int,
    seed: int,
    count: int = 2,
    limit_only: bool = False,
    workers: int = 1,
) -> dict[str, Any]:
    """Fill the disk at `times` random moments of a night; return what was found."""
    import_everything()
    scratch = folder / "scratch"
    changed, expected, before, after = make_stores(folder, count)
    mounts = not limit_only and can_mount(folder)
    rng = random.Random(seed)
    problems: list[str] = []
    sizes = sorted({path.stat().st_size for path in (folder / "calm").rglob("*") if path.is_file()})
    for number in range(times):
        share = (number + rng.random()) / times
        place = folder / f"disk-{number}"
        if mounts:
            how = f"space ends {share:.0%} into the night's growth"
            with small_disk(place, 1 << 27):
                store = place / "store"
                shutil.copytree(changed, store)
                ballast = _leave_free(place, int(share * (after - before) * 0.95))
                result = fill(store, scratch, None, workers)
                ballast.unlink()
                found = [*result.problems, *recover(store, expected, scratch)]
        else:
            limit = sizes[int(share * (len(sizes) - 1))] - 1
            how = f"files end at {limit} bytes"
            shutil.copytree(changed, place)
            result = fill(place, scratch, limit, workers)
            found = [*result.problems, *recover(place, expected, scratch)]
            shutil.rmtree(place)
        print(f"{number + 1}: {how}; {result.said}; {'; '.join(found) or 'recovered'}", flush=True)
        problems += found
    return {"times": times, "mounted": mounts, "problems": problems}


def _require(ending: Any, empty: bool = True) -> None:
    if ending.error or (empty and ending.result):
        raise RuntimeError(f"preparing the stores failed: {ending.error or ending.result}")


def _bytes(folder: Path) -> int:
    # A file with two names takes its space once.
    files = {p.stat().st_ino: p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    return sum(-(-size // 4096) * 4096 for size in files.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--limit", action="store_true", help="bound the size of files instead")
    parser.add_argument("--workers", type=int, default=1, help="processes of the broken night")
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    arguments = parser.parse_args()
    COMMON["partition_limit"] = arguments.partition_limit
    with tempfile.TemporaryDirectory() as folder:
        summary = fill_repeatedly(
            Path(folder),
            arguments.times,
            arguments.seed,
            arguments.people,
            arguments.limit,
            arguments.workers,
        )
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
