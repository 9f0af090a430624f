"""The gate: the quadrature's error, the auditor's chains, and the verdict on both.

Chains are judged by rank-normalised split R-hat, bulk and tail ESS, E-BFMI and divergences; how
those are computed is `convergence`'s. It takes raw chains from anywhere; running a sampler belongs
in `nuts`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from its_pipeline.its.inference.convergence import (
    LEAST_DRAWS,
    energy_bfmi,
    ess_bulk,
    ess_tail,
    normal_scores,
    rank_r_hat,
    split_chains,
)
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.quadrature import QUADRATURE_ERROR_MAX
from its_pipeline.its.results import Diagnostics, ParameterDiagnostics

R_HAT_MAX = 1.01
"""R-hat must be below this (Vehtari et al. 2021, section 4)."""
ESS_MIN = 400.0
"""Bulk and tail ESS must reach this (Vehtari et al. 2021, section 4: 100 a chain, four chains)."""
BFMI_MIN = 0.3
"""E-BFMI must reach this (Betancourt 2016; Stan's and ArviZ's warning threshold)."""
EDGE_MASS_MAX = 0.01
"""Mass of a quadrature in its outermost nodes must be below this where the prior goes on."""
AUDIT_DIFFERENCE_MAX = 0.15
"""Quadrature and auditor must agree in means and tail quantiles to within this share of an sd:
three times the Monte Carlo error of the fewest effective draws that pass."""

_COMPARISONS = {"<": operator.lt, ">=": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Criterion:
    """One figure of the gate, and what it must be.

    Parameters
    ----------
    figure
        Field of `Diagnostics`.
    judges
        What it is a figure of: a quadrature, weighed draws, how a sampler's chains mixed, whether
        they went everywhere, or what an auditor's chains differ by.
    comparison, threshold
        The figure passes where ``figure comparison threshold`` holds; NaN never does.
    complaint
        Format of what is said of a failure, from `value` and `threshold`.
    """

    figure: str
    judges: Literal["quadrature", "weights", "mixing", "geometry", "audit"]
    comparison: Literal["<", ">=", "="]
    threshold: float
    complaint: str

    def is_met(self, value: float) -> bool:
        """Tell whether a value passes."""
        return bool(_COMPARISONS[self.comparison](value, self.threshold))

    def failure(self, value: float) -> str:
        """Return a value that does not pass beside its threshold, in words."""
        return self.complaint.format(value=value, threshold=self.threshold)


GATE = (
    Criterion(
        "quadrature_error",
        "quadrature",
        "<",
        QUADRATURE_ERROR_MAX,
        "the quadrature's error of {value:.3f} sd is not below {threshold:g}",
    ),
    Criterion(
        "edge_mass",
        "quadrature",
        "<",
        EDGE_MASS_MAX,
        "{value:.3f} of the quadrature's mass lies at its edge, {threshold:g} are allowed",
    ),
    Criterion(
        "weighed_draws",
        "weights",
        ">=",
        ESS_MIN,
        "the weighed draws are worth {value:.0f} independent ones, not at least {threshold:g}",
    ),
    Criterion(
        "audit_difference",
        "audit",
        "<",
        AUDIT_DIFFERENCE_MAX,
        "quadrature and sampler differ by {value:.3f} sd, not below {threshold:g}",
    ),
    Criterion(
        "max_r_hat", "mixing", "<", R_HAT_MAX, "R-hat {value:.4f} is not below {threshold:g}"
    ),
    Criterion(
        "min_ess_bulk",
        "mixing",
        ">=",
        ESS_MIN,
        "bulk ESS {value:.0f} is not at least {threshold:g}",
    ),
    Criterion(
        "min_ess_tail",
        "mixing",
        ">=",
        ESS_MIN,
        "tail ESS {value:.0f} is not at least {threshold:g}",
    ),
    Criterion("divergences", "geometry", "=", 0, "{value} divergent transitions, none are allowed"),
    Criterion(
        "bfmi", "geometry", ">=", BFMI_MIN, "E-BFMI {value:.3f} is not at least {threshold:g}"
    ),
)
"""An analysis has converged where all of these are met that judge what was done."""


def assess_quadrature(mixture: Mixture) -> Diagnostics:
    """Judge a quadrature that no sampler audits.

    Parameters
    ----------
    mixture
        Its answer.
    """
    figures: dict[str, Any] = {"quadrature_error": mixture.error, "edge_mass": mixture.edge}
    failures = _failures(figures, {"quadrature"})
    return Diagnostics(
        converged=not failures,
        max_r_hat=math.nan,
        min_ess_bulk=math.nan,
        min_ess_tail=math.nan,
        divergences=0,
        bfmi=math.nan,
        failures=failures,
        **figures,
    )


def assess_weighed(
    worth: float,
    error: float,
    edge: float,
    draws: Mapping[str, np.ndarray] | None = None,
    energy: np.ndarray | None = None,
    diverging: np.ndarray | None = None,
    depth: np.ndarray | None = None,
    *,
    escalated: bool = False,
    difference: float = math.nan,
) -> Diagnostics:
    """Judge weighed draws, and the sampler that audits them where one does.

    The auditor's chains are asked for the effects alone, and its divergences are told but do not
    judge: they lie where the noise vanishes, which the weighed draws do not go by.

    Parameters
    ----------
    worth
        How many independent draws the weighed ones are worth.
    error, edge
        Of the nodes they were drawn from; see `Diagnostics`.
    draws, energy, diverging, depth, escalated
        Of the auditor, as in `assess`; None where there was none.
    difference
        The most that its answer differs, in sds.
    """
    told = {"weighed_draws": worth, "quadrature_error": error, "edge_mass": edge}
    if draws is None or energy is None or diverging is None:
        failures = _failures(told, {"weights", "quadrature"})
        return Diagnostics(
            converged=not failures,
            max_r_hat=math.nan,
            min_ess_bulk=math.nan,
            min_ess_tail=math.nan,
            divergences=0,
            bfmi=math.nan,
            failures=failures,
            weighed_draws=worth,
            quadrature_error=error,
            edge_mass=edge,
        )
    found = assess(draws, energy, diverging, depth, escalated)
    found = replace(found, **told, audit_difference=difference)
    figures = {field.name: getattr(found, field.name) for field in fields(found)}
    failures = _failures(figures, {"weights", "quadrature", "mixing", "audit"})
    return replace(found, converged=not failures, failures=failures)


def criteria_of(figures: Mapping[str, Any]) -> tuple[Criterion, ...]:
    """Return the criteria that judge what was done.

    Parameters
    ----------
    figures
        Those of a `Diagnostics` by field, as stored: None, NaN or absent where there is none.
    """
    is_weighed = _is_number(figures.get("weighed_draws"))
    judged = {"weights"} if is_weighed else set()
    if figures.get("draws"):
        judged |= {"mixing"} if is_weighed else {"mixing", "geometry"}
    if _is_number(figures.get("quadrature_error")):
        judged.add("quadrature")
        if figures.get("draws"):
            judged.add("audit")
    return tuple(criterion for criterion in GATE if criterion.judges in judged)


def is_short(found: Diagnostics) -> bool:
    """Tell whether all that a verdict misses is what more chains of the same kind can mend."""
    missed = {
        criterion.judges
        for criterion in criteria_of(vars(found))
        if not criterion.is_met(getattr(found, criterion.figure))
    }
    return bool(missed) and missed <= {"mixing", "audit"}


def _is_number(value: Any) -> bool:
    return value is not None and not math.isnan(value)


def _failures(figures: Mapping[str, Any], judged: set[str]) -> tuple[str, ...]:
    return tuple(
        criterion.failure(figures[criterion.figure])
        for criterion in GATE
        if criterion.judges in judged and not criterion.is_met(figures[criterion.figure])
    )


def assess(
    draws: Mapping[str, np.ndarray],
    energy: np.ndarray,
    diverging: np.ndarray,
    depth: np.ndarray | None = None,
    escalated: bool = False,
    quadrature: Mixture | None = None,
    difference: float = math.nan,
) -> Diagnostics:
    """Judge raw chains, and the quadrature they audit where they audit one.

    Parameters
    ----------
    draws
        Name to draws of shape (chain, draw), every sampled parameter and estimand.
    energy
        Hamiltonian energy, shape (chain, draw).
    diverging
        Divergent transitions, shape (chain, draw), bool.
    depth
        Tree depth, shape (chain, draw).
    escalated
        Whether this is the second, stricter run.
    quadrature, difference
        The audited quadrature's answer, and the most that the chains' answer differs from it, in
        sds; None where the chains are the answer.

    Returns
    -------
    Diagnostics
        `converged` is True only where every threshold is met; NaN meets none.

    Raises
    ------
    ValueError
        If there is nothing to judge, or shapes differ.
    """
    names = list(draws)
    if not names:
        raise ValueError("no parameters were given; there is nothing to assess")
    values = np.stack([np.asarray(draws[name], dtype=float) for name in names])
    shapes = {values.shape[1:], np.shape(energy), np.shape(diverging)}
    if values.ndim != 3 or len(shapes) > 1:
        raise ValueError(
            f"draws must be (chain, draw) like energy but got {values.shape[1:]}, "
            f"energy {np.shape(energy)}, diverging {np.shape(diverging)}"
        )
    scores = None
    if values.shape[2] >= LEAST_DRAWS:
        scores = normal_scores(split_chains(values))
    r_hat, bulk, tail = rank_r_hat(values, scores), ess_bulk(values, scores), ess_tail(values)
    figures: dict[str, Any] = {
        "max_r_hat": _worst(r_hat, least=False),
        "min_ess_bulk": _worst(bulk, least=True),
        "min_ess_tail": _worst(tail, least=True),
        "divergences": int(np.sum(diverging)),
        "bfmi": _worst(energy_bfmi(energy), least=True),
    }
    judged = {"mixing", "geometry"}
    if quadrature is not None:
        judged |= {"quadrature", "audit"}
        figures |= {
            "quadrature_error": quadrature.error,
            "edge_mass": quadrature.edge,
            "audit_difference": difference,
        }
    failures = _failures(figures, judged)
    return Diagnostics(
        converged=not failures,
        **figures,
        parameters=tuple(
            ParameterDiagnostics(name, float(r_hat[i]), float(bulk[i]), float(tail[i]))
            for i, name in enumerate(names)
        ),
        max_tree_depth=0 if depth is None else int(np.max(depth)),
        chains=values.shape[1],
        draws=values.shape[2],
        escalated=escalated,
        failures=failures,
    )


def _worst(values: np.ndarray, *, least: bool) -> float:
    if not len(values) or np.isnan(values).any():
        return math.nan
    return float(np.min(values) if least else np.max(values))
