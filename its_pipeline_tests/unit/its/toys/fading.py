"""A toy design in one file: an effect that halves every ten days."""

from __future__ import annotations

import numpy as np

from its_pipeline.its import priors

HALF_LIFE_DAYS = 10.0


class Fading:
    name = "fading"

    def add_intervention(self, columns, exposure, spec):
        fading = np.where(exposure.is_on, 0.5 ** (exposure.steps / HALF_LIFE_DAYS), 0.0)
        columns.add("first_effect", fading, fading, 1.0, priors.LEVEL_CHANGE_SD)


FADING = Fading()
