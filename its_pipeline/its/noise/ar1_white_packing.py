"""A problem with AR(1) plus white noise as one flat float64 buffer: what compiled densities read.

A buffer, not arguments, because nutpie hands a callback one pointer; and offsets in a header, not
globals, because Numba caches on disk only what has no dynamic globals. Layout: header, prior
precisions of the columns all components share, those of the others by component, log weights of the
components, gaps between rows, rows of [X y]. What whitens the sampler's positions, where there is
something, comes last: centre, factor.
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


def pack(
    problem: Problem, centre: np.ndarray | None = None, whitener: np.ndarray | None = None
) -> np.ndarray:
    """Lay a problem into one buffer.

    Parameters
    ----------
    problem
        The regression.
    centre, whitener
        What the sampler's positions b are turned by, `centre + whitener b`: the coefficients of the
        joint density, in the problem's own order of columns, or the three of the collapsed one;
        shapes (d,) and (d, d).

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
    if centre is not None and whitener is not None:
        order = problem.order if len(centre) == k else np.arange(len(centre))
        parts += [centre[order], whitener[order].ravel()]
    buffer = np.concatenate(parts)
    buffer[[LENGTH, N_COLUMNS, WIDTH, N_OBSERVED]] = len(buffer), k, rows.shape[1], n
    buffer[[COMPONENTS, N_FREE]] = problem.free_precisions.shape
    buffer[LOG_TAU_LOW] = math.log(priors.TAU_SHORTEST)
    buffer[LOG_TAU_HIGH] = math.log(priors.TAU_LONGEST)
    buffer[[SD_SCALE, SD_DF]] = priors.SIGMA_SCALE, priors.SIGMA_DF
    buffer[[NU_SHAPE, NU_RATE, NU_SHIFT]] = priors.NU_SHAPE, priors.NU_RATE, priors.NU_SHIFT
    return buffer
