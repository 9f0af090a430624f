"""A toy noise model in one file: every day is new, so only the sd is left to learn."""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.noise.base import CollapsedDensity

_compiled: dict[int, object] = {}


class White:
    name = "white"
    labels = {"sigma": "noise (sigma)"}
    box = ((0.0, 0.0), (0.0, 0.0))

    def at(self, u, v):
        return np.zeros((len(u), 1)), np.zeros(len(u))

    def cross_products(self, problem, points):
        rows = problem.rows
        sums = rows.T @ rows
        size = problem.design.shape[1] + 1
        return np.repeat(sums[None, :size], len(points), axis=0), np.zeros(len(points))

    def lasting(self, problem, steps, points):
        k = problem.design.shape[1]
        shape = (len(points), len(steps))
        return np.zeros((*shape, k + 1)), np.zeros(shape)

    def forecast_of_sums(self, points, ahead):
        shape = (len(points), len(ahead))
        return np.zeros(shape), np.broadcast_to(np.arange(1.0, len(ahead) + 1), shape)

    def new_share(self, points):
        return np.ones(points.shape[:-1])

    def parameters(self, points):
        return {}

    def _log_density(self, problem, s):
        """Return log p(s, y) of the log sd, dense and slow."""
        ratio = np.exp(2.0 * s) / (priors.SIGMA_SCALE**2 * priors.SIGMA_DF)
        each = []
        for sd, weight in zip(problem.prior.sd, problem.prior.weights, strict=True):
            whole = (problem.design * sd**2) @ problem.design.T
            whole += np.exp(2.0 * s) * np.eye(len(whole))
            _, log_det = np.linalg.slogdet(whole)
            quadratic = problem.outcome @ np.linalg.solve(whole, problem.outcome)
            each.append(math.log(weight) - 0.5 * (log_det + quadratic))
        return np.logaddexp.reduce(each) + s - 0.5 * (priors.SIGMA_DF + 1) * np.log1p(ratio)

    def collapsed(self, problem, mixture):
        """Tabulate the density of s: a callback that interpolates serves any problem."""
        kernel = compiled.sampling_kernel()
        numba = kernel.numba
        start = float(mixture.weights @ mixture.log_sd)
        axis = np.linspace(start - 2.0, start + 2.0, 401)
        values = np.array([self._log_density(problem, s) for s in axis])

        @numba.cfunc(kernel.LOGP_SIGNATURE)
        def callback(dim, position, gradient, logp, data):
            x = numba.carray(position, (1,))[0]
            table = numba.carray(data, (403,))
            place = (x - table[0]) / table[1]
            if not 0.0 <= place < 400.0:
                return 4
            low = int(place)
            slope = (table[low + 3] - table[low + 2]) / table[1]
            numba.carray(gradient, (1,))[0] = slope
            numba.carray(logp, (1,))[0] = table[low + 2] + slope * (place - low) * table[1]
            return 0

        buffer = np.concatenate([[axis[0], axis[1] - axis[0]], values])
        _compiled[callback.address] = callback
        density = Density(callback.address, buffer, np.array([start]), 0.3)

        def points(positions):
            return np.zeros((*positions.shape[:-1], 1)), positions[..., 0]

        return CollapsedDensity(density, points)

    def whiten(self, residuals, steps, parameters):
        return residuals / parameters["sigma"]

    def simulate(self, parameters, shocks):
        return parameters["sigma"][:, None] * shocks

    def forecast(self, parameters, residuals, steps, shocks):
        return parameters["sigma"] * shocks

    def correlation_of_neighbours(self, parameters):
        return np.zeros_like(parameters["sigma"])


WHITE = White()
