"""Which options an analysis has: from request, intervention and metric, in that order.

What belongs here: who goes over whom, and the refusal where what they say does not go together.
What does not: the options themselves and their rules (`events.analysis_options`), or building the
model's settings of them (`preparation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from its_pipeline.events.analysis_options import LIKELIHOODS, UNSAID, USUAL, AnalysisOptions
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.settings import Settings

UNKNOWN_LIKELIHOOD: Final = "unknown_likelihood"
CONTRADICTORY_OPTIONS: Final = "contradictory_options"


@dataclass(frozen=True)
class Options:
    """What a caller may ask of an analysis beyond what the intervention says.

    Attributes
    ----------
    analysis
        What goes over the intervention's and the metric's own options; nothing by default.
    draws, tune, chains, seed
        Of the sampler.
    """

    analysis: AnalysisOptions = UNSAID
    draws: int = 2000
    tune: int = 1000
    chains: int = 4
    seed: int = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Options:
        """Return the installation's defaults."""
        return cls(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=settings.seed,
        )


class OptionsError(ValueError):
    """What request, intervention and metric say makes no analysis.

    Attributes
    ----------
    code
        Why, for programs: `UNKNOWN_LIKELIHOOD` or `CONTRADICTORY_OPTIONS`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


def chosen_options(
    asked: AnalysisOptions, intervention: Intervention, metric: OutcomeMetric
) -> AnalysisOptions:
    """Return the options of an analysis, every one of them said.

    Parameters
    ----------
    asked
        What the question itself says; it goes over everything.
    intervention
        Its own options go over the metric's.
    metric
        Its options go over what an installation does anyway.

    Raises
    ------
    OptionsError
        If the metric names a likelihood that there is none of, or two of the three contradict each
        other.
    """
    try:
        said = asked.over(intervention.analysis).over(metric.analysis)
    except ValueError as error:
        raise OptionsError(
            CONTRADICTORY_OPTIONS,
            f"the options of {intervention.intervention_id} and of {metric.name} do not go "
            f"together: {error}; amend the intervention's analysis, or the metric's where it is "
            "declared (metrics.yaml)",
        ) from error
    if said.likelihood is None:
        if metric.likelihood not in LIKELIHOODS:
            raise OptionsError(
                UNKNOWN_LIKELIHOOD,
                f"the likelihood of {metric.name} should be one of {', '.join(LIKELIHOODS)} but is "
                f"{metric.likelihood!r}; mend it where the metric is declared (metrics.yaml)",
            )
        said = said.over(AnalysisOptions(likelihood=metric.likelihood))
    return said.over(USUAL)
