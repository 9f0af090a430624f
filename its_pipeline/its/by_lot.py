"""The randomisation test of one analysis: what of it the lot alone could have made.

What belongs here: bringing a series, its schedule and the model without the intervention to the
test. What does not: the test (`decisions.randomisation`), or which days a lot could have drawn
(`schedules.assignments`).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from its_pipeline.its.decisions.randomisation import (
    Randomisation,
    days_exposed,
    randomisation_test,
    whitened_statistic,
)
from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.series import PreparedSeries
from its_pipeline.schedules.assignments import broken_rule, units_of
from its_pipeline.schedules.mechanism import Mechanism

_TOLERANCE = 0.1
_DAY = timedelta(days=1)


def tested_by_lot(
    series: PreparedSeries, without: DesignMatrix, noise: NoiseModel, seed: int
) -> tuple[Randomisation | None, str]:
    """Test the sharp null hypothesis by the lot that the days were drawn by.

    The noise is the posterior mean of the model without the intervention, so that the statistic is
    the same function for every assignment.

    Parameters
    ----------
    series
        The prepared series.
    without
        The columns of the model without the intervention.
    noise
        How one day resembles the next.
    seed
        Of the assignments that are sampled where there are too many to list.

    Returns
    -------
    tuple
        The test; None where the days were not drawn by lot. And why there is none although a lot
        was declared; empty otherwise.
    """
    schedule = series.schedule
    mechanism = schedule.mechanism
    if mechanism is None:
        return None, ""
    if not schedule.is_randomised:
        first = schedule.drawn_from_on or schedule.first_on
        return None, (
            f"the lot was drawn on {mechanism.drawn_at:%Y-%m-%d}, not before the first day, {first}"
        )
    rows = np.flatnonzero(series.observed)
    try:
        units, days = _units(series, mechanism, rows)
    except ValueError as error:
        return None, str(error)
    columns = without.matrix[rows]
    problem = Problem(
        np.ascontiguousarray(columns), series.standardised[rows], series.steps[rows], without.prior
    )
    intercept = np.eye(columns.shape[1])[:1]
    found = integrate(problem, noise, intercept, _TOLERANCE)
    named = noise.parameters(found.weights @ found.points)
    parameters = {name: float(value) for name, value in named.items()} | {"sigma": 1.0}

    def whiten(wanted: np.ndarray) -> np.ndarray:
        steps = series.steps[rows]
        return np.column_stack([noise.whiten(column, steps, parameters) for column in wanted.T])

    statistic = whitened_statistic(
        series.standardised[rows],
        columns,
        np.sqrt(without.prior.weights @ np.square(without.prior.sd)),
        whiten,
        days_exposed(mechanism.unit_days, days),
    )
    return randomisation_test(statistic, units, mechanism, len(units), seed), ""


def _units(
    series: PreparedSeries, mechanism: Mechanism, rows: np.ndarray
) -> tuple[tuple[bool, ...], np.ndarray]:
    """Return the units that were drawn, and the observed rows' days from the first of them.

    Where nobody says which days were drawn they are those of the series: of its calendar, or of its
    observed days alone where only these keep the rules.

    Raises
    ------
    ValueError
        If no reading keeps the lot's rules; in words.
    """
    schedule = series.schedule
    first = series.days[0].date()
    if schedule.drawn_from_on is not None and schedule.drawn_to_on is not None:
        units = units_of(schedule, schedule.drawn_from_on, schedule.drawn_to_on)
        offset = (first - schedule.drawn_from_on).days
        return _kept(mechanism, units), rows + offset
    start = schedule.drawn_from_on or first
    try:
        units = units_of(schedule, start, _last_of_unit(series, mechanism, start))
        return _kept(mechanism, units), rows + (first - start).days
    except ValueError:
        if mechanism.unit_days > 1:
            raise
        units = tuple(bool(on) for on in series.exposure.is_on[rows])
        if broken_rule(mechanism, list(units)) is not None:
            raise
        return units, np.arange(len(rows))


def _last_of_unit(series: PreparedSeries, mechanism: Mechanism, start: date) -> date:
    """Return the last day of the last unit that is wholly in the series."""
    n_days = (series.days[-1].date() - start).days + 1
    whole = n_days - n_days % mechanism.unit_days
    return start + (whole - 1) * _DAY


def _kept(mechanism: Mechanism, units: tuple[bool, ...]) -> tuple[bool, ...]:
    broken = broken_rule(mechanism, list(units))
    if broken is not None:
        raise ValueError(f"the days on do not keep the lot's rules: {broken}")
    return units
