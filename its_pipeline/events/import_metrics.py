"""The metrics that imports register: each import its own, in a file of its own.

What belongs here: which metrics an import registers, without losing an analysis that somebody has
chosen for one, and registering them again. What does not: the declarations (`metrics`), or taking
files (`importing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from its_pipeline.events.import_folders import (
    import_versions,
    imports_dir,
    metrics_file,
    read_record,
)
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import (
    IMPORTED_FOLDER,
    MetricError,
    OutcomeMetric,
    load_metrics,
    read_metrics_file,
    write_metrics_file,
)

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def restore_metrics(settings: Settings) -> list[str]:
    """Register again the metrics of imports whose settings file is gone; return the imports.

    They are what the import's mapping says; an analysis that somebody had chosen in the file is
    not known any more.
    """
    restored = []
    for folder in sorted(imports_dir(settings).glob("[!.]*")):
        versions, file = import_versions(folder), metrics_file(settings, folder.name)
        if not versions or file.is_file():
            continue
        if metrics := recorded_metrics(read_record(folder / versions[-1])):
            write_metrics_file(file, metrics)
            restored.append(folder.name)
    return restored


def recorded_metrics(record: Mapping[str, Any]) -> tuple[OutcomeMetric, ...]:
    """Return the metrics of a version, as it or, in older ones, its mapping says."""
    if record["metrics"] is not None:
        return tuple(OutcomeMetric.model_validate(metric) for metric in record["metrics"])
    return ImportMapping.model_validate(record["mapping"]).metrics() if record["mapping"] else ()


def own_metrics(
    settings: Settings, own: Path, declarations: tuple[OutcomeMetric, ...]
) -> tuple[OutcomeMetric, ...]:
    """Return the metrics of an import, each with the analysis that somebody has chosen for it.

    Raises
    ------
    MetricError
        If one is registered with another meaning, other than by this import.
    """
    others = load_metrics(settings.resolved_metrics_file, imported=settings.store_root / "none")
    earlier: dict[str, OutcomeMetric] = {}
    for file in sorted((settings.store_root / IMPORTED_FOLDER).glob("*.yaml")):
        found = {metric.name: metric for metric in read_metrics_file(file)}
        if file == own:
            earlier = found
        else:
            others.update(found)
    metrics = []
    for declared in declarations:
        known = others.get(declared.name) or earlier.get(declared.name) or declared
        chosen = {name: getattr(known, name) for name in ("likelihood", "analysis", "pooled_in")}
        metric = declared.model_copy(update=chosen)
        if metric.name in others and others[metric.name] != metric:
            raise MetricError(
                f"outcome {metric.name!r} is registered already with another meaning; give it "
                "another name in the mapping's outcomes"
            )
        metrics.append(metric)
    return tuple(metrics)
