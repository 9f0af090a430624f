"""Bringing shards up to date from a run of Dagster's, and telling of each as soon as it is done.

What belongs here: which shards a run has to do with, and the order in which one is evaluated,
recorded, told and marked as told. What does not: evaluating (`experiments.shard_runs`), what is
told (`shard_metadata`), or the job (`refresh_job`).

Whoever is killed between storing and telling leaves a shard that is marked as not told: the next
run tells of it, and computes only what is missing.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from its_pipeline.defs.progress import ProgressLog
from its_pipeline.defs.recording import Event, log_event, told_together
from its_pipeline.defs.resources import RunTracking
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary, Select
from its_pipeline.experiments.sharding import shard_of_key
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from its_pipeline.experiments.evaluate import Crash

#: Experiments of one run of a night, in a store with shards: so many times `Settings.shard_size`.
#: One costs a tenth of what it does with a page and a folder, and starting a run takes ten seconds.
RUN_TIMES = 100


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


def refresh_shards(
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
        As of `experiments.shard_runs.refresh_shard`.

    Returns
    -------
    RefreshSummary
        Over all of them.
    """

    def tell(events: Sequence[Event]) -> None:
        with told_together(context.instance):
            for event in events:
                log_event(context, event)

    return evaluate_shards(
        settings,
        tracking,
        shards,
        tell,
        run=RunContext(dagster_run_id=context.run_id),
        progress=ProgressLog(context.log.info, "experiments"),
        on_crash=lambda crash: context.log.error(f"{crash.key} crashed: {crash.detail}"),
        select=select,
        keys=keys,
    )


def evaluate_shards(
    settings: Settings,
    tracking: RunTracking,
    shards: Sequence[Shard],
    tell: Callable[[Sequence[Event]], None],
    *,
    run: RunContext,
    progress: ProgressLog,
    on_crash: "Callable[[Crash], None]",
    select: Select = "stale",
    keys: Collection[str] | None = None,
) -> RefreshSummary:
    """Do what `refresh_shards` does, with another way to tell.

    Parameters
    ----------
    settings, tracking, shards, select, keys
        As in `refresh_shards`.
    tell
        Takes the events of one shard.
    run
        Which run asks.
    progress, on_crash
        Told how far it is, and what crashed.
    """
    from its_pipeline.experiments.shard_plan import plan_shards

    if keys is not None:
        count = shards[0].count if shards else 1
        own = {shard_of_key(key, count) for key in keys}
        shards = [shard for shard in shards if shard in own]
    total = RefreshSummary()
    if not shards:
        return total
    planned = plan_shards(settings, shards, select=select, keys=keys)
    experiments = sum(each.experiments for each in planned)
    progress.update(0, experiments)
    for each in planned:
        before = total.total

        def on_progress(
            done: int, _total: int, _summary: RefreshSummary, start: int = before
        ) -> None:
            progress.update(start + done, experiments)

        if each.people or _is_untold(settings, each.shard):
            summary = _refresh(
                settings, tracking, each.shard, tell, run, on_progress, on_crash, select, keys
            )
            _add(total, summary)
        else:
            total.counts["unchanged"] += each.experiments
        progress.update(total.total, experiments)
    return total


def _is_untold(settings: Settings, shard: Shard) -> bool:
    """Tell whether a shard has results of which Dagster or MLflow were not told."""
    from its_pipeline.experiments.shard_runs import untold
    from its_pipeline.stores.shard_records import recorded_shard_run

    return untold(settings, shard) or recorded_shard_run(settings, shard.name) is None


def _refresh(
    settings: Settings,
    tracking: RunTracking,
    shard: Shard,
    tell: Callable[[Sequence[Event]], None],
    run: RunContext,
    on_progress: Callable[[int, int, RefreshSummary], None],
    on_crash: "Callable[[Crash], None]",
    select: Select,
    keys: Collection[str] | None,
) -> RefreshSummary:
    """Bring one shard up to date: store, record, tell, and mark as told."""
    from its_pipeline.defs.shard_metadata import shard_events
    from its_pipeline.experiments.shard_runs import mark_told, refresh_shard
    from its_pipeline.experiments.shard_tables import standing_of_shard

    summary = refresh_shard(
        settings,
        shard,
        select=select,
        run=run,
        keys=keys,
        on_progress=on_progress,
        on_crash=on_crash,
    )
    standing = standing_of_shard(settings, shard)
    run_id = tracking.record_shard(shard, standing.table, standing.numbers(summary), run)
    tell(shard_events(settings, shard, standing, summary, run_id))
    mark_told(settings, shard)
    return summary


def _add(total: RefreshSummary, summary: RefreshSummary) -> None:
    total.counts.update(summary.counts)
    total.problems.update(summary.problems)
    total.crashed.extend(summary.crashed)
    total.computed += summary.computed
    total.seconds += summary.seconds
