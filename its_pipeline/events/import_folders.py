"""How imported files lie in the store: one folder an import, one folder a version of it.

What belongs here: finding the folders, their versions and what is recorded of each. What does not:
taking a file (`importing`) or reading its events as a source (`sources.imported`).
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from its_pipeline.events.duck import in_memory, sql
from its_pipeline.events.metrics import IMPORTED_FOLDER
from its_pipeline.files.contents import CONTENTS_FILE, differing, read_contents
from its_pipeline.files.damage import DAMAGE, is_of_the_machine

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

EVENTS_FILE = "events.parquet"
RECORD_FILE = "import.json"

DAY_MEMORY = "64MB"
"""Bound for DuckDB while it goes through the events once."""

_log = logging.getLogger(__name__)


class ImportLostError(RuntimeError):
    """Nothing can be read of a version of an import."""


def imports_dir(settings: Settings) -> Path:
    """Return the folder of imported files."""
    return settings.store_root / "imports"


def metrics_file(settings: Settings, name: str) -> Path:
    """Return where the metrics of an import are registered, by the name of its folder."""
    return settings.store_root / IMPORTED_FOLDER / f"{name}.yaml"


def import_versions(folder: Path) -> list[str]:
    """Return the finished versions of an import, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(e.name for e in folder.iterdir() if re.fullmatch(r"\d{6}", e.name))


def read_record(version_folder: Path) -> dict[str, Any]:
    """Return what is recorded of one version of an import.

    Where the record is damaged, what the events themselves say: their days and their number. The
    digest is empty then, so the same file is taken again where it comes again.

    Raises
    ------
    ImportLostError
        The events are damaged as well.
    """
    path = version_folder / RECORD_FILE
    try:
        found = json.loads(path.read_bytes())
        return {
            **{name: found[name] for name in ("digest", "rows", "days")},
            # Of versions taken by an earlier release some are not there.
            **{name: found.get(name) for name in ("mapping", "export", "metrics", "day_digests")},
            "left_out": found.get("left_out", 0),
        }
    except DAMAGE as error:
        if is_of_the_machine(error):
            raise
        _log.warning("%s is damaged (%s): its days are read from the events", path, error)
    try:
        rows, digests = day_digests(version_folder / EVENTS_FILE)
    except duckdb.Error as error:
        raise ImportLostError(
            f"{version_folder}: neither record nor events of this import can be read; import the "
            "file again under the same name"
        ) from error
    unknown = dict.fromkeys(("mapping", "export", "metrics"))
    known = {"digest": "", "rows": rows, "days": list(digests), "day_digests": digests}
    return {**known, **unknown, "left_out": 0}


def day_digests(events: Path) -> tuple[int, dict[str, str]]:
    """Return the number of raw events, and a digest of each UTC day's by its date.

    When they were taken is no part of it, so a day that a later import has again has it again.

    Raises
    ------
    duckdb.Error
        If the file cannot be read.
    """
    with in_memory(DAY_MEMORY, threads=1) as connection:
        days = connection.execute(sql("day_digests"), {"file": str(events)}).fetchall()
    return sum(rows for _, rows, _ in days), {day: digest for day, _, digest in days}


def version_damage(version_folder: Path) -> str:
    """Return which file of one version of an import is damaged and how; empty where none is."""
    try:
        contents = read_contents(version_folder / CONTENTS_FILE)
    except DAMAGE:
        # Of an earlier version of the package, or lost: as long as it can be read.
        try:
            json.loads((version_folder / RECORD_FILE).read_bytes())
            pq.read_metadata(version_folder / EVENTS_FILE)
        except DAMAGE as error:
            return f"{type(error).__name__}: {error}"
        return ""
    return "; ".join(f"{name}: {why}" for name, why in differing(version_folder, contents).items())
