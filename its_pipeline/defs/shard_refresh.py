"""Bringing shards up to date from a run of Dagster's, and telling of each as soon as it is done.

What belongs here: which shards a run has to do with, and the order in which one is evaluated,
recorded, told and marked as told. What does not: evaluating (`experiments.shard_runs`), what is
told (`shard_metadata`), or the job (`refresh_job`).

Whoever is killed between storing and telling leaves a shard that is marked as not told: the next
run tells of it, and computes only what is missing.
"""

import time
from collections.abc import Collection, Sequence
from typing import Final

import dagster as dg

from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.recording import Event, log_event, told_together
from its_pipeline.defs.resources import RunTracking
from its_pipeline.defs.shard_metadata import shard_events
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary, Select
from its_pipeline.experiments.shard_tables import standing_of_shard
from its_pipeline.experiments.sharding import shard_of_key
from its_pipeline.settings import Settings
from its_pipeline.stores.shard_newest import recorded_experiments
from its_pipeline.stores.verdict import RunContext

#: Shards that are told of at once: most of what telling of one takes is waiting for the disk.
TOLD_AT_ONCE: Final = 8
#: After so long those that wait are told of, however few they are.
LONGEST_UNTOLD_SECONDS: Final = 5.0
#: Experiments of one run of a night, in a store with shards: so many times `Settings.shard_size`.
#: One costs a tenth of what it does with a page and a folder, and starting a run takes ten seconds.
RUN_TIMES: Final = 100


def runs_of_night(settings: Settings, shards: Sequence[Shard], stale: int, experiments: int) -> int:
    """Return in how many runs the stale shards of a night are brought up to date.

    Parameters
    ----------
    settings
        ``shard_size`` times `RUN_TIMES` experiments are one run's.
    shards, stale
        All shards, and how many of them have anything to do.
    experiments
        How many the store has.
    """
    if not stale:
        return 0
    one_run = RUN_TIMES * settings.shard_size
    return min(stale, -(-stale * experiments // (len(shards) * one_run)))


def shards_of_part(shards: Sequence[Shard], part: int, parts: int) -> list[Shard]:
    """Return the shards of one of several runs, from 0; together they have each once.

    Raises
    ------
    ValueError
        The part is out of range.
    """
    if not 0 <= part < parts:
        raise ValueError(f"shard should be in [0, {parts}) but got {part}")
    return [shard for shard in shards if shard.number % parts == part]


def refresh_in_shards(
    context: dg.OpExecutionContext,
    settings: Settings,
    tracking: RunTracking,
    shards: Sequence[Shard],
    *,
    select: Select = "stale",
    keys: Collection[str] | None = None,
) -> RefreshSummary:
    """Evaluate what is stale in shards, record and tell of each that changed or was not told of.

    Parameters
    ----------
    context
        Of the run's op.
    settings, tracking
        The installation, and its run store.
    shards
        Which.
    select, keys
        As of `experiments.shard_runs.refresh_shards`.

    Returns
    -------
    RefreshSummary
        Over all of them.
    """
    from its_pipeline.experiments.shard_runs import refresh_shards

    todo = _todo(settings, shards, select, keys)
    total = RefreshSummary()
    if keys is None:
        total.counts["unchanged"] = sum(
            recorded_experiments(settings, shard.name) for shard in set(shards) - set(todo)
        )
    progress = ProgressLog(context.log.info, "experiments")
    run = RunContext(dagster_run_id=context.run_id)
    teller = _Teller(context, settings)
    for shard, summary in refresh_shards(
        settings,
        todo,
        select=select,
        run=run,
        keys=keys,
        on_progress=lambda done, of_all, _: progress.update(done, of_all),
        on_crash=lambda crash: context.log.error(f"{crash.key} crashed: {crash.detail}"),
    ):
        standing = standing_of_shard(settings, shard)
        run_id = tracking.record_shard(shard, standing.table, standing.numbers(summary), run)
        teller.add(shard, shard_events(settings, shard, standing, summary, run_id))
        _add(total, summary)
    teller.tell()
    return total


def _todo(
    settings: Settings, shards: Sequence[Shard], select: Select, keys: Collection[str] | None
) -> list[Shard]:
    """Return the shards with anything to do: to evaluate, to tell of, or to record."""
    if keys is not None:
        count = shards[0].count if shards else 1
        own = {shard_of_key(key, count) for key in keys}
        return [shard for shard in shards if shard in own]
    return list(shards) if select == "all" else shards_to_do(settings, shards)


def shards_to_do(settings: Settings, shards: Sequence[Shard]) -> list[Shard]:
    """Return the shards of a night: those that have anything to evaluate, to tell of, or to record.

    Parameters
    ----------
    settings
        The installation.
    shards
        All of the store, or of a run.
    """
    from its_pipeline.experiments.shard_runs import stale_shards, untold
    from its_pipeline.stores.shard_records import is_recorded

    stale = set(stale_shards(settings, shards))
    return [
        shard
        for shard in shards
        # One of nobody is never stale, but whoever recorded it may have been killed before telling.
        if shard in stale or untold(settings, shard) or not is_recorded(settings, shard.name)
    ]


class _Teller:
    """Tells Dagster of some shards at a time, and marks them as told after that."""

    def __init__(self, context: dg.OpExecutionContext, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._waiting: list[tuple[Shard, list[Event]]] = []
        self._since = 0.0

    def add(self, shard: Shard, events: list[Event]) -> None:
        """Tell of a shard now or soon."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((shard, events))
        waited = time.monotonic() - self._since
        if len(self._waiting) == TOLD_AT_ONCE or waited > LONGEST_UNTOLD_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Tell of all that wait."""
        from its_pipeline.experiments.shard_runs import mark_told

        with told_together(self._context.instance):
            for _, events in self._waiting:
                for event in events:
                    log_event(self._context, event)
        for shard, _ in self._waiting:
            mark_told(self._settings, shard)
        self._waiting = []


def _add(total: RefreshSummary, summary: RefreshSummary) -> None:
    total.counts.update(summary.counts)
    total.problems.update(summary.problems)
    total.crashed.extend(summary.crashed)
    total.computed += summary.computed
    total.seconds += summary.seconds
