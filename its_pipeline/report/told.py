"""Effects as people are told them: of shares in percentage points, of counts added up as counts.

What belongs here: numbers and units of a page's own words. What does not: the effects as they are
stored and sent (`its.results`), or sentences (`sentence`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from its_pipeline.its.estimand_names import CUMULATIVE, RATIO, RELATIVE, Estimand

if TYPE_CHECKING:
    from its_pipeline.its import AnalysisSpec, Effect


def told_effect(estimand: Estimand, effect: Effect, spec: AnalysisSpec) -> Effect:
    """Return an effect in the numbers and the unit that a page tells.

    Parameters
    ----------
    estimand
        What it is the effect of.
    effect
        As it is stored, in outcome units.
    spec
        Settings of its analysis.
    """
    if estimand is CUMULATIVE and (spec.is_count or spec.is_share):
        # Events of many days are events, and probabilities of many days have no unit.
        unit = spec.unit if spec.is_count else estimand.unit_of("", spec.step, spec.slope_period)
        return replace(effect, unit=unit)
    if not spec.is_share or estimand in (RELATIVE, RATIO):
        return effect
    times, unit = spec.told_effect
    return replace(
        effect,
        mean=times * effect.mean,
        sd=times * effect.sd,
        ci_lower=times * effect.ci_lower,
        ci_upper=times * effect.ci_upper,
        unit=estimand.unit_of(unit, spec.step, spec.slope_period),
    )
