"""What a sensitivity analysis answers with: the counterfactual effect under another question.

What belongs here: the record, and how a mixture becomes one. What does not: the questions, each of
which is a file beside this one, or the thresholds by which they become warnings (`its.warnings`).
"""

from __future__ import annotations

from dataclasses import dataclass

from its_pipeline.its.designs.base import DesignMatrix
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference.mixture import Mixture
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.logarithmic import average_effect
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.posterior import INTERVAL, Marginal, MixtureMarginal, widened
from its_pipeline.its.series import PreparedSeries

TOLERANCE = 0.1
"""Of the quadrature's bound: its own error is a tenth of that, too little to change a warning."""


@dataclass(frozen=True)
class EffectEstimate:
    """Posterior of the counterfactual effect, in outcome units.

    Parameters
    ----------
    mean, sd
        Posterior mean and standard deviation.
    ci_lower, ci_upper
        Equal-tailed 95 % interval.
    probability_positive
        P(effect > 0).
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float

    def holds(self, value: float) -> bool:
        """Whether the interval holds a value."""
        return self.ci_lower <= value <= self.ci_upper

    def numbers(self, prefix: str) -> dict[str, float]:
        """Return the figures under names that begin with `prefix`."""
        return {
            f"{prefix}_mean": self.mean,
            f"{prefix}_sd": self.sd,
            f"{prefix}_ci_lower": self.ci_lower,
            f"{prefix}_ci_upper": self.ci_upper,
            f"{prefix}_probability_positive": self.probability_positive,
        }


def told_average(mixture: Mixture, series: PreparedSeries, factor: float = 1.0) -> Marginal:
    """Return the first contrast of a mixture, an average effect, in outcome units."""
    found = widened(MixtureMarginal(mixture, 0, series.scale), factor)
    return average_effect(series, found) if series.is_logarithmic else found


def estimate_of(mixture: Mixture, series: PreparedSeries, factor: float = 1.0) -> EffectEstimate:
    """Summarise the first contrast of a mixture in outcome units, widened by a factor."""
    found = told_average(mixture, series, factor)
    lower, upper = (found.quantile(probability) for probability in INTERVAL)
    return EffectEstimate(found.mean, found.sd, lower, upper, found.above(0.0))


def quadrature_estimate(
    series: PreparedSeries, design: DesignMatrix, noise: NoiseModel, factor: float = 1.0
) -> EffectEstimate:
    """Return the counterfactual effect by quadrature with normal innovations.

    Parameters
    ----------
    series
        The prepared series.
    design
        Columns with an intervention, or without one: then it is a forecast.
    noise
        How one day resembles the next.
    factor
        As `AnalysisSpec.interval_factor`: what is told beside an effect is widened like it.
    """
    fit = fit_of(series, design, noise, NORMAL)
    mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
    return estimate_of(mixture, series, factor)
