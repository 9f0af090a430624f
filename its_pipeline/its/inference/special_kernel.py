# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""Special functions that compiled densities need and the standard library has not.

What belongs here: functions of numbers. What does not: any density. Loaded through `compiled`.
"""

from __future__ import annotations

import math

from its_pipeline.its.inference.sampling_kernel import OPTIONS, numba


@numba.njit(**OPTIONS)
def digamma(x):
    """Digamma for x > 0: recurrence up to 6, then the asymptotic series (A&S 6.3.5, 6.3.18)."""
    value = 0.0
    while x < 6.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return value + math.log(x) - 0.5 / x - series
