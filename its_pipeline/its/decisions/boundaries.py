"""When a look may be believed: boundaries that spend an error over any number of looks.

What belongs here: spending functions, the boundaries that follow from them, what is then known of
an effect, and the margin that holds without a horizon. What does not: which looks were taken, or
how much information a look has (`information`).

Lan & DeMets (1983), Biometrika 70, 659: how much of the error may be spent by a share t of the
information is fixed ahead of the looks, whenever and however often they are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import optimize, special

from its_pipeline.its.inference import compiled

ALPHA = 0.05
"""Most experiments that changed nothing and in which some look says "helped"; the same for "made it
worse"."""
HSD_GAMMA = -4.0
"""Of the Hwang-Shih-DeCani family: -4 is close to O'Brien-Fleming, 1 to Pocock."""
HAYBITTLE_PETO_Z = 3.0
ALL = 1.0 - 1e-6
"""Share of the planned information that is all of it: sums of floating point numbers fall short."""
CLASSICAL = "obrien_fleming_classical"
"""O'Brien & Fleming (1979, Biometrics 35, 549): one score for all looks, which must be known."""
_ORDER = 8
_LEAST_SPENT = 1e-15
_MOST_LOOKS = 4000


def _obrien_fleming(t: np.ndarray, alpha: float) -> np.ndarray:
    return 2.0 * special.ndtr(-special.ndtri(1.0 - alpha / 2.0) / np.sqrt(t))


def _pocock(t: np.ndarray, alpha: float) -> np.ndarray:
    return alpha * np.log1p((math.e - 1.0) * t)


def _hwang_shih_decani(t: np.ndarray, alpha: float) -> np.ndarray:
    return alpha * np.expm1(-HSD_GAMMA * t) / math.expm1(-HSD_GAMMA)


def _at_end(t: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(t >= ALL, alpha, 0.0)


SPENDING: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = MappingProxyType(
    {
        "obrien_fleming": _obrien_fleming,
        "pocock": _pocock,
        "hwang_shih_decani": _hwang_shih_decani,
        "haybittle_peto": _at_end,
        "at_end": _at_end,
    }
)
"""What is spent of an error alpha, one-sided, by a share t of the information: O'Brien-Fleming and
Pocock type (Lan & DeMets 1983), Hwang, Shih & DeCani (1990, Stat. Med. 9, 1439), and nothing before
the end. Haybittle and Peto cross at z = 3 ahead of the end (Peto et al. 1976, Br. J. Cancer 34,
585)."""


@dataclass(frozen=True, eq=False)
class Boundaries:
    """Boundaries of some looks.

    Parameters
    ----------
    information
        Share of the planned information at each look, increasing, shape (k,).
    z
        A look has crossed where its z is at least this (`sides=2`: or at most its negative), shape
        (k,); infinite where nothing may be said.
    alpha_spent
        Probability of having crossed by each look where there is no effect, shape (k,).
    sides
        1 or 2.
    """

    information: np.ndarray
    z: np.ndarray
    alpha_spent: np.ndarray
    sides: int = 1

    def crossing(self, drift: float | np.ndarray) -> np.ndarray:
        """Return the probability of first crossing above at each look.

        Parameters
        ----------
        drift
            Expected z at all of the information: the effect over its standard error there.

        Returns
        -------
        np.ndarray
            Shape (k,), or (d, k) for drifts of shape (d,).
        """
        drifts = np.atleast_1d(np.asarray(drift, dtype=float))
        fixed = self.z * np.sqrt(self.information)
        found = _recursion(self.information, fixed, np.zeros(len(fixed)), self.sides, drifts)[1]
        return found if np.ndim(drift) else found[0]

    def drift_exceeded(self, z: float, probability: float) -> float:
        """Return a bound of the drift, given that the last look was the first to cross, with `z`.

        Stage-wise ordering: a crossing at an earlier look, or at the same with a higher z, says
        more (Tsiatis, Rosner & Mehta 1984, Biometrics 40, 797). With probability .5 it is the
        median-unbiased estimate.

        Parameters
        ----------
        z
            What the last look had.
        probability
            With which results at least as extreme happen under the drift that is returned.
        """
        seen = replace(self, z=np.append(self.z[:-1], z))
        centre = z / math.sqrt(self.information[-1])
        width = 12.0 / math.sqrt(self.information[0])

        def beyond(drift: float) -> float:
            return float(seen.crossing(drift).sum()) - probability

        return _root(beyond, centre - width, centre + 6.0)


def boundaries(
    information: Sequence[float] | np.ndarray,
    alpha: float = ALPHA,
    spending: str = "obrien_fleming",
    sides: int = 1,
    *,
    taken: Sequence[float] | np.ndarray = (),
    spent_before: float = 0.0,
    planned: float = 1.0,
) -> Boundaries:
    """Return what z each look needs for a verdict.

    Parameters
    ----------
    information
        Share of the planned information at each look, strictly increasing, above 0. Beyond 1 all
        of `alpha` is spent.
    alpha
        Probability of ever crossing where there is no effect, over all `sides`.
    spending
        A name in `SPENDING`, or `CLASSICAL` where all looks are known.
    sides
        1: crossing above; 2: above or below, half of `alpha` each.
    taken
        Boundaries of the first looks, where those were taken already: they are kept as they are.
    spent_before
        What those looks have spent, where a plan that was amended says less.
    planned
        Information at which all of `alpha` is spent; not 1 where a plan has become longer.

    Returns
    -------
    Boundaries
        One value a look.

    Raises
    ------
    ValueError
        Naming the argument, the rule and the value.
    """
    t = _checked(information, alpha, spending, sides)
    if len(taken) > len(t):
        raise ValueError(f"taken has {len(taken)} looks but information only {len(t)}")
    fixed = np.full(len(t), np.nan)
    fixed[: len(taken)] = np.asarray(taken, dtype=float)
    if not (math.isfinite(planned) and planned > 0.0):
        raise ValueError(f"planned must be finite and above 0 but got {planned!r}")
    if spending == CLASSICAL and len(taken):
        raise ValueError(f"spending {CLASSICAL!r} needs all looks at once but {len(taken)} stand")
    if spending == CLASSICAL:
        return _classical(t, alpha, sides)
    if spending == "haybittle_peto":
        fixed[(t < ALL * planned) & np.isnan(fixed)] = HAYBITTLE_PETO_Z
    fixed *= np.sqrt(t)
    # What looks whose boundary stands have really spent is known only after their integration.
    known = int(np.sum(~np.isnan(fixed)))
    before = float(_recursion(t[:known], fixed[:known], t[:known], sides)[1].sum())
    share = alpha / sides
    spent = np.maximum.accumulate(SPENDING[spending](np.minimum(t / planned, 1.0), share))
    spent = np.maximum(spent, max(before, spent_before / sides))
    steps = np.diff(spent, prepend=0.0)
    if known < len(t):
        steps[known] = spent[known] - before
    steps[steps < _LEAST_SPENT] = 0.0
    scores, upper = _recursion(t, fixed, steps, sides)
    return Boundaries(t, scores / np.sqrt(t), sides * np.cumsum(upper[0]), sides)


def _classical(t: np.ndarray, alpha: float, sides: int) -> Boundaries:
    """Return boundaries that are one score, the same at all looks."""

    def told(score: float) -> Boundaries:
        upper = _recursion(t, np.full(len(t), score), t, sides)[1][0]
        return Boundaries(t, score / np.sqrt(t), sides * np.cumsum(upper), sides)

    highest = 10.0 * math.sqrt(t[-1])
    return told(_root(lambda score: float(told(score).alpha_spent[-1]) - alpha, 0.0, highest))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high, xtol=1e-10)
    return float(found)


def _recursion(
    information: np.ndarray,
    fixed: np.ndarray,
    spendable: np.ndarray,
    sides: int,
    drifts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the boundaries' scores, shape (k,), and probabilities of crossing above, (d, k)."""
    drifts = np.zeros(1) if drifts is None else drifts
    nodes, weights = _rule()
    scores = np.empty(len(information))
    upper = np.zeros((len(drifts), len(information)))
    lower = np.zeros_like(upper)
    compiled.load("its_pipeline.its.decisions.crossing_kernel").recurse(
        information, fixed, spendable, sides, drifts, nodes, weights, scores, upper, lower
    )
    return scores, upper


@lru_cache
def _rule() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(_ORDER)


def always_valid_multiplier(x: float | np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Return the multiple of a standard error that holds at all times at once, two-sided.

    The normal mixture martingale (Robbins 1970, Ann. Math. Stat. 41, 1397; Howard et al. 2021,
    Ann. Stat. 49, 1055): sqrt(2 (1 + 1/x) log(sqrt(1 + x) / alpha)).

    Parameters
    ----------
    x
        Information times the prior variance of the effect, above 0.
    alpha
        Probability that an interval ever leaves out the truth.
    """
    x = np.asarray(x, dtype=float)
    if not np.all(x > 0.0):
        raise ValueError(f"x, information times prior variance, must be above 0 but got {x!r}")
    return np.sqrt(2.0 * (1.0 + 1.0 / x) * (0.5 * np.log1p(x) - math.log(alpha)))


def _checked(
    information: Sequence[float] | np.ndarray, alpha: float, spending: str, sides: int
) -> np.ndarray:
    t = np.atleast_1d(np.array(information, dtype=float))
    if t.ndim != 1 or not 0 < len(t) <= _MOST_LOOKS:
        raise ValueError(f"information must be 1 to {_MOST_LOOKS} numbers but has shape {t.shape}")
    if not (np.all(np.isfinite(t)) and t[0] > 0.0 and np.all(np.diff(t) > 0.0)):
        raise ValueError(
            f"information must be finite, above 0 and strictly increasing but got {t.tolist()}"
        )
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie in (0, 1) but got {alpha!r}")
    if spending not in (*SPENDING, CLASSICAL):
        known = ", ".join((*SPENDING, CLASSICAL))
        raise ValueError(f"spending must be one of {known} but got {spending!r}")
    if sides not in (1, 2):
        raise ValueError(f"sides must be 1 or 2 but got {sides!r}")
    return t
