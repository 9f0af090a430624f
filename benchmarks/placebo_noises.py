"""Other noises that the placebo study holds against the chosen one, for the product's quadrature.

What belongs here: an AR(1) alone, an AR(1) that also wanders, and a random walk seen through noise
that is new every day, each with what `its.inference.quadrature.integrate` asks of a noise. What
does not: the chosen noise, which is the product's (`its.noise.ar1_white`).
"""

from __future__ import annotations

import math
from typing import Any

import numba as _numba
import numpy as np

from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Box

numba: Any = _numba


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _cross_products(rows, gaps, points, size, sums, log_dets):  # noqa: ANN001, ANN202
    """Whiten with a fading and a wandering state; points are phi, share, walk, shape (g, 3)."""
    n, width = rows.shape
    for g in range(points.shape[0]):
        phi, share, walk = points[g]
        first = 1.0 - share
        fading, wandering = np.zeros(width), np.zeros(width)
        v_ff, v_fw, v_ww = first, 0.0, 0.0
        sums[g] = 0.0
        log_dets[g] = 0.0
        white = np.empty(width)
        for t in range(n):
            factor = 1.0
            if t > 0:
                factor = abs(phi) ** gaps[t - 1]
                if phi < 0.0 and gaps[t - 1] % 2 == 1:
                    factor = -factor
                v_ff = first + factor * factor * (v_ff - first)
                v_fw = factor * v_fw
                v_ww = v_ww + walk * gaps[t - 1]
            side_f, side_w = v_ff + v_fw, v_fw + v_ww
            spread = side_f + side_w + share
            gain_f, gain_w = side_f / spread, side_w / spread
            for j in range(width):
                before = factor * fading[j]
                surprise = rows[t, j] - before - wandering[j]
                white[j] = surprise / math.sqrt(spread)
                fading[j] = before + gain_f * surprise
                wandering[j] += gain_w * surprise
            v_ff -= gain_f * side_f
            v_fw -= gain_f * side_w
            v_ww -= gain_w * side_w
            log_dets[g] += math.log(spread)
            for i in range(size):
                for j in range(i, width):
                    sums[g, i, j] += white[i] * white[j]


class _TwoStates:
    """Whitening that the noises share; a point is phi, share and walk."""

    def cross_products(self, problem: Problem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return products of whitened columns and log|R|."""
        size = problem.design.shape[1] + 1
        sums = np.empty((len(points), size, problem.rows.shape[1]))
        log_dets = np.empty(len(points))
        _cross_products(problem.rows, problem.gaps, points, size, sums, log_dets)
        return sums, log_dets


class AR1Noise(_TwoStates):
    """AR(1) alone, correlation uniform over (-1, 1)."""

    box: Box = ((-3.0, 5.0), (0.0, 0.0))

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise at atanh of the correlation."""
        zeros = np.zeros_like(u)
        density = -2.0 * np.log(np.cosh(u)) - math.log(2.0)
        return np.column_stack([np.tanh(u), zeros, zeros]), density


class AR1WalkNoise(_TwoStates):
    """AR(1), correlation uniform over (0, .95), plus a random walk.

    The walk's sd a day is log-uniform over .001 to 1 of the AR(1)'s sd.
    """

    box: Box = ((math.log(0.001), 0.0), (0.0, 0.95))

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise at the log of the walk's sd and the correlation."""
        flat = np.full_like(u, -math.log(math.log(1000.0) * 0.95))
        return np.column_stack([v, np.zeros_like(u), np.exp(2.0 * u)]), flat


class WalkWhiteNoise(_TwoStates):
    """A random walk seen through noise that is new every day (local level).

    The walk's sd a day is log-uniform over .001 to 3 of the new noise's sd.
    """

    box: Box = ((math.log(0.001), math.log(3.0)), (0.0, 0.0))

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise at the log of the walk's sd."""
        flat = np.full_like(u, -math.log(math.log(3000.0)))
        zeros = np.zeros_like(u)
        return np.column_stack([zeros, zeros + 1.0, np.exp(2.0 * u)]), flat
