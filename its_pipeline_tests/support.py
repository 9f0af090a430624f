"""What tests of every room need of the project: its root, its files, where the real series lie."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Quiet(BaseHTTPRequestHandler):
    """What answers requests, without a log of them."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests on loopback meanwhile; give the address."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
