"""What posteriors that are draws have in common, however the draws were come by.

What belongs here: what follows from draws of the coefficients and of the noise alone. What does
not: effects, which each kind tells on its own scale (`sampled`, `linked`), or posteriors by
quadrature (`exact`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from its_pipeline.its.posterior import INTERVAL, Fit
from its_pipeline.its.results import WhatIf


class Draws(Protocol):
    """What has to be there of draws."""

    @property
    def fit(self) -> Fit:
        """What was fitted."""
        ...

    @property
    def internal(self) -> np.ndarray:
        """Draws of the internal coefficients, shape (n_draws, k)."""
        ...

    @property
    def noise(self) -> Mapping[str, np.ndarray]:
        """Draws of the noise's parameters by name, "sigma" in outcome units."""
        ...

    @property
    def reported(self) -> Mapping[str, np.ndarray]:
        """Draws of the reported coefficients by name."""
        ...


class DrawnPosterior:
    """The part of `posterior.Posterior` that follows from `Draws`."""

    def mean_coefficients(self: Draws) -> np.ndarray:
        """Return the posterior mean of the internal coefficients, shape (k,)."""
        return self.internal.mean(axis=0)

    def mean_parameters(self: Draws) -> dict[str, float]:
        """Return posterior means of the noise's parameters, "sigma" standardised."""
        means = {name: float(np.mean(draws)) for name, draws in self.noise.items()}
        return {**means, "sigma": means["sigma"] / self.fit.series.scale}

    def neighbours(self: Draws) -> tuple[float, float]:
        """Return the correlation of two neighbouring days: its mean and 97.5 % quantile."""
        values = self.fit.noise_model.correlation_of_neighbours(self.noise)
        return float(np.mean(values)), float(np.quantile(values, INTERVAL[1]))

    def coefficients(self: Draws) -> dict[str, tuple[float, float]]:
        """Return mean and sd of the reported coefficients."""
        return {
            name: (float(np.mean(draws)), float(np.std(draws, ddof=1)))
            for name, draws in self.reported.items()
        }

    def what_if(self) -> tuple[WhatIf, ...]:
        """Return nothing: draws do not tell the components of the prior apart."""
        return ()

    def alike_probability(self) -> float | None:
        """Return None: draws do not tell the components of the prior apart."""
        return None
