"""Everybody's daily outcomes as rows of people, in one pass over the file of daily outcomes.

What belongs here: reading that file once, in little memory. What does not: who is in which shard
and what becomes of the rows (`shard_plan`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.schema import pc
from its_pipeline.experiments.shard_input import DAY_COLUMNS

_ROWS_AT_A_TIME: Final = 100_000
"""A night holds several copies of so many rows while it plans; more of them make it no faster."""


def people_days(
    path: Path, outcomes: set[str], shards_of: Callable[[list[str]], list[int]]
) -> Iterator[pa.Table]:
    """Yield people with their days, of some outcomes alone.

    Parameters
    ----------
    path
        Daily outcomes, sorted by person, outcome and day.
    outcomes
        Names of outcome metrics.
    shards_of
        Returns the number of each person's shard; -1: the person is left out.

    Yields
    ------
    pyarrow.Table
        Columns ``user_id``, ``shard``, ``outcomes``, ``n_days`` and those of `DAY_COLUMNS`.
    """
    if not path.is_file():
        return
    wanted = pa.array(sorted(outcomes), pa.string())
    columns = ["user_id", "outcome", *DAY_COLUMNS]
    waiting: pa.Table | None = None
    for batch in pq.ParquetFile(path).iter_batches(_ROWS_AT_A_TIME, columns=columns):
        table = pa.Table.from_batches([batch])
        table = table.filter(pc.is_in(table["outcome"], value_set=wanted))
        if waiting is not None:
            table = pa.concat_tables([waiting, table])
        if not table.num_rows:
            continue
        table = table.combine_chunks()
        # The last person's days may go on in the next batch.
        users = table["user_id"].chunk(0)
        last = _starts(users)[-1]
        waiting = table.slice(last)
        if last:
            yield from _people(table.slice(0, last), shards_of)
    if waiting is not None and waiting.num_rows:
        yield from _people(waiting, shards_of)


def _starts(values: pa.Array) -> np.ndarray:
    """Return where runs of equal values start."""
    codes = values.dictionary_encode().indices.to_numpy()
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1])


def _people(table: pa.Table, shards_of: Callable[[list[str]], list[int]]) -> Iterator[pa.Table]:
    table = table.combine_chunks()
    users, outcome = (table[name].chunk(0) for name in ("user_id", "outcome"))
    n = table.num_rows
    user_starts = _starts(users)
    starts = np.union1d(user_starts, _starts(outcome))
    names = users.take(pa.array(user_starts))
    rows_of_people = pa.array([*user_starts.tolist(), n], pa.int32())
    runs_of_people = pa.array(
        [*np.searchsorted(starts, user_starts).tolist(), len(starts)], pa.int32()
    )
    runs = pa.array(np.diff([*starts.tolist(), n]), pa.int32())
    shards = pa.array(shards_of(names.to_pylist()), pa.int32())
    people = pa.table(
        {
            "user_id": names,
            "shard": shards,
            "outcomes": pa.ListArray.from_arrays(runs_of_people, outcome.take(pa.array(starts))),
            "n_days": pa.ListArray.from_arrays(runs_of_people, runs),
            **{
                name: pa.ListArray.from_arrays(rows_of_people, table[name].chunk(0).cast(kind))
                for name, kind in DAY_COLUMNS.items()
            },
        }
    )
    people = people.filter(pc.greater_equal(people["shard"], 0))
    if people.num_rows:
        yield people


def only_needed(people: pa.Table) -> pa.Table:
    """Return people without days of outcomes that none of their experiments needs.

    Parameters
    ----------
    people
        Columns ``outcomes``, ``n_days``, those of `DAY_COLUMNS`, and ``needs``: outcomes' names.
    """
    outcomes, n_days, needs = (people[name].to_pylist() for name in ("outcomes", "n_days", "needs"))
    kept = [
        [name in needed for name in own]
        for own, needed in zip(outcomes, map(set, needs), strict=True)
    ]
    if all(map(all, kept)):
        return people
    flags = np.array([flag for own in kept for flag in own], bool)
    days = np.array([count for own in n_days for count in own], np.int64)
    of_runs = _offsets([sum(own) for own in kept])
    counts = [
        sum(count for count, flag in zip(own, flags_of, strict=True) if flag)
        for own, flags_of in zip(n_days, kept, strict=True)
    ]
    for name, offsets, mask in (
        ("outcomes", of_runs, flags),
        ("n_days", of_runs, flags),
        *((name, _offsets(counts), np.repeat(flags, days)) for name in DAY_COLUMNS),
    ):
        column = people[name]
        values = pc.list_flatten(column).combine_chunks().filter(pa.array(mask))
        array = pa.ListArray.from_arrays(offsets, values)
        people = people.set_column(people.column_names.index(name), name, array)
    return people


def _offsets(counts: list[int]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
