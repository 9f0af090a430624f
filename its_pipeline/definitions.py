"""Dagster's entry point; what there is stands in `defs.build`."""

from __future__ import annotations

import dagster as dg

from its_pipeline.defs.build import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """Return the installation's definitions."""
    return build_defs()
