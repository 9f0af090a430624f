"""What a reader of the effects must be warned of, as data: code, text, numbers.

`cautions_of_input` looks at the input alone, so it serves every analysis. `cautions_of_effects`
may show effects and is called only for analyses that converged.
"""

from __future__ import annotations

import pandas as pd

from its_pipeline.its.design import SLOPE_MINIMUM_DAYS, Design
from its_pipeline.its.effects import Estimands
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import AnalysisSpec


def cautions_of_input(
    series: PreparedSeries, design: Design, spec: AnalysisSpec
) -> tuple[AnalysisWarning, ...]:
    """Return what the input alone gives reason to warn of."""
    found = []
    if min(series.n_pre, series.n_post) < SLOPE_MINIMUM_DAYS:
        found.append(
            AnalysisWarning(
                "short_phase",
                f"Only {series.n_pre} {spec.step}s before and {series.n_post} after the "
                f"intervention were observed; with fewer than {SLOPE_MINIMUM_DAYS} in a phase the "
                "interval is wide and leans on the priors.",
                {
                    "n_pre": float(series.n_pre),
                    "n_post": float(series.n_post),
                    "recommended": float(SLOPE_MINIMUM_DAYS),
                },
            )
        )
    return tuple(found)


def cautions_of_effects(
    series: PreparedSeries,
    design: Design,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None,
    posterior: Posterior,
    found: Estimands,
) -> tuple[AnalysisWarning, ...]:
    """Return what the fitted model gives reason to warn of; converged analyses only."""
    return ()
