"""The figures of an analysis: one import path for all of them.

Pure functions from an `Analysis` to a Matplotlib `Figure`, and `render` to bytes. Each figure lives
in a module of its own (`plots_*`); nothing is drawn or computed here.
"""

from __future__ import annotations

from its_pipeline.its.plots_counterfactual import (
    THUMBNAIL_MAX_BYTES,
    counterfactual_figure,
    thumbnail_png,
)
from its_pipeline.its.plots_diagnostics import diagnostics_figure
from its_pipeline.its.plots_effects import effects_figure
from its_pipeline.its.plots_predictive import predictive_check_figure
from its_pipeline.its.plots_style import DEFAULT_DPI, FORMATS, FigureFormat, render

__all__ = [
    "DEFAULT_DPI",
    "FORMATS",
    "THUMBNAIL_MAX_BYTES",
    "FigureFormat",
    "counterfactual_figure",
    "diagnostics_figure",
    "effects_figure",
    "predictive_check_figure",
    "render",
    "thumbnail_png",
]
