"""The adapter for CausalPy: `model=` of `causalpy.PiecewiseITS` and `InterruptedTimeSeries`.

A `PyMCModel` whose graph is the very density that `analyze` samples (Gaussian AR(1) over calendar
time with gaps, the same priors in the outcome's own scale), and whose `fit`, `predict` and `score`
use our sampler and arrays. CausalPy's formulas, effect tables, plots and placebo checks work on it
as they are. Importing this module imports CausalPy and PyMC (10-20 s): nothing else of ours does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import arviz as az  # noqa: TID253 - this module is CausalPy's side of the house
import numpy as np
import pandas as pd
import pymc as pm  # noqa: TID253
import pytensor.tensor as pytensor_tensor
import xarray as xr
from causalpy.pymc_models import PyMCModel  # noqa: TID253

from its_pipeline.its import priors as standard_priors
from its_pipeline.its.designs.base import sum_to_zero_contrasts, trend_sd
from its_pipeline.its.errors import InvalidSeries, NotConverged
from its_pipeline.its.inference.diagnostics import assess
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1 import AR1
from its_pipeline.its.results import Diagnostics
from its_pipeline.its.series import standardisation

pt: Any = pytensor_tensor

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
    prior_sd
        Prior standard deviations of the internal coefficients, shape (k,).
    steps
        Integer time of each row, shape (n,).
    intercept
        Which column of X is the intercept.
    centre, scale
        What the outcome is standardised by.
    """

    rotation: np.ndarray
    prior_sd: np.ndarray
    steps: np.ndarray
    intercept: int
    centre: float
    scale: float


class SegmentedAR1(PyMCModel):
    """Segmented regression with gap-aware AR(1) errors, for CausalPy's experiments.

    Parameters
    ----------
    sample_kwargs
        "draws" (2000), "tune" (1000), "chains" (4), "random_seed" (0), "target_accept" (0.8) and
        "cores" are used; the rest is ignored.
    priors
        Not used: the priors are the ones of `its_pipeline.its.priors`.
    time
        Name of the formula's time column, whole steps (days); a datetime column counts in days.

    Raises
    ------
    InvalidSeries
        From `fit`, if the formula has no intercept or time is not in increasing whole steps.
    NotConverged
        From `fit`, if the sampler does not pass the gate.

    Examples
    --------
    >>> import causalpy
    >>> from its_pipeline.its.adapters.causalpy import SegmentedAR1
    >>> causalpy.PiecewiseITS(
    ...     frame, formula="y ~ 1 + t + step(t, 45) + ramp(t, 45)", model=SegmentedAR1(time="t")
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        sample_kwargs: dict[str, Any] | None = None,
        priors: dict[str, Any] | None = None,
        *,
        time: str = "t",
    ) -> None:
        super().__init__(sample_kwargs=sample_kwargs, priors=priors)
        self.time = time
        self.diagnostics: Diagnostics | None = None

    def _clone(self) -> SegmentedAR1:
        return type(self)(dict(self.sample_kwargs), self._user_priors, time=self.time)

    def build_model(self, X: xr.DataArray, y: xr.DataArray, coords: dict[str, Any] | None) -> None:
        """Build the PyMC graph of the density that `fit` samples.

        Parameters
        ----------
        X
            Design, dims (obs_ind, coeffs).
        y
            Outcome, dims (obs_ind, treated_units), one unit.
        coords
            Coordinates of those dims.
        """
        design = internal_design(X, y, self.time)
        gaps = np.diff(design.steps)
        with self:
            self.add_coords({"treated_units": ["unit_0"], **(coords or {})})
            data = pm.Data("X", np.asarray(X), dims=["obs_ind", "coeffs"])
            observed = pm.Data("y", np.asarray(y), dims=["obs_ind", "treated_units"])
            theta = pm.Normal("theta", 0.0, design.prior_sd, shape=len(design.prior_sd))
            unit_rho = pm.Beta("unit_rho", standard_priors.RHO_ALPHA, standard_priors.RHO_BETA)
            unit_sigma = pm.HalfStudentT(
                "unit_sigma", nu=standard_priors.SIGMA_DF, sigma=standard_priors.SIGMA_SCALE
            )
            rho = pm.Deterministic("rho", 2.0 * unit_rho - 1.0)
            sigma = pm.Deterministic(
                "sigma", design.scale * pt.atleast_1d(unit_sigma), dims=["treated_units"]
            )
            level = np.zeros(design.rotation.shape[0])
            level[design.intercept] = design.centre
            beta: Any = pm.Deterministic(
                "beta",
                (level + design.scale * pt.dot(design.rotation, theta))[None, :],
                dims=["treated_units", "coeffs"],
            )
            mu = pm.Deterministic("mu", pt.dot(data, beta.T), dims=["obs_ind", "treated_units"])
            phi = pt.concatenate([[0.0], pt.power(rho, gaps)])
            pm.CustomDist(
                "y_hat",
                mu,
                sigma,
                phi,
                logp=_autoregressive_logp,
                observed=observed,
                dims=["obs_ind", "treated_units"],
            )

    def fit(
        self, X: xr.DataArray, y: xr.DataArray, coords: dict[str, Any] | None = None
    ) -> az.InferenceData:
        """Sample the posterior with our sampler and keep it as `idata`.

        Raises
        ------
        NotConverged
            If the sampler does not pass the gate.
        """
        self.build_model(X, y, coords)
        design = internal_design(X, y, self.time)
        internal = np.ascontiguousarray(np.asarray(X) @ design.rotation)
        outcome = (np.asarray(y)[:, 0] - design.centre) / design.scale
        settings = SamplerSettings(
            draws=self.sample_kwargs.get("draws", 2000),
            tune=self.sample_kwargs.get("tune", 1000),
            chains=self.sample_kwargs.get("chains", 4),
            seed=self.sample_kwargs.get("random_seed", 0) or 0,
            target_accept=self.sample_kwargs.get("target_accept", 0.8),
        )
        problem = Problem(internal, outcome, design.steps, design.prior_sd)
        sampled = NORMAL.sample(problem, AR1, settings, self.sample_kwargs.get("cores"))
        chains = sampled.chains
        shape = chains.energy.shape
        beta = (design.scale * sampled.coefficients @ design.rotation.T).reshape(*shape, -1)
        beta[..., design.intercept] += design.centre
        noise = AR1.parameters(sampled.points, design.scale)
        rho, sigma = noise["rho"], noise["sigma"]
        names = [str(name) for name in X.coords["coeffs"].to_numpy()]
        named = {name: beta[..., i] for i, name in enumerate(names)}
        self.diagnostics = assess(
            {"rho": rho, "sigma": sigma, **named}, chains.energy, chains.diverging, chains.depth
        )
        if not self.diagnostics.converged:
            raise NotConverged(self.diagnostics.failures)
        self._last = (X[-1], float(np.asarray(y)[-1, 0]))
        self.idata = az.from_dict(
            posterior={"beta": beta[:, :, None, :], "sigma": sigma[..., None], "rho": rho},
            sample_stats={"energy": chains.energy, "diverging": chains.diverging},
            observed_data={"y_hat": np.asarray(y)},
            coords={"treated_units": ["unit_0"], "coeffs": names},
            dims={"beta": ["treated_units", "coeffs"], "sigma": ["treated_units"]},
        )
        return self.idata

    def predict(
        self,
        X: xr.DataArray,
        coords: dict[str, Any] | None = None,
        out_of_sample: bool | None = False,
        **kwargs: Any,
    ) -> az.InferenceData:
        """Return draws of the expected outcome `mu` and of new outcomes `y_hat`.

        Parameters
        ----------
        X
            Design, dims (obs_ind, coeffs).
        out_of_sample
            Whether the rows come after the fitted ones; `y_hat` then starts from the last
            residual, otherwise from the stationary distribution.
        """
        if self.idata is None:
            raise RuntimeError("the model has not been fitted; call fit first")
        posterior = self.idata["posterior"]
        beta = posterior["beta"].to_numpy()[:, :, 0, :]
        rho = posterior["rho"].to_numpy()
        sigma = posterior["sigma"].to_numpy()[..., 0]
        values = np.asarray(X)
        mu = np.einsum("cdk,nk->cdn", beta, values)
        column = _time_column([str(c) for c in X.coords["coeffs"].to_numpy()], self.time)
        time = values[:, column]
        rng = np.random.default_rng([self.sample_kwargs.get("random_seed", 0) or 0, len(values)])
        error = rng.standard_normal(rho.shape)
        y_hat = np.empty_like(mu)
        previous = None
        if out_of_sample:
            last, outcome = self._last
            error = (outcome - beta @ np.asarray(last)) / sigma
            previous = float(last[column])
        for row in range(len(values)):
            if previous is not None:
                phi = np.power(rho, round(time[row] - previous))
                shock = rng.standard_normal(rho.shape)
                error = phi * error + np.sqrt(1.0 - phi**2) * shock
            y_hat[..., row] = mu[..., row] + sigma * error
            previous = time[row]
        rows = X.coords["obs_ind"].to_numpy() if "obs_ind" in X.coords else np.arange(len(values))
        dims = ["obs_ind", "treated_units"]
        return az.from_dict(
            posterior_predictive={"mu": mu[..., None], "y_hat": y_hat[..., None]},
            coords={"obs_ind": rows, "treated_units": ["unit_0"]},
            dims={"mu": dims, "y_hat": dims},
        )

    def score(
        self, X: xr.DataArray, y: xr.DataArray, coords: dict[str, Any] | None = None, **kwargs: Any
    ) -> pd.Series:
        """Return the Bayesian R-squared of the expected outcome, mean and sd over draws.

        Variance of the fit over variance of fit plus residual, a draw at a time (Gelman et al.
        2019, The American Statistician 73:307).
        """
        mu = self.predict(X)["posterior_predictive"]["mu"].to_numpy()[..., 0]
        rest = np.asarray(y)[:, 0] - mu
        fit = mu.var(axis=-1)
        share = fit / (fit + rest.var(axis=-1))
        return pd.Series({"unit_0_r2": share.mean(), "unit_0_r2_std": share.std()})


def internal_design(X: xr.DataArray, y: xr.DataArray, time: str) -> InternalDesign:
    """Recognise CausalPy's columns and give them the model's priors.

    The intercept, the time column, `step(...)`, `ramp(...)` and treatment-coded categories
    `C(...)` get what `analyze` gives them; every other column is a covariate.

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
    t = values[:, _time_column(names, time)]
    steps = np.rint(t).astype(np.int64)
    if np.max(np.abs(t - steps)) > 1e-6 or (np.diff(steps) < 1).any():
        raise InvalidSeries("not_increasing", f"column {time!r} must be increasing whole steps")
    start = _first_post_step(names, values, t)
    pre = t < start
    post = None if pre.all() else outcome[~pre, 0]
    centre, scale, _ = standardisation(outcome[pre, 0], post)
    intercept = names.index("Intercept")
    columns: list[tuple[np.ndarray, float]] = []

    def add(sd: float, **factors: float) -> None:
        column = np.zeros(len(names))
        for name, factor in factors.items():
            column[names.index(name)] = factor
        columns.append((column, sd))

    add(standard_priors.LEVEL_SD, Intercept=1.0)
    clock = names[_time_column(names, time)]
    span, middle = start - t[0], 0.5 * (t[0] + start - 1.0)
    n_post = None if post is None else len(post)
    add(trend_sd(int(pre.sum()), n_post), **{clock: 1.0 / span, "Intercept": -middle / span})
    for name in [n for n in names if n.startswith("step(")]:
        add(standard_priors.LEVEL_CHANGE_SD, **{name: 1.0})
    for name in [n for n in names if n.startswith("ramp(")]:
        highest = max(1.0, float(values[:, names.index(name)].max()))
        add(standard_priors.SLOPE_CHANGE_SD, **{name: 1.0 / highest})
    factors: dict[str, list[str]] = {}
    for name in names:
        match = _CATEGORY.match(name)
        if match:
            factors.setdefault(match["factor"], []).append(name)
    for dummies in factors.values():
        _add_category(add, dummies)
    known = {clock, "Intercept", *(n for group in factors.values() for n in group)}
    for name in names:
        if name not in known and not name.startswith(("step(", "ramp(")):
            raw = values[:, names.index(name)]
            spread = float(raw.std()) or 1.0
            mean = float(raw.mean())
            add(standard_priors.COVARIATE_SD, **{name: 1.0 / spread, "Intercept": -mean / spread})
    return InternalDesign(
        rotation=np.column_stack([column for column, _ in columns]),
        prior_sd=np.array([sd for _, sd in columns]),
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


def _time_column(names: list[str], time: str) -> int:
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


def _autoregressive_logp(value: Any, mu: Any, sigma: Any, phi: Any) -> Any:
    residual = (value - mu)[:, 0]
    lagged = pt.concatenate([[0.0], residual[:-1]])
    innovation = pm.Normal.dist(phi * lagged, sigma[0] * pt.sqrt(1.0 - phi**2))
    density: Any = pt.as_tensor(pm.logp(innovation, residual))
    return density[:, None]
