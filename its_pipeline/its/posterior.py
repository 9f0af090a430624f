"""Draws of one model on one series: sampled noise parameters, exactly drawn coefficients.

Joins the pieces: pack the problem, run the sampler on the collapsed density, draw the coefficients
given each kept (rho, sigma), and turn them into effect draws. The verdict is `diagnostics`', the
summaries are `effects`'.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from its_pipeline.its.designs.change import Design
from its_pipeline.its.estimands import EffectDraws
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.nuts import Chains, SamplerSettings, available_cores, sample
from its_pipeline.its.inference.quadrature import log_residual_sd
from its_pipeline.its.noise.ar1_packing import N_COLUMNS, pack
from its_pipeline.its.series import POST, PRE, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

START_JITTER = 0.5
"""Chains start within this distance of (0, log sd of the residuals) in (atanh rho, log sigma)."""

_COEFFICIENT_STREAM = 1
_FORECAST_STREAM = 2


@dataclass(frozen=True)
class Posterior:
    """Draws of one model on one series.

    Parameters
    ----------
    design
        The columns.
    rows
        Rows that were fitted, shape (n_days,), bool.
    buffer
        The packed problem.
    chains
        What the sampler returned.
    internal
        Internal coefficients, standardised units, shape (n_draws, k).
    noise
        "rho", and "sigma" in outcome units (and "nu"), shape (chain, draw).
    coefficients
        Reported coefficients in the outcome's own units, shape (chain, draw).
    seed
        The seed they came from.
    """

    design: Design
    rows: np.ndarray
    buffer: np.ndarray
    chains: Chains
    internal: np.ndarray
    noise: dict[str, np.ndarray]
    coefficients: dict[str, np.ndarray]
    seed: int


def sample_posterior(
    series: PreparedSeries,
    design: Design,
    rows: np.ndarray,
    spec: AnalysisSpec,
    *,
    target_accept: float = 0.8,
    tune: int | None = None,
    cores: int | None = None,
) -> Posterior:
    """Sample one model on one series.

    Parameters
    ----------
    series
        The prepared series.
    design
        Its columns.
    rows
        Rows to fit, shape (n_days,), bool.
    spec
        Settings.
    target_accept, tune
        Sampler settings of this run; `tune` defaults to the spec's.
    cores
        Chains that run at once.
    """
    settings = SamplerSettings(
        draws=spec.draws,
        tune=spec.tune if tune is None else tune,
        chains=spec.chains,
        seed=spec.seed,
        target_accept=target_accept,
    )
    fitted = np.ascontiguousarray(design.matrix[rows])
    outcome = series.standardised[rows]
    if spec.likelihood == "student_t":
        from its_pipeline.its.likelihoods.student_t import sample_student

        buffer, chains, points, internal, nu = sample_student(
            fitted, outcome, series.steps[rows], design.prior_sd, settings, cores
        )
    else:
        buffer = pack(fitted, outcome, series.steps[rows], design.prior_sd)
        chains, internal = sample_collapsed(
            buffer, np.array([0.0, log_residual_sd(fitted, outcome)]), settings, cores
        )
        points, nu = chains.position, None
    noise = {
        "rho": np.tanh(points[..., 0]),
        "sigma": series.scale * np.exp(points[..., 1]),
    }
    if nu is not None:
        noise["nu"] = nu
    return Posterior(
        design=design,
        rows=rows,
        buffer=buffer,
        chains=chains,
        internal=internal,
        noise=noise,
        coefficients=_reported(design, internal, series, chains.energy.shape),
        seed=spec.seed,
    )


def sample_collapsed(
    buffer: np.ndarray, start: np.ndarray, settings: SamplerSettings, cores: int | None = None
) -> tuple[Chains, np.ndarray]:
    """Sample (z, s) with NUTS, then draw the coefficients exactly given each.

    Returns
    -------
    tuple
        The chains, positions of shape (chain, draw, 2), and the coefficients, shape
        (chain * draw, k).
    """
    kernel = compiled.kernel()
    chains = sample(
        kernel.logp_callback.address,
        kernel.expand_callback.address,
        buffer,
        start,
        START_JITTER,
        settings,
        cores,
    )
    # the sampler moves in the log innovation sd (see the kernel); all else is the marginal sd
    z = chains.position[..., 0]
    chains.position[..., 1] += 0.5 * (np.logaddexp(0.0, 2.0 * z) + np.logaddexp(0.0, -2.0 * z))
    chains.position[..., 1] -= np.log(2.0)
    points = np.ascontiguousarray(chains.position.reshape(-1, 2))
    k = int(buffer[N_COLUMNS])
    rng = np.random.default_rng([settings.seed, _COEFFICIENT_STREAM])
    internal = rng.standard_normal((len(points), k))
    _in_parallel(
        lambda part: kernel.draw_coefficients(points[part], internal[part], buffer, internal[part]),
        len(points),
        cores,
    )
    return chains, internal


def effect_draws(posterior: Posterior, series: PreparedSeries) -> EffectDraws:
    """Turn draws of a model into draws of its effects."""
    design = posterior.design
    if design.level_change is None:
        return _forecast_draws(posterior, series)
    fitted = _expected(design.matrix, posterior, series)
    post = series.phase == POST
    columns = np.flatnonzero(design.intervention.any(axis=0))
    changes = np.ascontiguousarray(posterior.internal[:, columns].T)
    daily = series.scale * _product(design.intervention[post][:, columns], changes)
    counterfactual = fitted.copy()
    after = series.steps >= 0
    counterfactual[after] -= series.scale * _product(
        design.intervention[after][:, columns], changes
    )
    sustained = None
    if design.slope_change is not None:
        sustained = posterior.coefficients["slope_change"].reshape(-1)
    return EffectDraws(
        fitted=fitted,
        counterfactual=counterfactual,
        daily=daily,
        immediate=posterior.coefficients["level_change"].reshape(-1),
        sustained=sustained,
    )


def _forecast_draws(posterior: Posterior, series: PreparedSeries) -> EffectDraws:
    """Forecast the post-period from the pre-period, AR(1) noise from the last pre residual on."""
    expected = _expected(posterior.design.matrix, posterior, series)
    rho = posterior.noise["rho"].reshape(-1)
    sigma = posterior.noise["sigma"].reshape(-1)
    last = int(np.flatnonzero(posterior.rows)[-1])
    rng = np.random.default_rng([posterior.seed, _FORECAST_STREAM])
    n_days = len(series.steps)
    if "nu" in posterior.noise:
        nu = posterior.noise["nu"].reshape(-1)
        shocks = rng.standard_t(nu, size=(n_days - last - 1, len(rho)))
    else:
        shocks = rng.standard_normal((n_days - last - 1, len(rho)))
    innovation = sigma * np.sqrt((1.0 - rho) * (1.0 + rho))
    error = series.values[last] - expected[last]
    counterfactual = expected.copy()
    for ahead in range(n_days - last - 1):
        error = rho * error + innovation * shocks[ahead]
        day = last + 1 + ahead
        if series.phase[day] != PRE:
            counterfactual[day] += error
    post = series.phase == POST
    daily = series.values[post][:, None] - counterfactual[post]
    first = int(np.flatnonzero(series.observed[post])[0])
    return EffectDraws(expected, counterfactual, daily, daily[first], None)


def _expected(matrix: np.ndarray, posterior: Posterior, series: PreparedSeries) -> np.ndarray:
    draws = np.ascontiguousarray(posterior.internal.T)
    return series.centre + series.scale * _product(matrix, draws)


def _product(matrix: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Multiply (n, k) by (k, draws) in a fixed order, so no thread count changes a bit."""
    out = np.zeros((matrix.shape[0], draws.shape[1]))
    compiled.kernel().multiply(np.ascontiguousarray(matrix), draws, out)
    return out


def _reported(
    design: Design, internal: np.ndarray, series: PreparedSeries, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    values = series.scale * _product(design.back, np.ascontiguousarray(internal.T))
    values[0] += series.centre
    return {name: values[row].reshape(shape) for row, name in enumerate(design.names)}


def _in_parallel(work: Callable[[slice], None], n: int, cores: int | None) -> None:
    parts = min(cores or available_cores(), 8)
    edges = np.linspace(0, n, parts + 1).astype(int)
    slices = [slice(low, high) for low, high in pairwise(edges)]
    if parts == 1:
        work(slices[0])
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, slices))
