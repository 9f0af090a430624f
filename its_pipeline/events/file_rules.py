"""What a foreign file must be before anything of it is read, and how much of it is ever held.

What belongs here: the error that refuses a file, what kind of file may be opened, and the bounds on
what one may unfold to. What does not: any format (`reading`, `parquet_rows`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

BATCH_ROWS: Final = 20_000
"""Most rows of one batch."""
BATCH_BYTES: Final = 32 * 1024 * 1024
"""About how many bytes of text one batch holds; a single row may be longer, up to this."""
UNFOLDED_BYTES: Final = 256 * 1024 * 1024
UNFOLDED_TIMES: Final = 100
"""A file may unfold to so many bytes of text, or to so many times its own size if that is more.

Columns of real exports shrink by a factor of 2 to 30; a file beyond 100 is one value repeated.
"""

_PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP or Excel",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xd0\xcf\x11\xe0": "old Excel",
}
"""First bytes of files that hold their contents packed."""


class ImportFileError(ValueError):
    """A file cannot be read as events; the message names file, place and remedy."""


def file_signature(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and modification time in nanoseconds.

    Raises
    ------
    ImportFileError
        If there is no such file, or it is a folder, a pipe or a device.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise ImportFileError(f"{path}: there is no such file") from error
    except OSError as error:
        raise ImportFileError(f"{path}: cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ImportFileError(f"{path}: {kind_of(status.st_mode)}; only plain files are read")
    return status.st_size, status.st_mtime_ns


def kind_of(mode: int) -> str:
    """Return in words what a file's mode says it is."""
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFREG: "a plain file",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


_WEB_PAGE = (b"<!doctype html", b"<html")


def refuse_packed(path: Path) -> None:
    """Refuse a file that is no text of a table, whatever its name says.

    What is packed is unpacked by whoever knows what is in it; a web page is what a download often
    brings in the place of a table, such as a page to sign in.

    Raises
    ------
    ImportFileError
        If its first bytes are those of a packed file or of a web page.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_WEB_PAGE):
        raise ImportFileError(
            f"{path}: a web page (HTML), not a table; download the table itself, as CSV or Excel"
        )
    for magic, name in _PACKED.items():
        if start.startswith(magic):
            raise ImportFileError(
                f"{path}: a packed file ({name}); deliver it unpacked, or saved as CSV"
            )


def bounded(path: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Hand batches on until they hold more than the file may unfold to.

    Raises
    ------
    ImportFileError
        If they do.
    """
    most = max(UNFOLDED_BYTES, UNFOLDED_TIMES * path.stat().st_size)
    unfolded = 0
    for batch in batches:
        unfolded += batch.nbytes
        if unfolded > most:
            raise too_large(path, f"more than {most // 2**20} MiB of text")
        yield batch


def too_large(path: Path, what: str) -> ImportFileError:
    """Return the error for a file that unfolds to too much."""
    return ImportFileError(
        f"{path}: {path.stat().st_size} bytes unfold to {what}, which no measurements do; deliver "
        "it in parts, or as CSV"
    )


def missing_column(path: Path, column: str, names: list[str]) -> ImportFileError:
    """Return the error for a column that a file lacks; it lists the columns that there are.

    What stands in the first line of something that is no table is not shown: it may be anything.
    """
    shown = [name for name in names if is_column_name(name)]
    listed = f"the file has {', '.join(shown[:30])}" if len(shown) > 1 else "no others are known"
    return ImportFileError(
        f"{path}: column {column!r} is missing; {listed}; name the right column in the mapping"
    )


def refuse_twice(path: Path, column: str, names: list[str]) -> None:
    """Refuse a file that has a needed column more than once: nobody can tell which is meant.

    Raises
    ------
    ImportFileError
        If it has, or lacks it.
    """
    if column not in names:
        raise missing_column(path, column, names)
    if names.count(column) > 1:
        raise ImportFileError(
            f"{path}: column {column!r} is there {names.count(column)} times; rename or remove all "
            "but the one that is meant"
        )


def is_column_name(name: str) -> bool:
    """Tell whether a text may be shown as a column's name: short, and of the signs of names."""
    return 0 < len(name) <= 60 and all(
        sign.isalnum() or sign in "_-. ()[]%/\N{DEGREE SIGN}" for sign in name
    )
