# ruff: noqa: ANN001, ANN201 - Numba infers the types of compiled functions
"""What compiled functions share: options, the shapes nutpie calls, and products of draws.

Loaded through `compiled`, which keeps the cache on disk honest; it imports Numba at the top, so it
is imported inside functions. No density and no model is here.
"""

from __future__ import annotations

from typing import Any

import numba as _numba
from numba import types as _types

numba: Any = _numba
types: Any = _types

OPTIONS = {"cache": True, "error_model": "numpy"}
"""Kept on disk; a division by zero gives an infinity, which the callbacks reject as a point."""
FAST_OPTIONS = {**OPTIONS, "fastmath": {"reassoc", "contract"}}
"""Lets sums become vector instructions; infinities and NaN keep their meaning."""

LANES = 32
"""Nodes or noises that are worked on side by side, so that every step is a vector instruction
whatever the number of columns; what they need fits into a core's first caches."""
LANES_OF_A_VECTOR = 8
"""Lanes come in whole vectors; the last of those there are fills up."""

LOGP_SIGNATURE = types.int64(
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
)
EXPAND_SIGNATURE = types.int64(
    types.uint64,
    types.uint64,
    types.CPointer(types.double),
    types.CPointer(types.double),
    types.CPointer(types.double),
)


@numba.cfunc(EXPAND_SIGNATURE, **OPTIONS)
def expand_callback(dim, expanded, position, out, data):
    """Hand the unconstrained point on as it is; transforming back is vectorised afterwards."""
    if dim != expanded:
        return -1
    source = numba.carray(position, (dim,))
    target = numba.carray(out, (dim,))
    for i in range(dim):
        target[i] = source[i]
    return 0


@numba.njit(nogil=True, **OPTIONS)
def multiply(matrix, draws, out):
    """Add (n, k) times (k, draws) to `out`, in the order of k whatever the machine's threads."""
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            factor = matrix[row, column]
            if factor != 0.0:
                for draw in range(draws.shape[1]):
                    out[row, draw] += factor * draws[column, draw]
