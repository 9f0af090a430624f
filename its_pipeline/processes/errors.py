"""What can go wrong between asking the pool and its answer.

What belongs here: the pool's exceptions. What does not: raising them (`pool`), or what they mean to
whoever asked.
"""

from __future__ import annotations


class QueueFullError(RuntimeError):
    """As much work waits as may wait."""


class WorkerLostError(RuntimeError):
    """The process that worked on a job died, and so did the one that tried it again."""


class WorkerUnavailableError(RuntimeError):
    """No worker could be started, or the pool is stopped."""


class JobTimeoutError(RuntimeError):
    """A job took longer than it may; its process was ended."""


class AbandonedError(RuntimeError):
    """Nobody waited for a job any more."""


class JobFailedError(RuntimeError):
    """A job raised in its worker, whose output holds the traceback.

    Parameters
    ----------
    error_type, text
        Name of the exception's class, and what it says.
    errno
        The operating system's number of the error, if it is one of those.
    """

    def __init__(self, error_type: str, text: str, errno: int | None = None) -> None:
        # All of them, so that it survives pickling.
        super().__init__(error_type, text, errno)
        self.error_type = error_type
        self.text = text
        self.errno = errno

    def __str__(self) -> str:
        return f"{self.error_type}: {self.text}"
