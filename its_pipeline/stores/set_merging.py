"""Which result sets may become one.

What belongs here: telling neighbours among sets, so that which row is newer stays as it is. What
does not: merging them (`result_sets`).
"""

from __future__ import annotations

from collections.abc import Iterable

from its_pipeline.events.shards import Shard
from its_pipeline.stores.result_file import ResultFile
from its_pipeline.stores.set_names import overlap, shard_of_set


def mergeable(
    files: Iterable[ResultFile], most_rows: int, most_times: float, shard: Shard | None
) -> list[list[ResultFile]]:
    """Return groups of sets of the same people, each of two at least, newest first.

    Parameters
    ----------
    files
        All sets that can have rows of `shard`, newest first.
    most_rows, most_times, shard
        As of `ResultSets.merge`.
    """
    groups: list[list[ResultFile]] = []
    last: dict[Shard | None, list[ResultFile]] = {}
    for file in list(files):
        own = shard_of_set(file.path)
        # Nothing older goes past a set that other people share with this one.
        for other in [each for each in last if each != own and overlap(each, own)]:
            del last[other]
        if shard is not None and own != shard:
            continue
        group = last.get(own)
        rows = sum(each.n_rows for each in group or ())
        if group and file.n_rows <= min(most_rows - rows, most_times * rows):
            group.append(file)
        else:
            last[own] = [file]
            groups.append(last[own])
    return [group for group in groups if len(group) > 1]
