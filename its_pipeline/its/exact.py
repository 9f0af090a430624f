"""A posterior by quadrature: exact, deterministic, audited by NUTS where that is asked for.

What belongs here: what `posterior.Posterior` promises, from the mixtures of one fit with normal
innovations. What does not: the quadrature and the audit themselves (`inference`), or posteriors
that have to be sampled (`sampled`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from its_pipeline.its.designs.phases import PHASE
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.inference.nodes import Nodes, nodes_of, thinned
from its_pipeline.its.inference.quadrature import QUADRATURE_ERROR_MAX, Targets, integrate
from its_pipeline.its.logarithmic import average_effect, bands_in_amounts, effects_in_amounts
from its_pipeline.its.posterior import (
    INNER_INTERVAL,
    INTERVAL,
    Bands,
    EffectMarginals,
    Fit,
    Marginal,
    MixtureMarginal,
    widened,
)
from its_pipeline.its.results import Diagnostics, PosteriorGrid, WhatIf
from its_pipeline.its.series import POST
from its_pipeline.its.targets import (
    COUNTERFACTUAL,
    IMMEDIATE,
    SUSTAINED,
    Asked,
    Forecast,
    effect_contrasts,
    post_effects,
    segmented_days,
)

BAND_NODES = 160
"""Nodes that the bands of single days are computed of; the effects use all."""
KEPT_NODES = 1024
"""Nodes that are stored: draws are made of them."""
_IMPOSSIBLE = 1e-3


@dataclass(frozen=True)
class ExactPosterior:
    """See `posterior.Posterior`.

    Parameters
    ----------
    fit
        What was fitted.
    mixture
        The effects (`targets`), and in the segmented model the intervention's coefficients.
    forecast
        How effects are told of a fit without intervention; None in the segmented model.
    diagnostics, trace
        The verdict, and the auditor's chains.
    seed
        Of draws.
    factor
        What the effects' distance from their means is multiplied by (`AnalysisSpec`).
    """

    fit: Fit
    mixture: Mixture
    forecast: Forecast | None
    diagnostics: Diagnostics
    trace: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0
    factor: float = 1.0

    def effects(self) -> EffectMarginals:
        """Return the posteriors of the effects."""
        has_slope = self.fit.design.has_slope
        told = EffectMarginals(
            counterfactual=self._marginal(self.mixture, COUNTERFACTUAL),
            immediate=self._marginal(self.mixture, IMMEDIATE),
            sustained=self._marginal(self.mixture, SUSTAINED) if has_slope else None,
        )
        series = self.fit.series
        return effects_in_amounts(series, told) if series.is_logarithmic else told

    @cached_property
    def nodes(self) -> Nodes:
        """Nodes with all coefficients, few enough for bands of every day."""
        return self._nodes(BAND_NODES)

    @cached_property
    def asked(self) -> Asked:
        """What the mixture holds, in a segmented model."""
        return Asked.of(self.fit.series, self.fit.design)

    def phases(self) -> tuple[Marginal, ...]:
        """Return the effect in each group of phases on; none where the intervention is one change.

        Behind them, where there are several, the first one's less the mean of the later ones'.
        """
        if self.forecast:
            return ()
        rows = [*_numbers(self.asked.rows_of("phases")), *_numbers(self.asked.rows_of("steady"))]
        return tuple(self._average(self.mixture, row) for row in rows)

    def alike_probability(self) -> float | None:
        """Return how probable it is that phases differ little; None where the model has one."""
        named = [name for name in self.fit.design.names if name.startswith(f"{PHASE}[")]
        if not named or self.forecast:
            return None
        design = self.fit.design
        column = int(np.argmax(np.abs(design.back[design.names.index(named[0])])))
        sds = design.prior.sd[:, column]
        return float(self.mixture.weights[(sds == sds.min())[self.mixture.component]].sum())

    def other_effects(self) -> tuple[tuple[Marginal, Marginal, float], ...]:
        """Return what is told of each other intervention; see `posterior.Posterior`."""
        if self.forecast:
            return ()
        own = self.mixture.sd()[COUNTERFACTUAL]
        found = []
        for row, both in zip(
            _numbers(self.asked.rows_of("others")),
            _numbers(self.asked.rows_of("with_others")),
            strict=True,
        ):
            other, together = self.mixture.sd()[row], self.mixture.sd()[both]
            shared = 0.5 * (together**2 - own**2 - other**2)
            told = (self._average(self.mixture, row), self._average(self.mixture, both))
            found.append((*told, float(shared / (own * other))))
        return tuple(found)

    def bands(self) -> Bands:
        """Return what is shown of single days."""
        forecast = self.forecast
        told = self._forecast_bands(forecast) if forecast else self._segmented_bands()
        told = told.widened(self.factor)
        series = self.fit.series
        return bands_in_amounts(series, told) if series.is_logarithmic else told

    def mean_coefficients(self) -> np.ndarray:
        """Return the posterior mean of the internal coefficients, shape (k,)."""
        return self.nodes.mean()

    def mean_parameters(self) -> dict[str, float]:
        """Return posterior means of the noise's parameters, "sigma" standardised."""
        weights = self.mixture.weights
        named = self.fit.noise_model.parameters(self.mixture.points)
        found = {name: float(weights @ values) for name, values in named.items()}
        return {**found, "sigma": float(weights @ np.exp(self.mixture.log_sd))}

    def innovations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised innovations, and their rows' numbers, shape (n_fitted,)."""
        return self.fit.innovations(self.mean_coefficients(), self.mean_parameters())

    def neighbours(self) -> tuple[float, float]:
        """Return the correlation of two neighbouring days: its mean and 97.5 % quantile."""
        model, weights = self.fit.noise_model, self.mixture.weights
        named = model.parameters(self.mixture.points)
        values = model.correlation_of_neighbours({**named, "sigma": np.exp(self.mixture.log_sd)})
        order = np.argsort(values)
        upper = values[order][np.searchsorted(np.cumsum(weights[order]), INTERVAL[1])]
        return float(weights @ values), float(upper)

    def coefficients(self) -> dict[str, tuple[float, float]]:
        """Return mean and sd of the reported coefficients in the outcome's own units."""
        series, back = self.fit.series, self.fit.design.back
        means = series.scale * (back @ self.nodes.mean())
        means[0] += series.centre
        sds = series.scale * np.sqrt(np.diag(back @ self.nodes.covariance() @ back.T))
        return {
            name: (float(mean), float(sd))
            for name, mean, sd in zip(self.fit.design.names, means, sds, strict=True)
        }

    def what_if(self) -> tuple[WhatIf, ...]:
        """Return the average effect given each belief about straight trends.

        The prior is a mixture of small and wide scales, so its components are those beliefs: no
        further fit is needed.
        """
        design, found = self.fit.design, []
        beliefs = [("trend", "trend")]
        if design.sustained is not None:
            beliefs.append((design.sustained, "slope_change"))
        for column_name, belief in beliefs:
            if column_name not in design.names:
                continue
            column = int(np.argmax(np.abs(design.back[design.names.index(column_name)])))
            sds = design.prior.sd[:, column]
            is_small = (sds == sds.min())[self.mixture.component]
            for nodes, name in ((is_small, f"no_{belief}"), (~is_small, belief)):
                probability = float(self.mixture.weights[nodes].sum())
                if probability > _IMPOSSIBLE:
                    given = self._average(self.mixture.given(nodes), COUNTERFACTUAL)
                    lower, upper = (given.quantile(p) for p in INTERVAL)
                    found.append(
                        WhatIf(name, probability, given.mean, lower, upper, given.above(0.0))
                    )
        return tuple(found)

    def kept(self) -> PosteriorGrid:
        """Return nodes and regression: all draws can be made of them."""
        numbers, weights = thinned(self.mixture, KEPT_NODES)
        fit, problem = self.fit, self.fit.problem
        mixture = self.mixture
        points = mixture.points[numbers]
        targets = self.forecast.effects(points) if self.forecast else self._contrasts()
        return PosteriorGrid(
            design=problem.design,
            outcome=problem.outcome,
            steps=problem.steps,
            prior_sd=problem.prior.sd,
            prior_weights=problem.prior.weights,
            weights=weights,
            points=points,
            log_sd=mixture.log_sd[numbers],
            component=mixture.component[numbers],
            loadings=targets.loadings,
            offsets=np.zeros((1, 1)) if targets.offsets is None else targets.offsets,
            extra=np.zeros((1, 1)) if targets.extra is None else targets.extra,
            back=fit.design.back,
            reported=fit.design.reported,
            names=fit.design.names,
            centre=fit.series.centre,
            scale=fit.series.scale,
            n_post=fit.series.n_post,
            observed_sum=fit.series.observed_post_sum,
        )

    def _marginal(self, mixture: Mixture, quantity: int) -> Marginal:
        told = MixtureMarginal(mixture, quantity, self.fit.series.scale)
        return widened(told, self.factor)

    def _average(self, mixture: Mixture, quantity: int) -> Marginal:
        told, series = self._marginal(mixture, quantity), self.fit.series
        return average_effect(series, told) if series.is_logarithmic else told

    def _contrasts(self) -> Targets:
        return Targets(effect_contrasts(self.fit.series, self.fit.design)[None])

    def _nodes(self, n: int) -> Nodes:
        numbers, weights = thinned(self.mixture, n)
        mixture = self.mixture
        return nodes_of(
            self.fit.problem,
            self.fit.noise_model,
            weights,
            mixture.points[numbers],
            mixture.log_sd[numbers],
            mixture.component[numbers],
        )

    def _counterfactual(self, targets: Targets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return moments at the nodes, and mean and interval ends in outcome units."""
        series = self.fit.series
        means, sds = self.nodes.moments(targets)
        ends = self.nodes.quantiles(means, sds, (*INTERVAL, *INNER_INTERVAL))
        rows = np.vstack([means @ self.nodes.weights, ends])
        return means, sds, series.centre + series.scale * rows

    def _segmented_bands(self) -> Bands:
        fit, series, design = self.fit, self.fit.series, self.fit.design
        targets = segmented_days(series, design, fit.problem, fit.noise_model, self.nodes.points)
        _, _, counterfactual = self._counterfactual(targets)
        columns, mean, covariance = self._intervention_moments()
        fitted = counterfactual[0].copy()
        after = series.steps >= 0
        fitted[after] += series.scale * (design.intervention[after][:, columns] @ mean)
        daily = post_effects(series, design, columns)
        is_seen = series.observed[series.phase == POST]
        summed = np.cumsum(np.where(is_seen[:, None], daily, 0.0), axis=0)
        return Bands(
            fitted=fitted,
            counterfactual=counterfactual,
            effect=series.scale * self._exact_rows(daily, columns, mean, covariance),
            cumulative=series.scale * self._exact_rows(summed, columns, mean, covariance),
        )

    def _exact_rows(
        self, loadings: np.ndarray, columns: np.ndarray, mean: np.ndarray, covariance: np.ndarray
    ) -> np.ndarray:
        """Return means and interval ends of combinations of the intervention's coefficients.

        Their shape is the few nodes', their mean and sd those of all.
        """
        full = np.zeros((len(loadings), self.fit.design.matrix.shape[1]))
        full[:, columns] = loadings
        means, sds = self.nodes.moments(Targets(full[None]))
        ends = self.nodes.quantiles(means, sds, INTERVAL)
        weights = self.nodes.weights
        centre = means @ weights
        spread = np.sqrt(((means - centre[:, None]) ** 2 + sds**2) @ weights)
        exact = loadings @ mean
        exact_sd = np.sqrt(np.sum(loadings @ covariance * loadings, axis=1))
        stretch = np.divide(exact_sd, spread, out=np.ones_like(spread), where=spread > 0.0)
        return np.vstack([exact, exact + (ends - centre) * stretch])

    def _intervention_moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the intervention's columns, and mean and covariance of their coefficients."""
        columns, rows = self.asked.columns, self.asked.rows_of("moments")
        q = len(columns)
        means, sds = self.mixture.mean()[rows], self.mixture.sd()[rows]
        covariance = np.diag(sds[:q] ** 2)
        pair = q
        for i in range(q):
            for j in range(i + 1, q):
                shared = 0.5 * (sds[pair] ** 2 - covariance[i, i] - covariance[j, j])
                covariance[i, j] = covariance[j, i] = shared
                pair += 1
        return columns, means[:q], covariance

    def _forecast_bands(self, forecast: Forecast) -> Bands:
        series = self.fit.series
        means, sds, counterfactual = self._counterfactual(forecast.days(self.nodes.points))
        post = series.phase == POST
        seen = np.log(series.values[post]) if series.is_logarithmic else series.values[post]
        effect = np.vstack(
            [
                seen - counterfactual[0, post],
                seen - counterfactual[2, post],
                seen - counterfactual[1, post],
            ]
        )
        means, sds = self.nodes.moments(forecast.cumulative(self.nodes.points))
        ends = self.nodes.quantiles(means, sds, INTERVAL)
        known = series.scale * np.vstack([means @ self.nodes.weights, ends])
        is_seen = series.observed[post]
        # A cumulative effect is carried over missing days; before the first there is none.
        until = np.cumsum(is_seen) - 1
        cumulative = np.where(until >= 0, known[:, np.maximum(until, 0)], 0.0)
        return Bands(counterfactual[0], counterfactual, effect, cumulative)


def _numbers(rows: slice) -> range:
    return range(rows.start, rows.stop)


def integrate_posterior(
    fit: Fit, tolerance: float = QUADRATURE_ERROR_MAX, *, only_headline: bool = False
) -> tuple[Mixture, Forecast | None]:
    """Integrate what a fit with normal innovations says of its effects.

    Parameters
    ----------
    fit
        The fit; a design without intervention makes it a forecast.
    tolerance
        Of the quadrature.
    only_headline
        Whether the counterfactual effect is all that is wanted of a segmented model.

    Returns
    -------
    tuple
        The effects' mixture, in the segmented model with the moments of the intervention's
        coefficients behind them; and how effects are told of a forecast, else None.
    """
    if fit.design.is_forecast:
        forecast = Forecast(fit.series, fit.design, fit.problem, fit.noise_model)
        return integrate(fit.problem, fit.noise_model, forecast.effects, tolerance), forecast
    if only_headline:
        headline = effect_contrasts(fit.series, fit.design)[: COUNTERFACTUAL + 1]
        return integrate(fit.problem, fit.noise_model, headline, tolerance), None
    asked = Asked.of(fit.series, fit.design)
    # Phases are told with their intervals; the rest are moments that nobody reads a tail of.
    n_judged = asked.rows_of("phases").stop
    found = integrate(fit.problem, fit.noise_model, asked.all, tolerance, n_judged=n_judged)
    return found, None
