"""How imported files lie in the store: one folder an import, one folder a version of it.

What belongs here: finding the folders, their versions and what is recorded of each. What does not:
taking a file (`importing`) or reading its events as a source (`sources.imported`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

EVENTS_FILE = "events.parquet"
RECORD_FILE = "import.json"


def imports_dir(settings: Settings) -> Path:
    """Return the folder of imported files."""
    return settings.store_root / "imports"


def import_versions(folder: Path) -> list[str]:
    """Return the finished versions of an import, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(e.name for e in folder.iterdir() if re.fullmatch(r"\d{6}", e.name))


def read_record(version_folder: Path) -> dict[str, Any]:
    """Return what is recorded of one version of an import."""
    return json.loads((version_folder / RECORD_FILE).read_text("utf-8"))
