"""A problem with AR(1) noise as one flat float64 buffer: what the compiled kernels read.

A buffer, not arguments, because nutpie hands a callback one pointer; and offsets in a header, not
globals, because Numba caches on disk only what has no dynamic globals. Layout: header, prior
precisions (k), distinct gaps (g), their counts (g), the first row's outer product, then for each
gap three sums of outer products of the rows of [X y]: now and now, now and before plus its
transpose, before and before. A matrix is (k + 1) rows, padded to a multiple of eight numbers.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference.problem import Problem

LENGTH = 0
N_COLUMNS = 1
GAPS = 2
N_OBSERVED = 3
RHO_A = 4
RHO_B = 5
SIGMA_SCALE_AT = 6
SIGMA_DF_AT = 7
LOG_DET_PRIOR = 8
LOG_HYPER = 9
WIDTH = 10
HEADER = 11
NU_SHAPE_AT = HEADER
NU_RATE_AT = HEADER + 1
NU_SHIFT_AT = HEADER + 2
STUDENT_HEADER = HEADER + 3

_BLOCK = 8
"""Numbers a vector instruction takes at once on wide machines."""


def pack(problem: Problem) -> np.ndarray:
    """Reduce a problem to the sums the collapsed density needs.

    Returns
    -------
    np.ndarray
        The buffer, float64, one-dimensional.
    """
    n, k = problem.design.shape
    rows = np.column_stack([problem.design, problem.outcome])
    spans = np.diff(problem.steps)
    gaps, which = np.unique(spans, return_inverse=True)
    width = -(-(k + 1) // _BLOCK) * _BLOCK

    def flat(matrix: np.ndarray) -> np.ndarray:
        return np.pad(matrix, ((0, 0), (0, width - k - 1))).ravel()

    precision = 1.0 / np.square(problem.prior_sd)
    parts = [
        np.zeros(HEADER),
        precision,
        gaps.astype(float),
        np.bincount(which, minlength=len(gaps)).astype(float),
        flat(np.outer(rows[0], rows[0])),
    ]
    for index in range(len(gaps)):
        chosen = which == index
        now = rows[1:][chosen]
        previous = rows[:-1][chosen]
        cross = np.einsum("ni,nj->ij", now, previous)
        parts.append(flat(np.einsum("ni,nj->ij", now, now)))
        parts.append(flat(cross + cross.T))
        parts.append(flat(np.einsum("ni,nj->ij", previous, previous)))
    buffer = np.concatenate(parts)
    _fill_header(buffer, n, k)
    buffer[[GAPS, WIDTH]] = len(gaps), width
    buffer[LOG_DET_PRIOR] = 0.5 * np.sum(np.log(precision)) - 0.5 * n * math.log(2.0 * math.pi)
    return buffer


def pack_student_t(problem: Problem, centre: np.ndarray, whitener: np.ndarray) -> np.ndarray:
    """Pack a problem for the joint density with Student-t innovations.

    Parameters
    ----------
    problem
        The regression.
    centre, whitener
        Coefficients are `centre + whitener' b` of the sampled b; shapes (k,) and (k, k).

    Returns
    -------
    np.ndarray
        The buffer: header, centre, prior precisions, whitener, residuals at the centre, gaps, and
        the design in terms of b.
    """
    n, k = problem.design.shape
    head = np.zeros(STUDENT_HEADER)
    head[[NU_SHAPE_AT, NU_RATE_AT, NU_SHIFT_AT]] = (
        priors.NU_SHAPE,
        priors.NU_RATE,
        priors.NU_SHIFT,
    )
    parts = [
        head,
        centre,
        1.0 / np.square(problem.prior_sd),
        whitener.ravel(),
        problem.outcome - problem.design @ centre,
        np.diff(problem.steps, prepend=problem.steps[0]).astype(float),
        (problem.design @ whitener.T).ravel(),
    ]
    buffer = np.concatenate(parts)
    _fill_header(buffer, n, k)
    return buffer


def _fill_header(buffer: np.ndarray, n: int, k: int) -> None:
    """Write sizes and the priors of rho and sigma into a buffer's header."""
    a, b = priors.RHO_ALPHA, priors.RHO_BETA
    df, scale = priors.SIGMA_DF, priors.SIGMA_SCALE
    buffer[[LENGTH, N_COLUMNS, N_OBSERVED]] = len(buffer), k, n
    buffer[[RHO_A, RHO_B, SIGMA_SCALE_AT, SIGMA_DF_AT]] = a, b, scale, df
    log_beta = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + math.log(2.0)
    buffer[LOG_HYPER] = log_beta + log_half_t_peak()


def log_half_t_peak() -> float:
    """Return the log density of the prior of sigma at zero."""
    df = priors.SIGMA_DF
    peak = math.log(2.0) + math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df)
    return peak - (0.5 * math.log(df * math.pi) + math.log(priors.SIGMA_SCALE))
