"""A caller's covariates on the calendar of a series: validated once, for every regression.

What belongs here: the rules a covariate must keep, and which of them are times of day and which
comparison series. What does not: their columns and priors (`base`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.series import PreparedSeries

SHARE_PREFIX = "share_"
"""Covariates with this prefix are time-of-day shares."""


@dataclass(frozen=True)
class Covariates:
    """Covariates on the days of a series.

    Parameters
    ----------
    values
        Name to values, shape (n_days,); NaN where there is none.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shares(self) -> list[str]:
        """Names of the time-of-day shares."""
        return [name for name in self.values if name.startswith(SHARE_PREFIX)]

    @property
    def comparisons(self) -> list[str]:
        """Names of the comparison series: of all that are no time-of-day shares."""
        return [name for name in self.values if not name.startswith(SHARE_PREFIX)]

    def without(self, names: Iterable[str]) -> Covariates:
        """Return all but some."""
        left_out = set(names)
        return Covariates({n: v for n, v in self.values.items() if n not in left_out})

    def on(self, rows: np.ndarray) -> Covariates:
        """Return them on some of the days; `rows` is a mask of shape (n_days,)."""
        return Covariates({name: values[rows] for name, values in self.values.items()})


def prepare_covariates(series: PreparedSeries, covariates: pd.DataFrame | None) -> Covariates:
    """Lay covariates on the calendar of a series.

    Parameters
    ----------
    series
        The prepared series.
    covariates
        One row a day, one column a covariate; None where there are none.

    Raises
    ------
    InvalidSeries
        If a day or a name occurs twice, or a covariate is not numbers.
    """
    if covariates is None:
        return Covariates()
    if covariates.index.duplicated().any():
        raise InvalidSeries("covariate_index", "covariates have a day twice; keep one row a day")
    names = [str(name) for name in covariates.columns]
    if len(set(names)) < len(names):
        raise InvalidSeries("covariate_index", f"covariates have a name twice: {names}")
    on_calendar = covariates.reindex(series.days)
    aligned = {}
    for position, name in enumerate(names):
        column = on_calendar.iloc[:, position]
        if not pd.api.types.is_numeric_dtype(column):
            raise InvalidSeries(
                "not_numeric", f"covariate {name!r} must be numbers but has dtype {column.dtype}"
            )
        aligned[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Covariates(aligned)


def check_present(series: PreparedSeries, covariates: Covariates, fit: np.ndarray) -> None:
    """Hold that each observed day of a fit has its covariates.

    Raises
    ------
    InvalidSeries
        If a covariate is missing or infinite on a day of the fit.
    """
    for name, values in covariates.values.items():
        bad = fit & ~np.isfinite(values)
        if bad.any():
            raise InvalidSeries(
                "covariate_missing",
                f"covariate {name!r} is missing or infinite on {int(bad.sum())} observed days, "
                f"first on {series.days[bad][0]:%Y-%m-%d}; give it a value there, or make the "
                "outcome of those days NaN",
                {"missing": float(bad.sum())},
            )
