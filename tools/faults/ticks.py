"""The sensor daemon killed in mid-tick while interventions are logged; each is asked for once.

``python -m tools.faults.ticks --kills 20`` runs real ticks of
``intervention_sensor`` (the daemon's own code, a real instance, runs queued) in forked children
that are killed ahead of a random file operation, while a second child logs interventions. Then
undisturbed ticks follow until nothing is new, and every logged intervention must be a partition
with exactly one queued run.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from tools.faults.forked import run_child, wait_for
from tools.faults.world import (
    import_everything,
    log_interventions,
    settings_of,
)


@contextmanager
def daemon_workspace(root: Path) -> Iterator[tuple[dg.DagsterInstance, Any]]:
    """Open the instance and the code location as the daemon does; runs are queued only."""
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget

    home = settings_of(root).dagster_home
    home.mkdir(parents=True, exist_ok=True)
    configuration = {
        "telemetry": {"enabled": False},
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "QueuedRunCoordinator",
        },
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    os.environ["ITS_STORE_ROOT"] = str(root)
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable, module_name="its_pipeline.definitions"
        ),
        location_name="its_pipeline",
    )
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
    ):
        yield instance, workspace


def tick(root: Path, at: float) -> None:
    """Run one iteration of the sensor daemon, as if at the UNIX time `at`."""
    from dagster._core.test_utils import freeze_time
    from dagster._daemon.sensor import execute_sensor_iteration

    with freeze_time(at), daemon_workspace(root) as (_, workspace):
        for error in execute_sensor_iteration(workspace, logging.getLogger("ticks"), None, None):
            if error is not None:
                raise RuntimeError(f"a tick failed: {error}")


def asked_for(root: Path) -> dict[str, int]:
    """Return how many runs are queued for each partition, burst runs counted for each key."""
    with dg.DagsterInstance.from_config(str(settings_of(root).dagster_home)) as instance:
        counts: Counter[str] = Counter(
            dict.fromkeys(instance.get_dynamic_partitions("experiment"), 0)
        )
        for run in instance.get_runs():
            key = run.tags.get("dagster/partition")
            config: Any = run.run_config
            keys = [key] if key else config["ops"]["refresh"]["config"]["keys"]
            counts.update(keys)
    return dict(counts)


def kill_ticks(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill ticks at random file operations while interventions are logged; return what came out."""
    import_everything()
    root, scratch = folder / "store", folder / "scratch"
    root.mkdir()
    users = [f"person-{number:03d}" for number in range(4 * kills + 4)]
    rng = random.Random(seed)
    clock = time.time()
    waiting = list(users)
    operations, killed, where = 0, 0, []
    for number in range(kills + 1):
        # Once a burst: more than `burst_size` become one bulk run.
        chunk = [waiting.pop() for _ in range(min(4, len(waiting)))]
        logger = os.fork()
        if logger == 0:
            for user in chunk:
                log_interventions(settings_of(root), [user])
            os._exit(0)
        clock += 60
        how = {"kill_at": rng.randint(operations // 4, operations)} if number else {}
        ending = run_child(_tick_of(root, clock), scratch, watched=root, **how)
        _require(ending)
        if number == 0:
            # The first tick is undisturbed: it says how many file operations there are.
            operations = ending.operations
        killed += ending.killed
        where += [ending.where.replace(str(root), "")] if ending.killed else []
        if wait_for({"logger": logger}, 60) != {"logger": 0}:
            raise RuntimeError("logging interventions failed while the daemon was killed")
    for _ in range(3):
        clock += 60
        _require(run_child(_tick_of(root, clock), scratch))
    counts = run_child(lambda: asked_for(root), scratch)
    _require(counts)
    expected = {f"{user}|mornings" for user in users if user not in waiting}
    problems = [f"{key} was never asked for" for key in sorted(expected - counts.result.keys())]
    problems += [f"{key}: {n} runs" for key, n in counts.result.items() if n != 1]
    return {
        "kills": killed,
        "logged": len(expected),
        "operations_a_tick": operations,
        "where": where,
        "problems": problems,
    }


def _tick_of(root: Path, at: float) -> Any:
    return lambda: tick(root, at)


def _require(ending: Any) -> None:
    if ending.error:
        raise RuntimeError(ending.error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_ticks(Path(folder), arguments.kills, arguments.seed)))


if __name__ == "__main__":
    main()
