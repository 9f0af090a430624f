"""What the pool's tests let its workers do: small jobs of known behaviour."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def start_plain(folder: Path) -> Any:
    """A worker that is ready at once; `folder` is where jobs leave their traces."""

    def wait_for(name: Any) -> None:
        while not (folder / str(name)).exists():
            time.sleep(0.01)

    def first(name: Any) -> bool:
        known = (folder / str(name)).exists()
        (folder / str(name)).touch()
        return not known

    def handle(job: tuple[str, Any], answer: Callable[[Any], None]) -> Any:
        verb, value = job
        with (folder / "log").open("a") as log:
            log.write(f"{verb} {value} {os.getpid()}\n")
        if verb == "sleep":
            time.sleep(value)
        elif verb == "raise":
            raise ValueError(value)
        elif verb == "die" or (verb == "die_once" and first(value)):
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb.startswith("answer_"):
            if verb == "answer_late_then_raise":
                time.sleep(1)
            answer((verb, value, os.getpid()))
            if verb == "answer_then_die" or (verb == "answer_then_die_once" and first(value)):
                os.kill(os.getpid(), signal.SIGKILL)
            if verb.endswith("_then_raise"):
                raise ValueError(value)
            if verb == "answer_then_wait_for":
                wait_for(value)
            (folder / "settled").touch()
        elif verb == "wait_for":
            wait_for(value)
        return verb, value, os.getpid()

    return handle


def start_broken() -> Any:
    """A worker that cannot start."""
    raise RuntimeError("cannot start")
