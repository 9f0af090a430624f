"""Stationary AR(1) noise over calendar days, gaps bridged exactly: corr(e_s, e_t) = rho^|s - t|.

What belongs here: everything that knows how an AR(1) behaves: its grid, its compiled densities,
whitening, simulation and forecast. What does not: the densities' code (`ar1_kernel`,
`ar1_student_t_kernel`), running a sampler (`inference`), or what is made of the answers.

A point is (z, s): z = atanh(rho), and s = log of the marginal sd in standardised units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType, ModuleType

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Evaluation, Mixture, integrate, log_residual_sd
from its_pipeline.its.noise.ar1_packing import pack, pack_student_t
from its_pipeline.its.noise.base import CollapsedDensity, JointDensity, Parameters

START_JITTER = 0.5
"""Chains start within this distance of (0, log sd of the residuals) in (atanh rho, log sigma)."""
STUDENT_T_JITTER = 0.3
"""The same for the joint density, which starts from the grid's mean."""
_START_NU = 10.0

_COARSE_Z = np.linspace(-2.5, 3.5, 21)
_COARSE_S = np.linspace(-1.4, 2.6, 23)


class AutoregressiveNoise:
    """AR(1); see `base.NoiseModel` for the verbs."""

    name = "ar1"
    labels: Mapping[str, str] = MappingProxyType(
        {"rho": "correlation (rho)", "sigma": "noise (sigma)"}
    )

    def quadrature(self, problem: Problem, contrasts: np.ndarray) -> Mixture:
        """Return the posterior of linear contrasts, shape (c, k), on a grid of (z, s)."""
        buffer = pack(problem)

        def evaluate(wanted: np.ndarray, axes: Sequence[np.ndarray]) -> Evaluation:
            z, s = axes
            points = np.column_stack([np.repeat(z, len(s)), np.tile(s, len(z))])
            log_weights = np.empty(len(points))
            means = np.empty((len(points), len(wanted)))
            variances = np.empty_like(means)
            _kernel().grid_moments(
                points, np.ascontiguousarray(wanted), buffer, log_weights, means, variances
            )
            return Evaluation(points, log_weights, means, variances)

        centre = (0.0, log_residual_sd(problem))
        return integrate(evaluate, contrasts, centre, (_COARSE_Z, _COARSE_S))

    def collapsed(self, problem: Problem) -> CollapsedDensity:
        """Return the density of (z, log innovation sd), the coefficients integrated out."""
        kernel = _kernel()
        buffer = pack(problem)
        start = np.array([0.0, log_residual_sd(problem)])
        return CollapsedDensity(
            density=Density(kernel.logp_callback.address, buffer, start, START_JITTER),
            points=_marginal,
            draw_coefficients=lambda points, normals: kernel.draw_coefficients(
                points, normals, buffer, normals
            ),
        )

    def student_t(self, problem: Problem) -> JointDensity:
        """Return the joint density of whitened coefficients, z, s and log(nu - 2)."""
        k = problem.design.shape[1]
        mixture = self.quadrature(problem, np.eye(k))
        z, s = mixture.weights @ mixture.points
        inverse = np.linalg.inv(self._correlation(z, problem.steps)) * math.exp(-2.0 * s)
        precision = 1.0 / np.square(problem.prior_sd)
        lower = np.linalg.cholesky(problem.design.T @ inverse @ problem.design + np.diag(precision))
        whitener = np.linalg.inv(lower)
        centre = mixture.mean()
        start = np.zeros(k + 3)
        start[k:] = z, s, math.log(_START_NU - priors.NU_SHIFT)
        kernel = compiled.load("its_pipeline.its.noise.ar1_student_t_kernel")
        buffer = pack_student_t(problem, centre, whitener)
        address = kernel.student_logp_callback.address
        return JointDensity(
            density=Density(address, buffer, start, STUDENT_T_JITTER),
            centre=centre,
            whitener=whitener,
            points=lambda position: position[..., k : k + 2],
        )

    def parameters(self, points: np.ndarray, scale: float) -> dict[str, np.ndarray]:
        """Return "rho" and the marginal "sigma"."""
        return {"rho": np.tanh(points[..., 0]), "sigma": scale * np.exp(points[..., 1])}

    def whiten(
        self, residuals: np.ndarray, steps: np.ndarray, parameters: Mapping[str, float]
    ) -> np.ndarray:
        """Return (r_i - rho^gap r_{i-1}) over its standard deviation; the first over sigma."""
        rho, sigma = parameters["rho"], parameters["sigma"]
        phi = _power(rho, np.diff(steps))
        scaled = residuals / sigma
        scaled[1:] = (residuals[1:] - phi * residuals[:-1]) / (sigma * np.sqrt(1.0 - phi**2))
        return scaled

    def simulate(self, parameters: Parameters, shocks: np.ndarray) -> np.ndarray:
        """Turn shocks (draws, n_days) into AR(1) errors from the stationary distribution."""
        rho = parameters["rho"]
        innovation = np.sqrt(1.0 - rho**2)
        errors = np.empty_like(shocks)
        errors[:, 0] = shocks[:, 0]
        for day in range(1, shocks.shape[1]):
            errors[:, day] = rho * errors[:, day - 1] + innovation * shocks[:, day]
        return parameters["sigma"][:, None] * errors

    def forecast(
        self, parameters: Parameters, last_error: np.ndarray, shocks: np.ndarray
    ) -> np.ndarray:
        """Carry the last error on, fading, with a new shock a day."""
        rho, sigma = parameters["rho"], parameters["sigma"]
        innovation = sigma * np.sqrt((1.0 - rho) * (1.0 + rho))
        errors = np.empty_like(shocks)
        error = last_error
        for ahead in range(len(shocks)):
            error = rho * error + innovation * shocks[ahead]
            errors[ahead] = error
        return errors

    def forecast_of_mean(
        self, points: np.ndarray, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of rho^ahead, and the variance of the mean error that is left."""
        rho = np.tanh(points[:, 0])
        sigma = np.exp(points[:, 1])
        carried = _power(rho[:, None], ahead).mean(axis=1)
        return carried, sigma**2 * _variance_of_mean(rho, ahead)

    def correlation_of_neighbours(self, parameters: Parameters) -> np.ndarray:
        """Return rho."""
        return parameters["rho"]

    def _correlation(self, z: float, steps: np.ndarray) -> np.ndarray:
        rho = math.tanh(z)
        distance = np.abs(steps[:, None] - steps[None, :])
        return np.sign(rho) ** (distance % 2) * np.abs(rho) ** distance


AR1 = AutoregressiveNoise()


def _kernel() -> ModuleType:
    return compiled.load("its_pipeline.its.noise.ar1_kernel")


def _marginal(position: np.ndarray) -> np.ndarray:
    """Turn positions (z, log innovation sd) into points (z, log marginal sd), in place."""
    z = position[..., 0]
    position[..., 1] += 0.5 * (np.logaddexp(0.0, 2.0 * z) + np.logaddexp(0.0, -2.0 * z))
    position[..., 1] -= np.log(2.0)
    return position


def _power(rho: np.ndarray | float, gaps: np.ndarray) -> np.ndarray:
    """Return rho^gap, of negative rho too."""
    return np.sign(rho) ** gaps * np.abs(rho) ** gaps


def _variance_of_mean(rho: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Return the variance of the mean AR(1) error at steps `ahead` of a known one.

    In units of the marginal variance, for each rho, shape (g,).
    """
    n = len(ahead)
    total = np.zeros(len(rho))
    running = np.zeros(len(rho))
    known = np.zeros(len(rho))
    previous = int(ahead[0])
    for step in ahead:
        running = running * np.power(rho, step - previous)
        total += 1.0 + 2.0 * running
        running = running + 1.0
        known += np.power(rho, step)
        previous = int(step)
    return np.maximum(total - known**2, 0.0) / n**2
