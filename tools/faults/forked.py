"""Running something in a process of its own that starts warm, and breaking it there.

What belongs here: forking from a process that has imported everything, and the ways in which such a
child is made to die or to fail. What does not: what it runs (`world`).

Only for programs that did nothing but import before they fork: no thread, no open database.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Operations of the interpreter that touch files; the places at which a child may be killed.
FILE_OPERATIONS = frozenset(
    {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "sqlite3.connect"}
)


@dataclass(frozen=True)
class Ending:
    """How a child ended.

    Attributes
    ----------
    result
        What the body returned (JSON), or None.
    error
        The traceback, where it raised.
    killed
        Whether it was killed.
    operations
        File operations under the watched folder, where it lived to count them.
    where
        The last operation before it was killed.
    """

    result: Any = None
    error: str = ""
    killed: bool = False
    operations: int = 0
    where: str = ""


def run_child(
    body: Callable[[], Any],
    scratch: Path,
    *,
    watched: Path | None = None,
    kill_at: int | None = None,
    kill_after_seconds: float | None = None,
    largest_file: int | None = None,
) -> Ending:
    """Run `body` in a forked child and return how it ended.

    Parameters
    ----------
    body
        Returns something JSON can hold.
    scratch
        Folder for the child's answer and log.
    watched
        Folder whose file operations are counted.
    kill_at
        The child kills itself (SIGKILL) ahead of this file operation in `watched`, from 1.
    kill_after_seconds
        The child is killed after this time.
    largest_file
        Bytes that a file may have; writing more fails as on a full disk.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    answer, where = scratch / "answer.json", scratch / "where"
    answer.unlink(missing_ok=True)
    where.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _be_child(body, scratch, watched, kill_at, largest_file)
    timer = None
    if kill_after_seconds is not None:
        timer = threading.Timer(kill_after_seconds, os.kill, (child, signal.SIGKILL))
        timer.start()
    _, status = os.waitpid(child, 0)
    if timer is not None:
        timer.cancel()
        timer.join()
    if os.WIFSIGNALED(status):
        return Ending(killed=True, where=where.read_text() if where.is_file() else "")
    return Ending(**json.loads(answer.read_text()))


def _be_child(
    body: Callable[[], Any],
    scratch: Path,
    watched: Path | None,
    kill_at: int | None,
    largest_file: int | None,
) -> None:
    log = os.open(scratch / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    count = 0
    place = os.open(scratch / "where", os.O_WRONLY | os.O_CREAT)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in FILE_OPERATIONS or not arguments:
            return
        name = arguments[0]
        if not isinstance(name, str | os.PathLike) or not str(name).startswith(str(watched)):
            return
        count += 1
        if count == kill_at:
            os.write(place, f"{event} {name}".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    if watched is not None:
        sys.addaudithook(hook)
    ending: dict[str, Any] = {}
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
        ending["result"] = body()
    except BaseException:  # noqa: BLE001 - told to the parent, which fails
        ending["error"] = traceback.format_exc()
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    ending["operations"] = count
    (scratch / "answer.json").write_text(json.dumps(ending))
    os._exit(0)


def give_up_override() -> None:
    """Let this process, where it is root's, meet the rights of files as everybody else does.

    It stays root and loses the two capabilities that pass over a file's mode (`capabilities(7)`).
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget failed")
    for place in range(3):  # Effective, permitted, inheritable; DAC_OVERRIDE and DAC_READ_SEARCH.
        sets[place] &= ~0b110
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset failed")


def wait_for(children: dict[str, int], seconds: float) -> dict[str, int]:
    """Wait for forked children by name; return their exit codes, -1 for one that hung."""
    codes: dict[str, int] = {}
    deadline = time.monotonic() + seconds
    while len(codes) < len(children) and time.monotonic() < deadline:
        for name, child in children.items():
            if name not in codes:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    codes[name] = os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    for name, child in children.items():
        if name not in codes:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            codes[name] = -1
    return codes
