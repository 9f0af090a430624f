"""A toy likelihood in one file: normal, after outcomes are cut off at three baseline sds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from its_pipeline.its.likelihoods.normal import NORMAL

LIMIT = 3.0


class Clipped:
    name = "clipped"
    has_heavy_tails = True
    labels: dict[str, str] = {}

    def sample(self, problem, noise, settings, cores=None):
        cut = replace(problem, outcome=np.clip(problem.outcome, -LIMIT, LIMIT))
        return NORMAL.sample(cut, noise, settings, cores)

    def shocks(self, rng, parameters, size):
        return np.clip(rng.standard_normal(size), -LIMIT, LIMIT)


CLIPPED = Clipped()
