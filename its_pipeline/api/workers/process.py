"""One worker process: started once, then job after job over one pipe.

What belongs here: the loop of the process, the form of its messages, and its end. What does not:
what a job means (`jobs`), or who starts, watches and replaces workers (`pool`).
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from its_pipeline.api.workers.errors import JobFailedError

Handler = Callable[[Any, Callable[[Any], None]], Any]
"""Returns the answer of one job, or gives it to the function that is its second argument, once, and
goes on: with what must be done, but what nobody has to wait for.
Jobs and answers cross processes, so both are picklable."""

READY: Final = "ready"
"""What a worker sends when it can take jobs."""

SETTLED: Final = "settled"
"""What a worker sends when it is done with a job that it answered early."""

STOP: Final = None
"""What ends a worker when it is sent in the place of a job."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """A job's answer; with `more`, the worker goes on with the job, to `SETTLED` or `Failed`."""

    answer: Any
    more: bool = False


@dataclass(frozen=True)
class Failed:
    """A job that raised; the traceback is in the worker's log, under the same reference."""

    error_type: str
    text: str

    def to_error(self) -> JobFailedError:
        """Return what is raised for whoever waits for the job."""
        return JobFailedError(self.error_type, self.text)


def run_worker(pipe: Connection, start: Callable[..., Handler], arguments: tuple[Any, ...]) -> None:
    """Be a worker until the pipe closes, which it does when the server ends, however it ends.

    Parameters
    ----------
    pipe
        To the server.
    start
        Called once with `arguments`; loads and compiles what jobs need and returns the handler.
    arguments
        Picklable arguments of `start`.
    """
    # The server decides when a worker ends: Ctrl-C in a terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    handler = start(*arguments)
    try:
        pipe.send(READY)
        while (job := pipe.recv()) is not STOP:
            _do(pipe, handler, job)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        _log.info("the server is gone; worker %d ends", os.getpid())


def _do(pipe: Connection, handler: Handler, job: Any) -> None:
    answered = False

    def answer(value: Any) -> None:
        nonlocal answered
        answered = True
        pipe.send(Done(value, more=True))

    try:
        result = handler(job, answer)
        message = SETTLED if answered else Done(result)
    except Exception as error:  # noqa: BLE001 - handed to the server, which raises it again
        _log.exception("a job failed in worker %d", os.getpid())
        message = Failed(type(error).__name__, str(error))
    pipe.send(message)


def receive(pipe: Connection) -> Any:
    """Return the next message, or None from a worker that is gone."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def say_goodbye(pipe: Connection) -> None:
    """Let a worker end by itself."""
    try:
        pipe.send(STOP)
    except (BrokenPipeError, ConnectionResetError):
        _log.debug("a worker was gone before it was told to stop")


def end_worker(process: BaseProcess, pipe: Connection) -> None:
    """End a process, gently first, and wait for it, so that none is left behind."""
    pipe.close()
    process.join(0.5)
    if process.is_alive():
        process.terminate()
        process.join(2.0)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
