"""Courses that days to come may take, and what an analysis of each would find.

What belongs here: drawing such courses from what a baseline tells, and the true effect that each
needs before an analysis of it reaches a given z. What does not: which days those are and what is
made of it (`plan`), or where z must be at which look (`assurance`).

The courses are drawn from the posterior predictive, so what they come to is averaged over all that
a baseline leaves open: power at one value of what is unknown promises too much (assurance, O'Hagan,
Stevens & Campbell 2005, Pharm. Stat. 4, 187). The analysis does not know the noise a course came
from. Given a noise its answer has a closed form in the outcome, so an effect of any size is added
without another fit; how probable it then finds each noise follows from the same few products. The
draws are always the same ones: a day more or a larger effect makes a small difference.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import ModuleType

import numpy as np
import pandas as pd
from scipy import special

from its_pipeline.its import models
from its_pipeline.its.days_ahead import plain_component
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.designs.yearly import yearly_columns
from its_pipeline.its.fitting import design_of, fit_of
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nodes import nodes_of, systematic
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.posterior import Fit
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.targets import effect_contrasts

COURSES = 64
BELIEVED = 32
"""Noises that stand for all those an analysis holds possible."""
_EFFECTS = np.array([-0.5, 1.0, 2.2, 3.6, 6.0])
"""Where z is computed, in standard errors of the effect; between them it is nearly linear."""
_SEED = 0
_TINY = 1e-15


@dataclass(frozen=True)
class Rehearsed:
    """What an analysis of each course finds by how large the true effect is.

    Parameters
    ----------
    sd
        Usual standard error of the average effect, standardised.
    precision
        Of it under each believed noise, shape (p,).
    z
        Of each course at true effects of `_EFFECTS` standard errors, shape (courses, e), growing.
    """

    sd: float
    precision: np.ndarray
    z: np.ndarray

    def needed(self, z: float) -> np.ndarray:
        """Return the true effect at which each course reaches z, standardised, shape (courses,)."""
        effects = self.sd * _EFFECTS
        at = np.clip(np.sum(self.z < z, axis=1), 1, len(effects) - 1)
        row = np.arange(len(self.z))
        below, above = self.z[row, at - 1], self.z[row, at]
        slope = (effects[at] - effects[at - 1]) / np.maximum(above - below, 1e-6)
        return effects[at - 1] + slope * (z - below)


class Rehearsal:
    """Courses after one baseline.

    Parameters
    ----------
    baseline
        Days without any intervention.
    spec
        Settings of the analysis to come.
    n_days
        How many days the courses go on.

    Attributes
    ----------
    outcomes
        The baseline as it was and the days after it without any intervention, standardised, shape
        (days, courses).
    """

    def __init__(self, baseline: PreparedSeries, spec: AnalysisSpec, n_days: int) -> None:
        self._spec = spec
        self._noise = models.noise_model(spec.noise)
        fit = fit_of(baseline, design_of(baseline, spec, Covariates(), None), self._noise, NORMAL)
        level = np.eye(1, fit.problem.design.shape[1])
        mixture = integrate(fit.problem, self._noise, level, TOLERANCE)
        believed = systematic(mixture.weights, BELIEVED)
        self._points, self._log_sd = mixture.points[believed], mixture.log_sd[believed]
        nothing = np.zeros(len(fit.problem.outcome))
        outcome = fit.problem.outcome[:, None]
        known = self._given_noise(fit.problem, nothing, outcome, level[0])
        # What the baseline told of each noise is told again by the whole course.
        self._log_prior = -np.logaddexp.reduce(known.constant[:, :, 0], axis=1)
        past = np.tile(baseline.standardised[:, None], COURSES)
        self.outcomes = np.vstack([past, _ahead(fit, mixture, spec, n_days)])

    def of(self, series: PreparedSeries) -> Rehearsed:
        """Return what an analysis of a design's days finds in each course.

        Parameters
        ----------
        series
            The baseline and some of the days after it; which of them are observed and on is read.
        """
        study = models.study_of(series.exposure, self._spec.design)
        design = design_of(series, self._spec, Covariates(), study)
        rows = series.fit_rows
        outcomes = self.outcomes[: len(rows)][rows]
        problem = Problem(
            design=np.ascontiguousarray(design.matrix[rows]),
            outcome=outcomes[:, 0],
            steps=series.steps[rows],
            prior=design.prior,
        )
        contrast = effect_contrasts(series, design)[0]
        given = self._given_noise(
            problem, series.exposure.is_on[rows].astype(float), outcomes, contrast
        )
        precision = 1.0 / np.square(given.sds[:, plain_component(design.prior)])
        sd = float(1.0 / np.sqrt(precision.mean()))
        above = np.empty((COURSES, len(_EFFECTS)))
        _kernel().probabilities(self._log_prior, *_parts(given), sd * _EFFECTS, above)
        z = special.ndtri(np.clip(above, _TINY, 1.0 - _TINY))
        return Rehearsed(sd, precision, np.maximum.accumulate(z, axis=1))

    def _given_noise(
        self, problem: Problem, added: np.ndarray, outcomes: np.ndarray, contrast: np.ndarray
    ) -> _GivenNoise:
        """Return the posteriors of a contrast given each noise and component of the prior."""
        told = replace(problem, outcome=np.column_stack([added, outcomes]))
        sums, log_dets = self._noise.cross_products(told, self._points)
        order = problem.order
        prior = problem.prior
        shape = len(self._points), len(prior.weights)
        courses = *shape, outcomes.shape[1]
        found = _GivenNoise(
            np.empty(courses),
            np.empty(courses),
            np.empty(shape),
            np.empty(courses),
            np.empty(shape),
            np.empty(shape),
        )
        _kernel().given_noise(
            sums,
            self._noise.squares(outcomes, problem.steps, self._points),
            log_dets,
            self._log_sd,
            1.0 / np.square(prior.sd[:, order]),
            np.log(prior.weights),
            contrast[order],
            len(added),
            *_parts(found),
        )
        return found


@dataclass(frozen=True)
class _GivenNoise:
    """As `rehearsal_kernel.given_noise` fills them."""

    constant: np.ndarray
    slope: np.ndarray
    bend: np.ndarray
    means: np.ndarray
    per_effect: np.ndarray
    sds: np.ndarray


def _parts(given: _GivenNoise) -> list[np.ndarray]:
    return [getattr(given, each.name) for each in fields(given)]


def _kernel() -> ModuleType:
    return compiled.load("its_pipeline.its.planning.rehearsal_kernel")


def _ahead(fit: Fit, mixture: Mixture, spec: AnalysisSpec, n_days: int) -> np.ndarray:
    """Draw how a baseline may go on without any intervention, shape (days, courses)."""
    rng = np.random.default_rng(_SEED)
    # Each course has a mirror image of the same noise, so that chance favours no direction.
    drawn = np.tile(systematic(mixture.weights, COURSES // 2), 2)
    points, log_sd = mixture.points[drawn], mixture.log_sd[drawn]
    weights = np.full(COURSES, 1.0 / COURSES)
    problem, noise = fit.problem, fit.noise_model
    nodes = nodes_of(problem, noise, weights, points, log_sd, mixture.component[drawn])
    lower = np.linalg.cholesky(nodes.covariances)
    normals = _mirrored(rng.standard_normal((COURSES // 2, nodes.means.shape[1])))
    coefficients = (nodes.means + np.einsum("cij,cj->ci", lower, normals)).T
    # The last days of the baseline may not have been observed.
    unseen = int(fit.series.steps[-1] - problem.steps[-1])
    errors = noise.forecast(
        {**noise.parameters(points), "sigma": np.exp(log_sd)},
        problem.outcome[:, None] - problem.design @ coefficients,
        problem.steps,
        _mirrored(rng.standard_normal((COURSES // 2, unseen + n_days))).T,
    )
    matrix = fit.design.matrix
    n = len(matrix)
    ahead = np.arange(n, n + n_days)
    period = min(n, {"day_of_week": 7, "month": 12}.get(spec.season, 1))
    columns = matrix[n - period + (ahead - n) % period]
    if "trend" in fit.design.names:
        trend = _internal(fit, "trend")
        columns[:, trend] = matrix[0, trend] + ahead * (matrix[1, trend] - matrix[0, trend])
    if fit.series.has_yearly_season:
        days = pd.date_range(fit.series.days[-1], periods=n_days + 1, freq=spec.calendar.freq)[1:]
        for name, column in yearly_columns(days).items():
            columns[:, _internal(fit, name)] = column
    return columns @ coefficients + errors[unseen:]


def _internal(fit: Fit, name: str) -> int:
    """Return the number of the internal column that a coefficient is told of."""
    return int(np.argmax(np.abs(fit.design.back[fit.design.names.index(name)])))


def _mirrored(normals: np.ndarray) -> np.ndarray:
    return np.vstack([normals, -normals])
