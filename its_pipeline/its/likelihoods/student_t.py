"""Student-t innovations: heavy tails, so one odd day moves the answer less.

What belongs here: sampling the joint density of coefficients, noise and tails. What does not: the
density and its whitening, which are the noise model's (`noise.base.HeavyTailedNoise`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import SamplerSettings, sample
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.base import Sampled
from its_pipeline.its.noise.base import HeavyTailedNoise, NoiseModel


class StudentT:
    """Student-t with nu degrees of freedom; see `base.Likelihood`."""

    name = "student_t"
    labels: Mapping[str, str] = MappingProxyType({"nu": "tails (nu)"})
    has_heavy_tails = True

    def sample(
        self,
        problem: Problem,
        noise: NoiseModel,
        settings: SamplerSettings,
        cores: int | None = None,
    ) -> Sampled:
        """Sample the joint density with NUTS.

        Raises
        ------
        ValueError
            If the noise model has no density with Student-t innovations.
        """
        if not isinstance(noise, HeavyTailedNoise):
            raise ValueError(
                f"likelihood {self.name!r} needs a noise model with Student-t innovations but "
                f'{noise.name!r} has none; use likelihood="normal"'
            )
        joint = noise.student_t(problem)
        chains = sample(joint.density, settings, cores)
        k = len(joint.centre)
        whitened = np.ascontiguousarray(chains.position[..., :k].reshape(-1, k).T)
        coefficients = np.repeat(joint.centre[:, None], whitened.shape[1], axis=1)
        compiled.sampling_kernel().multiply(
            np.ascontiguousarray(joint.whitener.T), whitened, coefficients
        )
        return Sampled(
            chains=chains,
            points=joint.points(chains.position),
            coefficients=np.ascontiguousarray(coefficients.T),
            parameters={"nu": priors.NU_SHIFT + np.exp(chains.position[..., -1])},
        )

    def shocks(
        self, rng: np.random.Generator, parameters: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Draw Student-t numbers with the draws' degrees of freedom."""
        return rng.standard_t(parameters["nu"], size=size)


STUDENT_T = StudentT()
