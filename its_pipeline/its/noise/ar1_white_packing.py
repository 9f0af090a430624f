"""A problem with AR(1) plus white noise as one flat float64 buffer: what compiled densities read.

A buffer, not arguments, because nutpie hands a callback one pointer; and offsets in a header, not
globals, because Numba caches on disk only what has no dynamic globals. Layout: header, prior
precisions of the columns all components share, those of the others by component, log weights of the
components, gaps between rows, rows of [X y], and last what whitens the sampler's positions.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference.problem import Problem

LENGTH = 0
N_COLUMNS = 1
WIDTH = 2
N_OBSERVED = 3
COMPONENTS = 4
N_FREE = 5
LOG_TAU_LOW = 6
LOG_TAU_HIGH = 7
SD_SCALE = 8
SD_DF = 9
NU_SHAPE = 10
NU_RATE = 11
NU_SHIFT = 12
HEADER = 13


def pack(problem: Problem, *more: np.ndarray) -> np.ndarray:
    """Lay a problem into one buffer.

    Parameters
    ----------
    problem
        The regression.
    *more
        What a density needs besides, laid behind the problem one after the other.

    Returns
    -------
    np.ndarray
        The buffer, float64, one-dimensional.
    """
    n, k = problem.design.shape
    rows = problem.rows
    parts = [
        np.zeros(HEADER),
        problem.shared_precisions,
        problem.free_precisions.ravel(),
        np.log(problem.prior.weights),
        problem.gaps,
        rows.ravel(),
    ]
    buffer = np.concatenate([*parts, *(np.ravel(array) for array in more)])
    buffer[[LENGTH, N_COLUMNS, WIDTH, N_OBSERVED]] = len(buffer), k, rows.shape[1], n
    buffer[[COMPONENTS, N_FREE]] = problem.free_precisions.shape
    buffer[LOG_TAU_LOW] = math.log(priors.TAU_SHORTEST)
    buffer[LOG_TAU_HIGH] = math.log(priors.TAU_LONGEST)
    buffer[[SD_SCALE, SD_DF]] = priors.SIGMA_SCALE, priors.SIGMA_DF
    buffer[[NU_SHAPE, NU_RATE, NU_SHIFT]] = priors.NU_SHAPE, priors.NU_RATE, priors.NU_SHIFT
    return buffer


def pack_joint(
    problem: Problem, centre: np.ndarray, covariance: np.ndarray, *more: np.ndarray
) -> np.ndarray:
    """Lay a problem into one buffer with what a joint density whitens its coefficients by.

    The coefficients whose priors are mixtures of scales are moved to normal scores, in which spike
    and slab are one Gaussian; the others are whitened given those.

    Parameters
    ----------
    problem
        The regression; the mixtures are of two scales each, independent of each other.
    centre, covariance
        Of its coefficients, in the problem's own order of columns.
    *more
        What the density needs besides, laid right behind the problem.
    """
    order = problem.order
    f = problem.free_precisions.shape[1]
    a = len(order) - f
    mean, spread = centre[order], covariance[np.ix_(order, order)]
    slopes = np.linalg.solve(spread[a:, a:], spread[a:, :a]).T
    lower = np.linalg.cholesky(spread[:a, :a] - slopes @ spread[a:, :a])
    scales = []
    for sds in problem.prior.sd[:, order[a:]].T:
        is_small = sds == sds.min()
        scales.append([problem.prior.weights[is_small].sum(), sds.min(), sds.max()])
    return pack(problem, *more, mean, slopes, lower, np.array(scales))
