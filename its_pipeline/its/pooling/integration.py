"""What members say of their kind, summed over a grid that they themselves lay out.

The effect of member i is Normal(mu + traits . slopes, tau); tau is integrated over, never plugged
in.

What belongs here: laying out the grid until it holds the posterior, sums over members. What does
not: the grid itself (`nodes`), the loops (`members_kernel`), or what is told (`pooled`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.quadrature import (
    QUADRATURE_ERROR_MAX,
    axis_of,
    refined,
)
from its_pipeline.its.pooling.estimates import Members
from its_pipeline.its.pooling.frame import NORMAL_SPREAD, Frame, Spread, tau_of
from its_pipeline.its.pooling.nodes import (
    OFF_CENTRE,
    OFF_SCALE,
    PLACES,
    REACH,
    Nodes,
    laid_out,
    misfit,
    widened_box,
)

_TAUS = 25
_MOST_TAUS = 73
_SMOOTH_FROM = 1000
"""Members from which on the summed log likelihood is so smooth over the grid that a polynomial
through few nodes is that of all."""
_POLYNOMIAL_ERROR = 0.01
"""Largest coefficient of its last two degrees, in log likelihood; else all nodes are computed."""
_LOOKS = 6
_NEGLIGIBLE = 1e-6
"""Weight of a node of many members that is passed over when each member is told."""
_BLOCK = 2048
"""Members whose sums are added up in one go: the same whatever number of cores there are."""
_DEGREES = {1: 8, 2: 6, 3: 6}


def integrate(members: Members, scale: float, spread: Spread = NORMAL_SPREAD) -> Nodes:
    """Lay out a grid for some members and add up what they say.

    Parameters
    ----------
    members
        The members; each one's expected effect is linear in its columns.
    scale
        Sd of the baseline in the effects' unit: what the priors are stated in.
    spread
        How members scatter about what is expected.
    """
    frame = Frame(members, *members.moments(), scale)
    box = frame.coarse_box()
    count = _TAUS
    for _ in range(_LOOKS):
        nodes = _said(frame, laid_out(frame, spread, box, count))
        off, stretch, u = misfit(nodes)
        wider = widened_box(nodes)
        is_centred = np.abs(off).max() < OFF_CENTRE and np.abs(np.log(stretch)).max() < OFF_SCALE
        is_fine = nodes.errors.max() <= QUADRATURE_ERROR_MAX
        if is_centred and is_fine and wider == box:
            return nodes
        frame = frame.corrected(u, off, stretch)
        if wider == box and not is_fine:
            (count,) = refined((count,), np.array([True]), _MOST_TAUS)
        box = wider
    return _said(frame, laid_out(frame, spread, box, count))


def _said(frame: Frame, nodes: Nodes) -> Nodes:
    many = len(frame.members) >= _SMOOTH_FROM or nodes.coefficients.shape[2] > 2
    said = _by_polynomial(frame, nodes) if many else None
    if said is None:
        said = log_likelihoods(frame.members, nodes.taus, nodes.coefficients, nodes.spread)
    return replace(nodes, summed=said)


def with_members(nodes: Nodes, members: Members) -> Nodes:
    """Return the same grid with more members' log likelihoods added."""
    said = log_likelihoods(members, nodes.taus, nodes.coefficients, nodes.spread)
    return replace(nodes, summed=nodes.summed + said)


def log_likelihoods(
    members: Members, taus: np.ndarray, coefficients: np.ndarray, spread: Spread
) -> np.ndarray:
    """Return the members' summed log likelihoods at nodes, shape (t, j)."""
    kernel = _kernel()
    nodes = (taus, np.ascontiguousarray(coefficients), spread.factors, spread.log_shares)

    def _sum(block: tuple[int, int]) -> np.ndarray:
        out = np.zeros(coefficients.shape[:2])
        kernel.add_up(*_arrays(members), *nodes, *block, out)
        return out

    found = np.zeros(coefficients.shape[:2])
    for each in _in_threads(_sum, len(members)):
        found += each
    return found


def each_told(members: Members, nodes: Nodes, threshold: float) -> np.ndarray:
    """Return what `members_kernel.tell_each` fills, shape (n, 10)."""
    out = np.empty((len(members), 10))
    kernel = _kernel()
    weights = nodes.weights
    if len(members) >= _SMOOTH_FROM:
        # What is unknown of the kind moves one of many but little: half the nodes are enough.
        weights = np.where(nodes.thinned > _NEGLIGIBLE, nodes.thinned, 0.0)
    spread = nodes.spread
    at = (nodes.taus, nodes.coefficients, spread.factors, spread.log_shares)

    def _tell(block: tuple[int, int]) -> None:
        kernel.tell_each(*_arrays(members), *at, weights, nodes.on_edge, threshold, *block, out)

    _in_threads(_tell, len(members))
    return out


def _in_threads(function: Callable[[tuple[int, int]], Any], n: int) -> list[Any]:
    """Return what a function that lets go of the interpreter's lock makes of blocks of members."""
    blocks = [(first, min(first + _BLOCK, n)) for first in range(0, n, _BLOCK)]
    if len(blocks) == 1:
        return [function(blocks[0])]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        return list(workers.map(function, blocks))


def _arrays(members: Members) -> tuple[np.ndarray, ...]:
    return members.offsets, members.parts, members.counts, members.columns


def _kernel() -> ModuleType:
    return compiled.load("its_pipeline.its.pooling.members_kernel")


def _by_polynomial(frame: Frame, nodes: Nodes) -> np.ndarray | None:
    """Return the summed log likelihood at all nodes by a polynomial; None where it is not smooth.

    Over a grid that many members narrow down, the sum is nearly quadratic: Chebyshev's polynomial
    through some eighty nodes is it, as its last coefficients tell.
    """
    q = nodes.coefficients.shape[2]
    degree = _DEGREES[q]
    x = np.cos(np.pi * np.arange(degree + 1) / degree)
    low, high = nodes.box
    u = 0.5 * (low + high) + 0.5 * (high - low) * x
    coefficients, _ = frame.placed(u, REACH * x)
    taus = tau_of(u, frame.scale)
    table = log_likelihoods(frame.members, taus, coefficients, nodes.spread)
    table = table.reshape((degree + 1,) * (q + 1))
    to_series = np.linalg.inv(chebvander(x, degree))
    for axis in range(q + 1):
        table = np.moveaxis(np.tensordot(to_series, table, axes=(1, axis)), 0, axis)
    last = [np.abs(np.moveaxis(table, axis, 0)[-2:]).max() for axis in range(q + 1)]
    if max(last) > _POLYNOMIAL_ERROR:
        return None
    u_fine, _, _ = axis_of(-1.0, 1.0, len(nodes.taus))
    z_fine = chebvander(np.linspace(-1.0, 1.0, PLACES), degree)
    found = np.tensordot(chebvander(u_fine, degree), table, axes=(1, 0))
    for axis in range(1, q + 1):
        found = np.moveaxis(np.tensordot(z_fine, found, axes=(1, axis)), 0, axis)
    return found.reshape(nodes.log_priors.shape)
