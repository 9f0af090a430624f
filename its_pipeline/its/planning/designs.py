"""The designs that a plan compares: on which of the coming days each is on.

What belongs here: the days on of each design for any number of days, after a baseline of days off.
What does not: drawing a lot for somebody (`schedules.assignments`), which keeps to more rules than
a comparison of designs needs, or what the days would show (`assurance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

BLOCK_DAYS = 3
"""Days that are drawn together in the design of blocks."""
_SEED = 0


def _change(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


def _reversal(n: int) -> np.ndarray:
    """Return on, off and on again: the baseline is the first phase off."""
    return np.arange(n) * 3 // max(n, 1) != 1


def _by_lot(n: int) -> np.ndarray:
    return np.random.default_rng(_SEED).permutation(np.arange(n) % 2 == 0)


def _blocks_by_lot(n: int) -> np.ndarray:
    n_blocks = -(-n // BLOCK_DAYS)
    return np.repeat(_by_lot(n_blocks), BLOCK_DAYS)[:n]


PLANNED_DESIGNS: Mapping[str, Callable[[int], np.ndarray]] = MappingProxyType(
    {"AB": _change, "ABAB": _reversal, "days by lot": _by_lot, "blocks by lot": _blocks_by_lot}
)
"""Which of n coming days are on, shape (n,), bool, by the design's name."""
