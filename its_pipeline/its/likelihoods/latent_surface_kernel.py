# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""Sums of cubes of distances: what a smooth surface between nodes is made of.

What belongs here: the sums themselves. What does not: their factors, or what the surface is for
(`latent_surface`). Loaded through `compiled`.
"""

from __future__ import annotations

import math

from its_pipeline.its.inference.sampling_kernel import FAST_OPTIONS, numba


@numba.njit(nogil=True, **FAST_OPTIONS)
def add_cubes(known, factors, wanted, out):
    """Add to points the cubes of their distances to others, times a factor each.

    Parameters
    ----------
    known, factors
        The others, shape (p, 3), and their factors, shape (p,).
    wanted
        The points, shape (3, g).
    out
        Shape (g,); added to.
    """
    x, y, z = wanted[0], wanted[1], wanted[2]
    for i in range(len(factors)):
        a, b, c, factor = known[i, 0], known[i, 1], known[i, 2], factors[i]
        for j in range(len(out)):
            square = (x[j] - a) ** 2 + (y[j] - b) ** 2 + (z[j] - c) ** 2
            out[j] += factor * square * math.sqrt(square)
