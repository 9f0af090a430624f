"""Files that cannot be read: set aside, said, and taken for not there.

What belongs here: telling damage from errors of the machine, moving what is damaged out of the way,
and keeping what was moved. What does not: making a file again, which is done by whoever made it.
"""

from __future__ import annotations

import errno
import logging
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

#: Folder of the store for what was damaged; nothing in it is ever read or deleted.
SET_ASIDE: Final = "set-aside"
#: Errors of the machine, such as a full or lost disk: every other file would meet them too.
MACHINE_ERRORS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
    }
)
#: What reading JSON, Parquet, NumPy's or zipped files raises where they are damaged.
DAMAGE: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    OSError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)

_log = logging.getLogger(__name__)


def is_of_the_machine(error: BaseException) -> bool:
    """Tell whether an error is one of `MACHINE_ERRORS`."""
    return isinstance(error, OSError) and error.errno in MACHINE_ERRORS


def read_or_set_aside(path: Path, read: Callable[[Path], T], store_root: Path) -> T | None:
    """Return what `read` makes of a file or folder; None where there is none or it is damaged.

    What is damaged is set aside, see `set_aside`.

    Parameters
    ----------
    path
        What is read.
    read
        Reads it.
    store_root
        Root of the store that it lies in.

    Raises
    ------
    OSError
        One of `MACHINE_ERRORS`.
    """
    before = _identity(path)
    if before is None:
        return None
    try:
        return read(path)
    except DAMAGE as error:
        if is_of_the_machine(error):
            raise
        now = _identity(path)
        if now is None:
            return None  # Somebody else took it away meanwhile.
        if now != before:
            return read(path)  # Somebody replaced it meanwhile, whole.
        set_aside(path, store_root, f"{type(error).__name__}: {error}")
        return None


def set_aside(path: Path, store_root: Path, why: str) -> Path | None:
    """Move a damaged file or folder to the store's set-aside place and say so.

    Parameters
    ----------
    path
        What is damaged; under `store_root`.
    store_root
        Root of the store.
    why
        What is wrong with it, for the log.

    Returns
    -------
    Path | None
        Where it lies now; None where it may not be moved, which is said as well.
    """
    inside = path.relative_to(store_root)
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    target = store_root / SET_ASIDE / inside.with_name(f"{inside.name}.{at}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    except FileNotFoundError:
        _log.warning("%s is not there any more (%s)", path, why)
        return None
    except OSError as error:
        if error.errno in MACHINE_ERRORS - {errno.EROFS}:
            raise
        _log.warning("%s is damaged (%s) and cannot be set aside: %s", path, why, error)
        return None
    _log.warning("%s is damaged (%s): it was set aside as %s", path, why, target)
    return target


def set_aside_files(store_root: Path) -> list[Path]:
    """Return everything that was ever set aside in a store, by path."""
    folder = store_root / SET_ASIDE
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
