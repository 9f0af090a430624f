"""A few long-lived worker processes behind a bounded queue, for the HTTP API and for bulk runs.

What belongs here: sharing one piece of work between those who ask for the same, giving
up work nobody waits for, and replacing workers that die. What does not: what the work is, the
process itself (`process`), or whose turn it is (`fair_queue`).

Every slot is a thread that owns one process. State is guarded by one condition; processes are
talked to outside of it.

Not a library's pool: a worker here answers before its last writes, and readers wait for those
(`WorkerPool.settle`); neither `concurrent.futures`, pebble nor loky has that. In
`concurrent.futures` a worker that dies takes the whole pool with it, in pebble an idle one does.
"""

from __future__ import annotations

import logging
import math
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from its_pipeline.processes.errors import (
    AbandonedError,
    JobFailedError,
    JobTimeoutError,
    QueueFullError,
    WorkerLostError,
    WorkerUnavailableError,
)
from its_pipeline.processes.fair_queue import FairQueue
from its_pipeline.processes.process import READY, TICK_SECONDS, Done, Handler, Worker

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
"""Pause after a worker that could not start, doubled each time."""

_MOST_ATTEMPTS: Final = 2
"""A job whose worker dies is tried once more: it may not have been the job's fault."""

_STOPPING_SECONDS: Final = 5.0
"""How long a pool that stops waits for what it has answered already to be settled."""

_log = logging.getLogger(__name__)


class PoolRequest(Future[Any]):
    """One waiter's share in a piece of work: its answer, or one of `processes.errors`.

    A waiter that waits no more cancels it, even while the work runs; work that nobody waits for is
    given up.

    Attributes
    ----------
    coalesced
        Whether somebody had asked for the same before.
    """

    def __init__(self, coalesced: bool) -> None:
        super().__init__()
        self.coalesced = coalesced


@dataclass(frozen=True)
class PoolState:
    """The pool at one moment.

    Attributes
    ----------
    workers
        Slots.
    process_ids
        Of the processes that can take work, by slot.
    queued, running
        Pieces of work; one that is answered and not yet settled is running.
    replaced
        Processes that died or were ended, since the start.
    """

    workers: int
    process_ids: tuple[int, ...]
    queued: int
    running: int
    replaced: int

    @property
    def ready(self) -> int:
        """How many processes can take work."""
        return len(self.process_ids)


@dataclass(eq=False)
class _Work:
    """One piece of work, its pickled job, and who waits for it."""

    key: str
    owner: str
    job: bytes
    waiting: set[PoolRequest] = field(default_factory=set)
    attempts: int = 0
    answered: bool = False
    abandoned_at: float | None = None


class WorkerPool:
    """Worker processes and the queue before them.

    Parameters
    ----------
    start, arguments
        See `process.Worker`.
    workers
        How many processes.
    queue_size
        How many pieces of work may wait.
    job_seconds
        Longest that one may take.
    abandoned_seconds
        How long one goes on that nobody waits for: a short one is worth finishing, because its
        answer is kept and a new process costs more.
    start_seconds
        Longest that a process may take to be ready.
    """

    def __init__(
        self,
        start: Callable[..., Handler],
        arguments: tuple[Any, ...] = (),
        *,
        workers: int = 2,
        queue_size: int = 32,
        job_seconds: float = 120.0,
        abandoned_seconds: float = 10.0,
        start_seconds: float = 300.0,
    ) -> None:
        self._start = start
        self._arguments = arguments
        self._workers = workers
        self._job_seconds = job_seconds
        self._abandoned_seconds = abandoned_seconds
        self._start_seconds = start_seconds
        self._changed = threading.Condition()
        self._unsettled: set[_Work] = set()
        self._queue: FairQueue[_Work] = FairQueue(queue_size)
        self._by_key: dict[str, _Work] = {}
        self._ready: dict[int, int] = {}
        self._failing: set[int] = set()
        self._running = 0
        self._replaced = 0
        self._stopping = False
        self._settle_until = math.inf
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the processes; returns at once, they get ready in the background."""
        for slot in range(self._workers):
            thread = threading.Thread(
                target=self._run_slot, args=(slot,), name=f"its-worker-{slot}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End the processes; what waits or runs is answered with `WorkerUnavailableError`."""
        with self._changed:
            self._stopping = True
            self._settle_until = time.monotonic() + _STOPPING_SECONDS
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            for work in list(self._by_key.values()):
                self._finish(work, _stopped())

    def state(self) -> PoolState:
        """Return what the pool is doing now."""
        with self._changed:
            ready = tuple(pid for _, pid in sorted(self._ready.items()))
            return PoolState(self._workers, ready, len(self._queue), self._running, self._replaced)

    def settle(self, seconds: float, prefix: str = "") -> bool:
        """Wait until nothing is left to do of what was answered before, of keys with a prefix.

        A worker may answer ahead of its last writes (`process.Handler`); whoever reads what it
        writes asks here first, and so finds what it has been told of.

        Returns
        -------
        bool
            Whether that was so within `seconds`.
        """
        with self._changed:
            pending = {work for work in self._unsettled if work.key.startswith(prefix)}
            return self._changed.wait_for(lambda: not pending & self._unsettled, seconds)

    def submit(self, key: str, job: Any, owner: str = "") -> PoolRequest:
        """Ask for work to be done.

        Parameters
        ----------
        key
            Same key, same answer: whoever asks while it is queued or running shares it.
        job
            Picklable.
        owner
            Owners' work is done in turn. Where all places are taken, the newest work of whoever
            has the most gives way to somebody with less, and ends with `QueueFullError`.

        Raises
        ------
        QueueFullError
            As much work waits as may wait, and no other owner has more of it.
        WorkerUnavailableError
            No worker could be started, or the pool is stopped.
        """
        with self._changed:
            if self._stopping:
                raise _stopped()
            work = self._by_key.get(key)
            request = PoolRequest(coalesced=work is not None)
            if work is None:
                if len(self._failing) == self._workers:
                    raise _none_started()
                full = QueueFullError(f"{len(self._queue)} pieces of work wait already")
                if self._queue.is_full_for(owner):
                    raise full
                work = _Work(key, owner, pickle.dumps(job))
                self._by_key[key] = work
                gave_way = self._queue.put(owner, work)
                if gave_way is not None:
                    self._finish(gave_way, full)
                self._changed.notify_all()
            work.abandoned_at = None
            work.waiting.add(request)
        # Not `request`: it would hold itself and its answer until the collector of cycles comes by.
        request.add_done_callback(lambda done: self._left(done, work))
        return request

    def _left(self, request: Future[Any], work: _Work) -> None:
        """Give work up that nobody waits for any more, unless its answer was given already."""
        with self._changed:
            work.waiting.discard(request)
            if work.waiting or work.answered or self._by_key.get(work.key) is not work:
                return
            if self._queue.remove(work.owner, work):
                del self._by_key[work.key]
            else:
                work.abandoned_at = time.monotonic()

    def _finish(self, work: _Work, result: Done | Exception) -> None:
        """Answer everybody who waits for a piece of work."""
        with self._changed:
            if self._by_key.get(work.key) is work:
                del self._by_key[work.key]
            waiting, work.waiting = work.waiting, set()
            for request in waiting:
                if not request.set_running_or_notify_cancel():
                    continue
                if isinstance(result, Done):
                    request.set_result(result.answer)
                else:
                    request.set_exception(result)

    def _run_slot(self, slot: int) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                with self._worker(slot) as worker:
                    if self._is_ready(slot, worker):
                        pause = _FIRST_PAUSE_SECONDS
                        self._work_with(worker)
                        continue
            except OSError:
                _log.exception("no process, pipe or memory for worker %d", slot)
            with self._changed:
                self._could_not_start(slot)
                self._changed.wait_for(lambda: self._stopping, pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    @contextmanager
    def _worker(self, slot: int) -> Iterator[Worker]:
        worker = Worker(self._start, self._arguments, f"its-worker-{slot}")
        try:
            yield worker
        finally:
            with self._changed:
                self._ready.pop(slot, None)
                self._replaced += not self._stopping
            worker.end()

    def _is_ready(self, slot: int, worker: Worker) -> bool:
        deadline = time.monotonic() + self._start_seconds
        if worker.receive(lambda: self._reason_to_end(deadline)) != READY:
            return False
        with self._changed:
            self._ready[slot] = worker.pid
            self._failing.discard(slot)
            self._changed.notify_all()
        return True

    def _could_not_start(self, slot: int) -> None:
        if self._stopping:
            return
        _log.error("worker %d could not start; trying again", slot)
        self._failing.add(slot)
        if len(self._failing) == self._workers:
            while len(self._queue):
                self._finish(self._queue.take(), _none_started())

    def _work_with(self, worker: Worker) -> None:
        """Give a process one job after the other, until it is lost or the pool stops."""
        while not self._stopping:
            work = self._next()
            if work is not None:
                end = self._do(work, worker)
                self._conclude(work, end)
                if not isinstance(end, Done | JobFailedError):
                    return
            elif not worker.is_alive():
                return

    def _next(self) -> _Work | None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) > 0 or self._stopping, TICK_SECONDS)
            if self._stopping or not len(self._queue):
                return None
            self._running += 1
            return self._queue.take()

    def _do(self, work: _Work, worker: Worker) -> Done | Exception | None:
        """Return how a job ended, with a reason to end its process, or with None if it died."""
        work.attempts += 1
        deadline = time.monotonic() + self._job_seconds
        end = worker.ask(work.job, lambda: self._reason_to_end(deadline, work))
        if isinstance(end, Done) and end.more:
            with self._changed:
                work.answered, work.abandoned_at = True, None
                self._unsettled.add(work)
                self._finish(work, end)
            deadline = time.monotonic() + self._job_seconds
            end = worker.receive(lambda: self._reason_to_end(deadline, work))
        return end

    def _reason_to_end(self, deadline: float, work: _Work | None = None) -> Exception | None:
        """Return why a process should go on no longer, if it should not."""
        now = time.monotonic()
        if self._stopping:
            # What was answered is completed first, if that does not take too long.
            settling = work is not None and work in self._unsettled
            return None if settling and now < self._settle_until else _stopped()
        if now > deadline:
            return JobTimeoutError(f"not done after {self._job_seconds:g} s")
        abandoned_at = None if work is None else work.abandoned_at
        if abandoned_at is not None and now > abandoned_at + self._abandoned_seconds:
            return AbandonedError("nobody waited any more")
        return None

    def _conclude(self, work: _Work, end: Done | Exception | None) -> None:
        """Answer who waits for work that has ended, or put it back at the head of the queue."""
        if not isinstance(end, Done):
            _log.warning("%r ended with: %s", work.key, end or "the death of its process")
        with self._changed:
            self._running -= 1
            self._changed.notify_all()
            if work in self._unsettled:
                self._unsettled.discard(work)
                # Nobody waits for what is left, but it is to be done; whoever asks again does it.
                again = not isinstance(end, Done) and work.key not in self._by_key
            else:
                # Somebody may have asked for abandoned work in the moment in which it was ended.
                if isinstance(end, AbandonedError):
                    work.attempts = 0
                again = bool(work.waiting) and (end is None or isinstance(end, AbandonedError))
            if again and work.attempts < _MOST_ATTEMPTS:
                work.abandoned_at = None
                self._by_key[work.key] = work
                self._queue.put_back(work.owner, work)
            else:
                self._finish(work, end or _lost())


def _stopped() -> WorkerUnavailableError:
    return WorkerUnavailableError("the worker processes are being stopped")


def _none_started() -> WorkerUnavailableError:
    return WorkerUnavailableError("no worker process could be started; its output says why")


def _lost() -> WorkerLostError:
    return WorkerLostError(
        "the process that worked on this died without a word, and so did the one that tried it "
        "again (killed, or out of memory)"
    )
