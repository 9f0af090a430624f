"""What days to come will teach of the noise: which ones an analysis of them will still believe.

What belongs here: how probable each noise will be after some more days, where another one is the
true one. What does not: what follows for a verdict (`assurance`).

The variance of an effect given the noise has a closed form; what an analysis will make of the
noise has none. So a few courses of errors are drawn for each noise that may be true, always the
same ones, and the filter tells their likelihood under every other one for all numbers of days.
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its.days_ahead import NoiseNodes
from its_pipeline.its.noise.base import NoiseModel

COURSES = 3
"""Courses of errors drawn for each noise."""
_MOST_DAYS = 180
"""Later days teach little more."""
_SEED = 0


class Learning:
    """Likelihoods of courses of errors under noises that may be true.

    Parameters
    ----------
    nodes
        The noises, and how probable they are before.
    noise
        Their model.
    """

    def __init__(self, nodes: NoiseNodes, noise: NoiseModel) -> None:
        p = len(nodes.weights)
        rng = np.random.default_rng(_SEED)
        shocks = np.tile(rng.standard_normal((COURSES, _MOST_DAYS)), (p, 1))
        named = noise.parameters(nodes.points)
        parameters = {name: np.repeat(values, COURSES) for name, values in named.items()}
        sigma = np.exp(nodes.log_sd)
        errors = noise.simulate({**parameters, "sigma": np.repeat(sigma, COURSES)}, shocks)
        steps = np.arange(_MOST_DAYS)
        # Shape (p believed, days, p true x courses): the log likelihood up to each day.
        self._log_likelihood = np.empty((p, _MOST_DAYS, p * COURSES))
        for at in range(p):
            own = {name: float(values[at]) for name, values in named.items()}
            self._log_likelihood[at] = noise.log_likelihood(
                errors.T, steps, {**own, "sigma": float(sigma[at])}
            )
        self._log_weights = np.log(nodes.weights)

    def weights(self, n_days: int) -> np.ndarray:
        """Return how probable each noise will be after some observed days.

        Parameters
        ----------
        n_days
            At least 1.

        Returns
        -------
        np.ndarray
            Shape (p true x courses, p believed), each row of sum 1.
        """
        found = self._log_likelihood[:, min(n_days, _MOST_DAYS) - 1] + self._log_weights[:, None]
        found = np.exp(found - found.max(axis=0))
        return (found / found.sum(axis=0)).T
