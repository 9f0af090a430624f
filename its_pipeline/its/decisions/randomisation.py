"""The randomisation test: could the lot alone have made a difference as large as the one observed.

What belongs here: the p value over the assignments that a lot could have drawn, and the statistic
that it is computed with. What does not: which assignments there are (`schedules.assignments`), how
days resemble each other (a noise model's `whiten` is given), or the effect's size.

Under the sharp null hypothesis that the intervention changed no day's outcome, the outcomes would
have been the same whatever the lot had drawn, and the lot is the only chance there is. So for any
statistic the share of assignments with one at least as extreme is a p value that needs no model of
the outcomes (Fisher 1935, The Design of Experiments, ch. 2; Edgington & Onghena 2007, Randomization
Tests, 4th ed., ch. 2-3). A model makes the statistic sharper, never the test valid; but nothing
that the statistic is made of may depend on the assignment that was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from its_pipeline.schedules.assignments import (
    MOST_LISTED,
    broken_rule,
    count_assignments,
    every_assignment,
    sampled_assignments,
)
from its_pipeline.schedules.mechanism import Mechanism

Alternative = Literal["two-sided", "greater", "less"]

Statistic = Callable[[np.ndarray], np.ndarray]
"""From assignments of units, shape (m, n_units), bool, to a statistic of each, shape (m,)."""

Exposure = Callable[[np.ndarray], np.ndarray]
"""From assignments of units, shape (m, n_units), bool, to each one's column of the regression on
the observed rows, shape (m, n)."""

N_SAMPLED = 20_000
"""A p value of .05 has a Monte Carlo standard error of .0015."""

TIE = 1e-9
"""Statistics nearer than this are tied: rounding must not decide whether one counts."""

_NOTHING = 1e-12
"""Share of a column's information below which what is left of it is rounding."""

_CHUNK = 8192
_BINS = 60


@dataclass(frozen=True)
class Randomisation:
    """The answer of a randomisation test.

    Parameters
    ----------
    p_value
        Share of the assignments with a statistic at least as extreme as the observed one's.
    n_assignments
        Assignments that the statistic was computed of: all there are, or those sampled.
    exact
        Whether those were all.
    statistic
        Of the assignment that was observed.
    alternative
        What counts as extreme: "two-sided" by absolute value, "greater" or "less".
    bin_edges, bin_counts
        Histogram of the statistic over the assignments, for a picture.
    """

    p_value: float
    n_assignments: int
    exact: bool
    statistic: float
    alternative: Alternative
    bin_edges: tuple[float, ...]
    bin_counts: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {
            **asdict(self),
            "bin_edges": list(self.bin_edges),
            "bin_counts": list(self.bin_counts),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Randomisation:
        """Build the answer from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        restored: dict[str, Any] = dict(values)
        restored["bin_edges"] = tuple(values["bin_edges"])
        restored["bin_counts"] = tuple(values["bin_counts"])
        return cls(**restored)


def randomisation_test(
    statistic: Statistic,
    observed: Sequence[bool],
    mechanism: Mechanism,
    n_units: int,
    seed: int,
    alternative: Alternative = "two-sided",
) -> Randomisation:
    """Test the sharp null hypothesis that the intervention changed no day's outcome.

    Exact over every assignment where there are at most `MOST_LISTED`. Else over `N_SAMPLED` draws,
    with the observed assignment as one more of them, (b + 1) / (m + 1), which keeps the test's
    level for any number of draws (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).

    Parameters
    ----------
    statistic
        The same function of every assignment; see `whitened_statistic`.
    observed
        Units as they were drawn, shape (n_units,).
    mechanism
        The lot that they were drawn by.
    n_units
        Units of an assignment.
    seed
        Of the draws; without effect on an exact test.
    alternative
        "two-sided" by absolute value, "greater" or "less".

    Raises
    ------
    ValueError
        If the mechanism could not have drawn what was observed, or a statistic is not finite.
    """
    if alternative not in get_args(Alternative):
        raise ValueError(
            f"alternative must be one of {', '.join(get_args(Alternative))} but got {alternative!r}"
        )
    units = np.asarray(observed, dtype=bool)
    if units.shape != (n_units,):
        raise ValueError(f"observed must have shape ({n_units},) but got {units.shape}")
    broken = broken_rule(mechanism, list(units))
    if broken is not None:
        raise ValueError(
            f"the lot could not have drawn the observed units: {broken}; declare the rules by "
            "which they were drawn"
        )
    count = count_assignments(mechanism, n_units)
    exact = count <= MOST_LISTED
    assignments = (
        every_assignment(mechanism, n_units)
        if exact
        else sampled_assignments(mechanism, n_units, N_SAMPLED, seed)
    )
    found = np.concatenate(
        [
            statistic(assignments[start : start + _CHUNK])
            for start in range(0, len(assignments), _CHUNK)
        ]
    )
    of_observed = float(statistic(units[None, :])[0])
    n_wrong = int(np.sum(~np.isfinite(found))) + (not np.isfinite(of_observed))
    if n_wrong:
        raise ValueError(
            f"a statistic must be finite for every assignment but {n_wrong} are not; give those "
            "that tell nothing the value 0"
        )
    extreme = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    # Statistics about 0 carry rounding errors of the others' size, not of their own.
    tolerance = TIE * max(abs(of_observed), float(np.median(np.abs(found))))
    n_extreme = int(np.sum(extreme(found) >= extreme(of_observed) - tolerance))
    bounds = (min(found.min(), of_observed), max(found.max(), of_observed))
    counts, edges = np.histogram(found, bins=_BINS, range=bounds)
    return Randomisation(
        p_value=n_extreme / count if exact else (n_extreme + 1) / (len(found) + 1),
        n_assignments=len(found),
        exact=exact,
        statistic=of_observed,
        alternative=alternative,
        bin_edges=tuple(edges.tolist()),
        bin_counts=tuple(counts.tolist()),
    )


def whitened_statistic(
    outcome: np.ndarray,
    nuisance: np.ndarray,
    nuisance_sd: np.ndarray,
    whiten: Callable[[np.ndarray], np.ndarray],
    exposure_of: Exposure,
) -> Statistic:
    r"""Return the generalised least squares t statistic of the effect, under a fixed noise.

    In y = x b + N g + e with e of covariance V and g ~ N(0, S**2), the estimate of b over its
    standard error is (Aitken 1936, Proc. R. Soc. Edinb. 55, 42; the prior as rows of its own as in
    Theil & Goldberger 1961, Int. Econ. Rev. 2, 65)

        T = x'a / sqrt(x'B x),   B = W'MW,   a = B y,

    with W'W = V**-1 and M what is left of the whitened rows once the nuisance columns, with a row
    1 / s for each prior, are projected out. B and a know nothing of x, so an assignment costs two
    products.

    The noise **MUST** have been fitted **WITHOUT** the intervention: then `whiten` depends on the
    outcomes alone, T is the same function for every assignment, and the test is exact under the
    sharp null even where that noise is wrong. A noise fitted with the observed exposure favours
    that exposure. The noise's sd scales all T alike, and estimating it anew from each assignment's
    own residuals would turn T into t = T / sqrt((y'B y - T**2) / df), which keeps their order: the
    p value is the same.

    Parameters
    ----------
    outcome
        Observed outcome, shape (n,).
    nuisance
        Columns beside the effect's: intercept, trend, season, covariates; shape (n, k).
    nuisance_sd
        Prior sds of their coefficients, finite, shape (k,).
    whiten
        Turns columns on the observed rows, shape (n, c), into columns of unit variance without
        correlation; linear, e.g. a noise model's at one set of parameters.
    exposure_of
        The effect's column for each assignment; see `days_exposed`. A column that whitening and
        nuisance leave nothing of tells nothing, and its T is 0.

    Raises
    ------
    ValueError
        If shapes do not fit, or a sd is not positive and finite.
    """
    n, k = nuisance.shape
    if outcome.shape != (n,) or nuisance_sd.shape != (k,):
        raise ValueError(
            f"nuisance columns of shape {nuisance.shape} need an outcome of shape ({n},) and sds "
            f"of shape ({k},) but got {outcome.shape} and {nuisance_sd.shape}"
        )
    if not np.all((nuisance_sd > 0) & np.isfinite(nuisance_sd)):
        raise ValueError(f"nuisance_sd must be positive and finite but got {nuisance_sd.tolist()}")
    W = whiten(np.eye(n))
    Q, _ = np.linalg.qr(np.vstack([W @ nuisance, np.diag(1.0 / nuisance_sd)]))
    projected = W.T @ Q[: len(W)]
    whole = W.T @ W
    B = whole - projected @ projected.T
    a = B @ outcome
    nothing = _NOTHING * float(np.linalg.norm(whole, 2))

    def statistic(assignments: np.ndarray) -> np.ndarray:
        x = exposure_of(assignments)
        information = np.einsum("ij,ij->i", x @ B, x)
        told = information > nothing * np.einsum("ij,ij->i", x, x)
        return np.where(told, (x @ a) / np.sqrt(np.where(told, information, 1.0)), 0.0)

    return statistic


def days_exposed(unit_days: int, days: np.ndarray) -> Exposure:
    """Return the exposure without carryover: 1 on days whose unit is on, else 0.

    Parameters
    ----------
    unit_days
        Days in a unit.
    days
        The observed rows' days from the first day drawn, 0 on that day, integers of shape (n,);
        days ahead of it, or beyond the last unit, are off.
    """
    units = np.floor_divide(days, unit_days)

    def exposure(assignments: np.ndarray) -> np.ndarray:
        inside = (units >= 0) & (units < assignments.shape[1])
        return np.where(inside, assignments[:, np.where(inside, units, 0)], False).astype(float)

    return exposure
