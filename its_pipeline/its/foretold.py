"""How far each day lies from what the days before it foretell, for outcomes with a link.

What belongs here: one pass over the days, each foretold and then learnt from. What does not: what
is warned of (`warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from its_pipeline.its.inference import compiled
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.likelihoods.observations import Observations

_LEAST = 1e-300
_FLATTER = 0.3458
"""A logit whose predictor is normal has about the mean of one that is so much flatter (Zeger, Liang
& Albert 1988, Biometrics 44, 1049): (16 sqrt(3) / (15 pi))^2."""
_ROUNDS = 4


@dataclass(frozen=True)
class Foretold:
    """What the days before each day foretell of it.

    Parameters
    ----------
    scores
        Normal score of each day, shape (n,).
    means, variances
        Of a day's count, shape (n,); empty for shares.
    """

    scores: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def foretold(
    seen: Observations,
    family: LinkedLikelihood,
    regression: np.ndarray,
    steps: np.ndarray,
    phi: float,
    sd: float,
    dispersion: float,
) -> Foretold:
    """Foretell each day from the days before it.

    A count's distribution is a gamma one of the mean and variance that noise and family give, and a
    whole number's score is that of its upper half; a share's is a binomial one. What a day tells of
    the noise is learnt by Laplace's method (the extended filter of Fahrmeir 1992, J. Am. Stat.
    Assoc. 87, 501).

    Parameters
    ----------
    seen, family
        The outcome.
    regression
        The predictor without noise, shape (n,).
    steps
        Of the days, shape (n,).
    phi, sd, dispersion
        Of the noise on the link scale, and of the family.
    """
    etas, variances = np.empty(len(seen.y)), np.empty(len(seen.y))
    kernel: Any = compiled.load("its_pipeline.its.noise.ar1_sites_kernel")
    fades = kernel.fades(phi, np.diff(steps, prepend=steps[:1]).astype(float))
    state, variance = 0.0, sd**2
    for row, (y, trials, eta) in enumerate(zip(seen.y, seen.trials, regression, strict=True)):
        fade = fades[row]
        state *= fade
        variance = sd**2 + fade**2 * (variance - sd**2)
        etas[row], variances[row] = eta + state, variance
        expected, information = state, 0.0
        for _ in range(_ROUNDS):
            # Fisher scoring for the posterior mode of the noise on this day.
            mean = family.mean(eta + state)
            slope = family.slope(mean)
            information = slope**2 / family.variance(mean, trials, dispersion)
            told = information * (y / trials - mean) / slope + (expected - state) / variance
            state += float(told / (information + 1.0 / variance))
        variance = float(1.0 / (information + 1.0 / variance))
    if not family.is_count:
        flattened = etas / np.sqrt(1.0 + _FLATTER * variances)
        scores = _scores_of_shares(seen, family, flattened, dispersion)
        return Foretold(scores, np.empty(0), np.empty(0))
    mean = family.mean(etas)
    # A rate whose logarithm is normal has this mean, and so much more variance than itself.
    own = (family.variance(mean, 1.0, dispersion) - mean) / np.square(mean)
    mean = mean * np.exp(0.5 * variances)
    spread = mean + np.square(mean) * (np.expm1(variances) + own)
    shape, x = mean**2 / spread, (seen.y + 0.5) * mean / spread
    scores = _scores(special.gammainc(shape, x), special.gammaincc(shape, x))
    return Foretold(scores, mean, spread)


def _scores_of_shares(
    seen: Observations, family: LinkedLikelihood, etas: np.ndarray, dispersion: float
) -> np.ndarray:
    """Return normal scores of shares: a rare yes is as odd as it is improbable, and no more."""
    mean = family.mean(etas)
    alone = family.variance(mean, 1.0, dispersion)
    # As many independent trials as leave the same variance.
    worth = alone / family.variance(mean, seen.trials, dispersion)
    y = worth * seen.y / seen.trials
    with np.errstate(invalid="ignore"):
        at_least = np.where(y > 0.0, special.betainc(y, worth - y + 1.0, mean), 1.0)
        at_most = np.where(y < worth, special.betainc(worth - y, y + 1.0, 1.0 - mean), 1.0)
    return _scores(at_most, at_least)


def _scores(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    return np.where(
        below < above,
        special.ndtri(np.maximum(below, _LEAST)),
        -special.ndtri(np.maximum(above, _LEAST)),
    )
