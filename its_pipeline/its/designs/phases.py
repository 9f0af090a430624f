"""Reversal and days by lot: on and off again, each time with an effect that may differ a little.

What belongs here: the columns of the effect on days on, of what phases differ by, and of what is
left after stopping. What does not: level, trend, season and covariates (`base`), or which days are
on (`exposure`).

Phases on share one effect and each adds its own deviation; how far deviations spread is a mixture,
small unless the data insist, so "the same each time" and "another each time" are both in the model
and the average effect's interval holds either. (Partial pooling within a person, as in Bayesian
models of single-case designs, e.g. Rindskopf 2014, J. Sch. Psychol. 52, 179.)
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.designs.base import Columns, named
from its_pipeline.its.designs.change import LEVEL_CHANGE
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.spec import AnalysisSpec

CARRYOVER = "carryover"
"""What is left of the effect on the first day after stopping."""
PHASE = "phase"


class Phases:
    """One intervention, on and off any number of times; see `base.StudyDesign`."""

    name = "phases"

    def add_intervention(
        self, columns: Columns, exposure: Exposure, spec: AnalysisSpec
    ) -> str | None:
        """Add the days on, a deviation for each phase, and the carry-over where it is asked for."""
        is_on = exposure.is_on.astype(float)
        columns.add(named(LEVEL_CHANGE, exposure.name), is_on, is_on, 1.0, priors.LEVEL_CHANGE_SD)
        groups = exposure.groups()
        if groups.max() > 0:
            for group in range(int(groups.max()) + 1):
                rows = (groups == group).astype(float)
                columns.add(
                    named(f"{PHASE}[{group + 1}]", exposure.name),
                    rows,
                    rows,
                    1.0,
                    *priors.PHASE_SDS,
                    together=f"{PHASE} {exposure.name}",
                )
        if spec.carryover == "decay":
            left = _left(exposure)
            columns.add(named(CARRYOVER, exposure.name), left, left, 1.0, *priors.CARRYOVER_SDS)
        return None


def _left(exposure: Exposure) -> np.ndarray:
    """Return what is left of an effect of one, 1 on the first day after stopping and fading."""
    found = np.zeros(len(exposure.is_on))
    for run in exposure.runs[1:]:
        if not exposure.is_on[run.start]:
            found[run] = np.exp(-np.arange(run.stop - run.start) / priors.CARRYOVER_DAYS)
    return found


PHASES = Phases()
