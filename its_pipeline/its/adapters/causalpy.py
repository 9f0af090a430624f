"""The adapter for CausalPy: `model=` of `causalpy.PiecewiseITS` and `InterruptedTimeSeries`.

A `PyMCModel` whose graph is the very model that `analyze` integrates (AR(1) plus white noise over
calendar time with gaps, the same priors in the outcome's own scale). Its `fit` uses our quadrature,
or, with `sampler="pymc"`, PyMC's own sampler on that graph and nothing of ours: the independent
witness. CausalPy's formulas, effect tables, plots and placebo checks work on it as they are.
Importing this module imports CausalPy and PyMC (10-20 s): nothing else of ours does.
"""

from __future__ import annotations

from typing import Any, Literal

import arviz as az  # noqa: TID253 - this module is CausalPy's side of the house
import numpy as np
import pandas as pd
import pymc as pm  # noqa: TID253
import pytensor.tensor as pytensor_tensor
import xarray as xr
from causalpy.pymc_models import PyMCModel  # noqa: TID253

from its_pipeline.its import priors as standard_priors
from its_pipeline.its.adapters.causalpy_design import internal_design, time_column
from its_pipeline.its.errors import NotConverged
from its_pipeline.its.exact import KEPT_NODES
from its_pipeline.its.inference.audit import audit
from its_pipeline.its.inference.nodes import nodes_of, thinned
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.results import Diagnostics
from its_pipeline.its.scale_mixture import ScaleMixture

pt: Any = pytensor_tensor


class SegmentedAR1White(PyMCModel):
    """Segmented regression with AR(1) plus white noise, gaps and all, for CausalPy's experiments.

    Parameters
    ----------
    sample_kwargs
        "draws" (2000), "chains" (4) and "random_seed" (0) are used with our quadrature; all of them
        go to `pymc.sample` with `sampler="pymc"`.
    priors
        Not used: the priors are the ones of `its_pipeline.its.priors`.
    time
        Name of the formula's time column, whole steps (days); a datetime column counts in days.
    sampler
        "quadrature", audited by our NUTS; or "pymc", PyMC's own.

    Raises
    ------
    InvalidSeries
        From `fit`, if the formula has no intercept or time is not in increasing whole steps.
    NotConverged
        From `fit`, if the quadrature or its audit does not pass the gate.

    Examples
    --------
    >>> import causalpy
    >>> from its_pipeline.its.adapters.causalpy import SegmentedAR1White
    >>> causalpy.PiecewiseITS(
    ...     frame, formula="y ~ 1 + t + step(t, 45) + ramp(t, 45)", model=SegmentedAR1White()
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        sample_kwargs: dict[str, Any] | None = None,
        priors: dict[str, Any] | None = None,
        *,
        time: str = "t",
        sampler: Literal["quadrature", "pymc"] = "quadrature",
    ) -> None:
        if sampler not in ("quadrature", "pymc"):
            raise ValueError(f"sampler must be quadrature or pymc but got {sampler!r}")
        super().__init__(sample_kwargs=sample_kwargs, priors=priors)
        self.time = time
        self.sampler: Literal["quadrature", "pymc"] = sampler
        self.diagnostics: Diagnostics | None = None

    def _clone(self) -> SegmentedAR1White:
        kwargs = dict(self.sample_kwargs)
        return type(self)(kwargs, self._user_priors, time=self.time, sampler=self.sampler)

    def build_model(self, X: xr.DataArray, y: xr.DataArray, coords: dict[str, Any] | None) -> None:
        """Build the PyMC graph of the model that `fit` integrates.

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
        distance = np.abs(design.steps[:, None] - design.steps[None, :])
        shared = design.prior.is_shared
        groups = _small_together(design.prior)
        order = np.concatenate([np.flatnonzero(shared), *groups])
        with self:
            self.add_coords({"treated_units": ["unit_0"], **(coords or {})})
            data = pm.Data("X", np.asarray(X), dims=["obs_ind", "coeffs"])
            observed = pm.Data("y", np.asarray(y), dims=["obs_ind", "treated_units"])
            plain = design.prior.sd[0, shared]
            parts: list[Any] = [pm.Normal("theta", 0.0, plain, shape=len(plain))]
            weight = standard_priors.SMALL_WEIGHT
            for group in groups:
                sds = design.prior.sd[:, group]
                middle: Any = np.zeros(len(group))
                scales = [
                    pm.MvNormal.dist(middle, cov=np.diag(np.square(sd)))
                    for sd in (sds.min(axis=0), sds.max(axis=0))
                ]
                parts.append(
                    pm.Mixture(f"theta_{group[0]}", w=[weight, 1.0 - weight], comp_dists=scales)
                )
            theta = pt.concatenate(parts)[np.argsort(order)]
            log_tau = pm.Uniform(
                "log_tau",
                np.log(standard_priors.TAU_SHORTEST),
                np.log(standard_priors.TAU_LONGEST),
            )
            share_new = pm.Uniform("share_new", 0.0, 1.0)
            unit_sigma = pm.HalfStudentT(
                "unit_sigma", nu=standard_priors.SIGMA_DF, sigma=standard_priors.SIGMA_SCALE
            )
            phi = pm.Deterministic("phi", pt.exp(-pt.exp(-log_tau)))
            sigma: Any = pm.Deterministic(
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
            correlation = (1.0 - share_new) * phi**distance + share_new * np.eye(len(distance))
            pm.CustomDist(
                "y_hat",
                mu,
                sigma[0] ** 2 * correlation,
                logp=_dense_logp,
                observed=observed,
                dims=["obs_ind", "treated_units"],
            )

    def fit(
        self, X: xr.DataArray, y: xr.DataArray, coords: dict[str, Any] | None = None
    ) -> az.InferenceData:
        """Compute the posterior and keep draws of it as `idata`.

        Raises
        ------
        NotConverged
            If the quadrature or its audit does not pass the gate.
        """
        self.build_model(X, y, coords)
        self._fitted = (X, y)
        if self.sampler == "pymc":
            with self:
                self.idata = pm.sample(**self.sample_kwargs)
            return self.idata
        design = internal_design(X, y, self.time)
        problem = Problem(
            design=np.ascontiguousarray(np.asarray(X) @ design.rotation),
            outcome=(np.asarray(y)[:, 0] - design.centre) / design.scale,
            steps=design.steps,
            prior=design.prior,
        )
        k = problem.design.shape[1]
        seed = self.sample_kwargs.get("random_seed", 0) or 0
        shape = self.sample_kwargs.get("chains", 4), self.sample_kwargs.get("draws", 2000)
        mixture = integrate(problem, AR1_WHITE, np.eye(k))
        names = tuple(f"theta[{column}]" for column in range(k))
        found = audit(
            problem,
            AR1_WHITE,
            AR1_WHITE.collapsed(problem, mixture),
            mixture,
            np.eye(k),
            names,
            seed,
        )
        self.diagnostics = found.diagnostics
        if not self.diagnostics.converged:
            raise NotConverged(self.diagnostics.failures)
        numbers, weights = thinned(mixture, KEPT_NODES)
        nodes = nodes_of(
            problem,
            AR1_WHITE,
            weights,
            mixture.points[numbers],
            mixture.log_sd[numbers],
            mixture.component[numbers],
        )
        chosen, internal = nodes.draw(shape[0] * shape[1], np.random.default_rng(seed))
        beta = (design.scale * internal @ design.rotation.T).reshape(*shape, -1)
        beta[..., design.intercept] += design.centre
        noise = AR1_WHITE.parameters(nodes.points[chosen])
        sigma = design.scale * np.exp(nodes.log_sd[chosen])
        self.idata = az.from_dict(
            posterior={
                "beta": beta[:, :, None, :],
                "sigma": sigma.reshape(*shape, 1),
                **{name: values.reshape(shape) for name, values in noise.items()},
            },
            observed_data={"y_hat": np.asarray(y)},
            coords={
                "treated_units": ["unit_0"],
                "coeffs": [str(name) for name in X.coords["coeffs"].to_numpy()],
            },
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
            Whether the rows come after the fitted ones; `y_hat` then starts from what the
            residuals tell of the noise's lasting part, otherwise from the stationary distribution.
        """
        if self.idata is None:
            raise RuntimeError("the model has not been fitted; call fit first")
        posterior = self.idata["posterior"]
        beta = posterior["beta"].to_numpy()[:, :, 0, :]
        shape = beta.shape[:2]
        parameters = {
            name: posterior[name].to_numpy().reshape(-1) for name in ("phi", "share_new", "sigma")
        }
        values = np.asarray(X)
        mu = np.einsum("cdk,nk->cdn", beta, values)
        column = time_column([str(c) for c in X.coords["coeffs"].to_numpy()], self.time)
        steps = np.rint(values[:, column]).astype(np.int64)
        rng = np.random.default_rng([self.sample_kwargs.get("random_seed", 0) or 0, len(values)])
        residuals, before, first = np.zeros((0, mu.shape[0] * mu.shape[1])), steps[:0], steps[0]
        if out_of_sample:
            seen, outcome = (np.asarray(part) for part in self._fitted)
            before = np.rint(seen[:, column]).astype(np.int64)
            expected = np.einsum("cdk,nk->ncd", beta, seen).reshape(len(seen), -1)
            residuals, first = outcome - expected, before[-1] + 1
        shocks = rng.standard_normal((int(steps[-1] - first) + 1, residuals.shape[1]))
        errors = AR1_WHITE.forecast(parameters, residuals, before, shocks)[steps - first]
        y_hat = mu + np.moveaxis(errors.reshape(len(steps), *shape), 0, -1)
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


def _small_together(prior: ScaleMixture) -> list[np.ndarray]:
    """Return the columns with two sds, those that are small in the same components together."""
    groups: dict[bytes, list[int]] = {}
    is_small = prior.sd == prior.sd.min(axis=0)
    for column in np.flatnonzero(~prior.is_shared):
        groups.setdefault(is_small[:, column].tobytes(), []).append(int(column))
    return [np.array(group) for group in groups.values()]


def _dense_logp(value: Any, mu: Any, covariance: Any) -> Any:
    density: Any = pt.as_tensor(pm.logp(pm.MvNormal.dist(mu[:, 0], cov=covariance), value[:, 0]))
    return density
