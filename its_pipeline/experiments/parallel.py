"""Worker processes that look at experiments at the same time, each warm and on one core.

What belongs here: starting workers when there is enough to do, keeping them busy without holding
more than a few experiments in memory, and going on when one dies. What does not: what a look is
(`evaluate`), which experiments are looked at and who is told (`bulk`).
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_ends
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.evaluate import Crash, Desk, Look
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from its_pipeline.experiments.preparation import Prepared
    from its_pipeline.settings import Settings

WORTH_A_WORKER: Final = 20
"""Looks for which starting one worker pays: a start takes as long as some ten of them."""
_IN_HAND: Final = 3
"""Experiments a worker that are prepared ahead, so that none waits for the next one."""

Result = Look | Crash

_desk: Desk | None = None


class WorkerDiedError(RuntimeError):
    """A worker process could not start, or died alone with an experiment."""


@dataclass(frozen=True)
class Job:
    """One look to be done in a worker."""

    prepared: Prepared
    run: RunContext


def workers_for(settings: Settings, looks: int) -> int:
    """Return how many worker processes so many looks deserve; 0: this process does them."""
    wanted = settings.refresh_workers
    if wanted is None:
        from its_pipeline.its.inference.nuts import available_cores

        wanted = min(available_cores(), looks // WORTH_A_WORKER)
    return wanted if wanted > 1 else 0


def look_in_turn(
    desk: Desk, keys: Iterable[str], job_of: Callable[[str], Job | Crash]
) -> Iterator[tuple[str, Result]]:
    """Look at experiments one after the other in this process; see `look_in_parallel`."""
    for key in keys:
        job = job_of(key)
        yield key, desk.look(job.prepared, job.run) if isinstance(job, Job) else job


def look_in_parallel(
    settings: Settings,
    keys: Iterable[str],
    job_of: Callable[[str], Job | Crash],
    workers: int,
) -> Iterator[tuple[str, Result]]:
    """Look at experiments in worker processes; yield what became of each as it is done.

    Parameters
    ----------
    settings
        The installation's settings.
    keys
        Experiments.
    job_of
        Prepares one; called in this process a few experiments ahead. What is no job is handed on.
    workers
        How many processes.

    Raises
    ------
    OSError
        Of the disk and not of an experiment (`look.EVERYBODYS_ERRORS`); the others are ended.
    """
    left = iter(keys)
    suspects: list[tuple[str, Job]] = []
    while True:
        with _pool(settings, workers) as pool:
            done = yield from _work_off(pool, left, job_of, workers * _IN_HAND, suspects)
        # One of the suspects killed a worker, and with it the pool. Alone, the guilty one is found.
        while suspects:
            key, job = suspects.pop()
            yield key, _look_alone(settings, job)
        if done:
            return


def _work_off(
    pool: ProcessPoolExecutor,
    left: Iterator[str],
    job_of: Callable[[str], Job | Crash],
    most: int,
    suspects: list[tuple[str, Job]],
) -> Iterator[tuple[str, Result]]:
    """Keep a pool busy; return whether everything is done, with the rest among the suspects."""
    running: dict[Future[Result], tuple[str, Job]] = {}
    exhausted = False
    while running or not exhausted:
        while not (exhausted or suspects) and len(running) < most:
            key = next(left, None)
            if key is None:
                exhausted = True
                break
            job = job_of(key)
            if not isinstance(job, Job):
                yield key, job
                continue
            try:
                running[pool.submit(_look, job)] = key, job
            except BrokenProcessPool:
                suspects.append((key, job))
                break
        # A broken pool answers for all that it was given, and some of that was done already.
        ended = list(running) if suspects else wait(running, return_when=FIRST_COMPLETED).done
        for future in ended:
            key, job = running.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                suspects.append((key, job))
                continue
            yield key, result
        if suspects and not running:
            return False
    return True


def _look_alone(settings: Settings, job: Job) -> Result:
    with _pool(settings, 1) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            # No experiment's fault: every other would be called crashed as well.
            raise WorkerDiedError("no worker process could start; its output says why") from error
        try:
            return pool.submit(_look, job).result()
        except BrokenProcessPool as error:
            died = WorkerDiedError(
                "the process that analysed it died without a word (killed, or out of memory)"
            )
            died.__cause__ = error
    return Desk(settings).give_up(job.prepared, died, job.run)


@contextmanager
def _pool(settings: Settings, workers: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(
        workers,
        # Spawned, not forked: Dagster's process has threads, and a fork would inherit their locks.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(settings,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(settings: Settings) -> None:
    """Make this process a worker: load what looks need, and end when the parent does."""
    global _desk  # a process is one worker, and one worker has one desk
    _end_with_parent()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from its_pipeline.its import warm_up
    from its_pipeline.its.inference.nuts import use_cores
    from its_pipeline.stores.runs import RunStore

    use_cores(1)
    runs = RunStore.from_settings(settings)
    runs.open()
    warm_up()
    _desk = Desk(settings, runs)


def _look(job: Job) -> Result:
    if _desk is None:
        raise RuntimeError("a worker looks at experiments only after its start")
    return _desk.look(job.prepared, job.run)


def _end_with_parent() -> None:
    """End this process at once when its parent has ended, however that came about.

    A killed parent cannot say goodbye, and a worker that waits for jobs would wait for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait_for_ends([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="its-parent-watch", daemon=True).start()
