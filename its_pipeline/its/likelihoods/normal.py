"""Normal innovations: the coefficients are integrated out, and drawn exactly afterwards.

What belongs here: sampling the noise's few parameters and drawing the coefficients given each. What
does not: the density itself, which is the noise model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from its_pipeline.its.inference.nuts import SamplerSettings, in_parallel, sample
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.base import Sampled
from its_pipeline.its.noise.base import NoiseModel

_COEFFICIENT_STREAM = 1


class Normal:
    """See `base.Likelihood`."""

    name = "normal"
    labels: Mapping[str, str] = MappingProxyType({})
    has_heavy_tails = False

    def sample(
        self,
        problem: Problem,
        noise: NoiseModel,
        settings: SamplerSettings,
        cores: int | None = None,
    ) -> Sampled:
        """Sample the collapsed density with NUTS, then draw the coefficients given each draw."""
        collapsed = noise.collapsed(problem)
        chains = sample(collapsed.density, settings, cores)
        points = collapsed.points(chains.position)
        flat = np.ascontiguousarray(points.reshape(-1, points.shape[-1]))
        rng = np.random.default_rng([settings.seed, _COEFFICIENT_STREAM])
        coefficients = rng.standard_normal((len(flat), problem.design.shape[1]))
        in_parallel(
            lambda part: collapsed.draw_coefficients(flat[part], coefficients[part]),
            len(flat),
            cores,
        )
        return Sampled(chains, points, coefficients)

    def shocks(
        self, rng: np.random.Generator, parameters: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Draw standard normals."""
        return rng.standard_normal(size)


NORMAL = Normal()
