"""How probable a verdict is, from the true effect that each course of days would need for it.

What belongs here: which z each look needs, and the probability that an effect reaches it. What does
not: the courses (`rehearsal`), which days there are (`plan`), or boundaries (`decisions`).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

from its_pipeline.its.decisions.boundaries import ALPHA, always_valid_multiplier, boundaries
from its_pipeline.schedules.look_plans import ALWAYS_VALID, LOOK_PLANS

_MOST_LOOKS = 24
"""Boundaries between more looks than so many differ by little."""
_SILVERMAN = 0.9
_IQR_OF_NORMAL = 1.349


def assurance(needed: np.ndarray, effect: float) -> float:
    """Return the probability that an effect is at least what a course of days needs.

    The share of courses, smoothed by a normal kernel (Silverman 1986, eq. 3.31) about courses drawn
    together by as much as the kernel spreads them, so that their variance stays.

    Parameters
    ----------
    needed
        True effect at which each course reaches a verdict, shape (courses,).
    effect
        The true effect, in the same units.
    """
    low, middle, high = np.quantile(needed, (0.25, 0.5, 0.75))
    spread = min(float(needed.std()), (high - low) / _IQR_OF_NORMAL)
    width = _SILVERMAN * len(needed) ** -0.2
    drawn = middle + math.sqrt(1.0 - width**2) * (needed - middle)
    return float(special.ndtr((effect - drawn) / (width * max(spread, 1e-12))).mean())


def critical_z(looks: str, shares: np.ndarray, n_looks: int, information: float) -> np.ndarray:
    """Return the z that some of the looks need for a verdict, shape of `shares`.

    Parameters
    ----------
    looks
        A name in `schedules.look_plans.LOOK_PLANS`.
    shares
        Information of the looks over that at the horizon, growing; 1 at the last.
    n_looks
        How many looks are taken from the first to the last of these; at least as many as these.
    information
        At the horizon, times the prior variance, for the plan without a horizon.
    """
    if looks == ALWAYS_VALID:
        return always_valid_multiplier(information * shares, 2.0 * ALPHA)
    first = min(max(round(20.0 * float(shares[0])) / 20.0, 0.05), 0.95)
    all_shares, z = _boundaries(looks, first, min(n_looks, _MOST_LOOKS))
    nearest = np.abs(shares[:-1, None] - all_shares[:-1]).argmin(axis=1) if len(shares) > 1 else []
    return np.append(z[nearest], z[-1])


@lru_cache(maxsize=512)
def _boundaries(looks: str, first: float, n_looks: int) -> tuple[np.ndarray, np.ndarray]:
    shares = np.linspace(first, 1.0, n_looks) if n_looks > 1 else np.ones(1)
    return shares, boundaries(shares, ALPHA, LOOK_PLANS[looks]).z
