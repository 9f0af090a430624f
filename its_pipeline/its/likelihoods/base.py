"""How the outcome scatters around what the model expects: what a likelihood can do for the house.

What belongs here: the protocols, and what sampling hands back. What does not: any likelihood; each
is a file of its own beside this one. How days resemble each other is the noise model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from its_pipeline.its.inference.nuts import Chains, SamplerSettings
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.noise.base import NoiseModel


@dataclass(frozen=True)
class Sampled:
    """Draws of one posterior, in standardised units.

    Parameters
    ----------
    chains
        What the sampler returned.
    points, log_sd
        The noise model's points, shape (chain, draw, d), and log sds, shape (chain, draw).
    coefficients
        Shape (chain * draw, k).
    parameters
        The likelihood's own parameters by name, shape (chain, draw).
    """

    chains: Chains
    points: np.ndarray
    log_sd: np.ndarray
    coefficients: np.ndarray
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)


class Likelihood(Protocol):
    """One distribution of the innovations.

    Attributes
    ----------
    name
        Its name in `registry.LIKELIHOODS`.
    has_heavy_tails
        Whether it allows for outlier days, so that nobody need be advised to.
    labels
        Its own parameters' names, and what a figure calls them.
    """

    name: str
    labels: Mapping[str, str]
    has_heavy_tails: bool

    def shocks(
        self, rng: np.random.Generator, parameters: Mapping[str, np.ndarray], size: tuple[int, int]
    ) -> np.ndarray:
        """Draw standard shocks; `parameters` are shaped so that they broadcast to `size`."""
        ...


@runtime_checkable
class GaussianLikelihood(Likelihood, Protocol):
    """A likelihood whose coefficients can be integrated out: quadrature answers, NUTS audits."""

    def regression(self, problem: Problem) -> Problem:
        """Return the regression with normal innovations that answers for this one."""
        ...


@runtime_checkable
class SampledLikelihood(Likelihood, Protocol):
    """A likelihood that has to be sampled."""

    def sample(
        self,
        problem: Problem,
        noise: NoiseModel,
        settings: SamplerSettings,
        cores: int | None = None,
    ) -> Sampled:
        """Sample the posterior of a regression.

        Raises
        ------
        ValueError
            If the noise model cannot be had with this likelihood.
        """
        ...
