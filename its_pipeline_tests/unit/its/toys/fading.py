"""A toy design in one file: an effect that halves every ten days."""

from __future__ import annotations

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.designs.base import Contrasts

HALF_LIFE_DAYS = 10.0


class Fading:
    name = "fading"

    def add_intervention(self, columns, series, spec):
        fading = np.where(series.steps >= 0, 0.5 ** (series.steps / HALF_LIFE_DAYS), 0.0)
        columns.add("first_effect", fading, fading, 1.0, priors.LEVEL_CHANGE_SD)
        return Contrasts("first_effect", None)


FADING = Fading()
