"""A toy noise model in one file: every day is new. One parameter, s = log sigma."""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.inference.quadrature import Evaluation, integrate, log_residual_sd
from its_pipeline.its.noise.base import CollapsedDensity

_compiled: dict[int, object] = {}


def _log_prior(s):
    ratio = np.exp(2.0 * s) / (priors.SIGMA_SCALE**2 * priors.SIGMA_DF)
    return s - 0.5 * (priors.SIGMA_DF + 1.0) * np.log1p(ratio)


class White:
    name = "white"
    labels = {"sigma": "noise (sigma)"}

    def _given(self, problem, s):
        """Return log p(y | s), and the coefficients' mean and covariance given s."""
        x, y, sd = problem.design, problem.outcome, problem.prior_sd
        precision = np.exp(-2.0 * s) * x.T @ x + np.diag(sd**-2.0)
        covariance = np.linalg.inv(precision)
        mean = covariance @ x.T @ y * np.exp(-2.0 * s)
        value = -len(y) * s - 0.5 * np.linalg.slogdet(precision)[1]
        value += -0.5 * (y @ y * np.exp(-2.0 * s) - mean @ precision @ mean)
        return value - np.log(sd).sum() - 0.5 * len(y) * math.log(2.0 * math.pi), mean, covariance

    def quadrature(self, problem, contrasts):
        def evaluate(wanted, axes):
            found = [self._given(problem, s) for s in axes[0]]
            return Evaluation(
                points=axes[0][:, None],
                log_weights=np.array([f[0] for f in found]) + _log_prior(axes[0]),
                means=np.array([wanted @ f[1] for f in found]),
                variances=np.array([np.diag(wanted @ f[2] @ wanted.T) for f in found]),
            )

        axis = np.linspace(-1.5, 2.5, 41)
        return integrate(evaluate, contrasts, (log_residual_sd(problem),), (axis,))

    def collapsed(self, problem):
        """Tabulate the density of s: a callback that interpolates serves any problem."""
        kernel = compiled.sampling_kernel()
        numba = kernel.numba
        start = log_residual_sd(problem)
        axis = np.linspace(start - 3.0, start + 5.0, 2001)
        values = np.array([self._given(problem, s)[0] for s in axis]) + _log_prior(axis)

        @numba.cfunc(kernel.LOGP_SIGNATURE)
        def callback(dim, position, gradient, logp, data):
            x = numba.carray(position, (1,))[0]
            table = numba.carray(data, (2003,))
            place = (x - table[0]) / table[1]
            if not 0.0 <= place < 2000.0:
                return 4
            low = int(place)
            slope = (table[low + 3] - table[low + 2]) / table[1]
            numba.carray(gradient, (1,))[0] = slope
            numba.carray(logp, (1,))[0] = table[low + 2] + slope * (place - low) * table[1]
            return 0

        buffer = np.concatenate([[axis[0], axis[1] - axis[0]], values])
        _compiled[callback.address] = callback

        def draw(points, normals):
            for row, (s,) in enumerate(points):
                _, mean, covariance = self._given(problem, s)
                normals[row] = mean + np.linalg.cholesky(covariance) @ normals[row]

        density = Density(callback.address, buffer, np.array([start]), 0.5)
        return CollapsedDensity(density, lambda position: position, draw)

    def parameters(self, points, scale):
        return {"sigma": scale * np.exp(points[..., 0])}

    def whiten(self, residuals, steps, parameters):
        return residuals / parameters["sigma"]

    def simulate(self, parameters, shocks):
        return parameters["sigma"][:, None] * shocks

    def forecast(self, parameters, last_error, shocks):
        return parameters["sigma"] * shocks

    def forecast_of_mean(self, points, ahead):
        return np.zeros(len(points)), np.exp(2.0 * points[:, 0]) / len(ahead)

    def correlation_of_neighbours(self, parameters):
        return np.zeros_like(parameters["sigma"])


WHITE = White()
