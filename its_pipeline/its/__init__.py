"""Public door of the statistics: `analyze`, `plan`, `boundaries`, `pool`, settings, answers.

Names are resolved on first use, so importing the package loads neither numba nor pandas nor any
modelling library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from its_pipeline.its.analysis import Analysis
    from its_pipeline.its.decisions.boundaries import Boundaries, boundaries
    from its_pipeline.its.effect_likelihood import estimate_of
    from its_pipeline.its.engine import analyze, warm_up
    from its_pipeline.its.errors import InsufficientData, InvalidSeries, NotConverged
    from its_pipeline.its.fingerprinting import fingerprint
    from its_pipeline.its.planning.plan import ExperimentPlan, plan
    from its_pipeline.its.pooling.estimates import Estimate
    from its_pipeline.its.pooling.likelihood import EffectLikelihood
    from its_pipeline.its.pooling.pool import pool
    from its_pipeline.its.pooling.pooled import Pooled
    from its_pipeline.its.results import (
        AnalysisWarning,
        Diagnostics,
        Effect,
        Effects,
        ParameterDiagnostics,
    )
    from its_pipeline.its.spec import MODEL_VERSION, AnalysisSpec
    from its_pipeline.schedules.cadence import session_on
    from its_pipeline.schedules.mechanism import Mechanism
    from its_pipeline.schedules.schedule import Schedule

_HOMES = {
    "Analysis": "its.analysis",
    "Boundaries": "its.decisions.boundaries",
    "boundaries": "its.decisions.boundaries",
    "ExperimentPlan": "its.planning.plan",
    "plan": "its.planning.plan",
    "analyze": "its.engine",
    "warm_up": "its.engine",
    "estimate_of": "its.effect_likelihood",
    "Estimate": "its.pooling.estimates",
    "EffectLikelihood": "its.pooling.likelihood",
    "pool": "its.pooling.pool",
    "Pooled": "its.pooling.pooled",
    "InsufficientData": "its.errors",
    "InvalidSeries": "its.errors",
    "NotConverged": "its.errors",
    "fingerprint": "its.fingerprinting",
    "AnalysisWarning": "its.results",
    "Diagnostics": "its.results",
    "Effect": "its.results",
    "Effects": "its.results",
    "ParameterDiagnostics": "its.results",
    "AnalysisSpec": "its.spec",
    "MODEL_VERSION": "its.spec",
    "session_on": "schedules.cadence",
    "Mechanism": "schedules.mechanism",
    "Schedule": "schedules.schedule",
}

__all__ = [
    "MODEL_VERSION",
    "Analysis",
    "AnalysisSpec",
    "AnalysisWarning",
    "Boundaries",
    "Diagnostics",
    "Effect",
    "EffectLikelihood",
    "Effects",
    "Estimate",
    "ExperimentPlan",
    "InsufficientData",
    "InvalidSeries",
    "Mechanism",
    "NotConverged",
    "ParameterDiagnostics",
    "Pooled",
    "Schedule",
    "analyze",
    "boundaries",
    "estimate_of",
    "fingerprint",
    "plan",
    "pool",
    "session_on",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"its_pipeline.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # `help` and completion ask here; without it they would know only what was used before.
    return sorted({*globals(), *__all__})
