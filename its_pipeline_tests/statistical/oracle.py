"""An independent exact posterior: dense matrices, coefficients analytically, the rest on a grid.

Written from the model's description alone; it shares no code with the engine. Slow and plain.
"""

import itertools
from typing import Any

import numpy as np
from scipy import special, stats

from its_pipeline.its import priors

NAMES = ("phi", "share_new", "log_sd")


def orthonormal_season(days, levels=7):
    """Return exchangeable sum-to-zero seasonal columns for a DatetimeIndex."""
    which = days.dayofweek if levels == 7 else days.month - 1
    centring = np.eye(levels) - 1 / levels
    vectors = np.linalg.svd(centring)[0][:, : levels - 1]
    return (vectors * np.sqrt(levels / (levels - 1)))[which]


def design(outcome, day, *, slope=True, season=True) -> Any:
    """Return columns, prior sds by component, the components' weights, y, scale and steps."""
    observed = outcome.dropna()
    t = (observed.index - day).days.to_numpy()
    first, last = (outcome.index[0] - day).days, (outcome.index[-1] - day).days
    pre = observed[t < 0]
    columns = [np.ones(len(t)), (t - (first - 1) / 2) / -first, (t >= 0) * 1.0]
    if slope:
        columns.append(np.maximum(t, 0) / last)
    seasonal = orthonormal_season(observed.index).T if season else []
    columns += list(seasonal)
    sds, weights = [], []
    for trend, change in itertools.product((0, 1), (0, 1) if slope else (0,)):
        sds.append(
            [
                priors.LEVEL_SD,
                priors.TREND_SDS[trend],
                priors.LEVEL_CHANGE_SD,
                *([priors.SLOPE_CHANGE_SDS[change]] if slope else []),
                *[priors.DAY_OF_WEEK_SD] * len(seasonal),
            ]
        )
        small = priors.SMALL_WEIGHT
        weight = (small, 1 - small)[trend] * ((small, 1 - small)[change] if slope else 1.0)
        weights.append(weight)
    y = (observed.to_numpy() - pre.mean()) / pre.std()
    return np.column_stack(columns), np.array(sds), np.array(weights), y, pre.std(), t


def correlation(t, phi, share):
    """Return the noise's correlation matrix."""
    apart = np.abs(t[:, None] - t[None, :]).astype(float)
    return (1 - share) * phi**apart + share * np.eye(len(t))


def log_marginal(x, sds, weights, y, covariance):
    """Return log p(y | noise), coefficients and components summed out."""
    each = [
        np.log(weight) + stats.multivariate_normal(cov=covariance + (x * sd**2) @ x.T).logpdf(y)
        for sd, weight in zip(sds, weights, strict=True)
    ]
    return special.logsumexp(each)


def log_prior(tau, share, sd):
    """Return the log prior density of (log tau, share, log sd)."""
    assert 0 <= share <= 1
    width = np.log(priors.TAU_LONGEST / priors.TAU_SHORTEST)
    inside = priors.TAU_SHORTEST <= tau <= priors.TAU_LONGEST
    half_t = stats.t.logpdf(sd, priors.SIGMA_DF, scale=priors.SIGMA_SCALE) + np.log(2)
    return (-np.log(width) if inside else -np.inf) + half_t + np.log(sd)


def posterior(x, sds, weights, y, t, contrasts, size=(21, 15, 17)) -> Any:
    """Return means, sds and tail quantiles of contrasts; midpoints of even cells."""
    n_tau, n_share, n_sd = size
    log_taus = np.log(priors.TAU_SHORTEST) + np.log(priors.TAU_LONGEST / priors.TAU_SHORTEST) * (
        (np.arange(n_tau) + 0.5) / n_tau
    )
    shares = np.sin(0.5 * np.pi * (np.arange(n_share) + 0.5) / n_share) ** 2
    jacobian = np.log(np.sin(np.pi * (np.arange(n_share) + 0.5) / n_share))
    log_sds = np.linspace(-1.6, 2.0, n_sd)
    logs, means, variances = [], [], []
    noises = [
        (tau, share, moved)
        for tau in np.exp(log_taus)
        for share, moved in zip(shares, jacobian, strict=True)
    ]
    for tau, share, moved in noises:
        factor = np.linalg.cholesky(correlation(t, np.exp(-1 / tau), share))
        white = np.linalg.solve(factor, np.column_stack([x, y]))
        wx, wy = white[:, :-1], white[:, -1]
        half = np.log(np.diag(factor)).sum()
        for log_sd, (sd, weight) in itertools.product(log_sds, zip(sds, weights, strict=True)):
            scaled = np.exp(-2 * log_sd)
            precision = wx.T @ wx * scaled + np.diag(np.power(sd, -2.0))
            covariance = np.linalg.inv(precision)
            mean = covariance @ wx.T @ wy * scaled
            value = -half - len(y) * log_sd - 0.5 * np.linalg.slogdet(precision)[1]
            value += -np.log(sd).sum() - 0.5 * (wy @ wy * scaled - mean @ precision @ mean)
            value += np.log(weight) + log_prior(tau, share, np.exp(log_sd)) + moved
            logs.append(value)
            means.append(contrasts @ mean)
            variances.append(np.einsum("ck,kl,cl->c", contrasts, covariance, contrasts))
    mass = np.exp(np.array(logs) - max(logs))
    mass /= mass.sum()
    first, second = np.array(means), np.array(variances)
    mean = mass @ first
    by_sd = mass.reshape(-1, n_sd, len(weights)).sum(axis=(0, 2))
    return {
        "mean": mean,
        "sd": np.sqrt(mass @ (second + first**2) - mean**2),
        "below": lambda value, c: mass @ special.ndtr((value - first[:, c]) / second[:, c] ** 0.5),
        "edge": max(by_sd[0], by_sd[-1]),
    }
