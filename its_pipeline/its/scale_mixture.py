"""The prior of a regression's coefficients: Gaussian, with sds that come from a mixture.

What belongs here: the record that crosses from designs to inference. What does not: which sds those
are (`priors`, `designs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class ScaleMixture:
    """Independent Gaussian priors of coefficients, mean zero, whose sds come from a mixture.

    Parameters
    ----------
    sd
        Sds of the coefficients in each component, shape (m, k).
    weights
        Prior weights of the components, shape (m,), sum 1.
    """

    sd: np.ndarray
    weights: np.ndarray

    @cached_property
    def is_shared(self) -> np.ndarray:
        """Coefficients whose sd is the same in every component, shape (k,), bool."""
        return np.all(self.sd == self.sd[0], axis=0)
