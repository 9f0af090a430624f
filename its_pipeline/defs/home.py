"""Dagster's home of an installation: made from the project's own files, opened without environment.

What belongs here: the folder under the store root and the instance in it. What does not: running
anything (`local`).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml

from its_pipeline.defs.names import TAG_PROCESS, TAG_SHARD
from its_pipeline.files.atomic import write_bytes
from its_pipeline.settings import Settings

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
INSTANCE_FILE: Final = PROJECT_ROOT / "dagster.yaml"
WORKSPACE_FILE: Final = PROJECT_ROOT / "workspace.yaml"


def prepare_home(settings: Settings) -> Path:
    """Put ``dagster.yaml`` into the installation's Dagster home and return the home.

    A home that has a ``dagster.yaml`` with a ``storage`` block of its own (PostgreSQL) is left as
    it is: that file is the operator's.

    Raises
    ------
    FileNotFoundError
        The project's ``dagster.yaml`` is not beside the package.
    """
    home = settings.dagster_home
    target = home / "dagster.yaml"
    if target.is_file() and "storage" in _read(target):
        return home
    if not INSTANCE_FILE.is_file():
        raise FileNotFoundError(
            f"{INSTANCE_FILE} is missing: run its-pipeline from a checkout, or put a "
            f"dagster.yaml with a storage block into {home}"
        )
    instance = _read(INSTANCE_FILE)
    for limit in instance["concurrency"]["runs"]["tag_concurrency_limits"]:
        if limit["key"] == TAG_SHARD:
            limit["limit"] = settings.shard_concurrency
    runs = instance["concurrency"]["runs"]
    runs["max_concurrent_runs"] = max(runs["max_concurrent_runs"], settings.shard_concurrency + 2)
    content = yaml.safe_dump(instance, sort_keys=False).encode()
    if not target.is_file() or target.read_bytes() != content:
        write_bytes(target, content)
    return home


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {}


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the installation's Dagster instance; close it with ``dispose`` or a ``with`` block."""
    return dg.DagsterInstance.from_config(str(prepare_home(settings)))


def this_process() -> str:
    """Return what identifies this process, for the tags of the runs it executes itself."""
    return f"{socket.gethostname()}:{os.getpid()}"


def end_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process, of this machine, is gone; return their ids.

    A process that is killed cannot say so. Runs of the daemon are looked after by the daemon.
    """
    ended = []
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(started):
        host, _, process = run.tags.get(TAG_PROCESS, "").rpartition(":")
        if host == socket.gethostname() and not _is_alive(int(process)):
            instance.report_run_failed(run, f"its process {process} is gone")
            ended.append(run.run_id)
    return ended


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
