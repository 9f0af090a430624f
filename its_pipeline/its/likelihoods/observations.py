"""What a likelihood with a link is told of an outcome.

What belongs here: the outcome as counts or successes, and the scale of its predictor. What does
not: how a family makes it of values (`linked`), or what is inferred from it (`latent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Observations:
    """What a likelihood with a link is told of the outcome on the fitted rows.

    Parameters
    ----------
    family
        Its number in `family_kernel`.
    dispersed
        Whether it has a dispersion of its own.
    y, trials, offset
        Outcome, number of trials (1 for counts) and what is known of the predictor; shape (n,).
    centre, scale
        The predictor is `offset + centre + scale * h`.
    start
        A first guess of h, shape (n,).
    """

    family: int
    dispersed: bool
    y: np.ndarray
    trials: np.ndarray
    offset: np.ndarray
    centre: float
    scale: float
    start: np.ndarray

    @property
    def shift(self) -> np.ndarray:
        """Return the predictor at h = 0, shape (n,)."""
        return self.offset + self.centre

    @cached_property
    def kinds_of_days(self) -> np.ndarray:
        """Outcome, trials and number of days of each kind that there is, shape (p, 3)."""
        days = np.column_stack([self.y, self.trials])
        kinds, counts = np.unique(days, axis=0, return_counts=True)
        return np.column_stack([kinds, counts.astype(float)])
