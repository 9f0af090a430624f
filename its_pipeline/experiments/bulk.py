"""Evaluating many experiments in one run, each as if it had a run of its own.

What belongs here: which experiments a bulk run evaluates, what it passes over, and its summary.
What does not: evaluating one and isolating its failure (`evaluate`), the worker processes
(`parallel`), or telling Dagster, of which nothing is imported here: `defs.refresh_job` does it
through the callbacks of `refresh`.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import SEPARATOR
from its_pipeline.experiments.announced import is_announced, mark_announced
from its_pipeline.experiments.compaction import gather_results
from its_pipeline.experiments.evaluate import Crash, Evaluation, Evaluator, attempt
from its_pipeline.experiments.page_facts import rejected_of
from its_pipeline.experiments.pages import are_drawn
from its_pipeline.experiments.parallel import (
    Job,
    evaluate_in_parallel,
    evaluate_in_turn,
    workers_for,
)
from its_pipeline.experiments.recorder import RunRecorder
from its_pipeline.experiments.service import is_stale, open_store
from its_pipeline.experiments.wholeness import is_kept_whole
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.settings import Settings

_log = logging.getLogger(__name__)

TOLD_AT_ONCE: Final = 32
"""Most evaluations that are told of at once; what is not told of yet, a kill has done again."""
_LONGEST_UNTOLD_SECONDS: Final = 5.0

Select = Literal["stale", "all"]


@dataclass
class RefreshSummary:
    """What a bulk run came to.

    Attributes
    ----------
    counts
        Experiments by what became of them: a verdict's status, or ``unchanged``.
    problems
        Key to reason, of what crashed or did not converge.
    crashed
        Keys of what crashed; the run fails if there are any.
    computed
        How many were sampled in this run.
    seconds
        Wall-clock time of the whole loop.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many experiments there were."""
        return sum(self.counts.values())


def shard_of(key: str, shards: int) -> int:
    """Return which of `shards` a key belongs to; the same on every machine."""
    return zlib.crc32(key.encode()) % shards


def select_keys(
    snapshot: Snapshot, keys: Sequence[str] | None, shard: int = 0, shards: int = 1
) -> list[str]:
    """Return the experiments of a bulk run, sorted.

    Parameters
    ----------
    snapshot
        What is known now.
    keys
        Exactly these, without those of forgotten people; None for every open experiment, and every
        withdrawn one that was not closed yet.
    shard, shards
        Only the keys of shard ``shard`` (from 0) of ``shards``.

    Raises
    ------
    ValueError
        The shard is out of range.
    """
    if not 0 <= shard < shards:
        raise ValueError(f"shard should be in [0, {shards}) but got {shard}")
    if keys is None:
        keys = [key for key in snapshot.experiment_keys() if _is_of_interest(snapshot, key)]
    forgotten = Forgotten(snapshot.settings.store_root)
    return sorted(
        key
        for key in set(keys)
        if shard_of(key, shards) == shard and key.partition(SEPARATOR)[0] not in forgotten
    )


def _is_of_interest(snapshot: Snapshot, key: str) -> bool:
    if snapshot.intervention(key).status != "withdrawn":
        return True
    known = open_store(snapshot.settings).verdict(key)
    return known is None or known.status != "closed" or not is_announced(snapshot.settings, known)


def stale_keys(snapshot: Snapshot, keys: Iterable[str]) -> list[str]:
    """Return the experiments whose verdict an evaluation would change, without evaluating them."""
    keys = list(keys)
    snapshot.preload(keys)
    drawn = are_drawn(snapshot.settings, len(snapshot.experiment_keys()))
    return [key for key in keys if not is_settled(snapshot, key, drawn=drawn)]


def refresh(
    snapshot: Snapshot,
    keys: Sequence[str],
    tell: Callable[[Sequence[Evaluation]], None],
    *,
    select: Select = "stale",
    run: RunContext | None = None,
    recorder: RunRecorder | None = None,
    parent_mlflow_run: Callable[[], str | None] = lambda: None,
    on_progress: Callable[[int, int, RefreshSummary], None] | None = None,
    on_crash: Callable[[Crash], None] | None = None,
) -> RefreshSummary:
    """Evaluate experiments; what has its verdict already is passed over.

    Parameters
    ----------
    snapshot
        What is known now.
    keys
        Experiments to evaluate.
    tell
        Called with evaluations that changed something, `TOLD_AT_ONCE` at most, before they count as
        announced. It tells of all of them or, where it raises, of none: they are told of one by
        one then.
    select
        ``stale``: pass over what cannot have changed. ``all``: publish every one again; stored
        analyses are still not computed again.
    run, recorder
        As in `fit_experiment`. Worker processes open the installation's run store themselves.
    parent_mlflow_run
        Returns the MLflow run whose children the analyses are; asked only if there are any.
    on_progress
        Called with (done, total, summary so far) after each.
    on_crash
        Called with what crashed.

    Returns
    -------
    RefreshSummary
        An experiment that crashes is in it, with its reason, and the next one goes on.
    """
    started = time.perf_counter()
    summary = RefreshSummary()
    settings = snapshot.settings
    snapshot.preload(keys)
    drawn = are_drawn(settings, len(snapshot.experiment_keys()))
    done = 0

    def progress() -> None:
        nonlocal done
        done += 1
        summary.seconds = time.perf_counter() - started
        if on_progress is not None:
            on_progress(done, len(keys), summary)

    todo = []
    for key in keys:
        recorded = recorder is not None
        settled = select == "stale" and is_settled(snapshot, key, recorded=recorded, drawn=drawn)
        if settled:
            summary.counts["unchanged"] += 1
            progress()
        else:
            todo.append(key)

    def job_of(key: str) -> Job | Crash:
        prepared = attempt(key, lambda: snapshot.prepare(key))
        if isinstance(prepared, Crash):
            return prepared
        # In this process the recorder knows its parent itself.
        asks = workers and prepared.plan.state == "ready"
        parent = parent_mlflow_run() if asks else None
        return Job(prepared, replace(run or RunContext(), parent_mlflow_run_id=parent))

    workers = workers_for(settings, len(todo))
    results = (
        evaluate_in_parallel(settings, todo, job_of, workers, drawn=drawn)
        if workers
        else evaluate_in_turn(Evaluator(settings, recorder, drawn), todo, job_of)
    )
    forgotten = Forgotten(settings.store_root)
    for some in _together(results):
        # Who left while this ran: nothing was stored, nothing is told, and nothing is wrong.
        here = [(key, found) for key, found in some if key.partition(SEPARATOR)[0] not in forgotten]
        untold = _announce(settings, [e for _, e in here if isinstance(e, Evaluation)], tell)
        for key, result in here:
            _count(summary, key, untold.get(key, result), on_crash)
        for _ in some:
            progress()
    gather_results(settings, keys)
    return summary


def is_settled(snapshot: Snapshot, key: str, *, recorded: bool = True, drawn: bool = True) -> bool:
    """Tell whether an experiment has the verdict an evaluation would give, and Dagster knows it.

    What cannot even be prepared is not settled: evaluating it says why. Nor is what has a damaged
    file, which is set aside: evaluating it makes the file again.

    Parameters
    ----------
    snapshot, key
        What is known now, and the experiment.
    recorded
        Whether analyses should be in the run store.
    drawn
        Whether its page has to be there, or may be left to be drawn on demand.
    """
    known = open_store(snapshot.settings).verdict(key)
    if known is None or not is_announced(snapshot.settings, known):
        return False
    if attempt(key, lambda: is_stale(snapshot, key)) is not False:
        return False

    def is_whole() -> bool:
        rejected = rejected_of(snapshot, known, snapshot.rejections)
        return is_kept_whole(
            snapshot.settings, known, recorded=recorded, rejected=rejected, drawn=drawn
        )

    return attempt(key, is_whole) is True


def _together(
    results: Iterable[tuple[str, Evaluation | Crash]],
) -> Iterator[list[tuple[str, Evaluation | Crash]]]:
    """Give results some at a time: as many as are told of at once, or what came in a while."""
    some: list[tuple[str, Evaluation | Crash]] = []
    since = time.monotonic()
    for result in results:
        some.append(result)
        if len(some) == TOLD_AT_ONCE or time.monotonic() - since > _LONGEST_UNTOLD_SECONDS:
            yield some
            some, since = [], time.monotonic()
    if some:
        yield some


def _announce(
    settings: Settings,
    evaluations: Sequence[Evaluation],
    tell: Callable[[Sequence[Evaluation]], None],
) -> dict[str, Crash]:
    """Tell of evaluations; return why of each that could not be told of."""

    def announce(some: Sequence[Evaluation]) -> None:
        tell(some)
        for evaluation in some:
            mark_announced(settings, evaluation.verdict)

    if not evaluations:
        return {}
    together = attempt("", lambda: announce(evaluations))
    if together is None:
        return {}
    _log.warning("%s experiments are told of one by one: %s", len(evaluations), together.reason)
    untold = {}
    for evaluation in evaluations:
        key = evaluation.verdict.key
        crash = attempt(key, lambda alone=evaluation: announce([alone]))
        if crash is not None:
            untold[key] = crash
    return untold


def _count(
    summary: RefreshSummary,
    key: str,
    result: Evaluation | Crash,
    on_crash: Callable[[Crash], None] | None,
) -> None:
    if isinstance(result, Crash):
        summary.counts["crashed"] += 1
        summary.crashed.append(key)
        summary.problems[key] = result.reason
        if on_crash is not None:
            on_crash(result)
        return
    verdict = result.verdict
    summary.counts[verdict.status] += 1
    summary.computed += int(not result.cached and verdict.diagnostics is not None)
    if verdict.status == "not_converged":
        summary.problems[key] = verdict.reason
