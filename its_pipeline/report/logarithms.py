"""What is told of an analysis whose outcome may be a logarithm: percent, and no percent of a log.

What belongs here: an answer as plain values and its warnings, either way. What does not: taking the
logarithm, or printing (`cli.analyze`).
"""

from __future__ import annotations

from math import expm1
from typing import TYPE_CHECKING, Any

from its_pipeline.its.estimand_names import RELATIVE
from its_pipeline.its.warning_codes import NO_RELATIVE_EFFECT

if TYPE_CHECKING:
    from its_pipeline.its import Analysis
    from its_pipeline.its.results import AnalysisWarning, Effect


def percent_change(effect: Effect) -> dict[str, Any]:
    """Return the change of the outcome in percent that a difference of its logarithms is."""
    return {
        "mean": 100 * expm1(effect.mean),
        "ci_lower": 100 * expm1(effect.ci_lower),
        "ci_upper": 100 * expm1(effect.ci_upper),
        "probability_positive": effect.probability_positive,
        "probability_negative": effect.probability_negative,
        "unit": "%",
    }


def warnings_told(analysis: Analysis, log: bool) -> list[AnalysisWarning]:
    """Return the warnings; with `log`, without the one about percent of the logarithm."""
    unsaid = NO_RELATIVE_EFFECT.code if log else ""
    return [warning for warning in analysis.warnings if warning.code != unsaid]


def as_plain(analysis: Analysis, log: bool) -> dict[str, Any]:
    """Return an analysis as JSON-able values.

    With `log`, the change of the outcome in percent is in the place of the relative effect, which
    would be percent of a logarithm and mean nothing.

    Parameters
    ----------
    analysis
        Any.
    log
        Whether the outcome was a logarithm.
    """
    plain = {name: value for name, value in analysis.to_dict().items() if name != "daily"}
    plain["warnings"] = [warning.to_dict() for warning in warnings_told(analysis, log)]
    if log and analysis.effects is not None:
        effects = dict(plain["effects"])
        del effects[RELATIVE.name]
        plain["effects"] = effects
        plain["percent_change"] = percent_change(analysis.effects.counterfactual)
    return plain
