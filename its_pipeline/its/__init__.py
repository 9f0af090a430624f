"""Public door of the statistics: `analyze`, its settings, its answer, its errors.

Names are resolved on first use, so importing the package loads neither numba nor pandas nor any
modelling library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from its_pipeline.its.analysis import Analysis
    from its_pipeline.its.engine import analyze, warm_up
    from its_pipeline.its.errors import InsufficientData, InvalidSeries, NotConverged
    from its_pipeline.its.fingerprinting import fingerprint
    from its_pipeline.its.results import (
        AnalysisWarning,
        Diagnostics,
        Effect,
        Effects,
        ParameterDiagnostics,
    )
    from its_pipeline.its.spec import MODEL_VERSION, AnalysisSpec

_HOMES = {
    "Analysis": "analysis",
    "analyze": "engine",
    "warm_up": "engine",
    "InsufficientData": "errors",
    "InvalidSeries": "errors",
    "NotConverged": "errors",
    "fingerprint": "fingerprinting",
    "AnalysisWarning": "results",
    "Diagnostics": "results",
    "Effect": "results",
    "Effects": "results",
    "ParameterDiagnostics": "results",
    "AnalysisSpec": "spec",
    "MODEL_VERSION": "spec",
}

__all__ = [
    "MODEL_VERSION",
    "Analysis",
    "AnalysisSpec",
    "AnalysisWarning",
    "Diagnostics",
    "Effect",
    "Effects",
    "InsufficientData",
    "InvalidSeries",
    "NotConverged",
    "ParameterDiagnostics",
    "analyze",
    "fingerprint",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # `help` and completion ask here; without it they would know only what was used before.
    return sorted({*globals(), *__all__})
