"""The series of the calibration: cells, simulator, and how one is reproduced from its index.

No model is fitted here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL, SD = 70.0, 10.0
MINIMUM_DAYS = 8


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: how series are made.

    Parameters
    ----------
    n
        Days, half of them before the intervention.
    rho
        Day-to-day correlation of the noise.
    missing
        Share of days missing at random.
    effect
        True level change in marginal standard deviations.
    noise
        "ar1", "ar2", "heavy" (Student-t, 3 degrees of freedom), "weekly" (a weekly pattern that
        shifts at the intervention), "trend" (one standard deviation over the pre-period), or
        "swings" (half of the variance is an AR(1), half is new every day).
    """

    n: int
    rho: float
    missing: float
    effect: float = 0.0
    noise: str = "ar1"

    @property
    def name(self) -> str:
        """File name of the cell."""
        return (
            f"n{self.n}-rho{self.rho:g}-missing{self.missing:g}-effect{self.effect:g}-{self.noise}"
        )


NULL_CELLS = tuple(
    Cell(*key) for key in itertools.product((28, 60, 90, 180), (0, 0.3, 0.6), (0, 0.2))
)
POWER_CELLS = tuple(
    Cell(n, rho, 0.0, effect)
    for n, rho, effect in itertools.product((28, 60, 90, 180), (0, 0.3, 0.6), (0.5, 1.0, 2.0))
)
ROBUST_CELLS = tuple(
    Cell(n, rho, 0.0, 0.0, noise)
    for (noise, rho), n in itertools.product(
        (
            *((noise, 0.3) for noise in ("ar2", "heavy", "weekly", "trend")),
            *(("swings", rho) for rho in (0.5, 0.8, 0.9)),
        ),
        (28, 90, 180),
    )
)


def simulate(cell: Cell, index: int, seed: int = 0) -> tuple[pd.Series, pd.Timestamp, float]:
    """Return a series, its intervention day, and its true effect in outcome units.

    A draw that leaves fewer than 8 observed days in a phase is drawn again, as `analyze` would
    refuse it.
    """
    key = [seed, cell.n, round(10 * cell.rho), round(10 * cell.missing), round(10 * cell.effect)]
    rng = np.random.default_rng([*key, sum(cell.noise.encode()), index])
    half = cell.n // 2
    while True:
        noise = _noise(cell, rng)
        days = pd.date_range("2024-01-01", periods=cell.n, freq="D")
        values = LEVEL + SD * (noise + cell.effect * (np.arange(cell.n) >= half))
        keep = rng.random(cell.n) >= cell.missing
        if min(keep[:half].sum(), keep[half:].sum()) >= MINIMUM_DAYS:
            return pd.Series(values, index=days)[keep], days[half], SD * cell.effect


def _noise(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    burn = 200
    total = cell.n + burn
    if cell.noise == "heavy":
        shocks = rng.standard_t(3, size=total) / np.sqrt(3.0)
    else:
        shocks = rng.standard_normal(total)
    first, second = (cell.rho, 0.2) if cell.noise == "ar2" else (cell.rho, 0.0)
    noise = np.zeros(total)
    for t in range(2, total):
        noise[t] = first * noise[t - 1] + second * noise[t - 2] + shocks[t]
    lag_one = first / (1.0 - second)
    noise = noise[burn:] * np.sqrt(1.0 - first * lag_one - second * (first * lag_one + second))
    if cell.noise == "swings":
        noise = np.sqrt(0.5) * (noise + rng.standard_normal(cell.n))
    day = np.arange(cell.n)
    if cell.noise == "weekly":
        pattern = np.where(day % 7 >= 5, -0.75, 0.3)
        noise = noise + np.where(day < cell.n // 2, pattern, np.roll(pattern, 2))
    if cell.noise == "trend":
        noise = noise + day / (cell.n // 2)
    return noise
