"""CausalPy's columns recognised, and given the model's priors.

What belongs here: which column of a formula is what, in names as patsy gives them. What does not:
fitting (`adapters.causalpy`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from its_pipeline.its import priors as standard_priors
from its_pipeline.its.designs.base import Columns, sum_to_zero_contrasts
from its_pipeline.its.designs.yearly import YEARLY, is_yearly
from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import standardisation

_CATEGORY = re.compile(r"^(?P<factor>C\(.+\))\[T\.(?P<level>.+)\]$")
_THRESHOLD = re.compile(r"^(?:step|ramp)\(\s*\w+\s*,\s*(?P<at>[-+]?\d+(?:\.\d+)?)\s*\)$")
_MONTHS = 12


@dataclass(frozen=True)
class InternalDesign:
    """How CausalPy's columns become ours: internal = X @ rotation.

    Parameters
    ----------
    rotation
        Shape (columns of X, k).
    prior
        Of the internal coefficients.
    steps
        Integer time of each row, shape (n,).
    intercept
        Which column of X is the intercept.
    centre, scale
        What the outcome is standardised by.
    """

    rotation: np.ndarray
    prior: ScaleMixture
    steps: np.ndarray
    intercept: int
    centre: float
    scale: float


def internal_design(X: xr.DataArray, y: xr.DataArray, time: str) -> InternalDesign:
    """Recognise CausalPy's columns and give them the model's priors.

    The intercept, the time column, `step(...)`, `ramp(...)`, treatment-coded categories `C(...)`
    and a yearly season (`year_sin_1`, `year_cos_1`) get what `analyze` gives them; every other
    column is a covariate.

    Raises
    ------
    InvalidSeries
        If there is no intercept, more than one unit, or time is not in increasing whole steps.
    """
    names = [str(name) for name in X.coords["coeffs"].to_numpy()]
    values = np.asarray(X, dtype=float)
    outcome = np.asarray(y, dtype=float)
    if outcome.ndim != 2 or outcome.shape[1] != 1:
        raise InvalidSeries("not_numeric", f"one unit is modelled but y has shape {outcome.shape}")
    if "Intercept" not in names:
        raise InvalidSeries("not_numeric", f"the formula needs an intercept but has {names}")
    t = values[:, time_column(names, time)]
    steps = np.rint(t).astype(np.int64)
    if np.max(np.abs(t - steps)) > 1e-6 or (np.diff(steps) < 1).any():
        raise InvalidSeries("not_increasing", f"column {time!r} must be increasing whole steps")
    start = _first_post_step(names, values, t)
    pre = t < start
    post = None if pre.all() else outcome[~pre, 0]
    centre, scale, _ = standardisation(outcome[pre, 0], post)
    intercept = names.index("Intercept")
    columns: list[np.ndarray] = []
    priors = Columns()

    def add(*sds: float, **factors: float) -> None:
        column = np.zeros(len(names))
        for name, factor in factors.items():
            column[names.index(name)] = factor
        columns.append(column)
        priors.prior_sds.append(sds)

    add(standard_priors.LEVEL_SD, Intercept=1.0)
    clock = names[time_column(names, time)]
    span, middle = start - t[0], 0.5 * (t[0] + start - 1.0)
    add(*standard_priors.TREND_SDS, **{clock: 1.0 / span, "Intercept": -middle / span})
    for name in [n for n in names if n.startswith("step(")]:
        add(standard_priors.LEVEL_CHANGE_SD, **{name: 1.0})
    for name in [n for n in names if n.startswith("ramp(")]:
        highest = max(1.0, float(values[:, names.index(name)].max()))
        add(*standard_priors.SLOPE_CHANGE_SDS, **{name: 1.0 / highest})
    factors: dict[str, list[str]] = {}
    for name in names:
        match = _CATEGORY.match(name)
        if match:
            factors.setdefault(match["factor"], []).append(name)
    for dummies in factors.values():
        _add_category(add, dummies)
    known = {clock, "Intercept", *(n for group in factors.values() for n in group)}
    for name in names:
        if is_yearly(name):
            priors.together[len(columns)] = YEARLY
            add(*standard_priors.YEARLY_SDS, **{name: 1.0})
        elif name not in known and not name.startswith(("step(", "ramp(")):
            raw = values[:, names.index(name)]
            spread = float(raw.std()) or 1.0
            mean = float(raw.mean())
            add(standard_priors.COVARIATE_SD, **{name: 1.0 / spread, "Intercept": -mean / spread})
    return InternalDesign(
        rotation=np.column_stack(columns),
        prior=priors.prior(),
        steps=steps,
        intercept=intercept,
        centre=centre,
        scale=scale,
    )


def _add_category(add: Any, dummies: list[str]) -> None:
    levels = len(dummies) + 1
    sd = standard_priors.MONTH_SD if levels == _MONTHS else standard_priors.DAY_OF_WEEK_SD
    contrasts = sum_to_zero_contrasts(levels)
    for column in contrasts.T:
        # the first level has no dummy: its effect is the intercept's
        changes = {name: column[i + 1] - column[0] for i, name in enumerate(dummies)}
        add(sd, Intercept=column[0], **changes)


def time_column(names: list[str], time: str) -> int:
    """Return the number of the time column.

    Raises
    ------
    InvalidSeries
        If there is none.
    """
    for candidate in (time, f"elapsed({time})"):
        if candidate in names:
            return names.index(candidate)
    raise InvalidSeries("not_days", f"the formula needs the time column {time!r} but has {names}")


def _first_post_step(names: list[str], values: np.ndarray, t: np.ndarray) -> float:
    found = []
    for index, name in enumerate(names):
        column = values[:, index]
        match = _THRESHOLD.match(name)
        if match:
            found.append(float(match["at"]))
        elif name.startswith("ramp(") and (column > 0).any():
            found.append(float((t - column)[column > 0][0]))
        elif name.startswith("step(") and (column > 0).any():
            found.append(float(t[column > 0][0]))
    return min(found) if found else float(t[-1]) + 1.0
