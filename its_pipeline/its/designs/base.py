"""The columns of a regression, their priors, and the way back to the outcome's own units.

What belongs here: what every design has (level, trend, season, covariates), the protocol of a study
design, and the design matrix. What does not: the intervention's columns, which are each design's
own file, or any outcome: none is read here.

Columns are scaled so that one prior per kind of column fits every series (see `priors`); the map
back gives coefficients a reader knows: the level at the intervention, the trend and slope change
per week (month), seven (twelve) seasonal effects that sum to zero, and a covariate's effect per
its own unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Protocol

import numpy as np
import pandas as pd

from its_pipeline.its import priors
from its_pipeline.its.designs.covariates import Covariates, check_present
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import POST, PRE, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_COLLINEAR = 1e-8


@dataclass(frozen=True)
class Contrasts:
    """Names of the coefficients that a design reports as its estimands.

    Parameters
    ----------
    immediate
        The change at the first post day.
    sustained
        The change per slope period from then on; None where the model has none.
    """

    immediate: str
    sustained: str | None


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
    contrasts
        The coefficients of the intervention's estimands; None in a fit without intervention.
    dropped
        Covariates left out, name to reason.
    """

    matrix: np.ndarray
    prior: ScaleMixture
    intervention: np.ndarray
    names: tuple[str, ...]
    reported: np.ndarray
    back: np.ndarray
    contrasts: Contrasts | None
    dropped: dict[str, str] = field(default_factory=dict)

    @property
    def has_slope(self) -> bool:
        """Whether a sustained change is in the model."""
        return self.contrasts is not None and self.contrasts.sustained is not None

    @property
    def counterfactual(self) -> np.ndarray:
        """Internal columns without the intervention, shape (n, k)."""
        return self.matrix - self.intervention


@dataclass
class Columns:
    """Collects columns and the rows of the map back while a design is built."""

    internal: list[np.ndarray] = field(default_factory=list)
    prior_sds: list[tuple[float, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    reported: list[np.ndarray] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def add(
        self, name: str, internal: np.ndarray, reported: np.ndarray, factor: float, *sds: float
    ) -> None:
        """Add one column whose reported coefficient is `factor` times the internal one.

        Its prior's sd is one of `sds`: the first with weight `priors.SMALL_WEIGHT` where there are
        two, "small unless the data insist".
        """
        self.entries.append((len(self.names), len(self.internal), factor))
        self.internal.append(internal)
        self.prior_sds.append(sds)
        self.names.append(name)
        self.reported.append(reported)

    def prior(self) -> ScaleMixture:
        """Return the priors: a component for each choice of sds, independent of each other."""
        choices = list(product(*([*range(len(sds))] for sds in self.prior_sds)))
        weight = (priors.SMALL_WEIGHT, 1.0 - priors.SMALL_WEIGHT)
        return ScaleMixture(
            sd=np.array(
                [[sds[i] for sds, i in zip(self.prior_sds, c, strict=True)] for c in choices]
            ),
            weights=np.array(
                [
                    prod(weight[i] for sds, i in zip(self.prior_sds, c, strict=True) if sds[1:])
                    for c in choices
                ]
            ),
        )


class StudyDesign(Protocol):
    """What an intervention may change, as columns of a regression.

    Attributes
    ----------
    name
        Its name in `registry.DESIGNS`.
    """

    name: str

    def add_intervention(
        self, columns: Columns, series: PreparedSeries, spec: AnalysisSpec
    ) -> Contrasts:
        """Add the intervention's columns, zero before its first day; name its estimands."""
        ...


def build_design(
    series: PreparedSeries, spec: AnalysisSpec, covariates: Covariates, study: StudyDesign | None
) -> DesignMatrix:
    """Build the columns of a regression.

    Parameters
    ----------
    series
        The prepared series.
    spec
        Settings.
    covariates
        On the days of `series`; each observed day of the fit needs them.
    study
        What the intervention may change; None for a fit to the pre-period.

    Raises
    ------
    InvalidSeries
        If a covariate is missing or not a number on a day of the fit.
    """
    t = series.steps.astype(float)
    ones = np.ones(len(t))
    fit = series.fit_rows if study is not None else series.fit_rows & (series.phase == PRE)
    period = float(spec.steps_per_slope_period)
    columns = Columns()
    columns.add("intercept", ones, ones, 1.0, priors.LEVEL_SD)
    if spec.trend:
        middle, span = float(t[series.phase == PRE].mean()), float(-t[0])
        columns.add(
            "trend",
            (t - middle) / span,
            t / period,
            period / span,
            *priors.TREND_SDS,
        )
        # the reported level is the one at the intervention, not in the middle of the pre-period
        columns.entries.append((0, len(columns.internal) - 1, -middle / span))
    first_change = len(columns.internal)
    contrasts = None if study is None else study.add_intervention(columns, series, spec)
    last_change = len(columns.internal)
    _add_season(columns, series.days, spec)
    check_present(series, covariates, fit)
    dropped = _add_covariates(columns, covariates, fit)
    matrix = np.column_stack(columns.internal)
    back = np.zeros((len(columns.names), matrix.shape[1]))
    for row, column, factor in columns.entries:
        back[row, column] += factor
    intervention = np.zeros_like(matrix)
    intervention[:, first_change:last_change] = matrix[:, first_change:last_change]
    return DesignMatrix(
        matrix=matrix,
        prior=columns.prior(),
        intervention=intervention,
        names=tuple(columns.names),
        reported=np.column_stack(columns.reported),
        back=back,
        contrasts=contrasts,
        dropped=dropped,
    )


def _add_season(columns: Columns, days: pd.DatetimeIndex, spec: AnalysisSpec) -> None:
    if spec.season == "none":
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
    base = np.column_stack(columns.internal)[fit]
    # the intervention is taken out of a covariate's way first: what it alone explains stays its own
    basis = np.linalg.qr(base)[0]
    for name, raw in covariates.values.items():
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
