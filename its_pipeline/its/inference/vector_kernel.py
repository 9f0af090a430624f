# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""Exponentials, logarithms and normal tails of whole arrays, a few numbers an instruction.

What belongs here: functions that the compiler can lay over vectors, where the standard library's
take one number at a time. What does not: any density. Loaded through `compiled`.

A number is split into a power of 2 and a rest near 0 or 1, whose series is cut where it is exact to
1e-13 (Muller 2016, Elementary Functions, chapter 11).
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, numba

_LOG_2_HIGH, _LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_MANTISSA, _ONE, _BIAS, _SHIFT = 0xFFFFFFFFFFFFF, 0x3FF0000000000000, 1023, 52


@numba.njit(**FAST_OPTIONS)
def exponentials(values, out, work):
    """Fill the exponentials of numbers between -700 and 700; all arrays have one shape, (n,)."""
    power = work.view(np.int64)
    for i in range(len(values)):
        k = math.floor(values[i] / (_LOG_2_HIGH + _LOG_2_LOW) + 0.5)
        r = (values[i] - k * _LOG_2_HIGH) - k * _LOG_2_LOW
        p = 1.0 / 3628800.0 + r * (1.0 / 39916800.0)
        p = 1.0 / 362880.0 + r * p
        p = 1.0 / 40320.0 + r * p
        p = 1.0 / 5040.0 + r * p
        p = 1.0 / 720.0 + r * p
        p = 1.0 / 120.0 + r * p
        p = 1.0 / 24.0 + r * p
        p = 1.0 / 6.0 + r * p
        p = 0.5 + r * p
        out[i] = 1.0 + r * (1.0 + r * p)
        power[i] = (np.int64(k) + _BIAS) << _SHIFT
    for i in range(len(values)):
        out[i] *= work[i]


@numba.njit(inline="always", **FAST_OPTIONS)
def upper_tail(z, exponential):
    """P(x > z) of a standard normal x, for z of at least 0 and exp(-z**2 / 2).

    The ratio of polynomials that Hart et al. (1968, Computer Approximations, 5666) give for the
    complementary error function; it is right to 1e-15 up to 7 sds, and nearly so beyond.
    """
    above = 0.700383064443688 + z * 0.0352624965998911
    above = 6.37396220353165 + z * above
    above = 33.912866078383 + z * above
    above = 112.079291497871 + z * above
    above = 221.213596169931 + z * above
    above = 220.206867912376 + z * above
    below = 1.75566716318264 + z * 0.0883883476483184
    below = 16.064177579207 + z * below
    below = 86.7807322029461 + z * below
    below = 296.564248779674 + z * below
    below = 637.333633378831 + z * below
    below = 793.826512519948 + z * below
    below = 440.413735824752 + z * below
    return exponential * above / below


@numba.njit(**FAST_OPTIONS)
def logarithms(values, out, work):
    """Fill the logarithms of normal numbers above 0; all arrays have one shape, (n,)."""
    bits, mantissas = values.view(np.int64), work.view(np.int64)
    for i in range(len(values)):
        mantissas[i] = (bits[i] & _MANTISSA) | _ONE
        out[i] = np.float64((bits[i] >> _SHIFT) - _BIAS)
    for i in range(len(values)):
        is_large = work[i] > 1.4142135623730951
        m = 0.5 * work[i] if is_large else work[i]
        power = out[i] + 1.0 if is_large else out[i]
        z = (m - 1.0) / (m + 1.0)
        s = z * z
        p = 1.0 / 15.0 + s * (1.0 / 17.0)
        p = 1.0 / 13.0 + s * p
        p = 1.0 / 11.0 + s * p
        p = 1.0 / 9.0 + s * p
        p = 1.0 / 7.0 + s * p
        p = 1.0 / 5.0 + s * p
        p = 1.0 / 3.0 + s * p
        out[i] = power * (_LOG_2_HIGH + _LOG_2_LOW) + 2.0 * z * (1.0 + s * p)
