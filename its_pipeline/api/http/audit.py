"""Who asked for whom: one JSON line a request, in files that are turned over.

What belongs here: writing that log. What does not: what happened inside (the server's own log) or
counting (`monitoring`).
"""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from its_pipeline.api.http.problems import to_json


class AuditLog:
    """The audit log of one server.

    Parameters
    ----------
    path
        The file that is written; older ones are beside it with a number.
    max_bytes
        Size at which a new file is begun.
    files
        How many are kept.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=max_bytes, backupCount=files - 1, encoding="ascii", delay=True
        )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write one entry; its values cannot begin a line of their own."""
        line = to_json(dict(entry)).decode("ascii")
        self._handler.handle(logging.LogRecord("audit", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
