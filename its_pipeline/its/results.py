"""The small frozen pieces an analysis is made of: effects, diagnostics, warnings, draws.

Plain data with serialisation. How they are computed lives in `estimands`, `inference.diagnostics`
and `warnings`; the whole lives in `analysis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Effect:
    """Posterior of one estimand.

    Parameters
    ----------
    mean, sd
        Posterior mean and standard deviation, in `unit`.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    probability_positive, probability_negative
        Posterior probability of lying above and below zero.
    unit
        Unit of the figures, e.g. "points per week".
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float
    probability_negative: float
    unit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Effects:
    """All estimands of one analysis.

    Parameters
    ----------
    immediate
        Level change at the first post day (the day of the intervention, INCLUSIVE; with a
        washout it is extrapolated back to that day).
    sustained
        Slope change per week (per month for monthly series); None where the model has none.
    counterfactual
        Mean distance from the counterfactual over the observed post days.
    cumulative
        Sum of that distance over the observed post days.
    relative
        `cumulative` in percent of the counterfactual's sum; None where that is near zero.
    ratio
        Of rates (counts) or odds (yes/no) with it over those without, its mean geometric; its
        probabilities are of lying above and below 1. None for other outcomes.
    """

    immediate: Effect
    sustained: Effect | None
    counterfactual: Effect
    cumulative: Effect
    relative: Effect | None
    ratio: Effect | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the effects as JSON-able values, None where there is none."""
        return {
            field.name: None
            if getattr(self, field.name) is None
            else dict(vars(getattr(self, field.name)))
            for field in fields(self)
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Effects:
        """Build the effects from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        found: dict[str, Any] = {
            name: None if value is None else Effect(**value) for name, value in values.items()
        }
        return cls(**found)


@dataclass(frozen=True)
class ParameterDiagnostics:
    """Convergence of one parameter or estimand.

    Parameters
    ----------
    name
        Parameter or estimand.
    r_hat
        Rank-normalised split R-hat, the larger of bulk and folded.
    ess_bulk, ess_tail
        Effective sample sizes; the tail's is the smaller of the 5 % and 95 % quantiles'.
    """

    name: str
    r_hat: float
    ess_bulk: float
    ess_tail: float


@dataclass(frozen=True)
class Diagnostics:
    """The gate's verdict and the figures behind it.

    Parameters
    ----------
    converged
        True, False, or None when nothing was sampled.
    max_r_hat, min_ess_bulk, min_ess_tail
        Worst over all parameters and estimands; NaN where not computable, which fails.
    divergences
        Divergent transitions after warm-up, all chains.
    bfmi
        E-BFMI, minimum over chains.
    parameters
        One entry a parameter or estimand.
    max_tree_depth
        Deepest tree after warm-up.
    chains, draws
        Chains, and kept draws per chain.
    escalated
        Whether the sampler had to be run again with stricter settings.
    failures
        Each threshold that failed, with value and threshold.
    quadrature_error
        The most that leaving out every second node moves an effect's mean, sd or tail quantile, in
        its sds; NaN where the sampler is the estimator.
    edge_mass
        Share of the quadrature's mass in its outermost nodes; NaN likewise.
    audit_difference
        The most that quadrature and sampler differ in an effect's mean or tail quantile (weighed
        draws: median or width), in its sds; NaN where only one of the two ran.
    weighed_draws
        What weighed draws are worth; NaN where there are none.
    """

    converged: bool | None
    max_r_hat: float
    min_ess_bulk: float
    min_ess_tail: float
    divergences: int
    bfmi: float
    parameters: tuple[ParameterDiagnostics, ...] = ()
    max_tree_depth: int = 0
    chains: int = 0
    draws: int = 0
    escalated: bool = False
    failures: tuple[str, ...] = ()
    quadrature_error: float = math.nan
    edge_mass: float = math.nan
    audit_difference: float = math.nan
    weighed_draws: float = math.nan

    @property
    def by_quadrature(self) -> bool:
        """Whether quadrature is the estimator."""
        return math.isfinite(self.quadrature_error)

    @property
    def is_sampled(self) -> bool:
        """Whether a sampler ran, as the estimator or as the auditor."""
        return self.draws > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values; NaN becomes None."""
        values = dict(vars(self))
        values["parameters"] = [
            {k: or_none(v) for k, v in vars(p).items()} for p in self.parameters
        ]
        values["failures"] = list(self.failures)
        return {k: or_none(v) for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Diagnostics:
        """Build the diagnostics from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned; None becomes NaN again.
        """
        restored: dict[str, Any] = {
            k: math.nan if k in _MAY_BE_NAN and v is None else v for k, v in values.items()
        }
        restored["parameters"] = tuple(map(_parameter, values["parameters"]))
        restored["failures"] = tuple(values["failures"])
        return cls(**restored)


_MAY_BE_NAN = (
    "max_r_hat",
    "min_ess_bulk",
    "min_ess_tail",
    "bfmi",
    "quadrature_error",
    "edge_mass",
    "audit_difference",
    "weighed_draws",
)


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """Draws of a converged analysis, in the outcome's own units.

    Parameters
    ----------
    coefficients
        Name to draws of shape (chain, draw): the regression's coefficients, in the order of
        `design`'s columns.
    estimands
        Name to draws of shape (chain, draw): "immediate_effect" and the others.
    noise
        Name to draws of shape (chain, draw): "sigma" (outcome units) and the other parameters of
        the noise model and the likelihood.
    design
        Shape (n_days, n_coefficients): `design @ coefficients` is the fitted value, or predictor.
    trials
        Its number of trials a day, shape (n_days,); None for other outcomes.
    """

    coefficients: Mapping[str, np.ndarray]
    estimands: Mapping[str, np.ndarray]
    noise: Mapping[str, np.ndarray]
    design: np.ndarray
    trials: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PosteriorGrid:
    """The nodes of a quadrature and the regression behind them: all draws can be made of these.

    Parameters
    ----------
    design, outcome, steps
        The regression's rows, standardised; shapes (n, k), (n,), (n,).
    prior_sd, prior_weights
        Sds of the coefficients in each component of the prior, shape (m, k); weights, shape (m,).
    weights, points, log_sd, component
        Of the nodes: shapes (p,), (p, d), (p,), (p,).
    loadings, offsets, extra
        The effects as `inference.quadrature.Targets` at the nodes; first axis p, or 1.
    back, reported, names
        The map to reported coefficients, shape (c, k); their columns on every day, shape
        (n_days, c); their names.
    centre, scale
        What the outcome was standardised by.
    n_post, observed_sum
        Observed post days, and the sum of their outcomes.
    """

    design: np.ndarray
    outcome: np.ndarray
    steps: np.ndarray
    prior_sd: np.ndarray
    prior_weights: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    log_sd: np.ndarray
    component: np.ndarray
    loadings: np.ndarray
    offsets: np.ndarray
    extra: np.ndarray
    back: np.ndarray
    reported: np.ndarray
    names: tuple[str, ...]
    centre: float
    scale: float
    n_post: int
    observed_sum: float


@dataclass(frozen=True)
class WhatIf:
    """The average effect under another belief about straight trends.

    Parameters
    ----------
    name
        Stable word: "no_trend", "trend", "no_slope_change" or "slope_change".
    probability
        How probable the data make that belief, with the model's priors.
    mean, ci_lower, ci_upper
        The effect given that belief: mean and equal-tailed 95 % interval.
    probability_positive
        Probability of an effect above zero.
    """

    name: str
    probability: float
    mean: float
    ci_lower: float
    ci_upper: float
    probability_positive: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return dict(vars(self))


@dataclass(frozen=True)
class ChangeDate:
    """How probable it is that the change came about a date.

    Parameters
    ----------
    on
        The date.
    step
        Time steps from the declared one.
    probability
        Of the days around it, up to the dates beside it.
    """

    on: date
    step: int
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {"on": self.on.isoformat(), "step": self.step, "probability": self.probability}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ChangeDate:
        """Build it from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        return cls(date.fromisoformat(values["on"]), values["step"], values["probability"])


@dataclass(frozen=True)
class AnalysisWarning:
    """Something a reader of the effects must know, as data.

    Parameters
    ----------
    code
        Stable word, e.g. "short_phase", "heavy_tails", "estimators_disagree".
    text
        One or two plain sentences.
    numbers
        The figures behind the text.
    """

    code: str
    text: str
    numbers: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the warning as JSON-able values; NaN becomes None."""
        numbers = {k: or_none(v) for k, v in self.numbers.items()}
        return {"code": self.code, "text": self.text, "numbers": numbers}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AnalysisWarning:
        """Build the warning from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned; None becomes NaN again.
        """
        numbers = {k: math.nan if v is None else v for k, v in values["numbers"].items()}
        return cls(values["code"], values["text"], numbers)


def _parameter(values: Mapping[str, Any]) -> ParameterDiagnostics:
    restored: dict[str, Any] = {k: math.nan if v is None else v for k, v in values.items()}
    return ParameterDiagnostics(**restored)


def or_none(value: Any) -> Any:
    """Return a number that is not finite as None: JSON has no word for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
