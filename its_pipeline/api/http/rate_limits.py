"""How often somebody may ask: token buckets in memory.

What belongs here: counting. What does not: who is counted, and what a refusal looks like
(`admission`).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class RateLimit:
    """A bucket a name: it fills at a steady rate, and each request takes one from it.

    Parameters
    ----------
    per_minute
        How fast a bucket fills.
    burst
        How much it holds.
    clock
        Seconds that never go back.
    most_names
        Buckets kept; the least recently used is forgotten, so memory is bounded whoever asks.
    """

    def __init__(
        self,
        per_minute: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        most_names: int = 10_000,
    ) -> None:
        self._per_second = per_minute / 60.0
        self._burst = float(burst)
        self._clock = clock
        self._most_names = most_names
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one; return 0, or the seconds to wait where there is none left."""
        level, now = self._level(name)
        if level < 1.0:
            return (1.0 - level) / self._per_second
        self._keep(name, level - 1.0, now)
        return 0.0

    def wait_seconds(self, name: str) -> float:
        """Return the seconds until one can be taken, 0 if now; takes none."""
        level, _ = self._level(name)
        return 0.0 if level >= 1.0 else (1.0 - level) / self._per_second

    def _level(self, name: str) -> tuple[float, float]:
        now = self._clock()
        level, at = self._buckets.get(name, (self._burst, now))
        return min(self._burst, level + (now - at) * self._per_second), now

    def _keep(self, name: str, level: float, now: float) -> None:
        self._buckets[name] = (level, now)
        self._buckets.move_to_end(name)
        while len(self._buckets) > self._most_names:
            self._buckets.popitem(last=False)
