"""Writing so that nobody ever sees half a file.

What belongs here: putting one file or one finished folder in its place in a single step, and taking
away what an interrupted process left. What does not: what the files mean.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

#: Names of unfinished files and folders start with this; nothing that reads looks at them.
UNFINISHED_PREFIX: Final = ".unfinished-"


def write_bytes(path: Path, content: bytes, *, within: Path | None = None) -> None:
    """Write a file whole or not at all, and durably.

    Parameters
    ----------
    path
        Where the file is to lie; its folder is made where it is missing.
    content
        All of it.
    within
        Folder on the same disk for the unfinished file, such as a `workshop`; None: beside `path`.

    Raises
    ------
    OSError
        The disk is full or not writable; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = (within or path.parent) / f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}"
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def close_to_others(folder: Path) -> None:
    """Make a folder that its owner alone can enter; one that is there already becomes so.

    Raises
    ------
    PermissionError
        It belongs to somebody else.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & 0o077:
        folder.chmod(mode & 0o700)


def write_json(path: Path, content: Any, *, within: Path | None = None) -> None:
    """Write JSON whole or not at all; NaN and infinities are refused because JSON has none."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
    write_bytes(path, text.encode(), within=within)


@contextmanager
def finished_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill; it gets its name when the body has ended without an error.

    Where `path` is there already, the new folder is dropped: the first one to finish stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent / f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}"
    unfinished.mkdir()
    try:
        yield unfinished
        if not path.exists():
            for file in unfinished.rglob("*"):
                if file.is_file():
                    _sync(file)
            unfinished.rename(path)
            _sync(path.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> int:
    """Remove what interrupted writers left directly in `folder`; return how many.

    Call it only while holding the lock that the folder's writers hold.
    """
    count = 0
    if not folder.is_dir():
        return count
    for entry in folder.glob(f"{UNFINISHED_PREFIX}*"):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
        count += 1
    return count


def _opened_lock(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except PermissionError:
        # Nothing is in it that could be read or lost, so its rights are all that can be wrong.
        path.chmod(0o600)
        return path.open("ab")


@contextmanager
def exclusive(lock_path: Path, *, among_others: bool = False) -> Iterator[None]:
    """Hold an advisory lock on `lock_path`; wait for it as long as it takes.

    The operating system releases it when the process ends, however it ends.

    Parameters
    ----------
    lock_path
        Its file.
    among_others
        Hold it together with others who do, and keep out whoever wants it alone.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with _opened_lock(lock_path) as file:
        fcntl.flock(file, fcntl.LOCK_SH if among_others else fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """Hold a folder to build files in; what interrupted builders left in it is removed.

    For files of a folder whose writers hold no lock together: nobody could tell there what was left
    from what is being written.
    """
    with exclusive(folder / "lock"):
        remove_unfinished(folder)
        yield folder


def held_by_nobody(lock_path: Path) -> bool:
    """Tell whether no process holds a lock of `exclusive`; whoever held it may have been killed."""
    try:
        file = lock_path.open("rb")
    except FileNotFoundError:
        return True
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        return True
