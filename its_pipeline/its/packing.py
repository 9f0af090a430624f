"""The problem as one flat float64 buffer: what the compiled kernel reads.

A buffer, not arguments, because nutpie hands a callback one pointer; and offsets in a header, not
globals, because Numba caches on disk only what has no dynamic globals. Layout: header, prior
precisions (k), distinct gaps (g), their counts (g), the first row's outer product, then for each
gap three sums of outer products of the rows of [X y], all packed lower triangles of size
(k + 1)(k + 2) / 2.
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import priors

LENGTH = 0
N_COLUMNS = 1
GAPS = 2
N_OBSERVED = 3
RHO_A = 4
RHO_B = 5
SIGMA_SCALE_AT = 6
SIGMA_DF_AT = 7
LOG_DET_PRIOR = 8
HEADER = 9


def pack(
    design: np.ndarray, outcome: np.ndarray, steps: np.ndarray, prior_sd: np.ndarray
) -> np.ndarray:
    """Reduce a problem to the sums the collapsed density needs.

    Parameters
    ----------
    design
        Observed rows of the design, shape (n, k).
    outcome
        Standardised outcome of those rows, shape (n,).
    steps
        Increasing integer time steps of those rows, shape (n,).
    prior_sd
        Prior standard deviations of the coefficients, shape (k,).

    Returns
    -------
    np.ndarray
        The buffer, float64, one-dimensional.
    """
    n, k = design.shape
    rows = np.column_stack([design, outcome])
    spans = np.diff(steps)
    gaps, which = np.unique(spans, return_inverse=True)
    lower = np.tril_indices(k + 1)
    precision = 1.0 / np.square(prior_sd)
    parts = [
        np.zeros(HEADER),
        precision,
        gaps.astype(float),
        np.bincount(which, minlength=len(gaps)).astype(float),
        np.outer(rows[0], rows[0])[lower],
    ]
    for index in range(len(gaps)):
        chosen = which == index
        now = rows[1:][chosen]
        previous = rows[:-1][chosen]
        cross = np.einsum("ni,nj->ij", now, previous)
        parts.append(np.einsum("ni,nj->ij", now, now)[lower])
        parts.append((cross + cross.T)[lower])
        parts.append(np.einsum("ni,nj->ij", previous, previous)[lower])
    buffer = np.concatenate(parts)
    buffer[LENGTH] = len(buffer)
    buffer[N_COLUMNS] = k
    buffer[GAPS] = len(gaps)
    buffer[N_OBSERVED] = n
    buffer[RHO_A] = priors.RHO_ALPHA
    buffer[RHO_B] = priors.RHO_BETA
    buffer[SIGMA_SCALE_AT] = priors.SIGMA_SCALE
    buffer[SIGMA_DF_AT] = priors.SIGMA_DF
    buffer[LOG_DET_PRIOR] = 0.5 * np.sum(np.log(precision))
    return buffer
