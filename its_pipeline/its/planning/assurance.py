"""How probable a verdict is: what an analysis of days to come would conclude, on average.

What belongs here: from what days would tell under each noise to the probability of crossing. What
does not: which days those are (`plan`), the variances (`days_ahead`), or boundaries (`decisions`).

Power at one value of what is unknown promises too much; averaged over its posterior it is called
assurance (O'Hagan, Stevens & Campbell 2005, Pharm. Stat. 4, 187). Given the noise an effect's
estimate is normal with a variance in closed form. The analysis does not know the noise: its
posterior is a mixture over all that stay possible, and it pays for beliefs about straight trends
that its prior holds open. So what it needs to see is a quantile of that mixture, and what it sees
scatters with the variance under the true noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from its_pipeline.its.days_ahead import Foreseen, NoiseNodes
from its_pipeline.its.decisions.boundaries import (
    ALPHA,
    Boundaries,
    always_valid_multiplier,
    boundaries,
)
from its_pipeline.schedules.look_plans import ALWAYS_VALID, LOOK_PLANS

_DRIFTS = np.linspace(0.0, 6.0, 13)
_MOST_LOOKS = 24
_NEWTON_STEPS = 4


@dataclass(frozen=True)
class Precision:
    """How an analysis of some days would conclude, in standardised units.

    Parameters
    ----------
    weights
        Of the noises that may be true, shape (p,).
    sd
        Of the estimate under each, shape (p,).
    stretch
        How much wider than that the analysis believes it to be, at the probability a verdict
        needs, in each of some courses that it may take, shape (p, courses).
    """

    weights: np.ndarray
    sd: np.ndarray
    stretch: np.ndarray

    def power(self, effect: float, critical: np.ndarray) -> float:
        """Return the probability of a verdict.

        Parameters
        ----------
        effect
            True average effect, standardised.
        critical
            As `critical_z` returns.
        """
        drift = effect / self.sd
        needed = np.interp(drift, _DRIFTS, critical)
        reached = special.ndtr((drift - self.stretch.T * needed).T)
        return float(self.weights @ reached.mean(axis=1))


def precision_of(
    found: Foreseen, nodes: NoiseNodes, trend_odds: float, learnt: np.ndarray
) -> Precision:
    """Return how an analysis of foreseen days would conclude.

    Parameters
    ----------
    found
        What the days would tell.
    nodes
        Noises that may be true.
    trend_odds
        What the baseline makes of the odds of a straight trend, over what it would make of them
        on average where there is none.
    learnt
        How probable the analysis will find each noise, by the true one and the course its days may
        take, shape (p * courses, p); see `learning`.
    """
    beliefs = found.prior_weights[:, None] * np.exp(expected_log_evidence(found.log_volume))
    beliefs[found.has_trend] *= trend_odds
    beliefs = beliefs / beliefs.sum(axis=0)
    sd = np.sqrt(np.sum(beliefs * found.variance, axis=0))
    # What a component estimates differs from what the plain one does, by what it is less sure of.
    apart = found.variance - found.variance[0]
    others = np.sum(beliefs * apart, axis=0) - beliefs * apart
    own = (1.0 - beliefs) ** 2 * apart + beliefs * others
    all_sd = np.sqrt(found.variance + own).reshape(-1)
    m, p = found.variance.shape
    weights = (learnt[:, None, :] * beliefs).reshape(len(learnt), m * p)
    z = float(special.ndtri(1.0 - ALPHA))
    at = z * np.sqrt(weights @ all_sd**2)
    for _ in range(_NEWTON_STEPS):
        away = at[:, None] / all_sd
        missing = np.sum(weights * special.ndtr(away), axis=1) - (1.0 - ALPHA)
        density = np.sum(weights * np.exp(-0.5 * away**2) / all_sd, axis=1)
        at = at - missing * math.sqrt(2.0 * math.pi) / density
    return Precision(nodes.weights, sd, at.reshape(p, -1) / (z * sd[:, None]))


def expected_log_evidence(log_volume: np.ndarray) -> np.ndarray:
    """Return the expected log evidence for each component over the plain one's, shape (m, p).

    A wider prior pays half the log of how much more of its volume the data rule out; noise that it
    can follow gives half of the share that is ruled out back, were there one more direction.

    Parameters
    ----------
    log_volume
        As in `Foreseen`, shape (m, p).
    """
    paid = log_volume[0] - log_volume
    return -0.5 * (paid - (1.0 - np.exp(-paid)))


def critical_z(
    looks: str, first_information: float, n_looks: int, prior_information: float
) -> np.ndarray:
    """Return what z is needed at the horizon alone for the power that looking gives, by drift.

    Parameters
    ----------
    looks
        A name in `schedules.look_plans.LOOK_PLANS`.
    first_information
        Share of the information at the first look.
    n_looks
        How many looks.
    prior_information
        Information at the horizon times the prior variance, for the plan without a horizon.

    Returns
    -------
    np.ndarray
        At drifts 0, .5, ..., 6, shape (13,).
    """
    first = min(max(round(20.0 * first_information) / 20.0, 0.05), 0.95)
    scale = round(2.0 * math.log2(max(prior_information, 1e-6))) / 2.0
    return _critical_z(
        looks, first, min(n_looks, _MOST_LOOKS), scale if looks == ALWAYS_VALID else 0.0
    )


@lru_cache(maxsize=512)
def _critical_z(looks: str, first: float, n_looks: int, log2_scale: float) -> np.ndarray:
    information = np.linspace(first, 1.0, n_looks) if n_looks > 1 else np.ones(1)
    if looks == ALWAYS_VALID:
        z = always_valid_multiplier(2.0**log2_scale * information, 2.0 * ALPHA)
        found = Boundaries(information, z, np.zeros(n_looks))
    else:
        found = boundaries(information, ALPHA, LOOK_PLANS[looks])
    reached = np.clip(found.crossing(_DRIFTS).sum(axis=1), 1e-12, 1.0 - 1e-12)
    return _DRIFTS - special.ndtri(reached)
