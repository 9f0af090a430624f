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
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.targets import effect_contrasts

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


def variance_ahead(series: PreparedSeries, spec: AnalysisSpec, nodes: NoiseNodes) -> np.ndarray:
    """Return the variance of the average effect that the observed days of a series leave.

    Under the plain component of the prior: without any straight trend, and with the same effect
    each time.

    Parameters
    ----------
    series
        A series with days on; its values are read for which days are missing alone.
    spec
        Settings.
    nodes
        Noises that are possible.

    Returns
    -------
    np.ndarray
        In standardised units, by noise, shape (p,).
    """
    design = design_of(series, spec, Covariates(), models.study_of(series.exposure, spec.design))
    rows = series.fit_rows
    problem = Problem(
        design=np.ascontiguousarray(design.matrix[rows]),
        outcome=np.zeros(int(rows.sum())),
        steps=series.steps[rows],
        prior=design.prior,
    )
    told = nodes_of(
        problem,
        models.noise_model(spec.noise),
        nodes.weights,
        nodes.points,
        nodes.log_sd,
        np.full(len(nodes.weights), plain_component(design.prior)),
    )
    contrast = effect_contrasts(series, design)[:1]
    return np.square(told.moments(Targets(contrast[None]))[1][0])


def plain_component(prior: ScaleMixture) -> int:
    """Return the number of the component that leaves the least open."""
    return int(np.argmin(np.prod(prior.sd, axis=1)))


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
        The series' unit of time, see `Cadence.freq`.
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
