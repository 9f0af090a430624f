"""Which source the settings ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from its_pipeline.events.import_folders import imports_dir
from its_pipeline.events.sources.base import CombinedSource, EventSource
from its_pipeline.events.sources.imported import ImportedSource
from its_pipeline.events.sources.simulated import SimulatedSource

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def simulation_dir(settings: Settings) -> Path:
    """Return the folder of the simulated events of source `simulator`."""
    return settings.store_root / "simulated"


def open_source(settings: Settings) -> EventSource:
    """Return the configured source together with the imported files, read as one.

    Raises
    ------
    SourceError
        If the settings of the source are incomplete.
    """
    sources: dict[str, EventSource] = {"imports": ImportedSource(imports_dir(settings))}
    if settings.source == "simulator":
        sources["simulator"] = SimulatedSource(simulation_dir(settings))
    elif settings.source == "postgres":
        from its_pipeline.events.sources.postgres import open_postgres

        sources["postgres"] = open_postgres(settings)
    return CombinedSource(sources)
