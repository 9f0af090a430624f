"""Draws of a predictor on the scale people read: means of days, effects, and the noise beside them.

What belongs here: averaging over the days, never a coefficient. What does not: the draws
(`likelihoods.latent`), or what is made of the answers (`linked`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from its_pipeline.its.designs.base import post_rows
from its_pipeline.its.likelihoods.latent_draws import Weighed
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.likelihoods.observations import Observations
from its_pipeline.its.posterior import Fit
from its_pipeline.its.series import PRE


@dataclass(frozen=True)
class Response:
    """Draws of one posterior with a link, in the outcome's own units.

    Parameters
    ----------
    fit, seen, likelihood
        What was fitted: the series and its columns, the outcome on the fitted rows, its family.
    drawn
        Draws that are each as probable as any other.
    """

    fit: Fit
    seen: Observations
    likelihood: LinkedLikelihood
    drawn: Weighed

    @cached_property
    def shift(self) -> np.ndarray:
        """The predictor at h = 0, shape (n_days,): on unseen days as on seen ones usually."""
        found = np.full(len(self.fit.series.days), float(np.mean(self.seen.shift)))
        found[self.fit.rows] = self.seen.shift
        return found

    @cached_property
    def trials(self) -> np.ndarray:
        """Number of trials, shape (n_days,): on unseen days as on seen ones usually."""
        usual = np.rint(np.mean(self.seen.trials))
        found = np.full(len(self.fit.series.days), float(usual))
        found[self.fit.rows] = self.seen.trials
        return found

    @cached_property
    def with_it(self) -> np.ndarray:
        """Draws of each day's mean as it was, shape (n_days, n_draws)."""
        return self._mean(self.fit.design.matrix, slice(None))

    @cached_property
    def counterfactual(self) -> np.ndarray:
        """Draws of each day's mean without the intervention, shape (n_days, n_draws)."""
        return self.without(self.fit.design.intervention)

    def without(self, columns: np.ndarray) -> np.ndarray:
        """Return draws of each day's mean with some columns, (n_days, k), taken out."""
        found = self.with_it.copy()
        differs = np.flatnonzero(columns.any(axis=1))
        found[differs] = self._mean(self.fit.design.matrix - columns, differs)
        return found

    @cached_property
    def _paths(self) -> np.ndarray:
        """The noise that lasts by days, shape (n_days, n_draws)."""
        return np.ascontiguousarray(self.drawn.paths.T)

    def _mean(self, columns: np.ndarray, days: np.ndarray | slice) -> np.ndarray:
        eta = columns[days] @ self.drawn.coefficients.T
        eta += self._paths[days]
        eta *= self.seen.scale
        eta += self.shift[days, None]
        return self.likelihood.mean(eta)

    @cached_property
    def effects(self) -> dict[str, np.ndarray]:
        """Draws of the effects by the estimands' names, shape (n_draws,) each."""
        series = self.fit.series
        told = post_rows(series)
        first = int(np.argmax(series.exposure.is_on))
        difference = self.with_it[told] - self.counterfactual[told]
        on, off = self.with_it[told].mean(axis=0), self.counterfactual[told].mean(axis=0)
        found = {
            "counterfactual": difference.mean(axis=0),
            "immediate": self.with_it[first] - self.counterfactual[first],
            "relative": 100.0 * (on / off - 1.0),
            "ratio": self.likelihood.ratio(on, off),
        }
        if self.fit.design.has_slope:
            # The slope of the effect itself over the days, by least squares.
            steps = series.steps[told].astype(float)
            away = steps - steps.mean()
            found["sustained"] = away @ difference / float(away @ away)
        return found

    @cached_property
    def noise(self) -> dict[str, np.ndarray]:
        """Draws of the noise, shape (n_draws,) each.

        "sigma" and "share_new" are those of the outcome itself on a usual day off, by the delta
        method (Casella & Berger 2002, section 5.5.4): how far a day lies from its regression, and
        how much of that is new every day. "latent_sd" is the lasting noise on the link scale.
        """
        off = self.fit.rows & (self.fit.series.phase == PRE)
        mean = self.counterfactual[off].mean(axis=0)
        latent_sd = self.seen.scale * self.drawn.sd
        lasting = np.square(self.likelihood.slope(mean) * latent_sd)
        new = self.likelihood.variance(mean, float(np.mean(self.trials)), self.drawn.dispersion)
        told = {"dispersion": self.drawn.dispersion} if self.seen.dispersed else {}
        return {
            "phi": self.drawn.phi,
            "share_new": new / (new + lasting),
            "sigma": np.sqrt(new + lasting),
            "latent_sd": latent_sd,
            **told,
        }
