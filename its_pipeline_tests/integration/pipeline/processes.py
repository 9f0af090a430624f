"""Runs of ``its-pipeline run`` in processes of their own, killed and compared.

What belongs here: stores that are equal but for what is done to them, starting and killing real
commands, and what two such stores must agree on.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from its_pipeline.events.interventions import open_log
from its_pipeline.events.people import Person
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.files.atomic import UNFINISHED_PREFIX, write_json
from its_pipeline.settings import Settings

START_ON = date(2026, 5, 1)
SEED = 3


def make_kill_store(root: Path, people: int, days: int) -> Settings:
    """Make a store of simulated people whose events wait to be ingested."""
    own: dict[str, Any] = {
        "source": "simulator",
        "today_on": (START_ON + timedelta(days=days)).isoformat(),
        "draws": 300,
        "tune": 300,
        "dagster_url": None,
        "mlflow_url": None,
    }
    settings = Settings(store_root=root, **own)
    write_json(settings.installation_file, own)
    everybody = [
        Person(f"u{n}", started_after_days=days // 2, immediate=8.0) for n in range(people)
    ]
    simulate(everybody, simulation_dir(settings), seed=SEED, start_on=START_ON, days=days)
    log = open_log(settings)
    try:
        log.log_all([entry for person in everybody for entry in person.log_entries(START_ON)])
    finally:
        log.close()
    return settings


def start_run(settings: Settings) -> subprocess.Popen[str]:
    """Start ``its-pipeline run`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from its_pipeline.cli.main import app; app()", "run"],
        env={**os.environ, "ITS_STORE_ROOT": str(settings.store_root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run and whatever it started, as the out-of-memory killer would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_when(
    process: subprocess.Popen[str], reached: Callable[[], bool], seconds: float = 240.0
) -> bool:
    """Kill a run as soon as something is reached; False where it ended by itself first."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if reached():
            kill(process)
            return True
        time.sleep(0.02)
    if process.poll() is None:
        kill(process)
        raise TimeoutError(f"the moment to kill was not reached within {seconds:g} s")
    return False


def unreadable(settings: Settings) -> list[str]:
    """Return the files in their final places that cannot be read whole."""
    import pyarrow.parquet as pq

    broken = []
    for path in settings.store_root.rglob("*"):
        if UNFINISHED_PREFIX in str(path) or not path.is_file():
            continue
        try:
            if path.suffix == ".parquet":
                pq.read_table(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except (OSError, ValueError) as error:
            # Moved away between listing and reading is no fault.
            if path.exists():
                broken.append(f"{path}: {error}")
    return broken


def state(settings: Settings) -> dict[str, Any]:
    """Return everything that a killed and an undisturbed store must agree on."""
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import open_store
    from its_pipeline.stores.runs import RunStore

    store = open_store(settings)
    verdicts = {key: store.verdict(key) for key in Snapshot(settings).experiment_keys()}
    runs = RunStore.from_settings(settings).history(page_size=1000).runs
    return {
        "lake": {
            str(path.relative_to(settings.lake_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(settings.lake_dir.rglob("*.parquet"))
        },
        "daily_outcomes": hashlib.sha256(settings.daily_outcomes_path.read_bytes()).hexdigest(),
        "verdicts": {
            key: None
            if verdict is None
            else (verdict.status, verdict.fingerprint, json.dumps(verdict.effects, sort_keys=True))
            for key, verdict in verdicts.items()
        },
        "mlflow": sorted((run.user_id, run.fingerprint, run.status) for run in runs),
        "pages": sorted(
            str(path.relative_to(settings.reports_dir))
            for path in settings.reports_dir.rglob("*.html")
        ),
        "unfinished": [
            str(path.relative_to(settings.store_root))
            for path in settings.store_root.rglob(f"{UNFINISHED_PREFIX}*")
        ],
    }


def dagster_state(settings: Settings) -> dict[str, Any]:
    """Return what Dagster believes: materialised partitions, and runs that never ended."""
    import dagster as dg

    from its_pipeline.defs.home import open_instance

    with open_instance(settings) as instance:
        running = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        return {
            "its_report": sorted(instance.get_materialized_partitions(dg.AssetKey("its_report"))),
            "valid_events": sorted(
                instance.get_materialized_partitions(dg.AssetKey("valid_events"))
            ),
            "running": len(running),
        }


def finish(settings: Settings, at_once: int = 2) -> list[tuple[int, str]]:
    """Run the store to its end, several times at once; return status and output of each."""
    processes = [start_run(settings) for _ in range(at_once)]
    outputs = [process.communicate()[0] for process in processes]
    return [(p.returncode, out) for p, out in zip(processes, outputs, strict=True)]
