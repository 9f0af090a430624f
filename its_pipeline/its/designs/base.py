"""The columns of a regression, their priors, and the way back to the outcome's own units.

What belongs here: what every design has (level, trend, season, covariates), the protocol of a study
design, and the design matrix. What does not: the intervention's columns, which are each design's
own file, or any outcome: none is read here.

Columns are scaled so that one prior per kind of column fits every series (see `priors`); the map
back gives coefficients a reader knows: the level at the intervention, the trend and slope change
per week (month), seven (twelve) seasonal effects that sum to zero, sine and cosine of a yearly
season, and a covariate's effect per its own unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Protocol

import numpy as np
import pandas as pd

from its_pipeline.its import priors
from its_pipeline.its.designs.covariates import Covariates, check_present
from its_pipeline.its.designs.yearly import YEARLY, yearly_columns
from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import POST, PRE, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_COLLINEAR = 1e-8


@dataclass(frozen=True)
class DesignMatrix:
    """Columns of one regression, on every row of the window.

    Parameters
    ----------
    matrix
        Internal columns, shape (n, k); the standardised outcome is regressed on them.
    prior
        Of the internal coefficients.
    intervention
        Shape (n, k): `matrix` with all but the intervention's columns set to zero.
    names
        Names of the reported coefficients, length m.
    reported
        Columns of the reported coefficients, shape (n, m).
    back
        Shape (m, k): reported coefficients / scale = back @ internal, before the centre is
        added to the first.
    is_forecast
        Whether it is without intervention: for a fit to the days before it.
    sustained
        The coefficient of the change per slope period; None where the model has none.
    others
        Shape (n, k) for each other intervention, as `intervention` for this one.
    dropped
        Covariates left out, name to reason.
    """

    matrix: np.ndarray
    prior: ScaleMixture
    intervention: np.ndarray
    names: tuple[str, ...]
    reported: np.ndarray
    back: np.ndarray
    is_forecast: bool
    sustained: str | None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)

    @property
    def has_slope(self) -> bool:
        """Whether a sustained change is in the model."""
        return self.sustained is not None

    @property
    def counterfactual(self) -> np.ndarray:
        """Internal columns without the intervention, shape (n, k)."""
        return self.matrix - self.intervention


@dataclass
class Columns:
    """Collects columns and the rows of the map back while a design is built."""

    internal: list[np.ndarray] = field(default_factory=list)
    prior_sds: list[tuple[float, ...]] = field(default_factory=list)
    together: dict[int, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    reported: list[np.ndarray] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def add(
        self,
        name: str,
        internal: np.ndarray,
        reported: np.ndarray,
        factor: float,
        *sds: float,
        together: str = "",
    ) -> None:
        """Add one column whose reported coefficient is `factor` times the internal one.

        Its prior's sd is one of `sds`: the first with weight `priors.SMALL_WEIGHT` where there are
        two, "small unless the data insist". Columns of the same `together` are small together.
        """
        self.entries.append((len(self.names), len(self.internal), factor))
        if together:
            self.together[len(self.internal)] = together
        self.internal.append(internal)
        self.prior_sds.append(sds)
        self.names.append(name)
        self.reported.append(reported)

    def prior(self) -> ScaleMixture:
        """Return the priors: a component for each choice of sds, independent of each other."""
        owner: dict[str, int] = {}
        # The column whose choice this one follows: its own, or the first of those together with it.
        chosen_by = [
            owner.setdefault(self.together[at], at) if at in self.together else at
            for at in range(len(self.prior_sds))
        ]
        free = [at for at, sds in enumerate(self.prior_sds) if sds[1:] and chosen_by[at] == at]
        weight = (priors.SMALL_WEIGHT, 1.0 - priors.SMALL_WEIGHT)
        rows, weights = [], []
        for choice in product((0, 1), repeat=len(free)):
            which = dict(zip(free, choice, strict=True))
            rows.append(
                [sds[which.get(at, 0)] for sds, at in zip(self.prior_sds, chosen_by, strict=True)]
            )
            weights.append(prod(weight[i] for i in choice))
        return ScaleMixture(sd=np.array(rows), weights=np.array(weights))


class StudyDesign(Protocol):
    """What an intervention may change, as columns of a regression.

    Attributes
    ----------
    name
        Its name in `registry.DESIGNS`.
    """

    name: str

    def add_intervention(
        self, columns: Columns, exposure: Exposure, spec: AnalysisSpec
    ) -> str | None:
        """Add the intervention's columns, zero before its first day.

        Returns
        -------
        str or None
            Name of the coefficient that is its change per slope period, where there is one.
        """
        ...


def named(column: str, intervention: str) -> str:
    """Return a column's name; another intervention's says whose it is."""
    return f"{column}({intervention})" if intervention else column


def build_design(
    series: PreparedSeries,
    spec: AnalysisSpec,
    covariates: Covariates,
    study: StudyDesign | None,
    others: Sequence[StudyDesign] = (),
) -> DesignMatrix:
    """Build the columns of a regression.

    Parameters
    ----------
    series
        The prepared series.
    spec
        Settings.
    covariates
        On the days of `series`; each observed day outside the washout needs them, those that a
        forecast foretells as well.
    study
        What the intervention may change; None for a fit to the pre-period.
    others
        What each of `series.others` may change.

    Raises
    ------
    InvalidSeries
        If a covariate is missing or not a number on such a day, or has the name of a column.
    """
    t = series.steps.astype(float)
    ones = np.ones(len(t))
    fit = series.fit_rows if study is not None else series.fit_rows & (series.phase == PRE)
    period = float(spec.steps_per_slope_period)
    columns = Columns()
    columns.add("intercept", ones, ones, 1.0, priors.LEVEL_SD)
    if spec.trend:
        middle, span = _trend_span(series)
        columns.add(
            "trend",
            (t - middle) / span,
            t / period,
            period / span,
            *(priors.TREND_SDS[-1:] if spec.has_secular_trend else priors.TREND_SDS),
        )
        # the reported level is the one at the intervention, not in the middle of the pre-period
        columns.entries.append((0, len(columns.internal) - 1, -middle / span))
    first_change = len(columns.internal)
    sustained = None if study is None else study.add_intervention(columns, series.exposure, spec)
    last_change = len(columns.internal)
    ranges = {}
    for exposure, what in zip(series.others, others, strict=True):
        first = len(columns.internal)
        what.add_intervention(columns, exposure, spec)
        ranges[exposure.name] = slice(first, len(columns.internal))
    _add_season(columns, series.days, spec)
    if series.has_yearly_season:
        for name, column in yearly_columns(series.days).items():
            columns.add(name, column, column, 1.0, *priors.YEARLY_SDS, together=YEARLY)
    check_present(series, covariates, series.fit_rows)
    dropped = _add_covariates(columns, covariates, fit)
    matrix = np.column_stack(columns.internal)
    back = np.zeros((len(columns.names), matrix.shape[1]))
    for row, column, factor in columns.entries:
        back[row, column] += factor
    return DesignMatrix(
        matrix=matrix,
        prior=columns.prior(),
        intervention=_only(matrix, slice(first_change, last_change)),
        names=tuple(columns.names),
        reported=np.column_stack(columns.reported),
        back=back,
        is_forecast=study is None,
        sustained=sustained,
        others={name: _only(matrix, range_) for name, range_ in ranges.items()},
        dropped=dropped,
    )


def _only(matrix: np.ndarray, columns: slice) -> np.ndarray:
    found = np.zeros_like(matrix)
    found[:, columns] = matrix[:, columns]
    return found


def _trend_span(series: PreparedSeries) -> tuple[float, float]:
    """Return the middle and the length of the days over which a trend's change has its prior.

    The days before the one change; all days where there are several, or several interventions: then
    the model is the same whichever of them is asked about.
    """
    t = series.steps.astype(float)
    if series.is_one_change:
        return float(t[series.phase == PRE].mean()), float(-t[0])
    return float(t.mean()), float(t[-1] - t[0])


def _add_season(columns: Columns, days: pd.DatetimeIndex, spec: AnalysisSpec) -> None:
    if spec.season in ("none", "year"):
        return
    if spec.season == "month":
        which, labels, kind, sd = days.month.to_numpy() - 1, MONTHS, "month", priors.MONTH_SD
    else:
        which, labels = days.dayofweek.to_numpy(), WEEKDAYS
        kind, sd = "day_of_week", priors.DAY_OF_WEEK_SD
    contrasts = sum_to_zero_contrasts(len(labels))
    first = len(columns.internal)
    for column in contrasts.T:
        columns.internal.append(column[which])
        columns.prior_sds.append((sd,))
    for level, label in enumerate(labels):
        for column in range(contrasts.shape[1]):
            columns.entries.append((len(columns.names), first + column, contrasts[level, column]))
        columns.names.append(f"{kind}[{label}]")
        columns.reported.append((which == level).astype(float))


def sum_to_zero_contrasts(levels: int) -> np.ndarray:
    """Return orthogonal sum-to-zero contrasts (Helmert), shape (levels, levels - 1).

    Scaled so that independent unit normals on them give exchangeable seasonal effects of unit
    standard deviation each.
    """
    contrasts = np.zeros((levels, levels - 1))
    for column in range(levels - 1):
        contrasts[: column + 1, column] = 1.0
        contrasts[column + 1, column] = -(column + 1.0)
    contrasts /= np.linalg.norm(contrasts, axis=0)
    return contrasts * np.sqrt(levels / (levels - 1.0))


def _add_covariates(columns: Columns, covariates: Covariates, fit: np.ndarray) -> dict[str, str]:
    dropped: dict[str, str] = {}
    if not covariates.values:
        return dropped
    base = np.column_stack(columns.internal)[fit]
    # the intervention is taken out of a covariate's way first: what it alone explains stays its own
    basis = np.linalg.qr(base)[0]
    for name, raw in covariates.values.items():
        if name in columns.names:
            raise InvalidSeries(
                "covariate_index",
                f"a covariate is called {name!r}, as a column of the model is; rename it",
            )
        here = raw[fit]
        centre, spread = float(here.mean()), float(here.std())
        if not spread > _COLLINEAR * max(1.0, abs(centre)):
            dropped[name] = "constant"
            continue
        scaled = (here - centre) / spread
        rest = scaled - basis @ (basis.T @ scaled)
        rest -= basis @ (basis.T @ rest)
        if not rest @ rest > _COLLINEAR * (scaled @ scaled):
            dropped[name] = "collinear"
            continue
        basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
        shown = np.where(np.isfinite(raw), raw - centre, 0.0)
        columns.add(name, shown / spread, shown, 1.0 / spread, priors.COVARIATE_SD)
    return dropped


def post_rows(series: PreparedSeries) -> np.ndarray:
    """Return the observed rows of the post-period after the washout, shape (n,), bool."""
    return series.observed & (series.phase == POST)
