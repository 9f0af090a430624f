"""Pretended interventions inside the pre-period, when nothing was changed.

What belongs here: the dates and the effect at each. What does not: when an effect there counts
(`its.warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from its_pipeline.its import models
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.sensitivity.estimate import EffectEstimate, quadrature_estimate
from its_pipeline.its.series import MINIMUM_DAYS, POST, PRE, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

PLACEBO_DATES = 3
PLACEBO_PHASE_DAYS = 14
"""Placebo dates lie inside the pre-period with at least this many observed days on either side."""


@dataclass(frozen=True)
class Placebo:
    """The effect of an intervention that never was.

    Parameters
    ----------
    step
        Time steps from the real intervention, negative.
    estimate
        Its counterfactual effect.
    """

    step: int
    estimate: EffectEstimate


def placebo_estimates(
    series: PreparedSeries,
    spec: AnalysisSpec,
    covariates: Covariates,
    noise: NoiseModel,
) -> tuple[Placebo, ...]:
    """Return the effects of pretended interventions, in the order of their dates.

    Before the first day on, whatever came after it.

    Up to three dates at the quarters of the pre-period, each with at least 14 observed days on
    either side; none where the pre-period is shorter than that.
    """
    pre = (series.phase == PRE) & (series.steps < 0)
    study = models.study_design(spec.design)
    seen = np.flatnonzero(series.observed & pre)
    if len(seen) < 2 * max(MINIMUM_DAYS, PLACEBO_PHASE_DAYS):
        return ()
    lowest, highest = PLACEBO_PHASE_DAYS, len(seen) - PLACEBO_PHASE_DAYS
    wanted = np.linspace(0.25, 0.75, PLACEBO_DATES) * len(seen)
    found = []
    unwashed = replace(spec, washout_days=0, carryover_days=0)
    for at in sorted({int(min(max(w, lowest), highest)) for w in wanted}):
        step = int(series.steps[seen[at]])
        pretended = _pretend(series, pre, step)
        design = build_design(pretended, unwashed, covariates.on(pre), study)
        estimate = quadrature_estimate(pretended, design, noise, spec.interval_factor)
        found.append(Placebo(step, estimate))
    return tuple(found)


def _pretend(series: PreparedSeries, pre: np.ndarray, step: int) -> PreparedSeries:
    steps = series.steps[pre] - step
    values = series.values[pre]
    before = values[(steps < 0) & np.isfinite(values)]
    return replace(
        series,
        days=series.days[pre],
        steps=steps,
        values=values,
        phase=np.where(steps < 0, PRE, POST),
        exposure=Exposure.since(steps),
        centre=float(before.mean()),
    )
