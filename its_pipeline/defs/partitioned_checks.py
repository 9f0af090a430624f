"""Declaring a check that has partitions.

What belongs here: one decorator. What does not: any check.
"""

import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg


def partitioned_check(**options: Any) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition]:
    """Declare an asset check with ``partitions_def``; options as of ``dagster.asset_check``.

    Partitions of checks are marked preview in Dagster 1.13 and warn wherever one is declared. The
    version is pinned and the behaviour is held by tests, so the warning says nothing to a user.
    """

    def declare(function: Callable[..., Any]) -> dg.AssetChecksDefinition:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.asset_check(**options)(function)

    return declare
