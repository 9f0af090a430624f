"""Where the real series lie, for tests of every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def shared_data_dir() -> Path:
    """Return the folder of the real series, or skip the calling test with the reason."""
    configured = os.environ.get("ITS_SHARED_DATA")
    folder = Path(configured) if configured else PROJECT_ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real series are not at {folder}; set ITS_SHARED_DATA to their folder")
    return folder
