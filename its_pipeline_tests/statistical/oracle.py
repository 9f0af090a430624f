"""An independent exact posterior: dense matrices, coefficients analytically, the rest on a grid.

Written from the model's description alone; it shares no code with the engine. Slow and plain.
"""

import numpy as np
from scipy import stats

from its_pipeline.its import priors


def orthonormal_season(days, levels=7):
    """Return exchangeable sum-to-zero seasonal columns for a DatetimeIndex."""
    which = days.dayofweek if levels == 7 else days.month - 1
    centring = np.eye(levels) - 1 / levels
    vectors = np.linalg.svd(centring)[0][:, : levels - 1]
    return (vectors * np.sqrt(levels / (levels - 1)))[which]


def design(outcome, day, *, slope, season=True):
    """Return the columns, their prior sds, the standardised outcome, its scale, and time steps."""
    observed = outcome.dropna()
    t = (observed.index - day).days.to_numpy()
    first, last = (outcome.index[0] - day).days, (outcome.index[-1] - day).days
    pre = observed[t < 0]
    short = min((t < 0).sum(), (t >= 0).sum()) < 14
    columns = [np.ones(len(t)), (t - (first - 1) / 2) / -first, (t >= 0) * 1.0]
    sds = [priors.LEVEL_SD, priors.SHORT_TREND_SD if short else priors.TREND_SD]
    sds.append(priors.LEVEL_CHANGE_SD)
    if slope:
        columns.append(np.maximum(t, 0) / last)
        sds.append(priors.SLOPE_CHANGE_SD)
    if season:
        seasonal = orthonormal_season(observed.index)
        columns += list(seasonal.T)
        sds += [priors.DAY_OF_WEEK_SD] * seasonal.shape[1]
    y = (observed.to_numpy() - pre.mean()) / pre.std()
    return np.column_stack(columns), np.array(sds), y, pre.std(), t


def whitened(x, y, t, rho):
    """Return design and outcome with the correlation taken out, and half its log determinant."""
    correlation = rho ** np.abs(t[:, None] - t[None, :]).astype(float)
    factor = np.linalg.cholesky(correlation)
    both = np.linalg.solve(factor, np.column_stack([x, y]))
    return both[:, :-1], both[:, -1], np.log(np.diag(factor)).sum()


def marginal(wx, wy, half_log_det, sds, sigma):
    """Return log p(y | rho, sigma) and the coefficients' conditional mean and covariance.

    `sigma` may be an array of shape (s,); so are the results' leading shapes.
    """
    n, sigma = len(wy), np.asarray(sigma, dtype=float)
    scaled = 1 / sigma[..., None] ** 2
    precision = wx.T @ wx * scaled[..., None] + np.diag(1 / sds**2)
    covariance = np.linalg.inv(precision)
    mean = np.einsum("...kl,l->...k", covariance, wx.T @ wy) * scaled
    log_p = -half_log_det - n * np.log(sigma) - 0.5 * n * np.log(2 * np.pi)
    log_p += -0.5 * np.linalg.slogdet(precision)[1] - np.log(sds).sum()
    fit = np.einsum("...k,...kl,...l->...", mean, precision, mean)
    return log_p - 0.5 * (wy @ wy / sigma**2 - fit), mean, covariance


def log_prior(rho, sigma):
    """Return the log prior density of (rho, sigma)."""
    beta = stats.beta.logpdf((1 + rho) / 2, priors.RHO_ALPHA, priors.RHO_BETA) - np.log(2)
    half_t = stats.t.logpdf(sigma, priors.SIGMA_DF, scale=priors.SIGMA_SCALE) + np.log(2)
    return beta + half_t


def posterior(x, sds, y, t, contrasts, size=61):
    """Return means and sds of linear contrasts, of rho and of log(sigma); grid even in the logs."""
    rhos = np.tanh(np.linspace(-2.2, 2.9, size))
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    sigmas = residual.std() * np.exp(np.linspace(-0.5, 2.2, size))
    log_p = np.empty((size, size))
    first, second = (np.empty((size, size, len(contrasts))) for _ in range(2))
    for i, rho in enumerate(rhos):
        value, mean, covariance = marginal(*whitened(x, y, t, rho), sds, sigmas)
        log_p[i] = value + log_prior(rho, sigmas) + np.log(1 - rho**2) + np.log(sigmas)
        first[i] = mean @ contrasts.T
        second[i] = np.einsum("ck,skl,cl->sc", contrasts, covariance, contrasts)
    weights = np.exp(log_p - log_p.max())
    weights /= weights.sum()
    by_rho, by_sigma, logs = weights.sum(axis=1), weights.sum(axis=0), np.log(sigmas)
    mean = np.append(np.einsum("ij,ijc->c", weights, first), [by_rho @ rhos, by_sigma @ logs])
    square = np.append(
        np.einsum("ij,ijc->c", weights, second + first**2), [by_rho @ rhos**2, by_sigma @ logs**2]
    )
    edge = max(by_rho[0], by_rho[-1], by_sigma[0], by_sigma[-1])
    return {"mean": mean, "sd": np.sqrt(square - mean**2), "edge": edge}
