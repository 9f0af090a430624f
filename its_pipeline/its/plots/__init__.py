"""The figures of an analysis: one import path for all of them.

Pure functions from an `Analysis` to a Matplotlib `Figure`, and `render` to bytes; where only the
PNG is wanted, the `Drawing` behind a figure gives it faster (`COUNTERFACTUAL.png(analysis)`). Each
figure lives in a module of its own; nothing is drawn or computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from its_pipeline.its.plots.counterfactual import (
    COUNTERFACTUAL,
    THUMBNAIL_MAX_BYTES,
    counterfactual_figure,
    thumbnail_png,
)
from its_pipeline.its.plots.diagnostics import DIAGNOSTICS, diagnostics_figure
from its_pipeline.its.plots.effects import EFFECTS, effects_figure
from its_pipeline.its.plots.frames import Drawing
from its_pipeline.its.plots.predictive_check import PREDICTIVE_CHECK, predictive_check_figure
from its_pipeline.its.plots.style import DEFAULT_DPI, FORMATS, FigureFormat, render

__all__ = [
    "COUNTERFACTUAL",
    "DEFAULT_DPI",
    "DIAGNOSTICS",
    "DRAWINGS",
    "EFFECTS",
    "FORMATS",
    "PREDICTIVE_CHECK",
    "THUMBNAIL_MAX_BYTES",
    "Drawing",
    "FigureFormat",
    "counterfactual_figure",
    "diagnostics_figure",
    "effects_figure",
    "predictive_check_figure",
    "render",
    "thumbnail_png",
]

DRAWINGS: Final[Mapping[str, Drawing]] = MappingProxyType(
    {each.name: each for each in (COUNTERFACTUAL, EFFECTS, PREDICTIVE_CHECK, DIAGNOSTICS)}
)
"""Every kind of figure by its name, in the order of a report."""
