"""Simulated noise that several benchmarks share: AR(1), and a slow drift under noise that is new.

What belongs here: drawing it. What does not: what is done on such days.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NOISES: Mapping[str, float | None] = {"rho 0": 0.0, "rho .3": 0.3, "rho .6": 0.6, "drifting": None}
"""AR(1) with these autocorrelations; drifting: time constant 30 days, half of it new every day."""
_DRIFT = np.exp(-1.0 / 30.0)


def ar1(rho: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n days of AR(1) noise of unit variance."""
    noise = np.empty(n)
    noise[0] = rng.standard_normal()
    for t in range(1, n):
        noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal()
    return noise


def noise_of(rho: float | None, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n days of one of `NOISES`, of unit variance."""
    lasting = ar1(_DRIFT if rho is None else rho, n, rng)
    if rho is None:
        return np.sqrt(0.5) * (lasting + rng.standard_normal(n))
    return lasting
