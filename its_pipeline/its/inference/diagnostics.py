"""The gate: the quadrature's error, the auditor's chains, and the verdict on both.

Chains are judged by rank-normalised split R-hat, bulk and tail ESS, E-BFMI and divergences.

Written on arrays and vectorised over parameters, after Vehtari et al. (2021), "Rank-normalization,
folding, and localization: an improved R-hat", Bayesian Analysis 16(2), and Betancourt (2016),
arXiv:1604.00695. It takes raw chains from anywhere; running a sampler belongs in `nuts`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from scipy import fft, special

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

_LEAST_DRAWS = 12
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
    if values.shape[2] >= _LEAST_DRAWS:
        scores = _normal_scores(_split(values))
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


def rank_r_hat(draws: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the rank-normalised split R-hat, shape (p,), of draws of shape (p, chain, draw).

    The larger of the bulk's and the folded draws' (Vehtari et al. 2021, section 4.1 and 4.2). NaN
    where draws are not finite or do not vary, or where there are fewer than 12 a chain.
    """
    if draws.shape[2] < _LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    split = _split(draws)
    folded = np.abs(split - np.median(split, axis=(1, 2), keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        bulk = _r_hat(_normal_scores(split) if scores is None else scores)
        result = np.maximum(bulk, _r_hat(_normal_scores(folded)))
    return np.where(_usable(draws), result, math.nan)


def ess_bulk(draws: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the bulk ESS, shape (p,), of draws of shape (p, chain, draw).

    `scores` are the normal scores of the split draws, where they are known already.
    """
    if draws.shape[2] < _LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    scores = _normal_scores(_split(draws)) if scores is None else scores
    return np.where(_usable(draws), _ess(scores), math.nan)


def ess_tail(draws: np.ndarray) -> np.ndarray:
    """Return the tail ESS, shape (p,): the smaller of the 5 % and the 95 % quantile's."""
    if draws.shape[2] < _LEAST_DRAWS:
        return np.full(len(draws), math.nan)
    lower, upper = np.quantile(draws, [0.05, 0.95], axis=(1, 2))
    result = np.minimum(
        _ess(_split((draws <= lower[:, None, None]).astype(float))),
        _ess(_split((draws <= upper[:, None, None]).astype(float))),
    )
    return np.where(_usable(draws), result, math.nan)


def energy_bfmi(energy: np.ndarray) -> np.ndarray:
    """Return E-BFMI by chain, shape (chain,), of energies of shape (chain, draw)."""
    energy = np.asarray(energy, dtype=float)
    if energy.shape[1] < 2:
        return np.full(len(energy), math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1, ddof=1)


def _usable(draws: np.ndarray) -> np.ndarray:
    finite = np.isfinite(draws).all(axis=(1, 2))
    return finite & (np.ptp(np.where(np.isfinite(draws), draws, 0.0), axis=(1, 2)) > 0)


def _worst(values: np.ndarray, *, least: bool) -> float:
    if not len(values) or np.isnan(values).any():
        return math.nan
    return float(np.min(values) if least else np.max(values))


def _split(draws: np.ndarray) -> np.ndarray:
    half = draws.shape[2] // 2
    return np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)


def _normal_scores(draws: np.ndarray) -> np.ndarray:
    """Return normal scores of the average ranks over all chains (Blom's offsets)."""
    p = len(draws)
    flat = draws.reshape(p, -1)
    size = flat.shape[1]
    # a tie has a rank that is a multiple of one half, so all scores fit one table
    table = special.ndtri((np.arange(2, 2 * size + 1) / 2.0 - 0.375) / (size + 0.25))
    order = np.argsort(flat, axis=1)
    scores = np.empty_like(flat)
    position = np.arange(size)
    for row in range(p):
        ranked = flat[row, order[row]]
        starts = np.empty(size, dtype=bool)
        starts[0] = True
        np.not_equal(ranked[1:], ranked[:-1], out=starts[1:])
        if starts.all():
            twice = 2 * position + 2
        else:
            first = position[starts]
            last = np.append(first[1:], size) - 1
            twice = (first + last + 2)[np.cumsum(starts) - 1]
        scores[row, order[row]] = table[twice - 2]
    return scores.reshape(draws.shape)


def _r_hat(draws: np.ndarray) -> np.ndarray:
    n = draws.shape[2]
    between = n * np.var(draws.mean(axis=2), axis=1, ddof=1)
    within = np.var(draws, axis=2, ddof=1).mean(axis=1)
    return np.sqrt((between / within + n - 1) / n)


def _ess(draws: np.ndarray) -> np.ndarray:
    """Return the ESS of draws (p, chain, draw) by Geyer's initial monotone sequence."""
    p, chains, n = draws.shape
    means = draws.mean(axis=2, keepdims=True)
    length = fft.next_fast_len(2 * n, real=True)
    spectrum: Any = fft.rfft(draws - means, length, axis=2)
    power = np.mean(spectrum.real**2 + spectrum.imag**2, axis=1)
    products: Any = fft.irfft(power, length, axis=1)
    covariance = products[:, :n] / n
    within = covariance[:, 0] * n / (n - 1.0)
    total = covariance[:, 0].copy()
    if chains > 1:
        total += np.var(means[:, :, 0], axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1.0 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    last = (n - 3) // 2
    pairs = (rho[:, 0 : 2 * last + 2 : 2] + rho[:, 1 : 2 * last + 2 : 2])[:, : last + 1]
    ended = pairs <= 0
    stop = np.where(ended.any(axis=1), ended.argmax(axis=1), last)
    inside = np.arange(pairs.shape[1]) < stop[:, None]
    monotone = np.minimum.accumulate(pairs, axis=1)
    tau = -1.0 + 2.0 * np.sum(np.where(inside, monotone, 0.0), axis=1)
    tau += np.maximum(rho[np.arange(p), 2 * stop], 0.0)
    size = chains * n
    found = size / np.maximum(tau, 1.0 / math.log10(size))
    # an indicator that never changes (a quantile among ties) carries no autocorrelation
    return np.where(np.ptp(draws, axis=(1, 2)) > 0, found, size)
