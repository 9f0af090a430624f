"""What can go wrong between asking the pool and its answer.

What belongs here: the pool's exceptions. What does not: raising them (`pool`), or how they look in
HTTP (`http.problems`).
"""

from __future__ import annotations


class QueueFullError(RuntimeError):
    """As much work waits as may wait."""


class WorkerLostError(RuntimeError):
    """The process that worked on a job died, and so did the one that tried it again."""


class WorkerUnavailableError(RuntimeError):
    """No worker could be started."""


class JobTimeoutError(RuntimeError):
    """A job took longer than it may; its process was ended."""


class JobFailedError(RuntimeError):
    """A job raised in its worker.

    Attributes
    ----------
    error_type
        Name of the exception's class.
    """

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(f"{error_type}: {text}")
        self.error_type = error_type


class AbandonedError(RuntimeError):
    """Nobody waited for a job any more."""
