"""Normal innovations: the coefficients are integrated out, so quadrature answers.

What belongs here: the distribution itself. What does not: the quadrature (`inference.quadrature`)
or its auditor (`inference.audit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from its_pipeline.its.inference.problem import Problem


class Normal:
    """See `base.GaussianLikelihood`."""

    name = "normal"
    labels: Mapping[str, str] = MappingProxyType({})
    has_heavy_tails = False

    def regression(self, problem: Problem) -> Problem:
        """Return the problem as it is."""
        return problem

    def shocks(
        self, rng: np.random.Generator, parameters: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Draw standard normals."""
        return rng.standard_normal(size)


class LogNormal(Normal):
    """Normal innovations of the outcome's logarithm (`PreparedSeries.is_logarithmic`)."""

    name = "lognormal"


NORMAL = Normal()
LOG_NORMAL = LogNormal()
