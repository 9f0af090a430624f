"""Draws of a posterior with a link, and the weights that mend what they were drawn from.

What belongs here: the draws as they are handed on, and drawing some of them farther out. What does
not: what they are drawn from, or the likelihood that weighs them (`latent`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from its_pipeline.its.inference.nodes import systematic

KEPT = 4000
"""Draws that are handed on."""
WIDENED_EVERY, WIDENED_TIMES = 2, 1.8
"""How many draws there are for one that goes farther, and how much farther that one goes."""


@dataclass(frozen=True)
class Weighed:
    """Draws of one posterior in units of the link scale.

    Parameters
    ----------
    coefficients
        Shape (d, k).
    paths
        The noise's lasting part on consecutive steps, shape (d, m).
    phi, sd, dispersion
        Shape (d,).
    weights
        Shape (d,), sum 1.
    error, edge
        As of `inference.mixture.Mixture`.
    """

    coefficients: np.ndarray
    paths: np.ndarray
    phi: np.ndarray
    sd: np.ndarray
    dispersion: np.ndarray
    weights: np.ndarray
    error: float
    edge: float

    @property
    def worth(self) -> float:
        """How many independent draws the weighed ones are worth (Kish 1965)."""
        return float(1.0 / np.sum(self.weights**2))

    def alike(self, order: np.ndarray) -> Weighed:
        """Return `KEPT` draws that are each as probable as any other.

        Parameters
        ----------
        order
            A quantity of each draw, shape (d,): what the choice disturbs least.
        """
        sorted_ = np.argsort(order, kind="stable")
        chosen = sorted_[systematic(self.weights[sorted_], KEPT)]
        # Neighbours are alike, so they are dealt out.
        chosen = chosen[np.random.default_rng(KEPT).permutation(KEPT)]
        return replace(
            self,
            coefficients=self.coefficients[chosen],
            paths=self.paths[chosen],
            phi=self.phi[chosen],
            sd=self.sd[chosen],
            dispersion=self.dispersion[chosen],
            weights=np.full(KEPT, 1.0 / KEPT),
        )


def widened(normals: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Widen every so many of standard normal draws along directions, in place.

    Parameters
    ----------
    normals
        Shape (n, k).
    directions
        Of length 1, shape (n, k).

    Returns
    -------
    numpy.ndarray
        Log of their density over that of draws that are not widened, shape (n,).
    """
    before = np.einsum("ij,ij->i", normals, directions)
    after = before.copy()
    after[::WIDENED_EVERY] *= WIDENED_TIMES
    normals += (after - before)[:, None] * directions
    share = 1.0 / WIDENED_EVERY
    farther = np.exp(0.5 * after**2 * (1.0 - WIDENED_TIMES**-2.0)) / WIDENED_TIMES
    return np.log1p(share * (farther - 1.0))
