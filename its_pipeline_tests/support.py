"""What tests of every room need of the project: its root, its files, where the real series lie."""

from __future__ import annotations

import os
import subprocess
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


def tracked_text() -> list[Path]:
    """Return the project's text files, or skip the calling test outside of a git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [PROJECT_ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".lock"}]
