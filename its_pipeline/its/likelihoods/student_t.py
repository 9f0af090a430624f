"""Student-t innovations: heavy tails, so one odd day moves the answer less.

What belongs here: sampling the joint density of coefficients, noise and tails. What does not: the
density and its whitening, which are the noise model's (`noise.base.HeavyTailedNoise`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from its_pipeline.its import priors
from its_pipeline.its.inference.nodes import Nodes, nodes_of, thinned
from its_pipeline.its.inference.nuts import SamplerSettings, sample
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.base import Sampled
from its_pipeline.its.noise.base import HeavyTailedNoise, NoiseModel

START_NODES = 160
"""Nodes of the posterior with normal innovations that tell where sampling starts."""
_TOLERANCE = 0.1


class StudentT:
    """Student-t with nu degrees of freedom; see `base.SampledLikelihood`."""

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
        nodes = _normal_nodes(problem, noise)
        joint = noise.student_t(problem, nodes.mean(), nodes.covariance())
        chains = sample(joint.density, settings, cores)
        points, log_sd = joint.points(chains.position)
        return Sampled(
            chains=chains,
            points=points,
            log_sd=log_sd,
            coefficients=joint.coefficients(chains.position),
            parameters={"nu": priors.NU_SHIFT + np.exp(chains.position[..., -1])},
        )

    def shocks(
        self, rng: np.random.Generator, parameters: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Draw Student-t numbers with the draws' degrees of freedom."""
        return rng.standard_t(parameters["nu"], size=size)


STUDENT_T = StudentT()


def _normal_nodes(problem: Problem, noise: NoiseModel) -> Nodes:
    """Return where the coefficients lie with normal innovations."""
    mixture = integrate(problem, noise, np.eye(problem.design.shape[1])[:1], _TOLERANCE)
    numbers, weights = thinned(mixture, START_NODES)
    return nodes_of(
        problem,
        noise,
        weights,
        mixture.points[numbers],
        mixture.log_sd[numbers],
        mixture.component[numbers],
    )
