"""What a posterior is computed of: the fitted rows of a regression, standardised.

What belongs here: plain arrays that cross from designs to noise models and likelihoods. What does
not: which columns those are, or how the noise behaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A regression with independent Gaussian priors on its coefficients, mean zero.

    Parameters
    ----------
    design
        Rows that are fitted, shape (n, k), contiguous.
    outcome
        Standardised outcome, shape (n,).
    steps
        Increasing integer time steps of the rows, shape (n,); a gap is a missing day.
    prior_sd
        Prior standard deviations of the coefficients, shape (k,).
    """

    design: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    prior_sd: np.ndarray
