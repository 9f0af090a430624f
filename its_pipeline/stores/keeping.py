"""Which analyses are kept: older ones deleted, wherever they lie.

What belongs here: deleting analyses of experiments, in their folders and in result sets. What does
not: a person's results as a whole (`leaving.results`), or moving anything (`gathering`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from its_pipeline.events.shards import Shard
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.result_rows import STANDING


def prune(
    store: ExperimentStore,
    keys: Iterable[str],
    keep: int,
    drop: Callable[[str], None] | None = None,
) -> int:
    """Delete all but the newest `keep` analyses of experiments; the current one always stays.

    Parameters
    ----------
    store
        Where they lie.
    keys
        The experiments.
    keep
        How many stay of each.
    drop
        Called with the MLflow run of each one ahead of its deletion, to take the draws from there
        as well; what the run says of the analysis is not touched here.

    Returns
    -------
    int
        How many were deleted.
    """
    if keep < 1:
        raise ValueError(f"keep should be at least 1 but got {keep}")
    removed, in_sets = 0, []
    for key in keys:
        with store.locked(key):
            current = store.verdict(key)
            removable = [
                verdict.fingerprint
                for verdict in store.history(key)[keep:]
                if verdict.fingerprint
                and (not current or verdict.fingerprint != current.fingerprint)
            ]
            for fingerprint in removable:
                run_id = store.recorded_run(key, fingerprint)
                if drop is not None and run_id is not None:
                    drop(run_id)
                if store.analysis_folder(key, fingerprint).is_dir():
                    store.delete_folder(key, fingerprint)
                in_sets.append((key, fingerprint))
        removed += len(removable)
    # All at once: a set is written anew for one row as for many.
    store.sets.drop(in_sets)
    return removed


def prune_shard(store: ExperimentStore, shard: Shard, keep: int) -> int:
    """Delete older analyses of a shard's people from result sets; return how many.

    Parameters
    ----------
    store, shard
        Where they lie, and whose.
    keep
        How many stay of each experiment, as in `prune`.
    """
    if keep < 1:
        raise ValueError(f"keep should be at least 1 but got {keep}")
    names = ("key", "fingerprint", "decided_at", "of_analysis")
    table = store.sets.small_table(shard, list(names))
    analyses: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    current: dict[str, str | None] = {}
    for key, fingerprint, decided_at, of_analysis in zip(
        *(table[name].to_pylist() for name in names), strict=True
    ):
        if fingerprint == STANDING:
            current[key] = of_analysis
        else:
            analyses[key].append((decided_at, fingerprint))
    gone = []
    for key, found in analyses.items():
        older = [fingerprint for _, fingerprint in sorted(found, reverse=True)[keep:]]
        if not older:
            continue
        # A row that was gathered does not say which analysis it is made of.
        verdict = store.verdict(key)
        stays = {current.get(key), verdict.fingerprint if verdict is not None else None}
        gone += [(key, fingerprint) for fingerprint in older if fingerprint not in stays]
    store.sets.drop(gone, shard)
    return len(gone)


def remove(
    store: ExperimentStore, key: str, fingerprint: str, forget: Callable[[str], None]
) -> bool:
    """Delete one analysis for good, unless it is the experiment's current one.

    Parameters
    ----------
    store, key, fingerprint
        The analysis; one that is gone already is no error.
    forget
        Called with its MLflow run, to delete that too.

    Returns
    -------
    bool
        Whether it was there and is gone.
    """
    with store.locked(key):
        current = store.verdict(key)
        if current is not None and current.fingerprint == fingerprint:
            return False
        # In this order: as long as the run is known, it can be deleted after an interruption.
        was_there = store.finished(key, fingerprint) is not None
        run_id = store.recorded_run(key, fingerprint)
        if store.analysis_folder(key, fingerprint).is_dir():
            store.delete_folder(key, fingerprint)
        if run_id is not None:
            forget(run_id)
        if store.sets.row(key, fingerprint) is not None:
            store.sets.drop([(key, fingerprint)])
        store.forget_recorded_run(key, fingerprint)
    return was_there
