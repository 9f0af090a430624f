"""What a piece of work takes of memory: in a process of its own, and its workers' own pages.

What belongs here: running a function in a fresh process, and what it and its workers came to. What
does not: what is measured.

Whatever made the store stays out of it. A worker's largest resident size is no measure: pages that
it shares with others count in each of them, and a fork begins with those of whom it came from.
"""

from __future__ import annotations

import multiprocessing
import resource
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLED_SECONDS = 0.5


@dataclass(frozen=True)
class Measured:
    """What a function returned, and what it took.

    Attributes
    ----------
    found
        What it returned.
    peak_mib
        Largest resident memory of its process.
    worker_mib
        Most that one of its workers had for itself (private pages), sampled every
        `SAMPLED_SECONDS`; 0 without workers.
    """

    found: Any
    peak_mib: float
    worker_mib: float


def in_fresh_process(work: Callable[..., Any], *arguments: Any) -> Measured:
    """Run a function of a module in a process that did nothing else.

    Parameters
    ----------
    work, *arguments
        Both can be pickled.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, work, arguments).result()


def _measured(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Measured:
    over = threading.Event()
    largest = [0.0]

    def sample() -> None:
        while not over.wait(SAMPLED_SECONDS):
            largest.append(max(largest.pop(), *map(_private_mib, _children()), 0.0))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        found = work(*arguments)
    finally:
        over.set()
        thread.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(found, peak, largest[0])


def _children() -> list[str]:
    """Return the processes below this one, whatever thread started them."""
    left, found = ["self"], []
    while left:
        for children in Path(f"/proc/{left.pop()}/task").glob("*/children"):
            try:
                own = children.read_text().split()
            except OSError:
                continue  # It ended meanwhile.
            found += own
            left += own
    return found


def _private_mib(process: str) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # It ended meanwhile.
    sizes = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(size[1]) for size in sizes) / 1024
