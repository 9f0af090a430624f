"""Counts and yes/no: what each family makes of an outcome, and of its predictor.

What belongs here: one object a family, its rules for values, its link and its scatter on the scale
people read. What does not: its density (`family_kernel`) or inference (`latent`).

The link is the logarithm for counts and the logit for successes (McCullagh & Nelder 1989, table
2.1). An outcome's denominator is the person-time of a count, or the number of trials of a share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy import special

from its_pipeline.its.errors import InvalidSeries
from its_pipeline.its.likelihoods.observations import Observations
from its_pipeline.its.noise.base import NoiseModel

POISSON, NEGATIVE_BINOMIAL, BINOMIAL, BETA_BINOMIAL = range(4)
"""Numbers of the families in `family_kernel`."""
_WHOLE = 1e-6
_SCALES = (0.1, 0.5)
"""Bounds of the unit of counts' predictors, the sd of the days off over their mean: rates of a
person seldom lie further apart than half as much again, whatever chance makes of few events."""
_UNIT_OF_ODDS = 1.0
"""Unit of the predictor of shares, in log odds. People's days above a line of their own stay there
for long: with half of it, 95 % intervals held 0 in only 90 % of real windows of 28 days
(benchmarks/outcomes_real.py). So do measurements, of whose variance half lasts; what is new every
day has here an sd of 1.8 log odds."""
_HALF = 0.5


@runtime_checkable
class LinkedLikelihood(Protocol):
    """A likelihood whose mean is a function of a linear predictor.

    Attributes
    ----------
    ratio_name
        What the ratio of two means (or of their odds) is called.
    is_count
        Whether it counts events, without an upper end.
    """

    name: str
    ratio_name: str
    is_count: bool
    has_heavy_tails: bool
    labels: Mapping[str, str]

    def observations(
        self, values: np.ndarray, denominator: np.ndarray | None, is_off: np.ndarray
    ) -> Observations:
        """Return what is observed, shape (n,) each.

        Parameters
        ----------
        values, denominator
            The outcome and its denominator on the fitted rows.
        is_off
            Which of them are days off.

        Raises
        ------
        InvalidSeries
            If a value cannot be of this family.
        """
        ...

    def mean(self, eta: Any) -> Any:
        """Return the outcome's mean at a predictor."""
        ...

    def ratio(self, with_it: np.ndarray, without: np.ndarray) -> np.ndarray:
        """Return the ratio of two means, or of their odds."""
        ...

    def variance(self, mean: Any, trials: Any, dispersion: Any) -> Any:
        """Return the variance of a day around its mean."""
        ...

    def slope(self, mean: Any) -> Any:
        """Return how fast the mean grows with the predictor."""
        ...

    def replicate(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        model: NoiseModel,
        noise: Mapping[str, np.ndarray],
        trials: np.ndarray | None,
    ) -> np.ndarray:
        """Draw series: of predictors without noise, shape (d, n), and draws of the noise, (d,)."""
        ...


class _Linked(ABC):
    """What families share."""

    @abstractmethod
    def mean(self, eta: Any) -> Any:
        """Return the outcome's mean at a predictor."""

    @abstractmethod
    def _draw(
        self, rng: np.random.Generator, mean: np.ndarray, trials: np.ndarray, spread: np.ndarray
    ) -> np.ndarray:
        """Draw outcomes around their means."""

    def replicate(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        model: NoiseModel,
        noise: Mapping[str, np.ndarray],
        trials: np.ndarray | None,
    ) -> np.ndarray:
        """Draw the noise that lasts, then each day's outcome around its mean."""
        lasting = {name: noise[name] for name in model.labels}
        lasting |= {"share_new": np.zeros(len(expected)), "sigma": noise["latent_sd"]}
        errors = model.simulate(lasting, rng.standard_normal(expected.shape))
        spread = noise.get("dispersion", np.ones(len(expected)))[:, None]
        of_days = np.ones(1) if trials is None else trials
        return self._draw(rng, self.mean(expected + errors), of_days, spread)


class Counts(_Linked):
    """Counts with a logarithmic link; see `LinkedLikelihood`."""

    ratio_name = "rate ratio"
    is_count = True
    has_heavy_tails = True

    def __init__(self, name: str, *, dispersed: bool) -> None:
        self.name = name
        self.dispersed = dispersed
        labels = {"latent_sd": "noise that lasts (log rate)"}
        if dispersed:
            labels["dispersion"] = "day-to-day dispersion"
        self.labels: Mapping[str, str] = MappingProxyType(labels)

    def observations(
        self, values: np.ndarray, denominator: np.ndarray | None, is_off: np.ndarray
    ) -> Observations:
        """Return counts with the log of their person-time as what is known of the predictor."""
        bad = (values < 0.0) | (np.abs(values - np.rint(values)) > _WHOLE)
        if bad.any():
            raise InvalidSeries(
                "not_counts",
                f"likelihood {self.name!r} takes whole numbers from 0 on but got "
                f"{values[bad][0]:g}; use normal, student_t or lognormal for measurements",
            )
        y = np.rint(values)
        if not y.any():
            raise InvalidSeries(
                "constant_outcome", "all counts are 0: there is no rate to compare with"
            )
        per = np.ones(len(y)) if denominator is None else denominator
        if not (np.isfinite(per) & (per > 0.0)).all():
            raise InvalidSeries(
                "bad_denominator",
                f"the denominator of a count must be above 0 on every observed step but got "
                f"{per[~(np.isfinite(per) & (per > 0.0))][0]:g}",
            )
        rate = max(float(y[is_off].sum()), _HALF) / float(per[is_off].sum())
        rates = y[is_off] / per[is_off]
        # Days off without any event say nothing of how rates differ.
        apart = np.std(rates, ddof=1) / rate if y[is_off].any() else _SCALES[1]
        scale = float(np.clip(apart, *_SCALES))
        # Half-way between the day's own rate and the usual one.
        start = np.log(0.5 * (y / per + rate) / rate) / scale
        family = NEGATIVE_BINOMIAL if self.dispersed else POISSON
        return Observations(
            family,
            self.dispersed,
            y,
            np.ones(len(y)),
            np.log(per),
            float(np.log(rate)),
            scale,
            start,
        )

    def mean(self, eta: Any) -> Any:
        """Return the rate."""
        capped = np.minimum(eta, 30.0)
        return np.exp(capped, out=capped if isinstance(capped, np.ndarray) else None)

    def ratio(self, with_it: np.ndarray, without: np.ndarray) -> np.ndarray:
        """Return the ratio of rates."""
        return with_it / without

    def variance(self, mean: Any, trials: Any, dispersion: Any) -> Any:
        """Return the variance of Poisson counts whose rate has the relative sd `dispersion`."""
        del trials
        return mean + (np.square(dispersion * mean) if self.dispersed else 0.0)

    def slope(self, mean: Any) -> Any:
        """Return the mean itself."""
        return mean

    def _draw(
        self, rng: np.random.Generator, mean: np.ndarray, trials: np.ndarray, spread: np.ndarray
    ) -> np.ndarray:
        del trials
        if self.dispersed:
            size = np.broadcast_to(1.0 / np.square(spread), mean.shape)
            mean = mean * rng.gamma(size, 1.0 / size)
        return rng.poisson(mean).astype(float)


class Successes(_Linked):
    """Yes/no and shares of trials with a logistic link; see `LinkedLikelihood`."""

    name = "binomial"
    ratio_name = "odds ratio"
    is_count = False
    has_heavy_tails = True
    labels: Mapping[str, str] = MappingProxyType(
        {"latent_sd": "noise that lasts (log odds)", "dispersion": "dispersion between days"}
    )

    def observations(
        self, values: np.ndarray, denominator: np.ndarray | None, is_off: np.ndarray
    ) -> Observations:
        """Return successes and trials; shares of several trials have a dispersion of their own."""
        trials = np.ones(len(values)) if denominator is None else denominator
        if not (np.isfinite(trials) & (trials >= 1.0)).all():
            raise InvalidSeries(
                "bad_denominator",
                "the number of trials must be at least 1 on every observed step but got "
                f"{trials[~(np.isfinite(trials) & (trials >= 1.0))][0]:g}",
            )
        y = values * trials
        bad = (values < 0.0) | (values > 1.0) | (np.abs(y - np.rint(y)) > _WHOLE * trials)
        bad |= np.abs(trials - np.rint(trials)) > _WHOLE
        if bad.any():
            remedy = "say how many trials there were (denominator)" if denominator is None else ""
            raise InvalidSeries(
                "not_shares",
                "likelihood 'binomial' takes 0 and 1, or shares of a number of trials, but got "
                f"{values[bad][0]:g} of {trials[bad][0]:g}"
                f"{'; ' + remedy if remedy else ''}",
            )
        y, trials = np.rint(y), np.rint(trials)
        if not y.any() or (y == trials).all():
            raise InvalidSeries(
                "constant_outcome",
                f"the outcome is {'never' if not y.any() else 'always'} yes: there is nothing to "
                "compare with",
            )
        usual = (float(y[is_off].sum()) + _HALF) / (float(trials[is_off].sum()) + 2.0 * _HALF)
        centre = float(special.logit(usual))
        start = special.logit((y + usual * trials) / (2.0 * trials)) - centre
        start = start / _UNIT_OF_ODDS
        dispersed = bool((trials > 1.0).any())
        family = BETA_BINOMIAL if dispersed else BINOMIAL
        offset = np.zeros(len(y))
        return Observations(family, dispersed, y, trials, offset, centre, _UNIT_OF_ODDS, start)

    def mean(self, eta: Any) -> Any:
        """Return the probability."""
        return special.expit(eta)

    def ratio(self, with_it: np.ndarray, without: np.ndarray) -> np.ndarray:
        """Return the ratio of odds."""
        return with_it * (1.0 - without) / (without * (1.0 - with_it))

    def variance(self, mean: Any, trials: Any, dispersion: Any) -> Any:
        """Return the variance of a share of trials that are alike within a day."""
        alike = np.square(dispersion) / (1.0 + np.square(dispersion))
        return mean * (1.0 - mean) / trials * (1.0 + (np.asarray(trials) - 1.0) * alike)

    def slope(self, mean: Any) -> Any:
        """Return p (1 - p)."""
        return mean * (1.0 - mean)

    def _draw(
        self, rng: np.random.Generator, mean: np.ndarray, trials: np.ndarray, spread: np.ndarray
    ) -> np.ndarray:
        if (trials > 1.0).any():
            total = 1.0 / np.square(spread)
            p, q = np.maximum(total * mean, 1e-6), np.maximum(total * (1.0 - mean), 1e-6)
            mean = rng.beta(p, q)
        n = np.broadcast_to(np.rint(trials).astype(int), mean.shape)
        return rng.binomial(n, mean) / n


POISSON_COUNTS = Counts("poisson", dispersed=False)
NEGATIVE_BINOMIAL_COUNTS = Counts("negative_binomial", dispersed=True)
SUCCESSES = Successes()
