"""A few long-lived worker processes behind a bounded queue.

What belongs here: queueing, sharing one piece of work between those who ask for the same, giving
up work nobody waits for, and replacing workers that die. What does not: what the work is (`jobs`),
what waiters hold (`pool_requests`), the process itself (`process`), or HTTP.

Every slot is a thread that owns one process. State is guarded by one condition; processes are
talked to outside of it.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from its_pipeline.api.workers.errors import (
    AbandonedError,
    JobTimeoutError,
    QueueFullError,
    WorkerLostError,
    WorkerUnavailableError,
)
from its_pipeline.api.workers.pool_requests import PoolState, Ticket, Work
from its_pipeline.api.workers.process import (
    READY,
    SETTLED,
    Done,
    Failed,
    Handler,
    end_worker,
    receive,
    run_worker,
    say_goodbye,
)

_TICK_SECONDS: Final = 0.25
"""How often a slot looks up from what it waits for."""

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
"""Pause after a worker that could not start, doubled each time."""

_MOST_ATTEMPTS: Final = 2
"""A job whose worker dies is tried once more: it may not have been the job's fault."""

_STOPPING_SECONDS: Final = 5.0
"""How long a pool that stops waits for what it has answered already to be settled."""

_log = logging.getLogger(__name__)


class WorkerPool:
    """Worker processes and the queue before them.

    Parameters
    ----------
    start, arguments
        See `worker.run_worker`; both cross to the new process, so `start` is a module's function.
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
        self._queue_size = queue_size
        self._job_seconds = job_seconds
        self._abandoned_seconds = abandoned_seconds
        self._start_seconds = start_seconds
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        # Of its own: whoever waits for this must not take the wake-up of a slot.
        self._settled = threading.Condition(lock)
        self._unsettled: set[Work] = set()
        self._queue: deque[Work] = deque()
        self._by_key: dict[str, Work] = {}
        self._processes: dict[int, BaseProcess] = {}
        self._ready: set[int] = set()
        self._failing: set[int] = set()
        self._running = 0
        self._replaced = 0
        self._stopping = False
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
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            left = list(self._by_key.values())
        for work in left:
            self._finish(work, WorkerUnavailableError("the server is stopping"))

    def state(self) -> PoolState:
        """Return what the pool is doing now."""
        with self._changed:
            return PoolState(
                self._workers, len(self._ready), len(self._queue), self._running, self._replaced
            )

    def process_ids(self) -> list[int]:
        """Return the process ids of the workers that are ready."""
        with self._changed:
            return [self._processes[slot].pid or 0 for slot in sorted(self._ready)]

    def wait_ready(self, seconds: float) -> bool:
        """Wait until a worker can take work; tell whether one can."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._ready), seconds)

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is left to do of all that was answered before this call.

        A worker may answer ahead of its last writes (`worker.Handler`); whoever reads what it
        writes asks here first, and so finds what it has been told of.

        Returns
        -------
        bool
            Whether that was so within `seconds`.
        """
        with self._changed:
            pending = set(self._unsettled)
            return self._settled.wait_for(lambda: not pending & self._unsettled, seconds)

    def submit(self, key: str, job: Any) -> Ticket:
        """Ask for work to be done.

        Parameters
        ----------
        key
            Same key, same answer: whoever asks while it is queued or running shares it.
        job
            Picklable.

        Raises
        ------
        QueueFullError
            As much work waits as may wait.
        WorkerUnavailableError
            The pool is stopped.
        """
        with self._changed:
            if self._stopping:
                raise WorkerUnavailableError("the server is stopping")
            work = self._by_key.get(key)
            coalesced = work is not None
            if work is None:
                if len(self._failing) == self._workers:
                    raise WorkerUnavailableError("no worker could be started")
                if len(self._queue) >= self._queue_size:
                    raise QueueFullError(f"{len(self._queue)} analyses wait already")
                work = Work(key, job)
                self._by_key[key] = work
                self._queue.append(work)
                self._changed.notify()
            work.abandoned_at = None
            ticket = Ticket(coalesced, lambda given: self._abandon(given, work))
            work.waiting.add(ticket)
            return ticket

    def _abandon(self, ticket: Ticket, work: Work) -> None:
        with self._changed:
            work.waiting.discard(ticket)
            if work.waiting or self._by_key.get(work.key) is not work:
                return
            if work in self._queue:
                self._queue.remove(work)
                del self._by_key[work.key]
            else:
                work.abandoned_at = time.monotonic()

    def _finish(self, work: Work, result: Done | Exception) -> None:
        with self._changed:
            if self._by_key.get(work.key) is work:
                del self._by_key[work.key]
            waiting, work.waiting = work.waiting, set()
        for ticket in waiting:
            # A waiter that was cancelled meanwhile wants no answer.
            if not ticket.future.set_running_or_notify_cancel():
                continue
            if isinstance(result, Done):
                ticket.future.set_result(result.answer)
            else:
                ticket.future.set_exception(result)

    def _run_slot(self, slot: int) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                with self._process(slot) as (process, pipe):
                    if self._is_ready(slot, process, pipe):
                        pause = _FIRST_PAUSE_SECONDS
                        self._work_with(process, pipe)
                        continue
            except OSError:
                _log.exception("no process, pipe or memory for worker %d", slot)
            self._could_not_start(slot)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    @contextmanager
    def _process(self, slot: int) -> Iterator[tuple[BaseProcess, Connection]]:
        # Spawned, not forked: this process has threads, and a fork would inherit their locks.
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=run_worker,
            args=(theirs, self._start, self._arguments),
            name=f"its-worker-{slot}",
            daemon=True,
        )
        process.start()
        theirs.close()
        with self._changed:
            self._processes[slot] = process
        try:
            yield process, pipe
        finally:
            with self._changed:
                self._ready.discard(slot)
                del self._processes[slot]
                if not self._stopping:
                    self._replaced += 1
            end_worker(process, pipe)

    def _is_ready(self, slot: int, process: BaseProcess, pipe: Connection) -> bool:
        deadline = time.monotonic() + self._start_seconds
        while not self._stopping and time.monotonic() < deadline:
            if pipe.poll(_TICK_SECONDS):
                if receive(pipe) != READY:
                    return False
                with self._changed:
                    self._ready.add(slot)
                    self._failing.discard(slot)
                    self._changed.notify_all()
                return True
            if not process.is_alive():
                return False
        return False

    def _could_not_start(self, slot: int) -> None:
        if self._stopping:
            return
        _log.error("worker %d could not start; trying again", slot)
        with self._changed:
            self._failing.add(slot)
            hopeless = len(self._failing) == self._workers
            waiting = list(self._queue) if hopeless else []
            if hopeless:
                self._queue.clear()
        for work in waiting:
            self._finish(work, WorkerUnavailableError("no worker could be started"))

    def _work_with(self, process: BaseProcess, pipe: Connection) -> None:
        """Give a process one job after the other, until it is lost or the pool stops."""
        while not self._stopping:
            work = self._next()
            if work is None:
                if not process.is_alive():
                    return
                continue
            try:
                result = self._do(work, process, pipe)
                if isinstance(result, Done) and result.more:
                    if self._answer_and_settle(work, result, process, pipe):
                        continue
                    return
            finally:
                with self._changed:
                    self._running -= 1
            if result is None or isinstance(result, AbandonedError):
                # Somebody may have asked for abandoned work in the moment in which it was ended.
                again = self._again(work, isinstance(result, AbandonedError))
                result = result or WorkerLostError("the process that analysed this died, twice")
                if again:
                    return
            self._finish(work, result.to_error() if isinstance(result, Failed) else result)
            if not isinstance(result, Done | Failed):
                return
        say_goodbye(pipe)

    def _next(self) -> Work | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._stopping, _TICK_SECONDS)
            if self._stopping or not self._queue:
                return None
            self._running += 1
            return self._queue.popleft()

    def _do(
        self, work: Work, process: BaseProcess, pipe: Connection
    ) -> Done | Failed | Exception | None:
        """Return the answer, an error after which the process must end, or None if it died."""
        work.attempts += 1
        deadline = time.monotonic() + self._job_seconds
        try:
            pipe.send(work.job)
            while True:
                wait([pipe, process.sentinel], _TICK_SECONDS)
                if pipe.poll(0):
                    return pipe.recv()
                if not process.is_alive():
                    return None
                if self._stopping:
                    return WorkerUnavailableError("the server is stopping")
                now = time.monotonic()
                if now > deadline:
                    return JobTimeoutError(f"not done after {self._job_seconds:g} s")
                abandoned_at = work.abandoned_at
                if abandoned_at is not None and now > abandoned_at + self._abandoned_seconds:
                    return AbandonedError("nobody waited any more")
        except (EOFError, OSError):
            return None

    def _answer_and_settle(
        self, work: Work, result: Done, process: BaseProcess, pipe: Connection
    ) -> bool:
        """Answer while the worker goes on; tell whether it is of use afterwards."""
        deadline = time.monotonic() + self._job_seconds
        with self._changed:
            self._unsettled.add(work)
        self._finish(work, result)
        end = None
        while end is None and process.is_alive() and time.monotonic() < deadline:
            if self._stopping:
                deadline = min(deadline, time.monotonic() + _STOPPING_SECONDS)
            wait([pipe, process.sentinel], _TICK_SECONDS)
            end = receive(pipe) if pipe.poll(0) else None
        with self._changed:
            self._unsettled.discard(work)
            self._settled.notify_all()
            if end == SETTLED:
                return True
            _log.error("worker %d did not come to the end of %r", process.pid, work.key)
            # Nobody waits for what is left, but it is to be done; whoever asks again does it, too.
            if work.attempts < _MOST_ATTEMPTS and work.key not in self._by_key:
                work.abandoned_at = None
                self._by_key[work.key] = work
                self._queue.appendleft(work)
                self._changed.notify()
        return isinstance(end, Failed)

    def _again(self, work: Work, innocent: bool) -> bool:
        """Put work whose process is gone back at the head of the queue, if it deserves it."""
        with self._changed:
            if innocent:
                work.attempts = 0
            if work.attempts >= _MOST_ATTEMPTS or not work.waiting:
                if self._by_key.get(work.key) is work:
                    del self._by_key[work.key]
                return False
            self._queue.appendleft(work)
            self._changed.notify()
            return True
