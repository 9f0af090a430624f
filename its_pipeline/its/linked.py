"""A posterior with a link: counts and yes/no outcomes, told on the scale people read.

What belongs here: what `posterior.Posterior` promises of them, and the order in which they are
computed, audited and judged. What does not: the draws themselves (`likelihoods.latent`), or how
they become effects (`response`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from its_pipeline.its.designs.base import post_rows
from its_pipeline.its.drawn import DrawnPosterior
from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.foretold import Foretold, foretold
from its_pipeline.its.inference.diagnostics import assess, assess_weighed
from its_pipeline.its.inference.draws import row_quantiles
from its_pipeline.its.inference.nuts import Chains, SamplerSettings, seed_of_run
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.likelihoods.latent import weighed
from its_pipeline.its.likelihoods.latent_draws import Weighed
from its_pipeline.its.likelihoods.latent_sampled import sampled
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.likelihoods.observations import Observations
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
from its_pipeline.its.response import Response
from its_pipeline.its.results import Diagnostics, PosteriorDraws
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import POST, PRE
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.targets import effect_contrasts

CHAINS = 4
"""Equal parts that the draws are handed on in."""
LARGEST_SD = 2.5
"""Widest prior sd of a coefficient on the link scale: beyond it lie changes of rates or odds by
more than a factor of 100, and without a bound a phase without any event drifts off (Gelman et al.
2008, Ann. Appl. Stat. 2, 1360)."""
AUDIT_DRAWS, AUDIT_TUNE, AUDIT_ACCEPT = 700, 400, 0.9
ESCALATION_FACTOR = 3
ESCALATION_ACCEPT = 0.98
_COMPARED = (0.025, 0.5, 0.975)
_WIDTH_IN_SDS = 3.92
OFFSET = "offset"
"""Name of the column of what is known of the predictor; its coefficient is 1."""


_AMOUNTS = ("counterfactual", "immediate", "sustained")
_AUDITED = ("counterfactual", "immediate")


@dataclass(frozen=True)
class RatioMarginal(SampleMarginal):
    """A ratio as draws, whose mean is the geometric one: that of rates or odds multiplied."""

    @property
    def mean(self) -> float:
        """Geometric posterior mean."""
        return float(np.exp(np.mean(np.log(self.draws))))


@dataclass(frozen=True)
class PercentMarginal(RatioMarginal):
    """A ratio as draws, told in percent of change."""

    @property
    def mean(self) -> float:
        """Geometric posterior mean."""
        return 100.0 * (super().mean - 1.0)

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        return 100.0 * super().sd

    def quantile(self, probability: float) -> float:
        """Return a quantile."""
        return 100.0 * (super().quantile(probability) - 1.0)

    def above(self, value: float) -> float:
        """Return the probability of lying above a value."""
        return super().above(1.0 + 0.01 * value)


@dataclass(frozen=True)
class LinkedPosterior(DrawnPosterior):
    """See `posterior.Posterior`.

    Parameters
    ----------
    response
        The draws.
    diagnostics, trace
        The verdict, and the auditor's chains.
    factor
        What the effects' distance from their means is multiplied by (`AnalysisSpec`).
    """

    response: Response
    diagnostics: Diagnostics
    trace: Mapping[str, np.ndarray] = field(default_factory=dict)
    factor: float = 1.0

    @property
    def fit(self) -> Fit:
        """What was fitted."""
        return self.response.fit

    @property
    def internal(self) -> np.ndarray:
        """Draws of the internal coefficients, shape (n_draws, k)."""
        return self.response.drawn.coefficients

    @property
    def noise(self) -> Mapping[str, np.ndarray]:
        """Draws of the noise; see `response.Response.noise`."""
        return self.response.noise

    def effects(self) -> EffectMarginals:
        """Return the posteriors of the effects."""
        effects = self.response.effects
        found = {name: self._widened(effects[name]) for name in _AMOUNTS if name in effects}
        return EffectMarginals(
            **{"sustained": None, **found},
            relative=PercentMarginal(self._widened_ratio(1.0 + 0.01 * effects["relative"])),
            ratio=RatioMarginal(self._widened_ratio(effects["ratio"])),
        )

    def bands(self) -> Bands:
        """Return what is shown of single days."""
        series, response = self.fit.series, self.response
        with_it, without = response.with_it, response.counterfactual
        ends = row_quantiles(without, (*INTERVAL, *INNER_INTERVAL))
        counterfactual = np.vstack([without.mean(axis=1), ends])
        post = series.phase == POST
        is_seen = series.observed[post]
        daily = with_it[post] - without[post]
        summed = np.cumsum(np.where(is_seen[:, None], daily, 0.0), axis=0)
        effect, cumulative = (
            np.vstack([draws.mean(axis=1), row_quantiles(draws, INTERVAL)])
            for draws in (daily, summed)
        )
        told = Bands(with_it.mean(axis=1), counterfactual, effect, cumulative).widened(self.factor)
        # A widened end may lie where no mean can: nothing is lost by ending where they end.
        most = None if response.likelihood.is_count else 1.0
        return replace(told, counterfactual=np.clip(told.counterfactual, 0.0, most))

    def innovations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return normal scores of the observed days, and their rows' numbers, shape (n_fitted,)."""
        return self.foretold.scores, np.flatnonzero(self.fit.rows)

    @cached_property
    def foretold(self) -> Foretold:
        """What the days before each fitted day foretell of it."""
        response, seen = self.response, self.response.seen
        regression = seen.shift + seen.scale * self.fit.problem.design @ self.mean_coefficients()
        return foretold(
            seen,
            response.likelihood,
            regression,
            self.fit.problem.steps,
            float(response.drawn.phi.mean()),
            seen.scale * float(response.drawn.sd.mean()),
            float(response.drawn.dispersion.mean()),
        )

    def phases(self) -> tuple[Marginal, ...]:
        """Return the effect in each group of phases on; see `exact.ExactPosterior.phases`."""
        series = self.fit.series
        if series.exposure.is_one_change:
            return ()
        groups, told = series.exposure.groups(), post_rows(series)
        difference = self.response.with_it - self.response.counterfactual
        rows = []
        for group in range(int(groups.max()) + 1):
            days = groups == group
            rows.append(difference[days & told if (days & told).any() else days].mean(axis=0))
        if len(rows) > 1:
            rows.append(rows[0] - np.mean(rows[1:], axis=0))
        return tuple(map(self._widened, rows))

    def other_effects(self) -> tuple[tuple[Marginal, Marginal, float], ...]:
        """Return what is told of each other intervention; see `posterior.Posterior`."""
        fit, response, found = self.fit, self.response, []
        own = response.effects["counterfactual"]
        for other in fit.series.others:
            days = other.is_on & fit.series.fit_rows
            days = days if days.any() else other.is_on
            without = response.without(fit.design.others[other.name])
            told = (response.with_it - without)[days].mean(axis=0)
            both = self._widened(own + told)
            found.append((self._widened(told), both, float(np.corrcoef(own, told)[0, 1])))
        return tuple(found)

    def kept(self) -> PosteriorDraws:
        """Return all draws."""
        effects = self.response.effects
        told = {name: self._widened(effects[name]).draws for name in _AMOUNTS if name in effects}
        told["cumulative"] = self.fit.series.n_post * told["counterfactual"]
        relative = self._widened_ratio(1.0 + 0.01 * effects["relative"])
        told["relative"] = 100.0 * (relative - 1.0)
        told["ratio"] = self._widened_ratio(effects["ratio"])
        reported = {**self.reported, OFFSET: np.ones(len(told["counterfactual"]))}
        return PosteriorDraws(
            coefficients=_in_chains(reported),
            estimands=_in_chains({f"{name}_effect": draws for name, draws in told.items()}),
            noise=_in_chains(self.noise),
            design=np.column_stack([self.fit.design.reported, self.response.shift]),
            trials=self.response.trials,
        )

    def _widened(self, draws: np.ndarray) -> SampleMarginal:
        return SampleMarginal(widened_draws(draws[None], self.factor)[0])

    def _widened_ratio(self, draws: np.ndarray) -> np.ndarray:
        """Return draws of a ratio, widened on its logarithm: it stays above zero."""
        return np.exp(widened_draws(np.log(draws)[None], self.factor)[0])

    @property
    def reported(self) -> Mapping[str, np.ndarray]:
        """Draws of the reported coefficients on the link scale, shape (n_draws,)."""
        return self._reported

    @cached_property
    def _reported(self) -> dict[str, np.ndarray]:
        design, response = self.fit.design, self.response
        values = response.seen.scale * (design.back @ response.drawn.coefficients.T)
        return dict(zip(design.names, values, strict=True))


def bounded(problem: Problem, seen: Observations) -> Problem:
    """Return a regression whose prior sds are at most `LARGEST_SD` on the link scale.

    Parameters
    ----------
    problem
        The regression.
    seen
        Its outcome.
    """
    prior = problem.prior
    narrower = ScaleMixture(np.minimum(prior.sd, LARGEST_SD / seen.scale), prior.weights)
    return Problem(problem.design, problem.outcome, problem.steps, narrower)


def linked_posterior(
    fit: Fit,
    likelihood: LinkedLikelihood,
    spec: AnalysisSpec,
    cores: int | None = None,
    *,
    audited: bool = True,
) -> LinkedPosterior:
    """Compute, audit and judge the posterior of counts or of a yes/no outcome.

    Draws that are worth too little are replaced by NUTS's own.

    Parameters
    ----------
    fit
        The fit.
    likelihood
        Its likelihood.
    spec
        Settings.
    cores
        Chains that run at once.
    audited
        Whether NUTS audits the draws.

    Raises
    ------
    InvalidSeries
        If a value cannot be of this family, or a forecast was asked for.
    """
    if fit.design.is_forecast:
        raise InvalidSeries(
            "forecast_of_link",
            f'estimator="forecast" takes outcomes as they are; with likelihood '
            f'"{likelihood.name}" use "segmented"',
        )
    series = fit.series
    values, denominator = series.values[fit.rows], series.denominator
    per = None if denominator is None else denominator[fit.rows]
    seen = likelihood.observations(values, per, series.phase[fit.rows] == PRE)
    problem = bounded(fit.problem, seen)
    contrasts = effect_contrasts(series, fit.design)
    found = weighed(problem, seen, contrasts, series.steps, spec.seed)
    response = Response(fit, seen, likelihood, found.alike(found.coefficients @ contrasts[0]))
    verdict = assess_weighed(found.worth, found.error, found.edge)
    if verdict.converged and not audited:
        return LinkedPosterior(response, verdict, factor=spec.interval_factor)
    # The later ones begin elsewhere, too: on some shares one chain in fifteen finds no step size at
    # a bound of the noise's sd, and stays where it began.
    for run in (0, 1, 2):
        stricter = run > 0
        longer = ESCALATION_FACTOR if stricter else 1
        settings = SamplerSettings(
            longer * AUDIT_DRAWS,
            longer * AUDIT_TUNE,
            CHAINS,
            seed_of_run(spec.seed, run),
            ESCALATION_ACCEPT if stricter else AUDIT_ACCEPT,
        )
        chains, drawn = sampled(problem, seen, found, series.steps, settings, cores)
        other = Response(fit, seen, likelihood, drawn)
        trace = _by_chain(other.noise, chains)
        if verdict.converged:
            judged = _audited(found, response, other, chains, escalated=stricter)
        else:
            judged = _sampled_verdict(other, chains, escalated=stricter)
        if judged.converged:
            break
    told = response if verdict.converged else other
    return LinkedPosterior(told, judged, trace, spec.interval_factor)


def _audited(
    found: Weighed, response: Response, other: Response, chains: Chains, *, escalated: bool
) -> Diagnostics:
    """Judge the weighed draws by the sampler's."""
    effects = _judged_effects(other)
    ours = _judged_effects(response)
    worst = 0.0
    for name, theirs in effects.items():
        # Medians and widths: of means and sds a handful of draws far out decides.
        low, middle, high = np.quantile(theirs, _COMPARED)
        our_low, our_middle, our_high = np.quantile(ours[name], _COMPARED)
        spread = (high - low) / _WIDTH_IN_SDS
        width = (our_high - our_low) / (high - low)
        worst = max(worst, float(abs(our_middle - middle) / spread), float(abs(width - 1.0)))
    return assess_weighed(
        found.worth,
        found.error,
        found.edge,
        draws=_by_chain(effects, chains),
        energy=chains.energy,
        diverging=chains.diverging,
        depth=chains.depth,
        escalated=escalated,
        difference=worst,
    )


def _sampled_verdict(other: Response, chains: Chains, *, escalated: bool) -> Diagnostics:
    """Judge the sampler's draws where they are the answer."""
    draws = {**_judged_effects(other), **other.noise}
    return assess(
        _by_chain(draws, chains),
        chains.energy,
        chains.diverging,
        chains.depth,
        escalated=escalated,
    )


def _judged_effects(response: Response) -> dict[str, np.ndarray]:
    """Return the effects that two methods are held against each other by.

    The others are functions of the same days; a change of trend in amounts hangs on the largest few
    draws.
    """
    return {f"{name}_effect": response.effects[name] for name in _AUDITED}


def _by_chain(draws: Mapping[str, np.ndarray], chains: Chains) -> dict[str, np.ndarray]:
    return {name: values.reshape(chains.energy.shape) for name, values in draws.items()}


def _in_chains(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values.reshape(CHAINS, -1) for name, values in draws.items()}
