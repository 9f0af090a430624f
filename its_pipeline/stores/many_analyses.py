"""Stored analyses of many experiments, read in one pass over the result sets.

What belongs here: the pass. What does not: one analysis (`experiment_store`), or what becomes of a
damaged set (`result_sets`).

A set's rows are read in groups of some thirty. Whoever asks for many analyses one by one reads each
group as often as it has rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from its_pipeline.files.damage import DAMAGE, is_of_the_machine

if TYPE_CHECKING:
    from its_pipeline.its import Analysis
    from its_pipeline.stores.experiment_store import ExperimentStore


def read_analyses(
    store: ExperimentStore, places: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], Analysis | None]]:
    """Yield every analysis that is asked for, once, in no order; one is in memory at a time.

    Parameters
    ----------
    store
        Where they lie.
    places
        Experiment keys and fingerprints.

    Yields
    ------
    tuple
        The place, and what `ExperimentStore.analysis` returns of it.
    """
    from its_pipeline.its import Analysis
    from its_pipeline.its.packing import unpacked

    left = set(places)
    for place, content in _in_sets(store, left):
        yield place, Analysis.from_stored(unpacked(content)[0])
        left.discard(place)
    # What lies in folders, what was moved meanwhile, and what is damaged, which is set aside then.
    for place in sorted(left):
        yield place, store.analysis(*place, with_trace=False)


def _in_sets(
    store: ExperimentStore, left: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], bytes]]:
    from its_pipeline.stores.result_file import opened

    for path in store.sets.paths():
        if not left:
            return
        try:
            yield from opened(path).analyses(frozenset(left))
        except FileNotFoundError:
            continue
        except DAMAGE as error:
            if is_of_the_machine(error):
                raise
