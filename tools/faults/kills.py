"""`kill -9` at random moments of a night; one more night must give the undisturbed state.

``python -m tools.faults.kills --kills 30 --seed 0`` prints a line a kill
and ends with a JSON summary; the test runs it with few. Two thirds of the kills come ahead of a
random file operation of the night, so that every write has its chance; one third after a random
time, so that moments in the middle of sampling and aggregating have theirs. With ``--workers 2``
the night evaluates experiments in worker processes, and every other kill hits one of those instead.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from its_pipeline.experiments.sharding import SHARDS_FOLDER
from tools.faults.forked import run_child
from tools.faults.state import differences, whole_state
from tools.faults.world import (
    COMMON,
    build_world,
    import_everything,
    ingest,
    night,
    settings_of,
)

#: About what two workers take to start, so that a timed kill also finds them at work.
WORKERS_START_SECONDS = 10.0


def kill_repeatedly(
    folder: Path,
    kills: int,
    seed: int,
    people: int = 3,
    workers: int = 1,
    gather_from: int = 100,
    ingested: bool = False,
) -> dict[str, Any]:
    """Kill `kills` nights, each on its own copy of a fresh store; return what was found.

    With `ingested` that store has its days already, so that all kills come where experiments are
    evaluated, recorded and told of. With several workers, every other night loses one of them and
    must end well by itself. With at least `gather_from` people their results end up in a set.
    """
    changes = {"refresh_workers": workers, "gather_from": gather_from}
    import_everything()
    fresh, calm = folder / "fresh", folder / "calm"
    scratch = folder / "scratch"
    made = run_child(lambda: _made(fresh, people, ingested), scratch)
    if made.error or made.result:
        raise RuntimeError(f"the store could not be made: {made.error or made.result}")
    shutil.copytree(fresh, calm)
    started = time.perf_counter()
    ending = run_child(
        lambda: night(settings_of(calm, gather_from=gather_from)), scratch, watched=calm
    )
    seconds = time.perf_counter() - started
    if ending.error or ending.result:
        raise RuntimeError(f"the undisturbed night failed: {ending.error or ending.result}")
    expected = _state(calm, scratch)
    rng = random.Random(seed)
    killed = 0
    problems: list[str] = []
    for number in range(kills):
        store = folder / f"killed-{number}"
        shutil.copytree(fresh, store)
        after_seconds = rng.uniform(0.02, 0.6) * seconds
        if workers > 1:
            after_seconds += rng.uniform(0.0, 1.5) * WORKERS_START_SECONDS
        if workers > 1 and number % 2:
            after = dead = run_child(
                lambda place=store: _night_that_loses_a_worker(place, changes), scratch
            )
            moment = "a worker"
        else:
            how: dict[str, Any] = (
                {"kill_after_seconds": after_seconds}
                if number % 3 == 2 or workers > 1
                else {"kill_at": rng.randint(1, ending.operations)}
            )
            dead = run_child(_night_of(store, changes), scratch, watched=store, **how)
            after = run_child(_night_of(store, changes), scratch)
            moment = ", ".join(f"{name} {value:.4g}" for name, value in how.items())
        found = [after.error] if after.error else list(after.result)
        found = found or differences(expected, _state(store, scratch))
        where = dead.where.replace(str(store), "") or ("" if dead.killed else "lived")
        killed += dead.killed or moment == "a worker"
        print(f"{number + 1}: {moment}; {where}; {'; '.join(found) or 'same state'}", flush=True)
        problems += found
        shutil.rmtree(store)
    return {
        "kills": killed,
        "operations": ending.operations,
        "night_seconds": round(seconds, 1),
        "analysed": len(expected["mlflow"]["recorded"]),
        "sets": len(list((calm / "results").glob("set-*"))),
        "problems": problems,
    }


def _made(root: Path, people: int, ingested: bool) -> list[str]:
    """Make the store that every night starts from; return what failed."""
    settings = build_world(root, people)
    return ingest(settings) if ingested else []


def _night_of(root: Path, changes: dict[str, Any]) -> Any:
    return lambda: night(settings_of(root, **changes))


def _night_that_loses_a_worker(root: Path, changes: dict[str, Any]) -> list[str]:
    """Run a night and kill one of its workers as soon as one is seen analysing."""
    import psutil

    settings = settings_of(root, **changes)
    lost: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            # An experiment's or shard's lock is there from when its evaluation begins.
            shards = (settings.store_root / SHARDS_FOLDER).glob(".*.lock")
            if any(settings.experiments_dir.rglob(".lock")) or any(shards):
                for child in psutil.Process().children():
                    if "spawn_main" in " ".join(child.cmdline()):
                        child.kill()
                        lost.append(child.pid)
                        return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    failures = night(settings)
    killer.join()
    return failures or ([] if lost else ["no worker was seen"])


def _state(root: Path, scratch: Path) -> dict[str, Any]:
    ending = run_child(lambda: whole_state(settings_of(root)), scratch)
    if ending.error:
        raise RuntimeError(f"the state of {root} cannot be read: {ending.error}")
    return ending.result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gather-from", type=int, default=100)
    parser.add_argument("--ingested", action="store_true", help="kills come after the ingest")
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    arguments = vars(parser.parse_args())
    COMMON["partition_limit"] = arguments.pop("partition_limit")
    with tempfile.TemporaryDirectory() as folder:
        summary = kill_repeatedly(Path(folder), **arguments)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
