"""What is estimated: each estimand's name, order, title and unit, stated once.

What belongs here: the words under which effects are stored, recorded, sent and shown, in the order
in which people read them. What does not: how an estimand is computed (`estimands`), or what a page
says beside its number (`report`). Importing this module loads the standard library alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Estimand:
    """One quantity that an analysis estimates.

    Parameters
    ----------
    name
        Field of `Effects`, and key of stored effects.
    title
        Its name for people.
    unit_of
        From the outcome's unit (may be empty), the time step (as "day" or "month") and the
        period of the slope ("week" or "month") to the estimand's unit.
    """

    name: str
    title: str
    unit_of: Callable[[str, str, str], str]

    @property
    def effect_name(self) -> str:
        """Name of its draws and of its field in HTTP answers, e.g. "immediate_effect"."""
        return f"{self.name}_effect"


def _own_unit(unit: str, step: str, slope_period: str) -> str:
    del step, slope_period
    return unit


def _per_period(unit: str, step: str, slope_period: str) -> str:
    del step
    return f"{unit} per {slope_period}".strip()


def _summed(unit: str, step: str, slope_period: str) -> str:
    del slope_period
    return f"{unit} × {step}s" if unit else f"sum over {step}s"


def _percent(unit: str, step: str, slope_period: str) -> str:
    del unit, step, slope_period
    return "%"


def _ratio(unit: str, step: str, slope_period: str) -> str:
    del unit, step, slope_period
    return "times"


IMMEDIATE: Final = Estimand("immediate", "Immediate effect", _own_unit)
SUSTAINED: Final = Estimand("sustained", "Change of trend", _per_period)
COUNTERFACTUAL: Final = Estimand("counterfactual", "Average effect", _own_unit)
CUMULATIVE: Final = Estimand("cumulative", "Total effect", _summed)
RELATIVE: Final = Estimand("relative", "Relative effect", _percent)
RATIO: Final = Estimand("ratio", "Ratio", _ratio)

ESTIMANDS: Final = (IMMEDIATE, SUSTAINED, COUNTERFACTUAL, CUMULATIVE, RELATIVE, RATIO)
"""All of them, in order."""
POINTS: Final = "percentage points"
"""What people are told effects on shares in."""
HEADLINE: Final = COUNTERFACTUAL
"""The one that answers are about: sentences, intervals and the probability of benefit."""


def told_scale(likelihood: str, unit: str) -> tuple[float, str]:
    """Return what people are told effects times, and in which unit.

    Parameters
    ----------
    likelihood
        Of the analysis.
    unit
        Of the outcome.
    """
    return (100.0, POINTS) if likelihood == "binomial" else (1.0, unit)
