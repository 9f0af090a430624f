"""Putting the results of many experiments into a few files.

What belongs here: when that is worth it, which analyses stay where they are, and what becomes of
their copies among MLflow's artifacts. What does not: moving them (`stores.gathering`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.own_files import keys_with_files
from its_pipeline.experiments.service import open_store
from its_pipeline.stores.adhoc import AdhocAnalyses
from its_pipeline.stores.artifacts import drop_local
from its_pipeline.stores.gathering import ANALYSIS_FILES, gather, is_loose

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

#: Sets beyond which a bulk run merges the small ones: a lookup asks each in turn.
MOST_SETS: Final = 24
#: Of so many times the rows of the newer ones an older set is merged in a bulk run.
_MOST_TIMES: Final = 2.0


def gather_results(settings: Settings, keys: Sequence[str]) -> int:
    """Move the results of a bulk run into a set, if there are enough; return of how many.

    Parameters
    ----------
    settings
        ``gather_from`` says how many are enough.
    keys
        The experiments of the run, those passed over among them: what an interrupted run left is
        moved with the rest.
    """
    store = open_store(settings)
    loose = [key for key in keys if is_loose(store, key)]
    if len(loose) < settings.gather_from:
        return 0
    moved = _gather(settings, loose)
    if len(store.sets.paths()) > MOST_SETS:
        store.sets.merge(most_times=_MOST_TIMES)
    return moved


def compact(
    settings: Settings, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[int, int]:
    """Move all results into sets, and merge small sets.

    Parameters
    ----------
    settings
        The installation.
    on_progress
        Called with (done, total) experiments now and then.

    Returns
    -------
    tuple
        Of how many experiments results were moved, and how many files were merged into others.
    """
    moved = _gather(settings, keys_with_files(settings), on_progress)
    return moved, open_store(settings).sets.merge()


def gather_loose(settings: Settings, keys: Sequence[str], shard: Shard) -> int:
    """Move what lies in folders of experiments of a shard's people into a set of theirs.

    Parameters
    ----------
    settings, keys, shard
        The installation, the experiments, and whose all of them are.
    """
    return _gather(settings, keys, shard=shard)


def _gather(
    settings: Settings,
    keys: Sequence[str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    shard: Shard | None = None,
) -> int:
    adhoc = AdhocAnalyses(settings.adhoc_dir)
    return gather(
        open_store(settings),
        keys,
        shard=shard,
        # When one was asked for last is the time of its folder.
        is_left=lambda key, fingerprint: adhoc.kept(key, fingerprint) is not None,
        drop_copies=lambda run_id: drop_local(settings, run_id, ANALYSIS_FILES),
        on_progress=on_progress,
    )
