"""A toy likelihood in one file: normal, after outcomes are cut off at three baseline sds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

LIMIT = 3.0


class Clipped:
    name = "clipped"
    has_heavy_tails = True
    labels: dict[str, str] = {}

    def regression(self, problem):
        return replace(problem, outcome=np.clip(problem.outcome, -LIMIT, LIMIT))

    def shocks(self, rng, parameters, size):
        return np.clip(rng.standard_normal(size), -LIMIT, LIMIT)


CLIPPED = Clipped()
