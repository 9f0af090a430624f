"""AR(1) plus white noise: a mood that lasts, seen through noise that is new every day.

What belongs here: everything that knows how such noise behaves: its coordinates and priors,
whitening, its lasting part, simulation and forecast. What does not: compiled loops
(`ar1_white_kernel` and its kin), quadrature and sampling (`inference`), or what
is made of the answers.

With a share w of noise that is new every day, and a time constant tau of the rest,

    corr(e_s, e_t) = (1 - w) phi**|s - t|  for s != t,   phi = exp(-1 / tau),

over calendar days, gaps bridged exactly. Such errors are ARMA(1,1) (Granger & Morris 1976, J. R.
Stat. Soc. A 139, 246): the first autocorrelation may be small and the later ones hardly fade. An
AR(1), the corner w = 0, takes its one rate of fading from the first, so it counts many days of a
person's life as more evidence than they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import numpy as np
from scipy import special

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.inference.problem import Problem, padded
from its_pipeline.its.inference.quadrature import Box
from its_pipeline.its.noise.ar1_white_packing import pack, pack_joint
from its_pipeline.its.noise.base import CollapsedDensity, JointDensity, Parameters

START_JITTER = 2.0
"""Chains start within this many sds of the quadrature's mean."""
STUDENT_T_JITTER = 0.3
_START_NU = 10.0
_LEAST_FREEDOM = 3
_FARTHEST = 6.0


class AutoregressivePlusWhiteNoise:
    """See `base.NoiseModel` for the verbs; a point is (phi, w)."""

    name = "ar1_white"
    labels: Mapping[str, str] = MappingProxyType(
        {"phi": "persistence (phi)", "share_new": "share new every day", "sigma": "noise (sigma)"}
    )

    @property
    def box(self) -> Box:
        """Bounds of log tau and of asin(sqrt(w))."""
        return (math.log(priors.TAU_SHORTEST), math.log(priors.TAU_LONGEST)), (0.0, 0.5 * math.pi)

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (phi, w) at (log tau, asin(sqrt(w))) and the log prior density there."""
        with np.errstate(divide="ignore"):
            density = np.log(np.abs(np.sin(2.0 * v)))
        density = density - math.log(math.log(priors.TAU_LONGEST / priors.TAU_SHORTEST))
        return np.column_stack([np.exp(-np.exp(-u)), np.sin(v) ** 2]), density

    def cross_products(self, problem: Problem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return products of whitened columns and log|R|; see `base.NoiseModel`."""
        k = problem.design.shape[1]
        courses = 1 if problem.outcome.ndim == 1 else problem.outcome.shape[1]
        sums = np.empty((len(points), k + 1, k + courses))
        log_dets = np.empty(len(points))
        _kernel().cross_products(
            problem.rows, problem.gaps, np.ascontiguousarray(points), sums, log_dets
        )
        return sums, log_dets

    def lasting(
        self, problem: Problem, steps: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the smoothed lasting part's loadings and variances; see `base.NoiseModel`."""
        k = problem.design.shape[1]
        known = padded(problem.design, problem.outcome)
        rows = np.zeros((len(steps), known.shape[1]))
        where = problem.steps - steps[0]
        rows[where] = known
        is_seen = np.zeros(len(steps), dtype=bool)
        is_seen[where] = True
        loadings = np.empty((len(points), *rows.shape))
        variances = np.empty((len(points), len(steps)))
        _kernel().lasting(rows, is_seen, np.ascontiguousarray(points), loadings, variances)
        return loadings[:, :, : k + 1], variances

    def forecast_of_sums(
        self, points: np.ndarray, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the carried shares and the variances left; see `base.NoiseModel`."""
        phi, share = points[:, 0], points[:, 1]
        shape = (len(points), len(ahead))
        carried, left = np.empty(shape), np.empty(shape)
        total, before, variance = np.zeros(len(phi)), np.zeros(len(phi)), np.zeros(len(phi))
        previous = 0
        for at, step in enumerate(ahead):
            # What the known day tells of two days is taken out of their covariance.
            fade = phi**step
            before = before * phi ** (step - previous)
            variance = variance + 2.0 * (before - fade * total) + 1.0 - fade**2
            total, before, previous = total + fade, before + 1.0, step
            carried[:, at] = total
            left[:, at] = (1.0 - share) * variance + share * (at + 1)
        return carried, left

    def new_share(self, points: np.ndarray) -> np.ndarray:
        """Return w."""
        return points[..., 1]

    def parameters(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return "phi" and "share_new"."""
        return {"phi": points[..., 0], "share_new": points[..., 1]}

    def collapsed(self, problem: Problem, mixture: Mixture) -> CollapsedDensity:
        """Return the density of logits of log tau and asin(sqrt(w)), and of log innovation sd."""
        centre, whitener = self._spread(mixture)
        buffer = pack(problem, centre, whitener)
        density = Density(
            _density_kernel().logp_callback.address, buffer, np.zeros(3), START_JITTER
        )

        def points(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            flat = centre + positions.reshape(-1, 3) @ whitener.T
            _density_kernel().points_of(flat, buffer)
            found = flat.reshape(positions.shape)
            return found[..., :2], found[..., 2]

        return CollapsedDensity(density, points)

    def student_t(
        self, problem: Problem, centre: np.ndarray, covariance: np.ndarray
    ) -> JointDensity:
        """Return the joint density of the coefficients, the noise's three and log(nu - 2)."""
        k = problem.design.shape[1]
        start = np.zeros(k + 4)
        start[k + 2] = _log_residual_sd(problem)
        start[k + 3] = math.log(_START_NU - priors.NU_SHIFT)
        kernel = compiled.load("its_pipeline.its.noise.ar1_white_student_t_kernel")
        buffer = pack_joint(problem, centre, covariance)
        address = kernel.student_logp_callback.address

        def coefficients(positions: np.ndarray) -> np.ndarray:
            flat = np.ascontiguousarray(positions.reshape(-1, k + 4))
            out = np.empty((len(flat), k))
            kernel.coefficients_of(flat, buffer, out)
            return out[:, np.argsort(problem.order)]

        def points(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            noise = positions[..., k : k + 3]
            flat = np.array(noise.reshape(-1, 3))
            _density_kernel().points_of(flat, buffer)
            found = flat.reshape(noise.shape)
            return found[..., :2], found[..., 2]

        density = Density(address, buffer, start, STUDENT_T_JITTER)
        return JointDensity(density, coefficients, points)

    def whiten(
        self, residuals: np.ndarray, steps: np.ndarray, parameters: Mapping[str, float]
    ) -> np.ndarray:
        """Return the filter's innovations over their standard deviations."""
        gaps = np.diff(steps).astype(float)
        columns = np.ascontiguousarray(residuals[:, None] / parameters["sigma"])
        return _kernel().whitened(columns, gaps, parameters["phi"], parameters["share_new"])[:, 0]

    def squares(self, errors: np.ndarray, steps: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return sums of the filter's squared innovations over their variances."""
        sums = np.empty((len(points), errors.shape[1]))
        gaps = np.diff(steps).astype(float)
        rows = np.ascontiguousarray(errors)
        _kernel().squares(rows, gaps, np.ascontiguousarray(points), sums)
        return sums

    def simulate(self, parameters: Parameters, shocks: np.ndarray) -> np.ndarray:
        """Turn shocks (draws, n_days) into errors, each the filter's forecast plus a new one."""
        rest = np.zeros((0, len(shocks)))
        return self.forecast(parameters, rest, np.zeros(0, dtype=int), shocks.T).T

    def forecast(
        self, parameters: Parameters, residuals: np.ndarray, steps: np.ndarray, shocks: np.ndarray
    ) -> np.ndarray:
        """Filter the residuals, then carry the lasting part on with a new shock a day."""
        phi, share, sigma = (parameters[name] for name in ("phi", "share_new", "sigma"))
        first = 1.0 - share
        state, variance = np.zeros_like(phi), first
        errors = np.empty_like(shocks)
        # Nothing lies before the first row; every shock is a day after the row before it.
        gaps = [0, *np.diff(steps), *np.ones(len(shocks), dtype=int)]
        gaps = gaps[: len(residuals) + len(shocks)]
        for row, gap in enumerate(gaps):
            fade = phi**gap
            state = fade * state
            variance = first + fade**2 * (variance - first)
            spread = variance + share
            gain = variance / spread
            if row < len(residuals):
                surprise = residuals[row] / sigma - state
            else:
                surprise = np.sqrt(spread) * shocks[row - len(residuals)]
                errors[row - len(residuals)] = sigma * (state + surprise)
            state = state + gain * surprise
            variance = variance * share / spread
        return errors

    def _spread(self, mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and a factor of the covariance of the sampler's positions."""
        (low, high), (_, widest) = self.box
        phi, share = mixture.points.T
        with np.errstate(divide="ignore"):
            parts = np.column_stack(
                [
                    special.logit((-np.log(-np.log(phi)) - low) / (high - low)),
                    special.logit(np.arcsin(np.sqrt(share)) / widest),
                    mixture.log_sd + 0.5 * np.log1p(-(((1.0 - share) * phi) ** 2)),
                ]
            )
        # The outermost nodes lie where a logit is infinite, and hardly weigh anything.
        positions = np.clip(np.nan_to_num(parts), -_FARTHEST, _FARTHEST)
        centre = mixture.weights @ positions
        away = positions - centre
        return centre, np.linalg.cholesky((away.T * mixture.weights) @ away + 1e-6 * np.eye(3))

    def correlation_of_neighbours(self, parameters: Parameters) -> np.ndarray:
        """Return (1 - w) phi."""
        return (1.0 - parameters["share_new"]) * parameters["phi"]


AR1_WHITE = AutoregressivePlusWhiteNoise()


def _kernel() -> ModuleType:
    return compiled.load("its_pipeline.its.noise.ar1_white_kernel")


def _density_kernel() -> ModuleType:
    return compiled.load("its_pipeline.its.noise.ar1_white_density_kernel")


def _log_residual_sd(problem: Problem) -> float:
    """Return the log residual sd of least squares, zero where rows are too few to tell."""
    coefficients = np.linalg.lstsq(problem.design, problem.outcome, rcond=None)[0]
    rest = problem.outcome - problem.design @ coefficients
    freedom = len(problem.outcome) - problem.design.shape[1]
    if freedom < _LEAST_FREEDOM:
        return 0.0
    return 0.5 * math.log(max(float(rest @ rest) / freedom, 1e-8))
