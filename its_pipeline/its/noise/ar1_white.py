"""AR(1) noise plus white noise: slow swings seen through noise that is new every day.

What belongs here: the posterior of one regression with such errors, by quadrature. What does not:
the main model, whose errors are an AR(1) alone (`ar1`), or the comparison (`sensitivity`).

A daily outcome is often the mean of a few sessions: a mood that changes over weeks, seen through
noise that does not last until tomorrow. Such errors are ARMA(1,1) (Granger & Morris 1976, J. R.
Stat. Soc. A 139, 246): the first autocorrelation is small and the later ones hardly fade. An AR(1)
takes its one rate of fading from the first, so it counts many days as more evidence than they are,
and its interval is too narrow. Here, with a share w of independent noise,

    corr(e_s, e_t) = (1 - w) phi**|s - t|  for s != t,   phi ~ U(0, 1),  w ~ U(0, 1),

and the coefficients and the marginal sd have the main model's priors. A Kalman filter turns each
column of the design, and the outcome, into independent one-step innovations; given (phi, w, sd) a
contrast is then Gaussian, so its posterior is a mixture over a grid.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Mixture
from its_pipeline.its.noise.ar1_packing import log_half_t_peak

_PHI_Z = np.linspace(0.1, 3.1, 11)
"""atanh of phi: 0.10 to 0.996."""
_ROOT_SHARES = (np.arange(7) + 0.5) / 7.0
"""Square roots of the shares of independent noise: closer to each other where a share is small."""
_LOG_SD = np.linspace(-4.0, 5.5, 13)
"""Around the log sd of what is left, in units of its standard error."""
_LEAST_FREEDOM = 3


def quadrature(problem: Problem, contrast: np.ndarray) -> Mixture:
    """Compute the posterior of one linear contrast of the coefficients.

    Parameters
    ----------
    problem
        The regression.
    contrast
        Shape (k,).

    Returns
    -------
    Mixture
        Its points are (phi, w, log sd), shape (g, 3).
    """
    n, k = problem.design.shape
    # In units of their priors the coefficients' prior precision is the identity.
    columns = np.column_stack([problem.design * problem.prior_sd, problem.outcome])
    phi = np.repeat(np.tanh(_PHI_Z), len(_ROOT_SHARES))
    root_share = np.tile(_ROOT_SHARES, len(_PHI_Z))
    share = root_share**2
    rows, log_det = _innovations(columns, np.diff(problem.steps), phi, share)
    sums = np.swapaxes(rows, 1, 2) @ rows
    roots, axes = np.linalg.eigh(sums[:, :k, :k])
    along = np.einsum("gji,gj->gi", axes, sums[:, :k, k])[:, None]
    wanted = np.einsum("gji,j->gi", axes, contrast * problem.prior_sd)[:, None]
    # From here on shape (noises, log sds, k), then summed over the coefficients.
    roots = np.maximum(roots, 0.0)[:, None]
    freedom = max(n - k, _LEAST_FREEDOM)
    rest = sums[:, k, k] - (along**2 / (roots + 1.0))[:, 0].sum(axis=-1)
    error = 1.0 / math.sqrt(2.0 * freedom)
    log_sd = 0.5 * np.log(np.maximum(rest / freedom, 1e-8))[:, None] + error * _LOG_SD
    precision = np.exp(-2.0 * log_sd)
    quadratic = precision * sums[:, k, k, None]
    precision = precision[..., None]
    total = precision * roots + 1.0
    quadratic = quadratic - ((precision * along) ** 2 / total).sum(axis=-1)
    log_weights = -n * log_sd - 0.5 * (quadratic + np.log(total).sum(axis=-1))
    # phi and the share are uniform: a step of the grid weighs as much as they move in it.
    moved = np.log1p(-(phi**2)) + np.log(2.0 * root_share)
    log_weights += _log_prior(log_sd) + (moved - 0.5 * log_det)[:, None]
    peak = float(log_weights.max())
    mass = np.exp(log_weights - peak).ravel()
    cell = (_PHI_Z[1] - _PHI_Z[0]) * error * (_LOG_SD[1] - _LOG_SD[0]) / len(_ROOT_SHARES)
    each = len(_LOG_SD)
    return Mixture(
        points=np.column_stack([np.repeat(phi, each), np.repeat(share, each), log_sd.ravel()]),
        weights=mass / mass.sum(),
        means=(precision * along * wanted / total).sum(axis=-1).reshape(-1, 1),
        variances=(wanted**2 / total).sum(axis=-1).reshape(-1, 1),
        log_evidence=peak + math.log(mass.sum() * cell) - 0.5 * n * math.log(2.0 * math.pi),
    )


def _innovations(
    columns: np.ndarray, gaps: np.ndarray, phi: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whiten columns under each (phi, share), unit marginal variance.

    Returns
    -------
    tuple
        Innovations in units of their sd, shape (g, n, columns), and log|R|, shape (g,).
    """
    swing = 1.0 - share
    rows = np.empty((len(phi), *columns.shape))
    variances = np.empty((len(columns), len(phi)))
    state = np.zeros((len(phi), columns.shape[1]))
    variance = swing
    for at, values in enumerate(columns):
        if at > 0:
            fade = phi ** gaps[at - 1]
            state = fade[:, None] * state
            variance = swing + fade**2 * (variance - swing)
        spread = variance + share
        surprise = values - state
        rows[:, at] = surprise / np.sqrt(spread)[:, None]
        variances[at] = spread
        state += (variance / spread)[:, None] * surprise
        variance = variance * share / spread
    return rows, np.log(variances).sum(axis=0)


def _log_prior(log_sd: np.ndarray) -> np.ndarray:
    """Log density of the log marginal sd under the main model's prior of the sd."""
    df, scale = priors.SIGMA_DF, priors.SIGMA_SCALE
    ratio = np.exp(2.0 * log_sd) / (scale * scale * df)
    return log_half_t_peak() + log_sd - 0.5 * (df + 1.0) * np.log1p(ratio)
