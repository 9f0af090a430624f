"""What the pool's tests let its workers do: small jobs of known behaviour."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def start_plain(folder: Path) -> Any:
    """A worker that is ready at once; `folder` is where jobs leave their traces."""

    def handle(job: tuple[str, Any]) -> Any:
        verb, value = job
        with (folder / "log").open("a") as log:
            log.write(f"{verb} {value} {os.getpid()}\n")
        if verb == "sleep":
            time.sleep(value)
        elif verb == "raise":
            raise ValueError(value)
        elif verb == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "die_once" and not (folder / str(value)).exists():
            (folder / str(value)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "wait_for":
            while not (folder / str(value)).exists():
                time.sleep(0.01)
        return verb, value, os.getpid()

    return handle


def start_broken() -> Any:
    """A worker that cannot start."""
    raise RuntimeError("cannot start")
