"""When did it change: how probable the data make each date of the change.

What belongs here: the posterior of the change's date, every day of the window as probable
beforehand as any other. What does not: when a date is warned of (`its.warnings`), or its picture.

The model with the change on another date is the same regression with other columns for the
intervention; how probable it makes the days is its evidence, the noise summed out anew for each
date: noise that makes up for a missing change is large, so it must not be kept.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from its_pipeline.its.designs.base import Columns, StudyDesign
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import rough_log_evidence
from its_pipeline.its.posterior import Fit
from its_pipeline.its.results import ChangeDate
from its_pipeline.its.spec import AnalysisSpec

MOST_DATES = 14
"""Dates that are tried, besides the declared one."""
FEWEST_DAYS = 4
"""A date needs this many observed days on either side: a change at the very end is seen of one day
alone."""


def change_dates(fit: Fit, study: StudyDesign, spec: AnalysisSpec) -> tuple[ChangeDate, ...]:
    """Return how probable each of some dates of the change is, in order.

    Parameters
    ----------
    fit
        A fit with an intervention and normal innovations.
    study, spec
        What the intervention may change.

    Returns
    -------
    tuple of ChangeDate
        At most `MOST_DATES` and the declared one; a date stands for the days around it. Empty where
        the window is too short, and where the days speak for no change at all rather than for one.
    """
    steps = fit.problem.steps
    inner = steps[FEWEST_DAYS : len(steps) - FEWEST_DAYS + 1]
    if len(inner) < 2:
        return ()
    wanted = np.unique(np.rint(np.linspace(0, len(inner) - 1, MOST_DATES)).astype(int))
    dates = np.union1d(inner[wanted], [0])
    logs = np.array([_log_evidence(fit, _columns_at(fit, study, spec, int(s))) for s in dates])
    if _log_evidence(fit, None) > special.logsumexp(logs) - np.log(len(logs)):
        return ()
    edges = np.concatenate([[dates[0]], 0.5 * (dates[1:] + dates[:-1]), [dates[-1]]])
    mass = np.exp(logs - logs.max()) * np.maximum(np.diff(edges), 0.5)
    mass /= mass.sum()
    first = int(fit.series.steps[0])
    return tuple(
        ChangeDate(fit.series.days[int(step) - first].date(), int(step), float(probability))
        for step, probability in zip(dates, mass, strict=True)
    )


def _columns_at(fit: Fit, study: StudyDesign, spec: AnalysisSpec, step: int) -> np.ndarray:
    """Return the intervention's columns on the fitted rows with the change at another step."""
    moved = Columns()
    study.add_intervention(moved, Exposure.since(fit.series.steps - step), spec)
    return np.column_stack(moved.internal)[fit.rows]


def _log_evidence(fit: Fit, columns: np.ndarray | None) -> float:
    """Return the log evidence with these columns for the intervention; None: without one."""
    problem = fit.problem
    ours = fit.design.intervention.any(axis=0)
    design = problem.design.copy()
    design[:, ours] = 0.0 if columns is None else columns
    return rough_log_evidence(
        Problem(design, problem.outcome, problem.steps, problem.prior), fit.noise_model
    )
