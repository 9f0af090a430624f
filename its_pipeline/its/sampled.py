"""A posterior that had to be sampled: NUTS is the estimator, and the gate its only guard.

What belongs here: what `posterior.Posterior` promises, from draws. What does not: sampling itself
(`likelihoods`, `inference.nuts`), or posteriors by quadrature (`exact`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from its_pipeline.its.drawn import DrawnPosterior
from its_pipeline.its.estimands import effect_draws
from its_pipeline.its.inference.diagnostics import assess
from its_pipeline.its.inference.draws import product, row_quantiles
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.likelihoods.base import Sampled, SampledLikelihood
from its_pipeline.its.posterior import (
    INNER_INTERVAL,
    INTERVAL,
    Bands,
    EffectMarginals,
    Fit,
    Marginal,
    SampleMarginal,
    widened_draws,
)
from its_pipeline.its.results import Diagnostics, PosteriorDraws
from its_pipeline.its.series import POST
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.targets import (
    COUNTERFACTUAL,
    IMMEDIATE,
    SUSTAINED,
    Asked,
    effect_contrasts,
    segmented_days,
)

ESCALATION_TARGET_ACCEPT = 0.99
"""Acceptance rate of the second run, when the first one misses the gate."""
ESCALATION_TUNE_FACTOR = 3
"""How many times longer the second run warms up."""
_FORECAST_STREAM = 2
_BAND_STREAM = 3


@dataclass(frozen=True)
class SampledPosterior(DrawnPosterior):
    """See `posterior.Posterior`.

    Parameters
    ----------
    fit
        What was fitted.
    sampled
        The draws.
    seed
        Of what is simulated beyond the draws.
    factor
        What the effects' distance from their means is multiplied by (`AnalysisSpec`).
    escalated
        Whether this is the second, stricter run.
    """

    fit: Fit
    sampled: Sampled
    seed: int
    factor: float = 1.0
    escalated: bool = False

    @property
    def diagnostics(self) -> Diagnostics:
        """The verdict on parameters, coefficients and estimands."""
        return self._diagnostics

    @cached_property
    def _diagnostics(self) -> Diagnostics:
        kept, chains = self.kept(), self.sampled.chains
        return assess(
            {**kept.noise, **kept.coefficients, **kept.estimands},
            chains.energy,
            chains.diverging,
            chains.depth,
            escalated=self.escalated,
        )

    @property
    def internal(self) -> np.ndarray:
        """Draws of the internal coefficients, shape (n_draws, k)."""
        return self.sampled.coefficients

    @property
    def noise(self) -> Mapping[str, np.ndarray]:
        """Draws of the noise's and the likelihood's parameters: the trace."""
        return self._trace

    @property
    def trace(self) -> Mapping[str, np.ndarray]:
        """Chains of the noise's and the likelihood's parameters, "sigma" in outcome units."""
        return self._trace

    @cached_property
    def _trace(self) -> Mapping[str, np.ndarray]:
        sampled = self.sampled
        return {
            **self.fit.noise_model.parameters(sampled.points),
            "sigma": self.fit.series.scale * np.exp(sampled.log_sd),
            **sampled.parameters,
        }

    @cached_property
    def daily(self) -> np.ndarray:
        """Draws of the effect on post days in outcome units, shape (n_post_days, n_draws)."""
        fit = self.fit
        post = fit.series.phase == POST
        if not fit.design.is_forecast:
            return fit.series.scale * product(fit.design.intervention[post], self._draws)
        is_post = fit.series.phase[fit.series.steps >= 0] == POST
        return fit.series.values[post][:, None] - self._forecast[is_post]

    def effects(self) -> EffectMarginals:
        """Return the posteriors of the effects."""
        draws = self._effects()
        return EffectMarginals(
            counterfactual=SampleMarginal(draws[COUNTERFACTUAL]),
            immediate=SampleMarginal(draws[IMMEDIATE]),
            sustained=SampleMarginal(draws[SUSTAINED]) if len(draws) > SUSTAINED else None,
        )

    def bands(self) -> Bands:
        """Return what is shown of single days."""
        series = self.fit.series
        expected = self._expected()
        ends = row_quantiles(expected, (*INTERVAL, *INNER_INTERVAL))
        counterfactual = np.vstack([expected.mean(axis=1), ends])
        fitted = counterfactual[0].copy()
        if not self.fit.design.is_forecast:
            after = series.steps >= 0
            effect = product(self.fit.design.intervention[after], self._draws)
            fitted[after] += series.scale * effect.mean(axis=1)
        is_seen = series.observed[series.phase == POST]
        summed = np.cumsum(np.where(is_seen[:, None], self.daily, 0.0), axis=0)
        told = Bands(fitted, counterfactual, _interval(self.daily), _interval(summed))
        return told.widened(self.factor)

    def innovations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised innovations, and their rows' numbers, shape (n_fitted,)."""
        return self.fit.innovations(self.mean_coefficients(), self.mean_parameters())

    def phases(self) -> tuple[Marginal, ...]:
        """Return the effect in each group of phases on; see `exact.ExactPosterior.phases`."""
        if self.fit.design.is_forecast:
            return ()
        asked = Asked.of(self.fit.series, self.fit.design)
        return tuple(map(SampleMarginal, self._of(np.vstack([asked.phases, asked.steady]))))

    def other_effects(self) -> tuple[tuple[Marginal, Marginal, float], ...]:
        """Return what is told of each other intervention; see `posterior.Posterior`."""
        if self.fit.design.is_forecast:
            return ()
        asked = Asked.of(self.fit.series, self.fit.design)
        own = self._effects()[COUNTERFACTUAL]
        return tuple(
            (
                SampleMarginal(draws),
                SampleMarginal(own + draws),
                float(np.corrcoef(own, draws)[0, 1]),
            )
            for draws in self._of(asked.others)
        )

    def _of(self, contrasts: np.ndarray) -> np.ndarray:
        """Return draws of contrasts in outcome units, shape (contrasts, n_draws)."""
        told = self.fit.series.scale * product(contrasts, self._draws)
        return widened_draws(told, self.factor)

    def kept(self) -> PosteriorDraws:
        """Return all draws."""
        return self._kept

    @cached_property
    def _kept(self) -> PosteriorDraws:
        series = self.fit.series
        draws = effect_draws(self._effects(), series.n_post, series.observed_post_sum)
        shape = self.sampled.log_sd.shape
        return PosteriorDraws(
            coefficients=self.reported,
            estimands={name: values.reshape(shape) for name, values in draws.items()},
            noise=self.trace,
            design=self.fit.design.reported,
        )

    @cached_property
    def _draws(self) -> np.ndarray:
        return np.ascontiguousarray(self.sampled.coefficients.T)

    @property
    def reported(self) -> Mapping[str, np.ndarray]:
        """Draws of the reported coefficients in outcome units, shape (chain, draw)."""
        return self._reported

    @cached_property
    def _reported(self) -> dict[str, np.ndarray]:
        series, design = self.fit.series, self.fit.design
        values = series.scale * product(design.back, self._draws)
        values[0] += series.centre
        shape = self.sampled.log_sd.shape
        return {name: values[row].reshape(shape) for row, name in enumerate(design.names)}

    def _effects(self) -> np.ndarray:
        """Return draws of the effects, shape (2 or 3, n_draws), in outcome units."""
        fit = self.fit
        if not fit.design.is_forecast:
            return self._of(effect_contrasts(fit.series, fit.design))
        seen = self.daily[fit.series.observed[fit.series.phase == POST]]
        return widened_draws(np.vstack([seen.mean(axis=0), seen[0]]), self.factor)

    def _expected(self) -> np.ndarray:
        """Return draws of the outcome without the intervention, shape (n_days, n_draws)."""
        fit, series = self.fit, self.fit.series
        if fit.design.is_forecast:
            fitted = series.centre + series.scale * product(fit.design.matrix, self._draws)
            fitted[series.steps >= 0] = self._forecast
            return fitted
        # The lasting part is told with the noise's parameters at their means: a picture's width.
        point = self.sampled.points.mean(axis=(0, 1))[None]
        days = segmented_days(series, fit.design, fit.problem, fit.noise_model, point)
        loadings, offsets, extra = days.at(0)
        draws = product(loadings, self._draws) + offsets[:, None]
        rng = np.random.default_rng([self.seed, _BAND_STREAM])
        sd = np.exp(self.sampled.log_sd.reshape(-1))
        draws += np.sqrt(extra)[:, None] * sd * rng.standard_normal(len(sd))
        return series.centre + series.scale * draws

    @cached_property
    def _forecast(self) -> np.ndarray:
        """Draws of what the pre-period foretells from step 0 on, in outcome units."""
        fit, series = self.fit, self.fit.series
        matrix = fit.design.matrix
        parameters = {name: draws.reshape(-1) for name, draws in self.trace.items()}
        residuals = series.scale * (
            series.standardised[fit.rows][:, None] - product(matrix[fit.rows], self._draws)
        )
        last = int(fit.problem.steps[-1])
        rng = np.random.default_rng([self.seed, _FORECAST_STREAM])
        ahead = int(series.steps[-1]) - last
        shocks = fit.likelihood.shocks(rng, parameters, (ahead, self._draws.shape[1]))
        errors = fit.noise_model.forecast(parameters, residuals, fit.problem.steps, shocks)
        after = series.steps >= 0
        expected = series.centre + series.scale * product(matrix[after], self._draws)
        return expected + errors[-int(after.sum()) :]


def sample_posterior(fit: Fit, spec: AnalysisSpec, cores: int | None = None) -> SampledPosterior:
    """Sample a fit, a second time with stricter settings where the gate is missed.

    Parameters
    ----------
    fit
        What is fitted; its likelihood is a `SampledLikelihood`.
    spec
        Settings of the sampler.
    cores
        Chains that run at once.

    Raises
    ------
    TypeError
        If the likelihood cannot be sampled.
    ValueError
        If the noise model cannot be had with this likelihood.
    """
    if not isinstance(fit.likelihood, SampledLikelihood):
        raise TypeError(f"likelihood {fit.likelihood.name!r} has no sampler")
    settings = SamplerSettings(
        draws=spec.draws, tune=spec.tune, chains=spec.chains, seed=spec.seed, target_accept=0.8
    )
    found = _attempt(fit, fit.likelihood, settings, cores, spec.interval_factor, escalated=False)
    if found.diagnostics.converged:
        return found
    stricter = replace(
        settings,
        target_accept=ESCALATION_TARGET_ACCEPT,
        tune=ESCALATION_TUNE_FACTOR * spec.tune,
    )
    return _attempt(fit, fit.likelihood, stricter, cores, spec.interval_factor, escalated=True)


def _attempt(
    fit: Fit,
    likelihood: SampledLikelihood,
    settings: SamplerSettings,
    cores: int | None,
    factor: float,
    *,
    escalated: bool,
) -> SampledPosterior:
    sampled = likelihood.sample(fit.problem, fit.noise_model, settings, cores)
    return SampledPosterior(fit, sampled, settings.seed, factor, escalated)


def _interval(values: np.ndarray) -> np.ndarray:
    return np.vstack([values.mean(axis=1), row_quantiles(values, INTERVAL)])
