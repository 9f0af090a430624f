"""The AB design: from one day on, the level may change, and with it the slope.

What belongs here: the columns of a level change and a slope change. What does not: level, trend,
season and covariates, which every design shares (`base`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.designs.base import Columns, named
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.spec import AnalysisSpec

LEVEL_CHANGE = "level_change"
SLOPE_CHANGE = "slope_change"


class Change:
    """One intervention, from its first day on; see `base.StudyDesign`."""

    name = "change"

    def add_intervention(
        self, columns: Columns, exposure: Exposure, spec: AnalysisSpec
    ) -> str | None:
        """Add a step at the intervention, and a ramp from it on where the slope may change."""
        t = exposure.steps.astype(float)
        step = (t >= 0).astype(float)
        columns.add(named(LEVEL_CHANGE, exposure.name), step, step, 1.0, priors.LEVEL_CHANGE_SD)
        if not (spec.slope and spec.trend):
            return None
        period = float(spec.steps_per_slope_period)
        ramp, span = np.maximum(t, 0.0), max(1.0, float(t[-1]))
        columns.add(
            named(SLOPE_CHANGE, exposure.name),
            ramp / span,
            ramp / period,
            period / span,
            *priors.SLOPE_CHANGE_SDS,
        )
        return named(SLOPE_CHANGE, exposure.name)


CHANGE = Change()
