"""Evaluating experiments one after the other, or in worker processes, each warm and on one core.

What belongs here: starting workers when there is enough to do, keeping them busy without holding
more than a few experiments in memory, and what comes of an experiment that its worker does not
survive. What does not: evaluating one (`evaluate`), which experiments are evaluated and who is told
(`bulk`), or the processes themselves (`its_pipeline.processes`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from its_pipeline.experiments.evaluate import Crash, Evaluation, Evaluator
from its_pipeline.processes.errors import JobFailedError, JobTimeoutError, WorkerLostError
from its_pipeline.processes.pool import WorkerPool
from its_pipeline.stores.verdict import RunContext

if TYPE_CHECKING:
    from its_pipeline.experiments.prepared import Prepared
    from its_pipeline.processes.process import Handler
    from its_pipeline.settings import Settings

WORTH_A_WORKER: Final = 20
"""Evaluations for which starting one worker pays: a start takes as long as some ten of them."""
_IN_HAND: Final = 3
"""Experiments a worker that are prepared ahead, so that none waits for the next one."""
_JOB_SECONDS: Final = 3600.0
"""An evaluation takes a second: one that takes an hour hangs, and must not hang the night."""

Result = Evaluation | Crash
J = TypeVar("J")


@dataclass(frozen=True)
class Job:
    """One evaluation to be done in a worker."""

    prepared: Prepared
    run: RunContext


def workers_for(settings: Settings, evaluations: int) -> int:
    """Return how many worker processes so many evaluations deserve; 0: this process does them."""
    wanted = settings.refresh_workers
    if wanted is None:
        from its_pipeline.its.inference.nuts import available_cores

        wanted = min(available_cores(), evaluations // WORTH_A_WORKER)
    return wanted if wanted > 1 else 0


def evaluate_in_turn(
    evaluator: Evaluator, keys: Iterable[str], job_of: Callable[[str], Job | Crash]
) -> Iterator[tuple[str, Result]]:
    """Evaluate experiments one after the other in this process; see `evaluate_in_parallel`."""
    for key in keys:
        job = job_of(key)
        yield key, evaluator.evaluate(job.prepared, job.run) if isinstance(job, Job) else job


def evaluate_in_parallel(
    settings: Settings,
    keys: Iterable[str],
    job_of: Callable[[str], Job | Crash],
    workers: int,
    *,
    drawn: bool = True,
) -> Iterator[tuple[str, Result]]:
    """Evaluate experiments in worker processes; yield what became of each as it is done.

    An experiment whose worker dies is evaluated once more; if that worker dies, too, or if it takes
    an hour, it has crashed.

    Parameters
    ----------
    settings
        The installation's settings.
    keys
        Experiments, each once.
    job_of
        Prepares one; called in this process a few experiments ahead. What is no job is handed on.
    workers
        How many processes.
    drawn
        As in `Evaluator`.

    Raises
    ------
    OSError
        Of the disk and not of an experiment (`evaluate.MACHINE_ERRORS`); the others are ended.
    WorkerUnavailableError
        No worker process could start; no experiment is blamed.
    """
    evaluator = Evaluator(settings, drawn=drawn)
    for key, job, future in through_workers(_start, (settings, drawn), keys, job_of, workers):
        if isinstance(job, Crash):
            yield key, job
        else:
            yield key, _result(evaluator, job, future)


def through_workers(
    start: Callable[..., Handler],
    arguments: tuple[Any, ...],
    keys: Iterable[str],
    job_of: Callable[[str], J | Crash],
    workers: int,
) -> Iterator[tuple[str, J | Crash, Future[Any]]]:
    """Have worker processes do one job an experiment; yield each with its answer as it is done.

    Parameters
    ----------
    start, arguments
        As of `WorkerPool`.
    keys, job_of, workers
        As in `evaluate_in_parallel`; of what is no job the answer is never there.
    """
    most = workers * _IN_HAND
    left = iter(keys)
    running: dict[Future[Any], tuple[str, J]] = {}
    pool = WorkerPool(start, arguments, workers=workers, queue_size=most, job_seconds=_JOB_SECONDS)
    pool.start()
    try:
        while (coming := list(islice(left, most - len(running)))) or running:
            for key in coming:
                job = job_of(key)
                if isinstance(job, Crash):
                    yield key, job, Future()
                else:
                    running[pool.submit(key, job)] = key, job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key, job = running.pop(future)
                yield key, job, future
    finally:
        pool.stop()


def _result(evaluator: Evaluator, job: Job, future: Future[Result]) -> Result:
    try:
        return future.result()
    except JobFailedError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error
    except (WorkerLostError, JobTimeoutError) as error:
        return evaluator.give_up(job.prepared, error, job.run)


def _start(settings: Settings, drawn: bool) -> Handler:
    """Load and compile what evaluations need, and return what evaluates."""
    from its_pipeline.its import warm_up
    from its_pipeline.its.inference.nuts import use_cores
    from its_pipeline.stores.runs import RunStore

    use_cores(1)
    runs = RunStore.from_settings(settings)
    runs.open()
    warm_up()
    evaluator = Evaluator(settings, runs, drawn)
    return lambda job, _: evaluator.evaluate(job.prepared, job.run)
