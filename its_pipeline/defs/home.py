"""Dagster's home of an installation: its files, and the instance in it.

What belongs here: writing ``dagster.yaml`` into the folder under the store root, leaving alone what
an operator wrote there, and opening the instance. What does not: running anything (`local`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml

from its_pipeline.defs.names import TAG_PROCESS, TAG_SHARD
from its_pipeline.files.atomic import write_bytes
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.settings import Settings

INSTANCE_FILE: Final = Path(__file__).with_name("dagster.yaml")
WORKSPACE_FILE: Final = Path(__file__).with_name("workspace.yaml")

#: First line of a ``dagster.yaml`` of ours, up to the hash of what follows it.
MARK: Final = "# Written by its-pipeline, which keeps it current until somebody edits it: "

#: The environment variable of `Settings.dagster_database_url`.
DATABASE_VARIABLE: Final = "ITS_DAGSTER_DATABASE_URL"

_log = logging.getLogger(__name__)
_told: set[tuple[Path, str]] = set()


def prepare_home(settings: Settings) -> Path:
    """Put ``dagster.yaml`` into the installation's Dagster home and return the home.

    Ours is written where there is none (or an empty one), and in the place of an unedited one of
    ours. A file that somebody wrote or edited is kept as it is; how it differs from ours is logged
    as a warning, once a process.

    Raises
    ------
    ValueError
        The file in the home is no YAML mapping.
    """
    target = settings.dagster_home / "dagster.yaml"
    ours = _instance(settings.shard_concurrency, settings.dagster_database_url is not None)
    body = _dumped(ours)
    content = f"{_mark(body)}\n{body}"
    text = read_or_set_aside(target, _text, settings.store_root) or ""
    if text == content:
        return settings.dagster_home
    # What ours begins with is ours, cut short.
    if not text.strip() or content.startswith(text) or _is_ours(text):
        write_bytes(target, content.encode())
        return settings.dagster_home
    different = differences(_mapping(target, text), ours)
    if different and (target, text) not in _told:
        _told.add((target, text))
        _log.warning(
            "%s was not written by its-pipeline, so it is kept as it is; it differs from ours "
            "(%s): %s",
            target,
            INSTANCE_FILE,
            "; ".join(different),
        )
    return settings.dagster_home


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError("it holds zero bytes")
    return text


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return in words which settings of ours are missing in theirs or have another value there.

    What only theirs has (``storage``, ``run_launcher``) is no difference.

    Examples
    --------
    >>> differences({"a": {"b": 2}}, {"a": {"b": 1, "c": 3}, "d": {"e": 4}})
    ['a.b is 2 instead of 1', 'a.c is missing', 'd is missing']
    """
    found = []
    for name, value in ours.items():
        if name not in theirs:
            found.append(f"{name} is missing")
        elif isinstance(value, Mapping) and isinstance(theirs[name], Mapping):
            found += [f"{name}.{inner}" for inner in differences(theirs[name], value)]
        elif theirs[name] != value:
            found.append(f"{name} is {theirs[name]} instead of {value}")
    return found


def _instance(shard_concurrency: int, in_postgres: bool = False) -> dict[str, Any]:
    """Return our settings of the instance, with room for so many shards at the same time."""
    instance = yaml.safe_load(INSTANCE_FILE.read_text(encoding="utf-8"))
    if in_postgres:
        # By name: the file is read by more people than the address, which may hold a password.
        instance["storage"] = {"postgres": {"postgres_url": {"env": DATABASE_VARIABLE}}}
    runs = instance["concurrency"]["runs"]
    for limit in runs["tag_concurrency_limits"]:
        if limit["key"] == TAG_SHARD:
            limit["limit"] = shard_concurrency
    runs["max_concurrent_runs"] = max(runs["max_concurrent_runs"], shard_concurrency + 2)
    return instance


def _dumped(instance: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(instance), sort_keys=False)


def _mark(body: str) -> str:
    return f"{MARK}{hashlib.sha256(body.encode()).hexdigest()[:16]}"


def _is_ours(text: str) -> bool:
    """Tell whether a file is one that we wrote and nobody edited."""
    first, _, body = text.partition("\n")
    if first.startswith(MARK):
        return first == _mark(body)
    # Without a mark, as it was written before there was one: ours for some number of shards.
    shards = re.search(rf"^ *- key: {TAG_SHARD}\n *limit: (\d+)$", text, re.MULTILINE)
    return shards is not None and text == _dumped(_instance(int(shards[1])))


def _mapping(path: Path, text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} cannot be read as YAML: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(
            f"{path} should be a mapping of Dagster's settings but is {type(found).__name__}; "
            "mend it, or delete it for the settings of its-pipeline"
        )
    return found


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
