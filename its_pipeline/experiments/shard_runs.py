"""Evaluating whole shards: their chunks computed by an engine, and put in place as they come.

What belongs here: what a shard's run does and in which order, so that whoever is interrupted
anywhere goes on with what is missing. What does not: the input (`shard_plan`), where chunks are
computed (`shard_engines`), or telling anybody (`defs`).

Looks are taken before the rows that hold them are put in place: a chunk that is lost in between is
computed again, finds its looks taken, and comes to the same rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary, Select
from its_pipeline.experiments.evaluate import Crash
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_engines import Chunk, run_chunks
from its_pipeline.experiments.shard_input import LOOKS, ShardInput
from its_pipeline.experiments.shard_plan import (
    PlannedShard,
    input_path,
    plan_shards,
)
from its_pipeline.experiments.shard_state import ShardState, read_state, write_state
from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings
from its_pipeline.stores.look_log import LookLog
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def refresh_shard(
    settings: Settings,
    shard: Shard,
    *,
    select: Select = "stale",
    run: RunContext | None = None,
    keys: Collection[str] | None = None,
    on_progress: Callable[[int, int, RefreshSummary], None] | None = None,
    on_crash: Callable[[Crash], None] | None = None,
) -> RefreshSummary:
    """Evaluate the experiments of a shard whose verdicts may have changed.

    Parameters
    ----------
    settings
        The installation.
    shard
        Which.
    select
        ``stale``: pass over what cannot have changed. ``all``: give every verdict again; stored
        analyses are still not computed again.
    run
        Which run asks.
    keys
        Only these experiments.
    on_progress
        Called with (done, total, summary so far) experiments after each chunk.
    on_crash
        Called with what crashed.

    Returns
    -------
    RefreshSummary
        Over all experiments of the shard, or over `keys`.
    """
    started = time.perf_counter()
    planned = _planned(settings, shard, select, keys)
    summary = RefreshSummary(Counter(unchanged=planned.unchanged))
    if planned.people:
        content = ShardInput(input_path(settings, shard))
        chunk_settings = ChunkSettings(
            content.shared, run or RunContext(), select, None if keys is None else frozenset(keys)
        )
        log = LookLog(settings.resolved_intervention_log_url)
        try:
            chunks = _with_looks(log, content)
            for _, result in run_chunks(settings, chunk_settings, chunks):
                kept = _stored(settings, shard, log, result)
                _count(summary, result, kept, on_crash)
                summary.seconds = time.perf_counter() - started
                if on_progress is not None:
                    on_progress(summary.total, planned.experiments, summary)
        finally:
            log.close()
    _settle(settings, shard, summary, is_whole=keys is None)
    summary.seconds = time.perf_counter() - started
    return summary


def _planned(
    settings: Settings, shard: Shard, select: Select, keys: Collection[str] | None
) -> PlannedShard:
    [planned] = plan_shards(settings, [shard], select=select, keys=keys)
    return planned


def _with_looks(log: LookLog, content: ShardInput) -> Iterator[Chunk]:
    """Yield chunks with the looks taken by now."""
    for number, people in enumerate(content.chunks()):
        users = people["user_id"].to_pylist()
        taken = log.of_people(users)
        looks = [taken[user].to_json() if user in taken else None for user in users]
        yield Chunk(number, people.append_column(LOOKS, pa.array(looks, pa.string())))


def _stored(settings: Settings, shard: Shard, log: LookLog, result: ChunkResult) -> set[str]:
    """Take a chunk's looks and put its rows in place; return which experiments were left out."""
    refused = {
        f"{each.user_id}{SEPARATOR}{each.intervention_id}" for each in log.take_all(result.looks)
    }
    rows = [row for row in result.rows if row.key not in refused]
    if rows:
        state = read_state(settings, shard)
        if state.told != "begun" or state.settled_with:
            write_state(settings, shard, ShardState("begun"))
        open_store(settings).sets.add(rows, shard)
    return refused


def _count(
    summary: RefreshSummary,
    result: ChunkResult,
    refused: set[str],
    on_crash: Callable[[Crash], None] | None,
) -> None:
    summary.counts.update(result.counts)
    summary.problems.update(result.problems)
    summary.computed += len(result.computed)
    for crash in result.crashes:
        summary.crashed.append(crash.key)
        if on_crash is not None:
            on_crash(crash)


def _settle(settings: Settings, shard: Shard, summary: RefreshSummary, *, is_whole: bool) -> None:
    input_path(settings, shard).unlink(missing_ok=True)
    open_store(settings).sets.merge(shard=shard)


def untold(settings: Settings, shard: Shard) -> bool:
    """Tell whether a shard has results of which nobody was told."""
    return read_state(settings, shard).told != "told"


def mark_told(settings: Settings, shard: Shard) -> None:
    """Note that somebody was told of a shard's newest results."""
    write_state(settings, shard, replace(read_state(settings, shard), told="told"))


def stale_shards(settings: Settings, shards: Sequence[Shard]) -> list[Shard]:
    """Return the shards that have anything to do: to evaluate, or to tell of."""
    planned = plan_shards(settings, shards, write=False)
    return [each.shard for each in planned if each.people or untold(settings, each.shard)]
