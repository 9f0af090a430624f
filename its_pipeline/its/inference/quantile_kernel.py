# ruff: noqa: ANN001, ANN201, ANN202, RUF046 - Numba infers types, and its floor is a float
"""Quantiles of many rows of draws, compiled by Numba and kept on disk.

The bands of a daily table are quantiles of some hundred rows of thousands of draws: sorting or
partitioning each of them took a sixth of an analysis. Here each row's draws are counted into bins,
and only the bins that hold a wanted rank are sorted. The order statistics are exact, and between
two of them the value is interpolated as `numpy.quantile` does, so the numbers are the same to the
last bit. Loaded through `compiled`; like `sampling_kernel` this imports Numba at the top.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import OPTIONS, numba

BINS = 512


@numba.njit(nogil=True, **OPTIONS)
def row_quantiles(values, probabilities, out):
    """Fill `out`, shape (p, rows), with quantiles of each row of `values`, shape (rows, n).

    A row with a NaN gets NaN.
    """
    n = values.shape[1]
    counts = np.empty(BINS, dtype=np.int64)
    bin_of = np.empty(n, dtype=np.int16)
    held = np.empty(n)
    for row in range(values.shape[0]):
        low = values[row, 0]
        high = low
        known = True
        for j in range(n):
            value = values[row, j]
            if value != value:
                known = False
            low = min(low, value)
            high = max(high, value)
        scale = BINS / (high - low) if high > low else 0.0
        if not known or not math.isfinite(scale) or not math.isfinite(high - low):
            _sorted_quantiles(values[row], probabilities, out[:, row])
            continue
        counts[:] = 0
        for j in range(n):
            place = min(int((values[row, j] - low) * scale), BINS - 1)
            bin_of[j] = place
            counts[place] += 1
        for p in range(probabilities.shape[0]):
            position = probabilities[p] * (n - 1)
            rank = int(math.floor(position))
            share = position - rank
            place = 0
            start = 0
            while start + counts[place] <= rank:
                start += counts[place]
                place += 1
            size = _gather(values[row], bin_of, place, held)
            ordered = np.sort(held[:size])
            below = ordered[rank - start]
            above = below
            if rank + 1 < n:
                if rank + 1 - start < size:
                    above = ordered[rank + 1 - start]
                else:
                    place += 1
                    while counts[place] == 0:
                        place += 1
                    above = held[: _gather(values[row], bin_of, place, held)].min()
            out[p, row] = _between(below, above, share)


@numba.njit(nogil=True, **OPTIONS)
def _gather(values, bin_of, place, held):
    """Copy the values of one bin to the start of `held`; return how many."""
    size = 0
    for j in range(values.shape[0]):
        if bin_of[j] == place:
            held[size] = values[j]
            size += 1
    return size


@numba.njit(nogil=True, **OPTIONS)
def _between(below, above, share):
    """Interpolate as `numpy.quantile` does, whose two forms differ in the last bit."""
    if share < 0.5:
        return below + (above - below) * share
    return above - (above - below) * (1.0 - share)


@numba.njit(nogil=True, **OPTIONS)
def _sorted_quantiles(values, probabilities, out):
    """Fill quantiles of one row by sorting it: for rows with NaN or infinite values."""
    n = values.shape[0]
    ordered = np.sort(values)
    for p in range(probabilities.shape[0]):
        position = probabilities[p] * (n - 1)
        rank = int(math.floor(position))
        above = ordered[min(rank + 1, n - 1)]
        # NaN sorts to the end, and NumPy gives NaN for a row that has one.
        known = ordered[n - 1] == ordered[n - 1]
        out[p] = _between(ordered[rank], above, position - rank) if known else math.nan
