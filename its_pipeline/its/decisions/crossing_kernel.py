# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled recursive integration: how probable it is that a score first crosses at each look.

What belongs here: the density of a score that has not crossed yet, carried from look to look, and
boundaries that spend what may be spent. What does not: how much may be spent (`boundaries`).
Loaded through `inference.compiled`.

At information t the score is normal with variance t and, between looks, independent increments
(Armitage, McPherson & Rowe 1969, J. R. Stat. Soc. A 132, 235; Jennison & Turnbull 2000, chapter
19). Where increments are small the score is smooth on their scale alone, so the density is kept at
Gauss-Legendre points of panels that are as wide as the smaller of the two increments next to it,
and only pairs of points that an increment can join are looked at.
"""

from __future__ import annotations

import math

import numpy as np

from its_pipeline.its.inference.sampling_kernel import OPTIONS, numba

_FARTHEST = 8.0
"""In sds: what lies beyond has a probability below 1e-15."""
_PANEL = 2.0
"""Width of a panel in sds of the smaller increment."""
_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)


@numba.njit(**OPTIONS)
def _above(value):
    """Upper tail of the standard normal distribution."""
    return 0.5 * math.erfc(value * _ROOT_HALF)


@numba.njit(**OPTIONS)
def _beyond(points, masses, edge, sd):
    """Probability of ending above `edge`, and its density there, from points with masses."""
    total = 0.0
    density = 0.0
    for i in range(len(points)):
        away = (edge - points[i]) / sd
        if away < _FARTHEST:
            total += masses[i] * _above(away)
            if away > -_FARTHEST:
                density += masses[i] * _DENSITY * math.exp(-0.5 * away * away) / sd
    return total, density


@numba.njit(**OPTIONS)
def _edge(points, masses, sd, wanted, highest):
    """Score that is exceeded with probability `wanted`; infinite where none below is."""
    if _beyond(points, masses, highest, sd)[0] >= wanted or not wanted > 0.0:
        return math.inf
    low = -highest
    high = highest
    at = 0.5 * highest
    for _ in range(200):
        total, density = _beyond(points, masses, at, sd)
        if total > wanted:
            low = at
        else:
            high = at
        # Newton's step on the log of a tail, which is nearly a parabola.
        step = at
        if density > 0.0 and total > 0.0:
            step = at + math.log(total / wanted) * total / density
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - at) < 1e-12 * (1.0 + abs(at)):
            return following
        at = following
    return at


@numba.njit(nogil=True, **OPTIONS)
def recurse(information, fixed, spendable, sides, drifts, nodes, weights, scores, upper, lower):
    """Carry the score from look to look.

    Parameters
    ----------
    information
        Strictly increasing, shape (k,).
    fixed
        Scores at and above which a look has crossed, shape (k,); NaN where it is to be found.
    spendable
        Probability of first crossing above at each look without any drift, shape (k,).
    sides
        1, or 2 where the same score below crosses as well.
    drifts
        Expected score per information, shape (d,).
    nodes, weights
        Gauss-Legendre rule on (-1, 1).
    scores
        Filled: the boundaries' scores, shape (k,); infinite where nothing is spent.
    upper, lower
        Filled: probabilities of first crossing above and below at each look, shape (d, k).
    """
    points = np.zeros(1)
    masses = np.ones(1)
    order = len(nodes)
    before = 0.0
    steepest = 0.0
    for d in range(len(drifts)):
        steepest = max(steepest, abs(drifts[d]))
    for look in range(len(information)):
        step = information[look] - before
        sd = math.sqrt(step)
        # Paths that only a drift takes belong to the grid as well, improbable as they are without.
        farthest = _FARTHEST * math.sqrt(information[look]) + steepest * information[look]
        reach = _FARTHEST + steepest * sd
        score = fixed[look]
        if math.isnan(score):
            score = _edge(points, masses, sd, spendable[look], 2.0 * farthest)
        scores[look] = score
        for d in range(len(drifts)):
            drift = drifts[d]
            up = 0.0
            down = 0.0
            for i in range(len(points)):
                # The likelihood ratio of a drift carries every path over from none.
                tilted = masses[i] * math.exp(drift * points[i] - 0.5 * drift * drift * before)
                middle = points[i] + drift * step
                up += tilted * _above((score - middle) / sd)
                if sides == 2:
                    down += tilted * _above((score + middle) / sd)
            upper[d, look] = up
            lower[d, look] = down
        if look == len(information) - 1:
            break
        high = min(score, farthest)
        low = -high if sides == 2 else -farthest
        narrow = min(step, information[look + 1] - information[look])
        panels = max(1, math.ceil((high - low) / (_PANEL * math.sqrt(narrow))))
        half = 0.5 * (high - low) / panels
        new_points = np.empty(panels * order)
        new_masses = np.empty(panels * order)
        first = 0
        for panel in range(panels):
            middle = low + (2.0 * panel + 1.0) * half
            for node in range(order):
                at = middle + half * nodes[node]
                while first < len(points) and points[first] < at - reach * sd:
                    first += 1
                density = 0.0
                for i in range(first, len(points)):
                    away = (at - points[i]) / sd
                    if away < -reach:
                        break
                    density += masses[i] * math.exp(-0.5 * away * away)
                new_points[panel * order + node] = at
                new_masses[panel * order + node] = density * _DENSITY / sd * weights[node] * half
        points = new_points
        masses = new_masses
        before = information[look]
