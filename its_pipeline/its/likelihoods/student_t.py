"""The Student-t likelihood: packing, whitening and sampling the joint density.

The density itself is `student_kernel`'s. Whitening uses the exact Gaussian posterior at the grid's
mean (rho, sigma), so the sampler meets something close to a standard normal.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Chains, SamplerSettings, sample
from its_pipeline.its.inference.quadrature import grid_posterior
from its_pipeline.its.noise.ar1_packing import HEADER, fill_header

NU_SHAPE_AT = HEADER
NU_RATE_AT = HEADER + 1
NU_SHIFT_AT = HEADER + 2
STUDENT_HEADER = HEADER + 3

START_JITTER = 0.3
_START_NU = 10.0


def pack_student(
    design: np.ndarray, outcome: np.ndarray, steps: np.ndarray, prior_sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pack a problem for the joint density.

    Returns
    -------
    tuple
        The buffer; the starting point, shape (k + 3,); and the affine map
        beta = centre + whitener' b as centre (k,) and whitener (k, k).
    """
    n, k = design.shape
    mixture = grid_posterior(design, outcome, steps, prior_sd, np.eye(k))
    z, s = mixture.weights @ mixture.points
    rho = math.tanh(z)
    distance = np.abs(steps[:, None] - steps[None, :])
    correlation = np.sign(rho) ** (distance % 2) * np.abs(rho) ** distance
    inverse = np.linalg.inv(correlation) * math.exp(-2.0 * s)
    precision = 1.0 / np.square(prior_sd)
    lower = np.linalg.cholesky(design.T @ inverse @ design + np.diag(precision))
    whitener = np.linalg.inv(lower)
    centre = mixture.mean()
    head = np.zeros(STUDENT_HEADER)
    head[[NU_SHAPE_AT, NU_RATE_AT, NU_SHIFT_AT]] = (
        priors.NU_SHAPE,
        priors.NU_RATE,
        priors.NU_SHIFT,
    )
    parts = [
        head,
        centre,
        precision,
        whitener.ravel(),
        outcome - design @ centre,
        np.diff(steps, prepend=steps[0]).astype(float),
        (design @ whitener.T).ravel(),
    ]
    buffer = np.concatenate(parts)
    fill_header(buffer, n, k)
    start = np.zeros(k + 3)
    start[k:] = z, s, math.log(_START_NU - priors.NU_SHIFT)
    return buffer, start, centre, whitener


def sample_student(
    design: np.ndarray,
    outcome: np.ndarray,
    steps: np.ndarray,
    prior_sd: np.ndarray,
    settings: SamplerSettings,
    cores: int | None = None,
) -> tuple[np.ndarray, Chains, np.ndarray, np.ndarray, np.ndarray]:
    """Sample the joint density.

    Returns
    -------
    tuple
        The buffer, the chains, (z, s) of shape (chain, draw, 2), the coefficients of shape
        (chain * draw, k), and nu of shape (chain, draw).
    """
    buffer, start, centre, whitener = pack_student(design, outcome, steps, prior_sd)
    chains = sample(
        compiled.student_kernel().student_logp_callback.address,
        compiled.kernel().expand_callback.address,
        buffer,
        start,
        START_JITTER,
        settings,
        cores,
    )
    k = design.shape[1]
    whitened = np.ascontiguousarray(chains.position[..., :k].reshape(-1, k).T)
    internal = np.repeat(centre[:, None], whitened.shape[1], axis=1)
    compiled.kernel().multiply(np.ascontiguousarray(whitener.T), whitened, internal)
    nu = priors.NU_SHIFT + np.exp(chains.position[..., k + 2])
    points = chains.position[..., k : k + 2]
    return buffer, chains, points, np.ascontiguousarray(internal.T), nu
