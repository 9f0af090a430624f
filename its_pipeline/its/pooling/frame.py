"""Priors of a kind's mean and spread, and where mu and slopes lie given the spread.

Priors, in sds of the baseline: mu ~ Normal(0, 3): weak; tau ~ half-Student-t(4 df, 0.5): most kinds
of change differ from person to person by less than one sd, and the tail lets members say otherwise
(Roever et al. 2021, Res. Synth. Methods 12, 448, for standardised mean differences); a slope per sd
of its trait ~ Normal(0, 1).

What belongs here: priors, the axis of tau, the Gaussian guess that a grid is laid out by. What does
not: the grid (`nodes`), or what members say at it (`integration`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import special

from its_pipeline.its.pooling.estimates import Members

MEAN_SD = 3.0
"""Normal sd of the mean effect, in sds of the baseline."""
SPREAD_SCALE, SPREAD_DF = 0.5, 4.0
"""half-Student-t of the spread between members, likewise."""
SLOPE_SD = 1.0
"""Normal sd of the change of the mean effect per sd of a trait, likewise."""
HEAVY_DF = 4.0
"""Degrees of freedom of the heavy-tailed spread: variance is finite, one odd member is cheap."""
_STEP = 0.25
"""Of tau / SPREAD_SCALE: below it the axis is linear, above it logarithmic."""
_FLOOR = 13.0


@dataclass(frozen=True)
class Spread:
    """How members scatter about what is expected of them, as a scale mixture of normals.

    Parameters
    ----------
    factors
        Of tau^2, shape (f,).
    log_shares
        Log of their shares, shape (f,).
    """

    factors: np.ndarray
    log_shares: np.ndarray


NORMAL_SPREAD = Spread(np.ones(1), np.zeros(1))


def student_t_spread(df: float) -> Spread:
    """Return Student-t members: 1 / factor ~ Gamma(df / 2, df / 2), by trapezoid in its log."""
    x = np.linspace(-9.0, 2.5, 24)
    log = 0.5 * df * (x - np.exp(x))
    return Spread(np.exp(-x), log - special.logsumexp(log))


@dataclass(frozen=True)
class Frame:
    """Where mu and slopes lie given tau: as if each likelihood were Gaussian, then as was found.

    Parameters
    ----------
    members, means, sds, scale
        The members, the moments of their likelihoods, and the unit of the priors.
    at, off, stretch
        Corrections at places of tau's axis, (m,), in the Gaussian guess's sds and as ratios of
        them, (m, q); None before anything was found.
    """

    members: Members
    means: np.ndarray
    sds: np.ndarray
    scale: float
    at: np.ndarray | None = None
    off: np.ndarray | None = None
    stretch: np.ndarray | None = None

    def given(self, taus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return means (t, q), covariances (t, q, q) and log p(tau | members) by the guess."""
        columns, counts = self.members.columns, self.members.counts
        variances = np.square(self.sds)
        prior = 1.0 / np.square(prior_sds(columns.shape[1], self.scale))
        centres, covariances, logs = [], [], []
        for tau in taus:
            precision = counts / (variances + tau**2)
            matrix = (columns.T * precision) @ columns + np.diag(prior)
            right = columns.T @ (precision * self.means)
            centre = np.linalg.solve(matrix, right)
            fit = right @ centre - precision @ np.square(self.means)
            shape = counts @ np.log(precision / counts) - np.linalg.slogdet(matrix)[1]
            logs.append(0.5 * (fit + shape))
            centres.append(centre)
            covariances.append(np.linalg.inv(matrix))
        return np.array(centres), np.array(covariances), np.array(logs)

    def coarse_box(self) -> tuple[float, float]:
        """Return where the mass of tau lies on its axis by the guess."""
        low, high = 0.0, math.log1p(1e3 / _STEP)
        for _ in range(6):
            u = np.linspace(low, high, 41)
            taus = tau_of(u, self.scale)
            log = self.given(taus)[2] + log_prior_of_tau(taus, self.scale) + u
            kept = np.flatnonzero(log > log.max() - _FLOOR)
            low = float(u[max(kept[0] - 1, 0)])
            high = float(u[min(kept[-1] + 1, len(u) - 1)])
            if len(kept) > 12:
                break
        return low, high

    def _correction(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q = self.members.columns.shape[1]
        if self.at is None or self.off is None or self.stretch is None:
            return np.zeros((len(u), q)), np.ones((len(u), q))
        off, stretch = self.off, self.stretch
        columns = range(q)
        return (
            np.stack([np.interp(u, self.at, off[:, c]) for c in columns], axis=1),
            np.stack([np.interp(u, self.at, stretch[:, c]) for c in columns], axis=1),
        )

    def corrected(self, u: np.ndarray, off: np.ndarray, stretch: np.ndarray) -> Frame:
        """Return the frame moved by what was found of it at places of tau's axis."""
        before, wide = self._correction(u)
        return replace(self, at=u, off=before + off * wide, stretch=wide * stretch)

    def placed(self, u: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mu and slopes on a grid, (t, len(axis)^q, q), and the Cholesky factors."""
        centres, covariances, _ = self.given(tau_of(u, self.scale))
        off, stretch = self._correction(u)
        centres = centres + off * np.sqrt(np.einsum("tqq->tq", covariances))
        lower = stretch[:, :, None] * np.linalg.cholesky(covariances)
        z = np.array(list(product(axis, repeat=centres.shape[1])))
        return centres[:, None, :] + np.einsum("tqr,jr->tjq", lower, z), lower


def log_prior_of_tau(taus: np.ndarray, scale: float) -> np.ndarray:
    """Return the log prior density of spreads, up to a constant."""
    away = np.square(taus / (SPREAD_SCALE * scale)) / SPREAD_DF
    return -0.5 * (SPREAD_DF + 1.0) * np.log1p(away)


def prior_sds(n_columns: int, scale: float) -> np.ndarray:
    """Return the prior sds of mu and of slopes."""
    return scale * np.array([MEAN_SD, *[SLOPE_SD] * (n_columns - 1)])


def tau_of(u: np.ndarray, scale: float) -> np.ndarray:
    """Return spreads at places of their axis."""
    return _STEP * SPREAD_SCALE * scale * np.expm1(u)


def place_of(taus: np.ndarray, scale: float) -> np.ndarray:
    """Return the places of spreads on their axis: linear near zero, logarithmic far off."""
    return np.log1p(taus / (_STEP * SPREAD_SCALE * scale))
