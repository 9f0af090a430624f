"""How one day resembles the next: what a noise model can do for the rest of the house.

What belongs here: the protocols, and the small records that cross them. What does not: any model;
each is a file of its own beside this one. `inference` knows none of them: it is given coordinates,
cross products, densities and buffers.

Errors e_t have a marginal standard deviation and a correlation over time steps, and may have a part
that lasts from day to day; outcomes and coefficients are in standardised units throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nuts import Density
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Box

Parameters = Mapping[str, np.ndarray]
"""Draws of a noise model's parameters by name, all of one shape."""


@dataclass(frozen=True)
class CollapsedDensity:
    """A density of the noise's parameters and sd alone: the coefficients are integrated out.

    Parameters
    ----------
    density
        What NUTS samples.
    points
        Turns positions of the sampler, shape (chain, draw, d + 1), into the model's own points and
        log sds, shapes (chain, draw, d) and (chain, draw).
    """

    density: Density
    points: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class JointDensity:
    """A density of the coefficients, the noise's parameters and the tails' own.

    Parameters
    ----------
    density
        What is sampled: the coefficients in the sampler's units, then the noise's, then the rest.
    coefficients
        Turns positions of the sampler, shape (chain, draw, d), into coefficients, (n, k).
    points
        Turns positions of the sampler into the noise's own points and log sds.
    """

    density: Density
    coefficients: Callable[[np.ndarray], np.ndarray]
    points: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


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

    @property
    def box(self) -> Box:
        """Bounds of the two coordinates of its parameters; equal where there is only one."""
        ...

    def at(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return points (g, d) at coordinates (g,), and the log prior density of those."""
        ...

    def cross_products(self, problem: Problem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return products of `problem.rows` whitened to unit variance under each point.

        Upper triangles, shape (g, k + 1, width), and log|R|, shape (g,).
        """
        ...

    def lasting(
        self, problem: Problem, steps: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is known of the errors' lasting part on some steps, given the rows.

        Given the coefficients it is `loadings[k] - loadings[:k] @ coefficients`.

        Parameters
        ----------
        problem
            The regression, its columns in their own order.
        steps
            Consecutive steps that hold all of the problem's, shape (m,).
        points
            Shape (g, d).

        Returns
        -------
        tuple
            Loadings of the k columns and the outcome, shape (g, m, k + 1), and variances of what
            stays unknown in units of the marginal variance, shape (g, m).
        """
        ...

    def forecast_of_sums(
        self, points: np.ndarray, ahead: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is known of sums of errors ahead of a step whose lasting part is known.

        Parameters
        ----------
        points
            Shape (g, d).
        ahead
            Increasing steps ahead, shape (m,); the i-th sum adds the errors up to `ahead[i]`.

        Returns
        -------
        tuple
            Shares of the known lasting part carried on, and variances in units of the marginal
            variance of what is not, both of shape (g, m).
        """
        ...

    def new_share(self, points: np.ndarray) -> np.ndarray:
        """Return the share of the variance that does not last at points (..., d)."""
        ...

    def parameters(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Name the parameters at points (..., d)."""
        ...

    def collapsed(self, problem: Problem, mixture: Mixture) -> CollapsedDensity:
        """Return the density of the parameters and the sd with normal innovations, for NUTS.

        The quadrature's answer may serve to start chains and to scale steps, never to say how
        probable a point is.
        """
        ...

    def whiten(
        self, residuals: np.ndarray, steps: np.ndarray, parameters: Mapping[str, float]
    ) -> np.ndarray:
        """Return standardised one-step innovations of residuals (n,) at increasing steps (n,)."""
        ...

    def squares(self, errors: np.ndarray, steps: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return sums of squares of whitened courses (n, c) under each noise, shape (g, c)."""
        ...

    def simulate(self, parameters: Parameters, shocks: np.ndarray) -> np.ndarray:
        """Turn standard shocks (draws, n_days) into errors on consecutive days, one a draw."""
        ...

    def forecast(
        self, parameters: Parameters, residuals: np.ndarray, steps: np.ndarray, shocks: np.ndarray
    ) -> np.ndarray:
        """Return errors (ahead, draws) of the days after residuals (n, draws) at steps (n,)."""
        ...

    def correlation_of_neighbours(self, parameters: Parameters) -> np.ndarray:
        """Return the correlation of the errors of two neighbouring days, a number a draw."""
        ...


@runtime_checkable
class HeavyTailedNoise(Protocol):
    """A noise model whose innovations may also have a Student-t distribution."""

    def student_t(
        self, problem: Problem, centre: np.ndarray, covariance: np.ndarray
    ) -> JointDensity:
        """Return the joint density with Student-t innovations; log(nu - 2) comes last in it.

        Parameters
        ----------
        problem
            The regression.
        centre, covariance
            Posterior mean and covariance of its coefficients with normal innovations, shapes (k,)
            and (k, k): where sampling starts.
        """
        ...
