"""How far a long job is: log lines with rate and time left, or a bar on a terminal.

What belongs here: when to say something and what. What does not: the work itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

#: Seconds between two log lines.
LINE_EVERY_SECONDS: Final = 10.0

Listener = Callable[[int, int, float, str], None]


class _Listener(NamedTuple):
    tell: Listener
    every_seconds: float


_listeners: list[_Listener] = []


@contextmanager
def listening(tell: Listener, every_seconds: float = LINE_EVERY_SECONDS) -> Iterator[None]:
    """Have the progress of jobs that run in this process told as well.

    Parameters
    ----------
    tell
        Called with (done, total, seconds so far, what is counted).
    every_seconds
        Shortest time between two calls.
    """
    listener = _Listener(tell, every_seconds)
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class ProgressLog:
    """Says how far a job is: with nothing done, at most every `every_seconds`, at the end.

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
        def line(done: int, total: int, seconds: float, what: str) -> None:
            say(progress_line(done, total, seconds, what))

        self._what = what
        self._clock = clock
        self._started = clock()
        self._listeners = [_Listener(line, every_seconds), *_listeners]
        self._last = [self._started] * len(self._listeners)

    def update(self, done: int, total: int) -> None:
        """Tell that `done` of `total` are done."""
        now = self._clock()
        for place, listener in enumerate(self._listeners):
            if 0 < done < total and now - self._last[place] < listener.every_seconds:
                continue
            self._last[place] = now
            listener.tell(done, total, now - self._started, self._what)


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
