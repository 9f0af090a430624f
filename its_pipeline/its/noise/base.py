"""How one day resembles the next: what a noise model can do for the rest of the house.

What belongs here: the protocols, and the small records that cross them. What does not: any model;
each is a file of its own beside this one. `inference` knows none of them: it is given densities,
grids and buffers.

Errors e_t have a marginal standard deviation and a correlation over time steps; outcomes and
coefficients are in standardised units throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Mixture

Parameters = Mapping[str, np.ndarray]
"""Draws of a noise model's parameters by name, all of one shape."""


@dataclass(frozen=True)
class CollapsedDensity:
    """A density of the noise's parameters alone: the coefficients are integrated out.

    Parameters
    ----------
    density
        What is sampled.
    points
        Turns positions of the sampler, shape (chain, draw, d), into the model's own points.
    draw_coefficients
        Turns points (n, d) and standard normals (n, k) into exact draws of the coefficients given
        each point, in place of the normals; releases the interpreter's lock.
    """

    density: Density
    points: Callable[[np.ndarray], np.ndarray]
    draw_coefficients: Callable[[np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class JointDensity:
    """A density of whitened coefficients, the noise's parameters and the tails' own.

    Parameters
    ----------
    density
        What is sampled: k whitened coefficients b, then the noise's d parameters, then the rest.
    centre, whitener
        The coefficients are `centre + whitener' b`; shapes (k,) and (k, k).
    points
        Turns positions of the sampler into the noise model's own points.
    """

    density: Density
    centre: np.ndarray
    whitener: np.ndarray
    points: Callable[[np.ndarray], np.ndarray]


class NoiseModel(Protocol):
    """One way in which one day resembles the next.

    Attributes
    ----------
    name
        Its name in `registry.NOISE_MODELS`.
    labels
        Its parameters' names, and what a figure calls them.
    """

    name: str
    labels: Mapping[str, str]

    def quadrature(self, problem: Problem, contrasts: np.ndarray) -> Mixture:
        """Return the posterior of linear contrasts, shape (c, k), with normal innovations."""
        ...

    def collapsed(self, problem: Problem) -> CollapsedDensity:
        """Return the density of the parameters with normal innovations, for NUTS."""
        ...

    def parameters(self, points: np.ndarray, scale: float) -> dict[str, np.ndarray]:
        """Name the parameters at points (..., d): "sigma" is the marginal sd times `scale`."""
        ...

    def whiten(
        self, residuals: np.ndarray, steps: np.ndarray, parameters: Mapping[str, float]
    ) -> np.ndarray:
        """Return standardised one-step innovations of residuals (n,) at increasing steps (n,)."""
        ...

    def simulate(self, parameters: Parameters, shocks: np.ndarray) -> np.ndarray:
        """Turn standard shocks (draws, n_days) into errors on consecutive days, one a draw."""
        ...

    def forecast(
        self, parameters: Parameters, last_error: np.ndarray, shocks: np.ndarray
    ) -> np.ndarray:
        """Return errors (ahead, draws) of the days after one whose error (draws,) is known."""
        ...

    def forecast_of_mean(
        self, points: np.ndarray, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is known of the mean error at steps `ahead` of a day with a known error.

        At each point of a grid, shape (g, d): the share of the known error that is carried on, and
        the variance that is left, each of shape (g,).
        """
        ...

    def correlation_of_neighbours(self, parameters: Parameters) -> np.ndarray:
        """Return the correlation of the errors of two neighbouring days, a number a draw."""
        ...


@runtime_checkable
class HeavyTailedNoise(Protocol):
    """A noise model whose innovations may also have a Student-t distribution."""

    def student_t(self, problem: Problem) -> JointDensity:
        """Return the joint density with Student-t innovations; log(nu - 2) comes last in it."""
        ...
