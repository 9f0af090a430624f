"""Pieces of the pool's work and the shares that waiters have in them.

What belongs here: what is queued, who waits for it, and what the pool says of itself. What does
not: queueing or doing it (`pool`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Work:
    """One piece of work: whoever asks for the same `key` has a ticket among `waiting`."""

    key: str
    job: Any
    waiting: set[Ticket] = field(default_factory=set)
    attempts: int = 0
    abandoned_at: float | None = None


class Ticket:
    """One waiter's share in a piece of work.

    Parameters
    ----------
    coalesced
        Whether somebody had asked for the same before.
    give_up
        Called when the waiter waits no more.

    Attributes
    ----------
    future
        Its answer, or one of `pool_errors`.
    coalesced
        As given.
    """

    def __init__(self, coalesced: bool, give_up: Callable[[Ticket], None]) -> None:
        self.future: Future[Any] = Future()
        self.coalesced = coalesced
        self._give_up = give_up

    def abandon(self) -> None:
        """Wait no more; work that nobody waits for is given up."""
        self._give_up(self)


@dataclass(frozen=True)
class PoolState:
    """A look at the pool.

    Attributes
    ----------
    workers, ready
        Slots, and how many have a process that can take work.
    queued, running
        Pieces of work; one that is answered and not yet settled is running.
    replaced
        Processes that died or were ended, since the start.
    """

    workers: int
    ready: int
    queued: int
    running: int
    replaced: int
