"""How much of the information that a plan expects a look has: the scale that errors are spent on.

What belongs here: the precision of the average effect today, at the plan's last day, and their
ratio. What does not: what may be said at it (`looks`), or the variances themselves (`days_ahead`).

Both precisions are of the same noise, the posterior of today, so what is still unknown of a
person's noise does not move the scale: a day more is more information, whatever it showed. The days
before an intervention are fixed, so the share does not begin at nothing, and it does not grow in
proportion to days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.cadence import in_steps
from its_pipeline.its.days_ahead import NoiseNodes, carried_on, variance_ahead
from its_pipeline.its.series import POST, PreparedSeries, prepare_series
from its_pipeline.its.spec import AnalysisSpec

_LEAST_SHARE = 0.05
"""Of the coming days, that are counted on where hardly any was observed so far."""


@dataclass(frozen=True)
class Information:
    """Precisions of the average effect, over what is expected on a reference day.

    Parameters
    ----------
    now
        Of the days that are known.
    planned
        Of the plan's last day.
    usual_sd
        Sd of the outcome on days off, in its own units: it does not hang on what the days since
        show.
    """

    now: float
    planned: float
    usual_sd: float


def information_of(
    analysis: Analysis,
    outcome: pd.Series,
    schedule: Any,
    planned_until_on: date,
    reference_on: date,
    others: Mapping[str, Any] | None = None,
) -> Information:
    """Return how much is known of an effect, over what is expected on a reference day.

    Parameters
    ----------
    analysis
        Of the days that are known; it must have passed the gate.
    outcome, schedule
        What `analyze` was given.
    planned_until_on
        Last day of the plan in force, INCLUSIVE.
    reference_on
        Last day of the plan at the first look, INCLUSIVE: information is 1 there.
    others
        What `analyze` was given.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    """
    kept = analysis.kept
    if kept is None:
        raise ValueError("an analysis that did not converge has no information to tell")
    laid = in_steps(outcome, schedule, analysis.spec, None, others)
    outcome, schedule, others = laid.outcome, laid.schedule, laid.others
    series = prepare_series(outcome, schedule, analysis.spec, others)
    noise = models.noise_model(analysis.spec.noise)
    nodes = NoiseNodes.of_kept(kept, noise, series.scale)
    return information_given(
        nodes, series, outcome, schedule, analysis.spec, planned_until_on, reference_on, others
    )


def information_given(
    nodes: NoiseNodes,
    series: PreparedSeries,
    outcome: pd.Series,
    schedule: Any,
    spec: AnalysisSpec,
    planned_until_on: date,
    reference_on: date,
    others: Mapping[str, Any] | None = None,
) -> Information:
    """Return the same for noises that are possible.

    Parameters
    ----------
    nodes
        The noises.
    series
        What `prepare_series` makes of the rest.
    outcome, schedule, spec, planned_until_on, reference_on, others
        As in `information_of`.
    """
    share = max(_LEAST_SHARE, float(series.observed[series.phase == POST].mean()))
    observed = outcome[np.isfinite(outcome.to_numpy(dtype=float))]

    def variance(until_on: date) -> np.ndarray:
        days = carried_on(observed, until_on, share, spec.calendar.freq)
        ahead = prepare_series(days, schedule, spec, others)
        return variance_ahead(ahead, spec, nodes)

    known = variance_ahead(series, spec, nodes)
    reference = variance(reference_on)
    planned = reference if planned_until_on == reference_on else variance(planned_until_on)
    return Information(
        now=float(nodes.weights @ (reference / known)),
        planned=float(nodes.weights @ (reference / planned)),
        usual_sd=series.usual_sd,
    )
