"""What a posterior is computed of: the fitted rows of a regression, standardised, and its priors.

What belongs here: plain arrays that cross from designs to noise models and likelihoods. What does
not: which columns those are, or how the noise behaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from its_pipeline.its.scale_mixture import ScaleMixture

_BLOCK = 8
"""Columns are padded to a multiple of this, so that compiled loops become vector instructions."""


@dataclass(frozen=True)
class Problem:
    """A regression with a scale mixture of Gaussian priors on its coefficients.

    Parameters
    ----------
    design
        Rows that are fitted, shape (n, k), contiguous.
    outcome
        Standardised outcome, shape (n,), or several of them, shape (n, c).
    steps
        Increasing integer time steps of the rows, shape (n,); a gap is a missing day.
    prior
        Of the k coefficients.
    """

    design: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    prior: ScaleMixture

    @cached_property
    def gaps(self) -> np.ndarray:
        """Steps from each row to the next, shape (n - 1,)."""
        return np.diff(self.steps).astype(float)

    @cached_property
    def order(self) -> np.ndarray:
        """Column numbers, those that all components of the prior share first, shape (k,)."""
        shared = self.prior.is_shared
        return np.concatenate([np.flatnonzero(shared), np.flatnonzero(~shared)])

    @cached_property
    def rows(self) -> np.ndarray:
        """[X y] with X's columns in `order`, padded with zeros, shape (n, width)."""
        return padded(self.design[:, self.order], self.outcome)

    @cached_property
    def shared_precisions(self) -> np.ndarray:
        """Prior precisions of the first columns of `rows`, shape (a,)."""
        return 1.0 / np.square(self.prior.sd[0, self.prior.is_shared])

    @cached_property
    def free_precisions(self) -> np.ndarray:
        """Prior precisions of the other columns in each component, shape (m, k - a)."""
        return np.ascontiguousarray(1.0 / np.square(self.prior.sd[:, ~self.prior.is_shared]))


def padded(design: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """Return [X y], zeros beyond, shape (n, width)."""
    columns = np.column_stack([design, outcome])
    n, k = columns.shape
    rows = np.zeros((n, -(-k // _BLOCK) * _BLOCK))
    rows[:, :k] = columns
    return rows
