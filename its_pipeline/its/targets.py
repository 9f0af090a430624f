"""What is asked of a posterior: effects as linear quantities of the coefficients and the noise.

What belongs here: the effects of both estimators as `Targets` of the quadrature, in standardised
units. What does not: computing them (`inference.quadrature`), or summarising (`estimands`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from its_pipeline.its.designs.base import DesignMatrix, post_rows
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Targets
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.series import POST, PreparedSeries

COUNTERFACTUAL, IMMEDIATE, SUSTAINED = 0, 1, 2
"""Rows of the effects in what the functions here return; a forecast has no sustained one."""


def effect_contrasts(series: PreparedSeries, design: DesignMatrix) -> np.ndarray:
    """Return the segmented model's effects as contrasts of its coefficients, shape (2 or 3, k)."""
    if design.is_forecast:
        raise ValueError("a design without intervention has no effects of its own")
    rows = [design.intervention[post_rows(series)].mean(axis=0)]
    rows.append(design.intervention[int(np.argmax(series.exposure.is_on))])
    if design.sustained is not None:
        rows.append(design.back[design.names.index(design.sustained)])
    return np.stack(rows)


def phase_contrasts(series: PreparedSeries, design: DesignMatrix) -> np.ndarray:
    """Return the effect in each group of phases on as contrasts, shape (groups, k).

    Over the days that are told of, or over all where none of a group is.
    """
    groups, told = series.exposure.groups(), post_rows(series)
    rows = []
    for group in range(int(groups.max()) + 1):
        days = groups == group
        rows.append(design.intervention[days & told if (days & told).any() else days].mean(axis=0))
    return np.stack(rows)


def other_contrasts(series: PreparedSeries, design: DesignMatrix) -> np.ndarray:
    """Return the other interventions' average effects on their days, shape (others, k)."""
    rows = [np.zeros((0, design.matrix.shape[1]))]
    for other in series.others:
        days = other.is_on & series.fit_rows
        rows.append(
            design.others[other.name][days if days.any() else other.is_on].mean(axis=0)[None]
        )
    return np.vstack(rows)


@dataclass(frozen=True)
class Asked:
    """Everything that is asked of a segmented fit, as contrasts of its coefficients.

    Parameters
    ----------
    effects
        As `effect_contrasts`.
    phases
        As `phase_contrasts`; no row where the intervention is one change.
    steady
        The first phase's effect less the mean of the later ones', shape (0 or 1, k).
    others
        As `other_contrasts`.
    with_others
        The average effect plus each other intervention's, shape (others, k).
    columns, moments
        As `intervention_contrasts`.
    """

    effects: np.ndarray
    phases: np.ndarray
    steady: np.ndarray
    others: np.ndarray
    with_others: np.ndarray
    columns: np.ndarray
    moments: np.ndarray

    @classmethod
    def of(cls, series: PreparedSeries, design: DesignMatrix) -> Asked:
        """Return what is asked of a fit."""
        effects = effect_contrasts(series, design)
        phases = phase_contrasts(series, design)
        if series.exposure.is_one_change:
            phases = phases[:0]
        others = other_contrasts(series, design)
        columns, moments = intervention_contrasts(design)
        steady = phases[:1] - phases[1:].mean(axis=0) if len(phases) > 1 else phases[:0]
        return cls(
            effects, phases, steady, others, effects[COUNTERFACTUAL] + others, columns, moments
        )

    @property
    def all(self) -> np.ndarray:
        """All of them, in the order of `rows_of`."""
        return np.vstack([getattr(self, name) for name in _ASKED])

    def rows_of(self, name: str) -> slice:
        """Return where a field's rows lie in `all`."""
        start = sum(len(getattr(self, before)) for before in _ASKED[: _ASKED.index(name)])
        return slice(start, start + len(getattr(self, name)))


_ASKED = ("effects", "phases", "steady", "others", "with_others", "moments")


def intervention_contrasts(design: DesignMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Return contrasts that tell the joint moments of the intervention's coefficients.

    Returns
    -------
    tuple
        Numbers of the q columns, shape (q,); and contrasts, shape (q + q (q - 1) / 2, k): each
        column alone, then each pair's sum.
    """
    columns = np.flatnonzero(design.intervention.any(axis=0))
    alone = np.eye(design.matrix.shape[1])[columns]
    pairs = [alone[i] + alone[j] for i in range(len(columns)) for j in range(i + 1, len(columns))]
    return columns, np.vstack([alone, *pairs])


@dataclass(frozen=True)
class Forecast:
    """Effects as the distance of what was observed from what the pre-period alone foretells.

    Parameters
    ----------
    series
        The prepared series.
    design
        A design without intervention.
    problem
        The regression on the pre-period.
    noise
        How one day resembles the next.
    """

    series: PreparedSeries
    design: DesignMatrix
    problem: Problem
    noise: NoiseModel

    def effects(self, points: np.ndarray) -> Targets:
        """Return the mean effect over the observed post days, and that of their first."""
        n = int(post_rows(self.series).sum())
        loadings, offsets, extra = self._sums(points, [n - 1, 0])
        share = np.array([1.0 / n, 1.0])
        return Targets(loadings * share[:, None], offsets * share, extra * share**2)

    def cumulative(self, points: np.ndarray) -> Targets:
        """Return the effect summed up to each observed post day."""
        return Targets(*self._sums(points, slice(None)))

    def _sums(
        self, points: np.ndarray, wanted: list[int] | slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return loadings, offsets and extra of the effect summed up to some observed post days."""
        series = self.series
        post = post_rows(series)
        last = int(self.problem.steps[-1])
        before = series.steps[series.steps <= last]
        loadings, variances = self.noise.lasting(self.problem, before, points)
        state, unknown = loadings[:, -1], variances[:, -1]
        carried, left = self.noise.forecast_of_sums(points, series.steps[post] - last)
        carried, left = carried[:, wanted], left[:, wanted]
        columns = np.cumsum(self.design.matrix[post], axis=0)[wanted]
        seen = np.cumsum(series.standardised[post])[wanted]
        return (
            carried[..., None] * state[:, None, :-1] - columns,
            seen - carried * state[:, -1:],
            carried**2 * unknown[:, None] + left,
        )

    def days(self, points: np.ndarray) -> Targets:
        """Return the expected outcome on every day, and a new one's after the pre-period."""
        series = self.series
        loadings, variances = self.noise.lasting(self.problem, series.steps, points)
        is_new = series.steps >= 0
        return Targets(
            loadings=self.design.matrix - loadings[:, :, :-1],
            offsets=loadings[:, :, -1],
            extra=variances + np.where(is_new, self.noise.new_share(points)[:, None], 0.0),
        )


def segmented_days(
    series: PreparedSeries,
    design: DesignMatrix,
    problem: Problem,
    noise: NoiseModel,
    points: np.ndarray,
) -> Targets:
    """Return what the outcome would have been without the intervention, as the person drifts.

    On every day the regression without the intervention's columns, plus the noise's lasting part
    as all observed days tell it.
    """
    loadings, variances = noise.lasting(problem, series.steps, points)
    return Targets(
        loadings=design.counterfactual - loadings[:, :, :-1],
        offsets=loadings[:, :, -1],
        extra=variances,
    )


def post_effects(series: PreparedSeries, design: DesignMatrix, columns: np.ndarray) -> np.ndarray:
    """Return the effect on each post day as loadings of the intervention's columns."""
    return design.intervention[series.phase == POST][:, columns]
