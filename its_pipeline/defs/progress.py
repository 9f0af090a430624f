"""How far a long job is: log lines with rate and time left, or a bar on a terminal.

What belongs here: when to say something and what. What does not: the work itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Seconds between two log lines.
LINE_EVERY_SECONDS: Final = 10.0


class ProgressLog:
    """Says how far a job is, at most every `every_seconds`, and at the end.

    Parameters
    ----------
    say
        Takes a line.
    what
        What is counted, plural.
    every_seconds
        Shortest time between two lines.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        what: str,
        every_seconds: float = LINE_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._what = what
        self._every = every_seconds
        self._clock = clock
        self._started = self._last = clock()

    def update(self, done: int, total: int) -> None:
        """Tell that `done` of `total` are done."""
        now = self._clock()
        if done < total and now - self._last < self._every:
            return
        self._last = now
        self._say(progress_line(done, total, now - self._started, self._what))


def progress_line(done: int, total: int, seconds: float, what: str) -> str:
    """Return one line: share done, rate, time left."""
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{done} of {total} {what} ({100 * done / max(total, 1):.0f} %)"
    if rate > 0:
        line += f", {rate:.1f} per second"
        if done < total:
            line += f", about {duration((total - done) / rate)} left"
    return line


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
