"""One worker process: started once, then job after job over one pipe.

What belongs here: the loop of the process, its messages and its end, on both sides of the pipe.
What does not: what a job means, or which one is next and who waits for it (`pool`).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from its_pipeline.processes.errors import JobFailedError

Handler = Callable[[Any, Callable[[Any], None]], Any]
"""Returns the answer of one job, or gives it to the function that is its second argument, once, and
goes on: with what must be done, but what nobody has to wait for.
Jobs and answers cross processes, so both are picklable."""

READY: Final = "ready"
"""What a worker sends when it can take jobs."""

TICK_SECONDS: Final = 0.25
"""How often an owner looks up from what it waits for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """A job's answer; with `more`, the worker goes on with it, and says at the end how that went.

    A job that raises is answered with a `JobFailedError`.
    """

    answer: Any
    more: bool = False


class Worker:
    """A worker process as its owner sees it.

    Parameters
    ----------
    start
        Called in the process with `arguments`; loads and compiles what jobs need, and returns the
        handler. A module's function: it crosses to the new process, as its arguments do.
    arguments
        Of `start`.
    name
        Of the process.

    Raises
    ------
    OSError
        There is no room for another process.
    """

    def __init__(
        self, start: Callable[..., Handler], arguments: tuple[Any, ...], name: str
    ) -> None:
        # Spawned, not forked: this process has threads, and a fork would inherit their locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, start, arguments), name=name, daemon=True
        )
        self._process.start()
        theirs.close()
        self.pid = self._process.pid or 0

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.is_alive()

    def ask(self, job: bytes, reason_to_end: Callable[[], Exception | None]) -> Any:
        """Send a pickled job and return the first message about it, as `receive` does."""
        try:
            self._pipe.send_bytes(job)
        except OSError:
            return None
        return self.receive(reason_to_end)

    def receive(self, reason_to_end: Callable[[], Exception | None]) -> Any:
        """Return the next message, None from a process that is gone, or a reason not to wait on."""
        while True:
            wait([self._pipe, self._process.sentinel], TICK_SECONDS)
            # Asked first: what it sent before it died still counts.
            alive = self._process.is_alive()
            try:
                if self._pipe.poll(0):
                    return self._pipe.recv()
            except (EOFError, OSError):
                return None
            if not alive:
                return None
            if (reason := reason_to_end()) is not None:
                return reason

    def end(self) -> None:
        """End the process and wait for it; one that waits for a job ends when the pipe closes."""
        self._pipe.close()
        self._process.join(0.5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _run(pipe: Connection, start: Callable[..., Handler], arguments: tuple[Any, ...]) -> None:
    """Be a worker until the pipe closes."""
    # The owner decides when a worker ends: Ctrl-C in a terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    completing = threading.Lock()
    _end_with_parent(completing)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    handler = start(*arguments)
    try:
        pipe.send(READY)
        while True:
            _do(pipe, handler, pipe.recv(), completing)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        _log.info("nobody has a job for worker %d any more; it ends", os.getpid())


def _do(pipe: Connection, handler: Handler, job: Any, completing: threading.Lock) -> None:
    answered = False

    def answer(value: Any) -> None:
        nonlocal answered
        answered = True
        completing.acquire()
        pipe.send(Done(value, more=True))

    try:
        message = Done(handler(job, answer))
    except Exception as error:  # noqa: BLE001 - handed to the owner, who raises it again
        _log.exception("a job failed in worker %d", os.getpid())
        message = JobFailedError(type(error).__name__, str(error), getattr(error, "errno", None))
    if answered:
        completing.release()
    pipe.send(message)


def _end_with_parent(completing: threading.Lock) -> None:
    """End this process when its parent has ended, however that came about.

    A killed parent closes the pipe, but a worker that is at work would not look there for long.
    What was answered already is completed before.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a worker should be the child of a process that has jobs for it")

    def watch() -> None:
        wait([parent.sentinel])
        with completing:
            os._exit(1)

    threading.Thread(target=watch, name="its-parent-watch", daemon=True).start()
