"""What others say about the same series: stock CausalPy, exactly, and statsmodels' GLSAR.

Stock CausalPy's posterior is computed from its own priors, beta ~ Normal(0, 50) and sigma ~
HalfNormal(1) on the outcome as it is: the coefficients analytically, sigma on a grid. `confirm`
compares that with real CausalPy fits.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

BETA_SD = 50.0
SIGMA_SD = 1.0


@dataclass(frozen=True)
class Verdict:
    """One method on one series: posterior (or sampling) mean, 95 % interval, P(effect > 0)."""

    mean: float
    sd: float
    lower: float
    upper: float
    probability_positive: float


@dataclass(frozen=True)
class _Arrays:
    t: np.ndarray
    y: np.ndarray
    post: np.ndarray
    start: float


def _arrays(outcome: pd.Series, intervention_on: pd.Timestamp) -> _Arrays:
    days = pd.DatetimeIndex(outcome.index)
    t = (days - days[0]).days.to_numpy().astype(float)
    start = float((intervention_on - days[0]).days)
    return _Arrays(t, outcome.to_numpy(dtype=float), t >= start, start)


def stock_its(outcome: pd.Series, intervention_on: pd.Timestamp) -> Verdict:
    """CausalPy's InterruptedTimeSeries, `y ~ 1 + t`: mean of y - mu over the post-period."""
    a = _arrays(outcome, intervention_on)
    design = np.column_stack([np.ones(len(a.t)), a.t])
    weights, means, sds = _stock_posterior(
        design[~a.post], a.y[~a.post], -design[a.post].mean(axis=0)
    )
    return _mixture_verdict(weights, means + a.y[a.post].mean(), sds)


def stock_piecewise(outcome: pd.Series, intervention_on: pd.Timestamp) -> Verdict:
    """CausalPy's PiecewiseITS, `y ~ 1 + t + step + ramp`: mean effect over the post-period."""
    design, contrast, y = _segmented(outcome, intervention_on)
    return _mixture_verdict(*_stock_posterior(design, y, contrast))


def glsar(outcome: pd.Series, intervention_on: pd.Timestamp) -> Verdict:
    """GLSAR of statsmodels, order one on the same segmented design, its t interval.

    It knows no gaps: rows that follow one another count as one day apart.
    """
    import statsmodels.api as sm
    from scipy import stats

    design, contrast, y = _segmented(outcome, intervention_on)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = sm.GLSAR(y, design, rho=1).iterative_fit(maxiter=20)
        test = fitted.t_test(contrast)
    mean, sd = float(np.squeeze(test.effect)), float(np.squeeze(test.sd))
    reach = float(stats.t.ppf(0.975, fitted.df_resid)) * sd
    return Verdict(
        mean, sd, mean - reach, mean + reach, float(stats.t.cdf(mean / sd, fitted.df_resid))
    )


def _segmented(
    outcome: pd.Series, intervention_on: pd.Timestamp
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a = _arrays(outcome, intervention_on)
    step = a.post.astype(float)
    ramp = np.maximum(a.t - a.start, 0.0)
    contrast = np.array([0.0, 0.0, 1.0, ramp[a.post].mean()])
    return np.column_stack([np.ones(len(a.t)), a.t, step, ramp]), contrast, a.y


def _stock_posterior(
    design: np.ndarray, y: np.ndarray, contrast: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights over a grid of sigma, and the contrast's mean and sd at each."""
    n = len(design)
    gram, moment, square = design.T @ design, design.T @ y, float(y @ y)
    values, vectors = np.linalg.eigh(gram)
    rotated, along = vectors.T @ moment, vectors.T @ contrast
    log_sigma = np.linspace(np.log(0.2), np.log(40.0), 800)
    precision = np.exp(-2.0 * log_sigma)[:, None]
    posterior = values * precision + 1.0 / BETA_SD**2
    means = ((rotated * along) * precision / posterior).sum(axis=1)
    sds = np.sqrt((along**2 / posterior).sum(axis=1))
    quadratic = square * precision[:, 0] - (rotated**2 * precision**2 / posterior).sum(axis=1)
    log_weights = -n * log_sigma - 0.5 * np.log(posterior).sum(axis=1) - 0.5 * quadratic
    log_weights += log_sigma - 0.5 * np.exp(2.0 * log_sigma) / SIGMA_SD**2
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum(), means, sds


def _mixture_verdict(weights: np.ndarray, means: np.ndarray, sds: np.ndarray) -> Verdict:
    mean = float(weights @ means)
    sd = float(np.sqrt(weights @ (sds**2 + means**2) - mean**2))

    def quantile(probability: float) -> float:
        low, high = mean - 12.0 * sd, mean + 12.0 * sd
        for _ in range(60):
            middle = 0.5 * (low + high)
            if weights @ special.ndtr((middle - means) / sds) < probability:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)

    positive = 1.0 - float(weights @ special.ndtr(-means / sds))
    return Verdict(mean, sd, quantile(0.025), quantile(0.975), positive)


def real_stock_fit(kind: str, outcome: pd.Series, intervention_on: pd.Timestamp) -> Verdict:
    """Fit stock CausalPy itself (15-30 s) and return its effect averaged over the post-period."""
    import causalpy

    a = _arrays(outcome, intervention_on)
    frame = pd.DataFrame({"y": a.y, "t": a.t}, index=a.t.astype(int))
    model = causalpy.pymc_models.LinearRegression(
        sample_kwargs={"progressbar": False, "random_seed": 1, "draws": 2000, "chains": 4}
    )
    if kind == "its":
        result = causalpy.InterruptedTimeSeries(
            frame, int(a.start), formula="y ~ 1 + t", model=model
        )
        draws = result.post_impact.mean("obs_ind").to_numpy().ravel()
    else:
        start = int(a.start)
        formula = f"y ~ 1 + t + step(t, {start}) + ramp(t, {start})"
        result = causalpy.PiecewiseITS(frame, formula=formula, model=model)
        draws = (
            result.effect.isel(obs_ind=np.flatnonzero(a.post)).mean("obs_ind").to_numpy().ravel()
        )
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return Verdict(
        float(draws.mean()),
        float(draws.std()),
        float(lower),
        float(upper),
        float((draws > 0).mean()),
    )
