"""Moving results from the folders of experiments into result sets, so that nothing is ever missing.

What belongs here: what of a folder goes into a row, and the order in which it is written there and
deleted here. What does not: when that is done (`experiments.compaction`), or the sets themselves
(`result_sets`).

A set is in its place before anything of it is deleted from folders, and folders are read before
sets are: whoever is killed anywhere, or reads meanwhile, has everything, some of it twice.
Gathering again ends what was broken off.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.events.shards import Shard
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.stores.experiment_store import (
    ANNOUNCED_FILE,
    TABLES,
    VERDICT_FILE,
    ExperimentStore,
    read_loose,
)
from its_pipeline.stores.result_rows import STANDING, ResultRow, compact_json

#: Experiments that are held in memory at a time, and become one set: some 40 megabytes.
AT_A_TIME: Final = 1000
#: Files that an analysis' folder may have to be gathered; one with another file stays as it is.
ANALYSIS_FILES: Final = frozenset(
    {
        VERDICT_FILE,
        "analysis.json",
        "daily.parquet",
        "grid.npz",
        "posterior.npz",
        "trace.npz",
        *(f"{name}.parquet" for name in TABLES),
    }
)

_log = logging.getLogger(__name__)


def gather(
    store: ExperimentStore,
    keys: Sequence[str],
    *,
    shard: Shard | None = None,
    is_left: Callable[[str, str], bool] = lambda key, fingerprint: False,
    drop_copies: Callable[[str], None] = lambda run_id: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Move the results of experiments from their folders into result sets.

    Parameters
    ----------
    store
        Where they lie.
    keys
        Experiments, each once.
    shard
        Whose people's they all are, if so.
    is_left
        Told key and fingerprint, whether this analysis stays in its folder.
    drop_copies
        Called with the MLflow run of each analysis ahead of the deletion of its folder: what is
        linked there would keep the bytes.
    on_progress
        Called with (done, total) after every set.

    Returns
    -------
    int
        Of how many experiments anything was moved.
    """
    todo = [key for key in keys if is_loose(store, key)]
    moved = 0
    for start in range(0, len(todo), AT_A_TIME):
        some = todo[start : start + AT_A_TIME]
        rows = [row for key in some for row in _rows(store, key, is_left)]
        # Also without a row: it takes away what a killed one was writing.
        store.sets.add(rows, shard)
        moved += sum(_delete_gathered(store, key, is_left, drop_copies) for key in some)
        on_progress(start + len(some), len(todo))
    return moved


def is_loose(store: ExperimentStore, key: str) -> bool:
    """Tell whether anything of an experiment's results lies in its folder."""
    folder = store.folder(key)
    return (folder / VERDICT_FILE).is_file() or bool(store.loose_fingerprints(key))


def _rows(
    store: ExperimentStore, key: str, is_left: Callable[[str, str], bool]
) -> Iterator[ResultRow]:
    """Yield what lies in an experiment's folder and not in sets."""
    with store.locked(key):
        for fingerprint in store.loose_fingerprints(key):
            if is_left(key, fingerprint) or store.sets.is_whole(key, fingerprint):
                continue
            row = _analysis_row(store, key, fingerprint)
            if row is not None:
                yield row
        standing = _standing_row(store, key)
        if standing is not None and standing != store.sets.row(key, STANDING):
            yield standing


def _analysis_row(store: ExperimentStore, key: str, fingerprint: str) -> ResultRow | None:
    from its_pipeline.its.packing import packed

    folder = store.analysis_folder(key, fingerprint)
    if not store.is_loose_and_whole(key, fingerprint):
        return None
    others = {file.name for file in folder.glob("[!.]*")} - ANALYSIS_FILES
    if others:
        _log.warning("%s stays as it is: %s have no place in a set", folder, sorted(others))
        return None
    told = _read(store, folder / VERDICT_FILE)
    found = read_or_set_aside(folder, read_loose, store.root.parent)
    if told is None or found is None:
        return None
    return ResultRow(
        key=key,
        user_id=parse_experiment_key(key).user_id,
        fingerprint=fingerprint,
        decided_at=told["decided_at"],
        verdict=compact_json(told),
        mlflow_run_id=store.recorded_run(key, fingerprint),
        analysis=packed(*found),
    )


def _standing_row(store: ExperimentStore, key: str) -> ResultRow | None:
    """Return how an experiment stands by its folder; None where that says nothing."""
    told = _read(store, store.folder(key) / VERDICT_FILE)
    if told is None:
        return None
    announced = store.announced(key)
    return ResultRow(
        key=key,
        user_id=parse_experiment_key(key).user_id,
        fingerprint=STANDING,
        decided_at=told["decided_at"],
        verdict=compact_json(told),
        announced=None if announced is None else compact_json(announced),
    )


def _delete_gathered(
    store: ExperimentStore,
    key: str,
    is_left: Callable[[str, str], bool],
    drop_copies: Callable[[str], None],
) -> bool:
    """Delete from an experiment's folder what a set has, as far as it is still the same."""
    folder = store.folder(key)
    deleted = False
    with store.locked(key):
        for fingerprint in store.loose_fingerprints(key):
            row = store.sets.row(key, fingerprint)
            if row is None or is_left(key, fingerprint):
                continue
            run_id = store.recorded_run(key, fingerprint)
            if run_id is not None:
                drop_copies(run_id)
            store.delete_folder(key, fingerprint)
            if run_id == row.mlflow_run_id:
                (folder / "recorded" / f"{fingerprint}.json").unlink(missing_ok=True)
            deleted = True
        standing = _standing_row(store, key)
        if standing is not None and standing == store.sets.row(key, STANDING):
            # The verdict last: by it, what a kill leaves is found.
            (folder / ANNOUNCED_FILE).unlink(missing_ok=True)
            (folder / VERDICT_FILE).unlink(missing_ok=True)
            deleted = True
        for empty in (folder / "runs", folder / "recorded"):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
    return deleted


def _read(store: ExperimentStore, path: Path) -> Any:
    return read_or_set_aside(path, lambda file: json.loads(file.read_bytes()), store.root.parent)
