"""What a page and its checklist both say of an experiment: names, means, how it was computed.

What belongs here: short texts from the facts of one experiment. What does not: the answers to the
checklist's items (`cent_answers`), or the rows of a page's tables (`views`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from its_pipeline.its.designs.yearly import is_yearly
from its_pipeline.report.finding import Finding, finding_of
from its_pipeline.report.html import own_direction
from its_pipeline.report.inputs import ReportInput, StateInput
from its_pipeline.report.sentence import date_text, decimals_for, number_text

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, Diagnostics, Effect

Facts = ReportInput | StateInput


def outcome_label(facts: Facts) -> str:
    """Return the outcome's name for people."""
    if facts.metric is not None:
        return facts.metric.title
    return facts.intervention.outcome_metric


def day_text(facts: Facts, day: date) -> str:
    """Return a day of an experiment as its people name it."""
    return date_text(day, facts.calendar)


def intervention_name(facts: Facts) -> str:
    """Return the intervention's name for people; its identifier where it has none."""
    return facts.intervention.name or facts.intervention.intervention_id


def ongoing_until(facts: Facts) -> date | None:
    """Return the last day still to come in the post-period, or None where it is complete."""
    window = facts.window
    if window is None or window.post_end_on >= window.final_end_on:
        return None
    return window.final_end_on


def finding(report: ReportInput) -> Finding:
    """Return the finding of a report: its analysis, and what the looks at it come to."""
    return finding_of(
        report.analysis,
        intervention_name(report),
        outcome_label(report),
        ongoing_until(report),
        report.standing,
    )


def effect_text(effect: Effect) -> str:
    """Return mean, interval and unit of an effect, with the decimals its uncertainty deserves."""
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    mean, lower, upper = (
        number_text(value, decimals) for value in (effect.mean, effect.ci_lower, effect.ci_upper)
    )
    unit = f" {own_direction(effect.unit)}" if effect.unit else ""
    return f"{mean}{unit} (95 % interval {lower} to {upper})"


def computed_by(verdict: Diagnostics) -> str:
    """Return in a few words how a posterior was computed."""
    chains = f"NUTS, {verdict.chains} chains of {verdict.draws:,} draws"
    if not verdict.by_quadrature:
        return chains
    return f"quadrature, audited by {chains}" if verdict.is_sampled else "quadrature, not audited"


def season_text(analysis: Analysis, by_season: Mapping[str, str], yearly: str) -> str:
    """Return the words of an analysis' season, with those of a yearly one where it had one."""
    if analysis.spec.season == "year":
        return yearly.removeprefix("and ")
    told = by_season[analysis.spec.season]
    return f"{told} {yearly}" if any(map(is_yearly, analysis.coefficients)) else told


def phase_text(analysis: Analysis, phase: str) -> str:
    """Return mean and standard deviation of the observed values of one of `phase_names`."""
    daily = analysis.daily
    values = daily.loc[daily["phase"] == phase, "observed"].dropna().to_numpy(float)
    with np.errstate(over="ignore"):
        spread = float(values.std(ddof=1))
    unit = f" {own_direction(analysis.spec.unit)}" if analysis.spec.unit else ""
    if not np.isfinite(spread):
        return f"values from {values.min():.3g} to {values.max():.3g}{unit}"
    decimals = decimals_for(spread)
    return (
        f"mean {number_text(float(values.mean()), decimals)}{unit}, standard deviation "
        f"{number_text(spread, decimals)}"
    )
