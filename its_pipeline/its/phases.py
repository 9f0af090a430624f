"""What is told of phases and of other interventions, from a posterior.

What belongs here: one row a phase, and the word for how alike the phases' effects are. What does
not: the columns behind them (`designs.phases`), or the records (`schedule_results`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its.estimands import effect_of
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import Effect
from its_pipeline.its.schedule_results import Likeness, OtherEffect, Phase
from its_pipeline.its.series import WASHOUT, PreparedSeries
from its_pipeline.its.spec import AnalysisSpec

SAME_P = 0.5
VARIES_P = 0.25
"""Phases are called alike where little spread is at least as probable as `SAME_P` (beforehand it is
`priors.SMALL_WEIGHT`), and unlike where it is less probable than `VARIES_P`."""
CLEAR_P = 0.95


def phases_of(
    series: PreparedSeries, posterior: Posterior | None, spec: AnalysisSpec
) -> tuple[Phase, ...]:
    """Return one row a phase, in order.

    Parameters
    ----------
    series
        The prepared series.
    posterior
        None where the analysis did not converge: then without effects.
    spec
        Settings.
    """
    exposure = series.exposure
    told = () if posterior is None else posterior.phases()
    if posterior is not None and not told:
        told = (posterior.effects().counterfactual,)
    groups = exposure.groups()
    effects = [effect_of(marginal, spec.unit) for marginal in told[: int(groups.max()) + 1]]
    rows = []
    for run in exposure.runs:
        values = series.values[run][(series.phase[run] != WASHOUT) & series.observed[run]]
        is_on = bool(exposure.is_on[run.start])
        rows.append(
            Phase(
                from_on=series.days[run.start].date(),
                to_on=series.days[run.stop - 1].date(),
                on=is_on,
                n=len(values),
                mean=float(values.mean()) if len(values) else float("nan"),
                effect=effects[groups[run.start]] if is_on and effects else None,
            )
        )
    return tuple(rows)


def likeness_of(posterior: Posterior, spec: AnalysisSpec) -> Likeness | None:
    """Return how alike the phases' effects are; None where there are no two of them."""
    told = posterior.phases()
    if len(told) < 3:
        return None
    *phases, difference = (effect_of(marginal, spec.unit) for marginal in told)
    alike = posterior.alike_probability()
    return Likeness(
        _word(phases, difference, alike), float("nan") if alike is None else alike, difference
    )


def _word(phases: list[Effect], difference: Effect, alike: float | None) -> str:
    first, later = phases[0], phases[1:]
    only_first = (
        _is_clear(first)
        and _is_clear(difference)
        and first.mean * difference.mean > 0.0
        and not any(map(_is_clear, later))
    )
    if only_first and (alike is None or alike < SAME_P):
        return "first_only"
    if alike is None:
        return "varies" if _is_clear(difference) else "unclear"
    if alike >= SAME_P:
        return "same"
    return "varies" if alike < VARIES_P else "unclear"


def _is_clear(effect: Effect) -> bool:
    return max(effect.probability_positive, effect.probability_negative) > CLEAR_P


def others_of(
    series: PreparedSeries, posterior: Posterior, spec: AnalysisSpec
) -> tuple[OtherEffect, ...]:
    """Return what the model says of the other interventions in it."""
    rows = series.fit_rows
    return tuple(
        OtherEffect(
            exposure.name,
            effect_of(marginal, spec.unit),
            effect_of(together, spec.unit),
            correlation,
            bool(np.array_equal(exposure.is_on[rows], series.exposure.is_on[rows])),
        )
        for exposure, (marginal, together, correlation) in zip(
            series.others, posterior.other_effects(), strict=True
        )
    )
