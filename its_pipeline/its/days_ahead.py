"""What days that have not come yet would tell: the precision of an effect, before it is known.

What belongs here: a series carried on to a later day, and the variance that the average effect has
on it under each noise that is possible, in closed form. What does not: which noises those are
(`inference`), how much of an error may be spent (`decisions`), or how many days are needed
(`planning`).

Given the noise, the variance of a linear contrast depends on which days are observed and on nothing
else of them, so no outcome has to be invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import design_of
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nodes import nodes_of, thinned
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import Targets
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.results import PosteriorDraws, PosteriorGrid
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.targets import COUNTERFACTUAL, effect_contrasts

TREND = "trend"
"""Name of the coefficient of the straight trend over all days."""
_NODES = 64


@dataclass(frozen=True)
class NoiseNodes:
    """Noises that are possible, and how probable each is.

    Parameters
    ----------
    weights
        Shape (p,), sum 1.
    points
        The noise's own parameters, shape (p, d).
    log_sd
        Log of its marginal sd in standardised units, shape (p,).
    """

    weights: np.ndarray
    points: np.ndarray
    log_sd: np.ndarray

    @classmethod
    def of_mixture(cls, mixture: Mixture, n: int = _NODES) -> NoiseNodes:
        """Return at most `n` noises that stand for a quadrature."""
        numbers, weights = thinned(mixture, n)
        return cls(weights, mixture.points[numbers], mixture.log_sd[numbers])

    @classmethod
    def of_kept(
        cls, kept: PosteriorGrid | PosteriorDraws, noise: NoiseModel, scale: float
    ) -> NoiseNodes:
        """Return noises that stand for what is stored of an analysis.

        Parameters
        ----------
        kept
            Nodes or draws.
        noise
            The analysis' noise model.
        scale
            What its outcome was standardised by.
        """
        if isinstance(kept, PosteriorGrid):
            every = max(1, len(kept.weights) // _NODES)
            # Nodes of a grid lie in order, so every so manieth stands for its neighbours.
            edges = np.arange(0, len(kept.weights), every)
            weights = np.add.reduceat(kept.weights, edges)
            middle = np.minimum(edges + every // 2, len(kept.weights) - 1)
            return cls(weights / weights.sum(), kept.points[middle], kept.log_sd[middle])
        names = [name for name in noise.labels if name != "sigma"]
        draws = {name: np.asarray(kept.noise[name]).reshape(-1) for name in (*names, "sigma")}
        chosen = np.linspace(0, len(draws["sigma"]) - 1, _NODES).astype(int)
        return cls(
            np.full(_NODES, 1.0 / _NODES),
            np.column_stack([draws[name][chosen] for name in names]),
            np.log(draws["sigma"][chosen] / scale),
        )


@dataclass(frozen=True)
class Foreseen:
    """What a stretch of days would tell.

    Parameters
    ----------
    variance
        Of the average effect (without an intervention: of the level) in standardised units, by
        component of the prior and noise, shape (m, p). The first component is the plain one,
        without any straight trend and with the same effect each time.
    log_volume
        Log determinant of the coefficients' posterior covariance over that of their prior, shape
        (m, p): what a component pays for its freedom.
    prior_weights
        Of the components, shape (m,).
    has_trend
        Which components hold a straight trend open, shape (m,), bool.
    """

    variance: np.ndarray
    log_volume: np.ndarray
    prior_weights: np.ndarray
    has_trend: np.ndarray


def foresee(
    series: PreparedSeries, spec: AnalysisSpec, nodes: NoiseNodes, *, only_plain: bool = False
) -> Foreseen:
    """Return what the observed days of a series tell of the average effect, whatever was observed.

    Parameters
    ----------
    series
        A series; its values are read for which days are missing alone. Where the intervention is on
        no day, what is told is of the level.
    spec
        Settings.
    nodes
        Noises that are possible.
    only_plain
        Whether the plain component is all that is wanted.
    """
    is_baseline = not series.exposure.is_on.any()
    study = None if is_baseline else models.study_of(series.exposure, spec.design)
    design = design_of(series, spec, Covariates(), study)
    rows = series.fit_rows
    problem = Problem(
        design=np.ascontiguousarray(design.matrix[rows]),
        outcome=np.zeros(int(rows.sum())),
        steps=series.steps[rows],
        prior=design.prior,
    )
    if is_baseline:
        contrast = np.eye(1, design.matrix.shape[1])
    else:
        contrast = effect_contrasts(series, design)[: COUNTERFACTUAL + 1]
    prior_sd = design.prior.sd
    # In order of how much they leave open, so that the plain one comes first.
    components = np.argsort(np.prod(prior_sd, axis=1), kind="stable")
    components = components[:1] if only_plain else components
    n, m = len(nodes.weights), len(components)
    told = nodes_of(
        problem,
        models.noise_model(spec.noise),
        np.tile(nodes.weights, m),
        np.tile(nodes.points, (m, 1)),
        np.tile(nodes.log_sd, m),
        np.repeat(components, n),
    )
    variance = np.square(told.moments(Targets(contrast[None]))[1][0]).reshape(m, n)
    log_volume = np.linalg.slogdet(told.covariances)[1].reshape(m, n)
    log_volume = log_volume - 2.0 * np.log(prior_sd[components]).sum(axis=1)[:, None]
    if TREND in design.names:
        trend = int(np.argmax(np.abs(design.back[design.names.index(TREND)])))
        has_trend = prior_sd[components, trend] > prior_sd[:, trend].min()
    else:
        has_trend = np.zeros(m, dtype=bool)
    return Foreseen(variance, log_volume, design.prior.weights[components], has_trend)


def carried_on(
    outcome: pd.Series, until_on: date, observed_share: float, freq: str = "D"
) -> pd.Series:
    """Return a series that ends on another day: cut there, or with days that have not come yet.

    Parameters
    ----------
    outcome
        Observed days to values, the last of them observed.
    until_on
        Last day, INCLUSIVE.
    observed_share
        Share of the coming days that will be observed, in (0, 1]; which of them are is evenly
        spread, and the last is. Their values repeat the last known ones and mean nothing.
    freq
        "D" for days, "MS" for months.
    """
    last = pd.Timestamp(until_on)
    index = pd.DatetimeIndex(outcome.index)
    if index[-1] >= last:
        return outcome[index <= last]
    days = pd.date_range(index[-1], last, freq=freq)[1:]
    ahead = np.arange(1, len(days) + 1) * observed_share + 1e-9
    is_seen = np.floor(ahead) > np.floor(ahead - observed_share)
    is_seen[-1:] = True
    days = days[is_seen]
    known = outcome.to_numpy(dtype=float)[::-1]
    values = np.resize(known[: max(1, len(days))], len(days))
    return pd.concat([outcome, pd.Series(values, days)])
