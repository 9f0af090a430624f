"""Arithmetic on thousands of draws, the same to the last bit on every machine's threads.

What belongs here: products and quantiles of arrays of draws. What does not: what the draws are of.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import available_cores


def product(matrix: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Multiply (n, k) by (k, draws) in a fixed order, so no thread count changes a bit."""
    out = np.zeros((matrix.shape[0], draws.shape[1]))
    compiled.sampling_kernel().multiply(np.ascontiguousarray(matrix), draws, out)
    return out


def row_quantiles(values: np.ndarray, probabilities: tuple[float, ...]) -> np.ndarray:
    """Return quantiles of each row, shape (probabilities, rows); rows are shared among threads.

    The same to the last bit as ``numpy.quantile(values, probabilities, axis=1)``.
    """
    kernel = compiled.quantile_kernel()
    wanted = np.array(probabilities)
    found = np.empty((len(wanted), len(values)))
    cores = min(available_cores(), len(values))
    if cores < 2:
        kernel.row_quantiles(values, wanted, found)
        return found
    with ThreadPoolExecutor(cores) as pool:
        parts = np.array_split(np.arange(len(values)), cores)
        list(
            pool.map(
                lambda rows: kernel.row_quantiles(
                    values[rows[0] : rows[-1] + 1], wanted, found[:, rows[0] : rows[-1] + 1]
                ),
                parts,
            )
        )
    return found
