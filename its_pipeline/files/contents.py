"""What a folder's files were when they were written, so that any other state of them is seen.

What belongs here: writing down size, time and SHA-256 of a folder's files, and comparing. What does
not: what the files mean, or what is done about one that differs (`damage`).

The comparison by size and modification time costs a microsecond a file, so every night can look at
everything. A file of another time is read and compared by its digest: a copied store is no damage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from its_pipeline.files.atomic import write_json

CONTENTS_FILE: Final = ".contents.json"


@dataclass(frozen=True)
class Written:
    """One file as it was written: size in bytes, modification time in nanoseconds, SHA-256."""

    size: int
    modified_ns: int
    digest: str


def write_contents(folder: Path, names: Iterable[str]) -> None:
    """Write down what these files of a folder are now, in the place of what was written before."""
    found = {}
    for name in sorted(names):
        status = (folder / name).stat()
        found[name] = [status.st_size, status.st_mtime_ns, digest_of(folder / name)]
    write_json(folder / CONTENTS_FILE, found)


def read_contents(file: Path) -> dict[str, Written]:
    """Return what was written down, by file name.

    Raises
    ------
    ValueError, TypeError, AttributeError
        The file is damaged.
    """
    return {name: Written(*of) for name, of in json.loads(file.read_bytes()).items()}


def differing(
    folder: Path, contents: dict[str, Written], *, thorough: bool = False
) -> dict[str, str]:
    """Return the files that are not as they were written, with what is wrong with each.

    Parameters
    ----------
    folder
        Where the files lie; it may be another one than they were written down in.
    contents
        What they were.
    thorough
        Whether every file is read, also one of the right size and time.
    """
    found = {}
    for name, written in contents.items():
        wrong = _difference(folder / name, written, thorough)
        if wrong:
            found[name] = wrong
    return found


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _difference(path: Path, written: Written, thorough: bool) -> str:
    try:
        status = path.stat()
        if status.st_size != written.size:
            return f"it has {status.st_size} bytes instead of {written.size}"
        if thorough or status.st_mtime_ns != written.modified_ns:
            return "" if digest_of(path) == written.digest else "its contents have changed"
        # A file of the right size and time that may not be opened is of no use either.
        with path.open("rb"):
            return ""
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
