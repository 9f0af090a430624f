"""Looking at many experiments in one warm process, each as if it had a run of its own.

What belongs here: which experiments a bulk run looks at, isolating their failures, resuming, and
the summary. What does not: what one look does (`experiments.service`), or how Dagster is told
(`refresh_job`): this module knows nothing of runs and events.
"""

from __future__ import annotations

import errno
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from its_pipeline.defs.looks import is_announced, mark_announced
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.service import (
    RunRecorder,
    fit_prepared,
    open_store,
    record_crash,
)
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    from its_pipeline.experiments.plan import Plan
    from its_pipeline.experiments.publish import Publication
    from its_pipeline.experiments.workbench import Workbench

Select = Literal["stale", "all"]

#: A full, broken or lost disk is nothing of one experiment: every other would fail as well.
EVERYBODYS_ERRORS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
    }
)


@dataclass(frozen=True)
class Look:
    """One look at one experiment that changed something.

    Attributes
    ----------
    plan, verdict
        What is known; the verdict is stored.
    cached
        Whether the analysis had been made before.
    publication
        Its page.
    mlflow_run_id
        Of a sampled one.
    """

    plan: Plan
    verdict: Verdict
    cached: bool
    publication: Publication
    mlflow_run_id: str | None


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
        """How many experiments were looked at."""
        return sum(self.counts.values())


def shard_of(key: str, shards: int) -> int:
    """Return which of `shards` a key belongs to; the same on every machine."""
    return zlib.crc32(key.encode()) % shards


def select_keys(
    bench: Workbench, keys: Sequence[str] | None, shard: int = 0, shards: int = 1
) -> list[str]:
    """Return the experiments a bulk run looks at, sorted.

    Parameters
    ----------
    bench
        What is known now.
    keys
        Exactly these; None for every open experiment, and every withdrawn one that was not closed
        yet.
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
        keys = [key for key in bench.experiment_keys() if _is_of_interest(bench, key)]
    return sorted(key for key in set(keys) if shard_of(key, shards) == shard)


def _is_of_interest(bench: Workbench, key: str) -> bool:
    if bench.intervention(key).status != "withdrawn":
        return True
    known = open_store(bench.settings).verdict(key)
    return known is None or known.status != "closed" or not is_announced(bench.settings, known)


def stale_keys(bench: Workbench, keys: Iterable[str]) -> list[str]:
    """Return the experiments that a look would change, without looking."""
    from its_pipeline.experiments.service import is_stale

    keys = list(keys)
    bench.preload(keys)
    store = open_store(bench.settings)
    found = []
    for key in keys:
        known = store.verdict(key)
        if known is None or not is_announced(bench.settings, known) or is_stale(bench, key):
            found.append(key)
    return found


def refresh(
    bench: Workbench,
    keys: Sequence[str],
    tell: Callable[[Look], None],
    *,
    select: Select = "stale",
    run: RunContext | None = None,
    recorder: RunRecorder | None = None,
    on_progress: Callable[[int, int, RefreshSummary], None] | None = None,
    on_crash: Callable[[str, Exception], None] | None = None,
) -> RefreshSummary:
    """Look at experiments in turn; what has its verdict already is passed over.

    Parameters
    ----------
    bench
        What is known now.
    keys
        Experiments to look at.
    tell
        Called with every look that changed something, before it counts as told.
    select
        ``stale``: pass over what cannot have changed. ``all``: publish every one again; stored
        analyses are still not computed again.
    run, recorder
        As in `fit_experiment`.
    on_progress
        Called with (done, total, summary so far) after each.
    on_crash
        Called with what crashed and its error.

    Returns
    -------
    RefreshSummary
        An experiment that crashes is in it, with its reason, and the next one goes on.
    """
    started = time.perf_counter()
    summary = RefreshSummary()
    rejections = Rejections(bench.settings.lake_dir)
    bench.preload(keys)
    for done, key in enumerate(keys, start=1):
        _look(
            bench, key, tell, select, run or RunContext(), recorder, rejections, summary, on_crash
        )
        summary.seconds = time.perf_counter() - started
        if on_progress is not None:
            on_progress(done, len(keys), summary)
    return summary


def _look(
    bench: Workbench,
    key: str,
    tell: Callable[[Look], None],
    select: Select,
    run: RunContext,
    recorder: RunRecorder | None,
    rejections: Rejections,
    summary: RefreshSummary,
    on_crash: Callable[[str, Exception], None] | None,
) -> None:
    from its_pipeline.experiments.publish import publish_experiment

    settings = bench.settings
    prepared = None
    try:
        prepared = bench.prepare(key)
        outcome = fit_prepared(settings, prepared, replace(run, dagster_partition=key), recorder)
        verdict = outcome.verdict
        if outcome.cached and select == "stale" and is_announced(settings, verdict):
            summary.counts["unchanged"] += 1
            return
        tell(
            Look(
                prepared.plan,
                verdict,
                outcome.cached,
                publish_experiment(settings, key, recorder, bench=bench, rejections=rejections),
                outcome.mlflow_run_id,
            )
        )
        mark_announced(settings, verdict)
    except Exception as error:  # one experiment's crash must not stop the others
        if isinstance(error, OSError) and error.errno in EVERYBODYS_ERRORS:
            raise
        if prepared is not None:
            record_crash(settings, prepared, error, replace(run, dagster_partition=key))
        summary.counts["crashed"] += 1
        summary.crashed.append(key)
        summary.problems[key] = f"{type(error).__name__}: {error}"
        if on_crash is not None:
            on_crash(key, error)
        return
    summary.counts[verdict.status] += 1
    summary.computed += int(not outcome.cached and verdict.diagnostics is not None)
    if verdict.status == "not_converged":
        summary.problems[key] = verdict.reason
