"""What a schedule gives reason to warn of: few or short phases, interventions that overlap.

What belongs here: the thresholds and the words. What does not: warnings that every analysis may
have (`warnings`), or any computing of answers.
"""

from __future__ import annotations

from its_pipeline.its import warning_codes
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.schedule_results import OtherEffect, Phase
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.warnings import warning
from its_pipeline.schedules.cadence import Cadence

FEW_PHASES = 3
"""Phases on, and off, below which switches and chance are hardly told apart: evidence standards for
single-case designs ask for three attempts to show an effect (Kratochwill et al. 2010, What Works
Clearinghouse's technical documentation 1.0)."""
SHORT_PHASE = 3
"""Days in a phase; the same standards ask for at least three."""
INSEPARABLE = 0.9
"""Posterior correlation of two effects beyond which the days do not tell them apart."""


def warnings_of_schedule(
    series: PreparedSeries,
    calendar: Cadence,
    phases: tuple[Phase, ...],
    others: tuple[OtherEffect, ...],
    without_test: str,
) -> tuple[AnalysisWarning, ...]:
    """Return what the schedule gives reason to warn of.

    Parameters
    ----------
    series
        The prepared series.
    calendar
        Its unit of time.
    phases, others
        What is told of its phases and of other interventions.
    without_test
        Why there is no randomisation test although a lot was declared; empty otherwise.
    """
    found = [*_phases(series, calendar, phases), *_others(others, calendar)]
    if without_test:
        text = f"There is no randomisation test: {without_test}."
        found.append(warning(warning_codes.NOT_RANDOMISED, text, {}))
    return tuple(found)


def _phases(
    series: PreparedSeries, calendar: Cadence, phases: tuple[Phase, ...]
) -> list[AnalysisWarning]:
    """Return what the phases give reason to warn of; days by lot may be short and are many."""
    if series.exposure.is_one_change or series.schedule.mechanism is not None:
        return []
    found = []
    n_on = sum(phase.on for phase in phases)
    n_off = len(phases) - n_on
    if min(n_on, n_off) < FEW_PHASES:
        text = (
            f"It was on in {n_on} phase{'s' * (n_on != 1)} and off in {n_off}; with fewer than "
            f"{FEW_PHASES} of either, a change that came by itself at one switch weighs heavily."
        )
        numbers = {"phases_on": n_on, "phases_off": n_off, "needed": FEW_PHASES}
        found.append(warning(warning_codes.FEW_PHASES, text, numbers))
    short = [phase for phase in phases if phase.n < SHORT_PHASE]
    if short:
        text = (
            f"{len(short)} of {len(phases)} phases have fewer than {SHORT_PHASE} observed "
            f"{calendar.step}s, the first from {calendar.told(short[0].from_on)} on."
        )
        found.append(warning(warning_codes.SHORT_PHASES, text, {"short": len(short)}))
    return found


def _others(others: tuple[OtherEffect, ...], calendar: Cadence) -> list[AnalysisWarning]:
    """Return which other interventions the days do not tell apart from this one."""
    found = []
    for other in others:
        if not other.same_days and abs(other.correlation) <= INSEPARABLE:
            continue
        why = (
            f"they acted on the same {calendar.step}s"
            if other.same_days
            else f"the two effects' posterior correlation is {other.correlation:.2f}"
        )
        alone, both = other.effect, other.together
        text = (
            f"The {calendar.step}s cannot tell this from “{other.name}”: {why}. For "
            f"“{other.name}” the same model gives {alone.mean:.3g} [{alone.ci_lower:.3g}, "
            f"{alone.ci_upper:.3g}], for both together {both.mean:.3g} "
            f"[{both.ci_lower:.3g}, {both.ci_upper:.3g}]."
        )
        numbers = {
            "correlation": other.correlation,
            "same_days": float(other.same_days),
            "together_mean": both.mean,
            "together_ci_lower": both.ci_lower,
            "together_ci_upper": both.ci_upper,
        }
        found.append(warning(warning_codes.INSEPARABLE, text, numbers))
    return found
