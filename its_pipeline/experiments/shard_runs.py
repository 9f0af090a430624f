"""Evaluating whole shards: their chunks computed by an engine, and put in place as they come.

What belongs here: what a shard's run does and in which order, so that whoever is interrupted
anywhere goes on with what is missing. What does not: the input (`shard_plan`), where chunks are
computed (`shard_engines`), or telling anybody (`defs`).

Looks are taken before the rows that hold them are put in place: a chunk that is lost in between is
computed again, finds its looks taken, and comes to the same rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary, Select
from its_pipeline.experiments.evaluate import Crash
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_chunks import Chunk
from its_pipeline.experiments.shard_engines import run_chunks
from its_pipeline.experiments.shard_input import LOOKS, ShardInput, whole_input
from its_pipeline.experiments.shard_plan import (
    PlannedShard,
    input_path,
    plan_shards,
    store_identity,
)
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.experiments.shard_standing import done_people
from its_pipeline.experiments.shard_state import (
    ShardState,
    read_state,
    sets_identity,
    write_state,
)
from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings
from its_pipeline.experiments.sharding import SHARDS_FOLDER
from its_pipeline.files.atomic import exclusive
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.stores.look_log import LookLog
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from pathlib import Path

    from its_pipeline.settings import Settings

_MOST_TIMES: Final = 2.0
"""Of so many times the rows of the newer ones an older set of a shard is merged."""
PLAN_HOURS: Final = 12.0
"""An input that is older is written anew; a younger one stands although the log has moved on since:
a night is planned once, and what is logged meanwhile is the next one's."""

OnProgress = Callable[[int, int, RefreshSummary], None]
OnCrash = Callable[[Crash], None]


def refresh_shard(
    settings: Settings,
    shard: Shard,
    *,
    select: Select = "stale",
    run: RunContext | None = None,
    keys: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
    on_crash: OnCrash | None = None,
) -> RefreshSummary:
    """Evaluate the experiments of a shard whose verdicts may have changed; see `refresh_shards`.

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
    [(_, summary)] = refresh_shards(
        settings,
        [shard],
        select=select,
        run=run,
        keys=keys,
        on_progress=on_progress,
        on_crash=on_crash,
    )
    return summary


def refresh_shards(
    settings: Settings,
    shards: Sequence[Shard],
    *,
    select: Select = "stale",
    run: RunContext | None = None,
    keys: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
    on_crash: OnCrash | None = None,
    decided_at: str | None = None,
) -> Iterator[tuple[Shard, RefreshSummary]]:
    """Evaluate shards, chunks of the next one ahead of the last of this one.

    Each finished chunk is put in place as it comes. Whoever is interrupted loses the chunks in
    hand, and the next run, with whatever engine, goes on with what is missing, from the same input
    as long as the data are those it was planned with.

    Parameters
    ----------
    settings, shards, select, run, keys, on_progress, on_crash
        As in `refresh_shard`; progress is told over all shards.
    decided_at
        As in `plan_shards`, for shards that are planned now.

    Yields
    ------
    tuple
        A shard and what it came to, as it is finished.
    """
    night = _Night(settings, select, run or RunContext(), keys, on_progress, on_crash)
    night.plan(sorted(shards), decided_at)
    try:
        yield from night.finished()
    finally:
        night.close()


@dataclass
class _Open:
    """A shard that is to be evaluated, or is being so.

    If there is anything to do, its lock is held from its first chunk on until its results are
    merged.
    """

    planned: PlannedShard
    held: ExitStack = field(default_factory=ExitStack)
    summary: RefreshSummary = field(default_factory=RefreshSummary)
    settled_with: str = ""
    started: float = 0.0
    in_hand: int = 0
    is_handed_out: bool = False
    is_complete: bool = True

    @property
    def is_over(self) -> bool:
        return self.is_handed_out and not self.in_hand


class _Night:
    """The shards of one call, and what they come to."""

    def __init__(
        self,
        settings: Settings,
        select: Select,
        run: RunContext,
        keys: Collection[str] | None,
        on_progress: OnProgress | None,
        on_crash: OnCrash | None,
    ) -> None:
        self._settings = settings
        self._select: Select = select
        self._run = run
        self._keys = None if keys is None else frozenset(keys)
        self._on_progress = on_progress
        self._on_crash = on_crash
        self._forgotten = Forgotten(settings.store_root)
        # Ahead of any plan: what is logged after this is not settled by it.
        self._identity = store_identity(settings, SharedInput.of_store(settings))
        self._decided_at: str | None = None
        self._left: deque[_Open] = deque()
        self._chunks_out: dict[int, tuple[_Open, int]] = {}
        self._done = self._total = 0
        self._log = LookLog(settings.resolved_intervention_log_url)

    def close(self) -> None:
        """Let go of whatever is held."""
        for own in self._left:
            own.held.close()
        self._log.close()

    def plan(self, shards: Sequence[Shard], decided_at: str | None) -> None:
        """Plan what has no input that stands."""
        self._decided_at = decided_at
        standing = {shard: self._standing_input(shard) for shard in shards}
        todo = [shard for shard, content in standing.items() if content is None]
        planned = plan_shards(
            self._settings, todo, select=self._select, keys=self._keys, decided_at=decided_at
        )
        by_shard = {each.shard: each for each in planned}
        for shard, content in standing.items():
            if content is not None:
                about = content.about
                by_shard[shard] = PlannedShard(
                    shard, about.experiments, about.unchanged, content.n_people
                )
            self._left.append(_Open(by_shard[shard]))
        self._total = sum(own.planned.experiments for own in self._left)

    def _standing_input(self, shard: Shard) -> ShardInput | None:
        """Return a shard's input where one stands that was planned before."""
        if self._keys is not None or self._select != "stale":
            return None
        path = input_path(self._settings, shard)
        if not path.is_file() or time.time() - path.stat().st_mtime > 3600.0 * PLAN_HOURS:
            return None
        content = read_or_set_aside(path, ShardInput, self._settings.store_root)
        if content is None or content.about.select != self._select:
            return None
        return content if content.about.store.data == self._identity.data else None

    def finished(self) -> Iterator[tuple[Shard, RefreshSummary]]:
        """Evaluate; yield each shard as it is finished."""
        todo = sum(own.planned.experiments - own.planned.unchanged for own in self._left)
        for number, result in run_chunks(self._settings, self._chunks(), todo):
            own, people = self._chunks_out.pop(number)
            self._take(own, result)
            if people > result.people:
                # A part of a chunk that is computed one by one.
                self._chunks_out[number] = own, people - result.people
            else:
                own.in_hand -= 1
            yield from self._settled()
        yield from self._settled()

    def _chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of all shards with the looks taken by now."""
        number = 0
        for own in list(self._left):
            for people, shared in self._people_of(own):
                settings = ChunkSettings(shared, self._run, self._select, self._keys)
                self._chunks_out[number] = own, people.num_rows
                own.in_hand += 1
                yield Chunk(number, self._with_looks(people), settings)
                number += 1
            own.is_handed_out = True

    def _people_of(self, own: _Open) -> Iterator[tuple[pa.Table, str]]:
        """Yield a shard's people by chunks, without those done meanwhile, and what they share."""
        settings, shard = self._settings, own.planned.shard
        own.started = time.perf_counter()
        own.settled_with = self._identity.whole
        if not own.planned.people:
            self._pass_over(own, own.planned.experiments)
            return
        own.held.enter_context(exclusive(_lock_path(settings, shard)))
        path = input_path(settings, shard, of_some=self._keys is not None)
        if not path.is_file():
            # Somebody has done it while the lock was waited for, or one of its people has left:
            # the next run plans anew.
            own.is_complete = False
            self._pass_over(own, own.planned.experiments)
            return
        content = read_or_set_aside(path, whole_input, settings.store_root)
        if content is None:
            keys, select = self._keys, self._select
            [own.planned] = plan_shards(
                settings, [shard], select=select, keys=keys, decided_at=self._decided_at
            )
            if not own.planned.people:
                self._pass_over(own, own.planned.experiments)
                return
            content = ShardInput(path)
        own.settled_with = content.about.store.whole
        done, left = frozenset[str](), own.planned.experiments - own.planned.unchanged
        if self._select == "stale":
            found = done_people(settings, shard, content)
            done = found.users
            left = left if self._keys is not None else found.experiments_left
        self._pass_over(own, own.planned.experiments - left)
        for people in content.chunks():
            mask = [user not in done for user in people["user_id"].to_pylist()]
            left_over = people.filter(pa.array(mask, pa.bool_()))
            if left_over.num_rows:
                yield left_over, content.shared

    def _pass_over(self, own: _Open, experiments: int) -> None:
        own.summary.counts["unchanged"] += experiments
        self._done += experiments

    def _with_looks(self, people: pa.Table) -> pa.Table:
        users = people["user_id"].to_pylist()
        taken = self._log.of_people(users)
        looks = [taken[user].to_json() if user in taken else None for user in users]
        return people.append_column(LOOKS, pa.array(looks, pa.string()))

    def _take(self, own: _Open, result: ChunkResult) -> None:
        """Put a chunk's answer in place, and count it."""
        settings, shard, summary = self._settings, own.planned.shard, own.summary
        questions = self._log.take_all(result.looks, self._forgotten)
        refused = {f"{each.user_id}{SEPARATOR}{each.intervention_id}" for each in questions}
        rows = [row for row in result.rows if row.key not in refused]
        if rows:
            if read_state(settings, shard) != ShardState("begun"):
                write_state(settings, shard, ShardState("begun"))
            open_store(settings).sets.add(rows, shard)
        own.is_complete &= not refused
        summary.counts.update(result.counts)
        summary.problems.update(result.problems)
        summary.computed += len(result.computed)
        summary.seconds = time.perf_counter() - own.started
        self._done += sum(result.counts.values())
        for crash in result.crashes:
            summary.crashed.append(crash.key)
            if self._on_crash is not None:
                self._on_crash(crash)
        if self._on_progress is not None:
            self._on_progress(self._done, self._total, summary)

    def _settled(self) -> Iterator[tuple[Shard, RefreshSummary]]:
        """Yield the shards of which no chunk is left."""
        while self._left and self._left[0].is_over:
            own = self._left.popleft()
            with own.held:
                self._settle(own)
            own.summary.seconds = time.perf_counter() - own.started
            yield own.planned.shard, own.summary

    def _settle(self, own: _Open) -> None:
        """Merge a shard's sets, and note that it has all results, if it has."""
        settings, shard = self._settings, own.planned.shard
        if own.planned.people:
            open_store(settings).sets.merge(most_times=_MOST_TIMES, shard=shard)
        if self._keys is None and not own.summary.crashed and own.is_complete:
            sets = sets_identity(settings, shard)
            state = replace(read_state(settings, shard), settled_with=own.settled_with, sets=sets)
            write_state(settings, shard, state)
        input_path(settings, shard, of_some=self._keys is not None).unlink(missing_ok=True)


def _lock_path(settings: Settings, shard: Shard) -> Path:
    return settings.store_root / SHARDS_FOLDER / f".{shard.slug}.lock"


def untold(settings: Settings, shard: Shard) -> bool:
    """Tell whether a shard has results of which nobody was told, or has never been told of."""
    return read_state(settings, shard).told != "told"


def mark_told(settings: Settings, shard: Shard) -> None:
    """Note that somebody was told of a shard's newest results."""
    write_state(settings, shard, replace(read_state(settings, shard), told="told"))


def stale_shards(settings: Settings, shards: Sequence[Shard]) -> list[Shard]:
    """Return the shards that have anything to do: to evaluate, or to tell of.

    Whoever has all results of the store as it is now is passed over without a look at anybody's
    data. The others are planned, and the next run of them starts from that plan.

    Parameters
    ----------
    settings
        The installation.
    shards
        All of the store.
    """
    identity = store_identity(settings, SharedInput.of_store(settings)).whole
    states = {shard: read_state(settings, shard) for shard in shards}
    unsettled = [
        shard
        for shard, state in states.items()
        if state.settled_with != identity or state.sets != sets_identity(settings, shard)
    ]
    planned = {each.shard: each for each in plan_shards(settings, unsettled)}
    stale = []
    for shard in shards:
        found = planned.get(shard)
        if (states[shard].told != "told" and (found is None or found.experiments)) or (
            found is not None and found.people
        ):
            stale.append(shard)
    return stale
