"""The files of an export: one file, a folder, or a ZIP of them, read as streams and bounded.

What belongs here: listing and opening them, and reading them as rows of a table or as JSON with a
place for every error. What does not: what is in them (a module an app), or who is asked
(`recognising`).

Nothing is unpacked to the disk and no link is followed. What a ZIP unfolds to is bounded as in
`events.file_rules`; a plain file is read as a stream, so its size needs no bound.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from its_pipeline.events.file_rules import (
    UNFOLDED_BYTES,
    UNFOLDED_TIMES,
    ImportFileError,
    file_signature,
    kind_of,
    too_large,
)

MOST_FILES = 200_000
"""Most files of an export: ten years of one file a day and kind are below 100,000."""
JSON_BYTES = 64 * 1024 * 1024
"""Largest JSON file, which is read whole; a month of minutes has about 5 MB."""
CELL_CHARACTERS = 1024 * 1024
"""Longest cell of a table."""
HEAD_BYTES = 64 * 1024
"""How much of a file is looked at to recognise it."""
BUFFER_BYTES = 1024 * 1024

_ENCRYPTED = 1

_DAMAGED = (
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RecursionError,
    NotImplementedError,  # A way of packing that is not known.
)

Wanted = Callable[[str], bool]

csv.field_size_limit(CELL_CHARACTERS)


class Row(NamedTuple):
    """One row of a table: where it stands, and its cells by column."""

    place: str
    cells: dict[str, str]


class ExportFiles:
    """The files below one path.

    Parameters
    ----------
    path
        A plain file, a ZIP file or a folder.

    Raises
    ------
    ImportFileError
        If there is no such path, or it is a pipe or a device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_folder = path.is_dir()
        if not self._is_folder:
            file_signature(path)
        self.is_zip = not self._is_folder and zipfile.is_zipfile(path)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the files, sorted, with `/` between folders."""
        if self._is_folder:
            found = [
                entry.relative_to(self.path).as_posix()
                for entry in self.path.rglob("*")
                if entry.is_symlink() or not entry.is_dir()
            ]
        elif self.is_zip:
            with self._archive() as archive:
                found = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        else:
            found = [self.path.name]
        if len(found) > MOST_FILES:
            raise ImportFileError(
                f"{self.path}: has {len(found):,} files, and at most {MOST_FILES:,} are read; give "
                "the app's own folder"
            )
        return tuple(sorted(found))

    def signature(self) -> object:
        """Return what changes when one of the files does: names, sizes and times."""
        if not self._is_folder:
            return file_signature(self.path)
        found = [(name, (self.path / name).lstat()) for name in self.names]
        return [(name, status.st_size, status.st_mtime_ns) for name, status in found]

    def digest(self, wanted: Wanted) -> hashlib._Hash:
        """Return a SHA-256 of the names and contents of the wanted files."""
        digest = hashlib.sha256()
        for name, stream in self.each(wanted):
            digest.update(f"{name}\n".encode())
            with self.errors_in(name):
                while block := stream.read(BUFFER_BYTES):
                    digest.update(block)
        return digest

    def each(self, wanted: Wanted) -> Iterator[tuple[str, BinaryIO]]:
        """Open the wanted files one after the other.

        Raises
        ------
        ImportFileError
            If one is a link or encrypted, or the ZIP unfolds to more than it may.
        """
        yield from self._opened(wanted, self._refuse)

    def heads(self, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
        """Return the first bytes of the wanted files, except links and what is encrypted."""
        for name, stream in self._opened(wanted, lambda *_: None):
            with self.errors_in(name):
                yield name, stream.read(HEAD_BYTES)

    def head(self, name: str) -> bytes:
        """Return the first bytes of one file; none of a link or what is encrypted."""
        return next((head for _, head in self.heads(lambda other: other == name)), b"")

    def lines(
        self, name: str, stream: BinaryIO, delimiter: str = ","
    ) -> Iterator[tuple[str, list[str]]]:
        """Read a table as it stands: the place and the cells of every line that is not empty.

        Raises
        ------
        ImportFileError
            If it is not text in UTF-8.
        """
        line = 0
        with (
            self.errors_in(name, lambda: f", line {line + 1}"),
            io.TextIOWrapper(stream, "utf-8-sig", newline="") as text,
        ):
            reader = csv.reader(text, delimiter=delimiter)
            for cells in reader:
                place, line = f"{name}, line {line + 1}", reader.line_num
                if any(cells):
                    yield place, cells

    def rows(
        self, name: str, stream: BinaryIO, delimiter: str = ",", *, ragged: bool = False
    ) -> Iterator[Row]:
        """Read a table.

        Parameters
        ----------
        name, stream
            As `each` gives them.
        delimiter
            Between cells.
        ragged
            Whether a row may be longer than the header.

        Yields
        ------
        Row
            Every row that is not empty; cells that a short row lacks are empty.

        Raises
        ------
        ImportFileError
            If it is not text in UTF-8, or a row is longer than the header.
        """
        header: list[str] | None = None
        for place, cells in self.lines(name, stream, delimiter):
            if header is None:
                header = [cell.strip() for cell in cells]
                continue
            if len(cells) > len(header) and not ragged:
                raise ImportFileError(
                    f"{self.path}: {place}: {len(cells)} cells where the header has "
                    f"{len(header)}; export it again, or repair the line"
                )
            full = [*cells, *[""] * (len(header) - len(cells))]
            yield Row(place, dict(zip(header, full, strict=False)))

    def document(self, name: str, stream: BinaryIO) -> Any:
        """Read a JSON file; numbers stay the text they are.

        Raises
        ------
        ImportFileError
            If it is not JSON, or larger than `JSON_BYTES`.
        """
        with self.errors_in(name):
            content = stream.read(JSON_BYTES + 1)
            if len(content) > JSON_BYTES:
                raise ImportFileError(
                    f"{self.path}: {name}: larger than {JSON_BYTES // 2**20} MiB, which no file of "
                    "such an export is"
                )
            return json.loads(
                content.decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=str
            )

    def records(
        self, found: Any, name: str, what: str = "record"
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the JSON objects of a list, each with its place.

        Raises
        ------
        ImportFileError
            If it is no list, or something else is in it.
        """
        if not isinstance(found, list):
            raise ImportFileError(f"{self.path}: {name}: not a list of {what}s; export it again")
        for number, record in enumerate(found, start=1):
            place = f"{name}, {what} {number}"
            if not isinstance(record, dict):
                raise ImportFileError(f"{self.path}: {place}: not a JSON object; export it again")
            yield place, record

    @contextmanager
    def errors_in(self, name: str, where: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Turn what a damaged file raises into an error that says where."""
        try:
            yield
        except json.JSONDecodeError as error:
            self._broken(name, f", line {error.lineno}: not JSON: {error.msg}", error)
        except UnicodeDecodeError as error:
            self._broken(name, f"{where()}: not text in UTF-8", error)
        except _DAMAGED as error:
            self._broken(name, f"{where()}: {error}", error)

    def _broken(self, name: str, what: str, error: BaseException) -> None:
        raise ImportFileError(
            f"{self.path}: {name}{what}; the file is damaged, export it again"
        ) from error

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        with self.errors_in("the ZIP file"), zipfile.ZipFile(self.path) as archive:
            yield archive

    def _opened(
        self, wanted: Wanted, refuse: Callable[[str, str], None]
    ) -> Iterator[tuple[str, BinaryIO]]:
        names = [name for name in self.names if wanted(name)]
        if self.is_zip:
            budget = _Budget(self.path)
            with self._archive() as archive:
                for name in names:
                    entry = archive.getinfo(name)
                    if stat.S_ISLNK(entry.external_attr >> 16):
                        refuse(name, "a link; only files are read")
                    elif entry.flag_bits & _ENCRYPTED:
                        refuse(name, "encrypted; unpack it and give the folder")
                    else:
                        with archive.open(entry) as member:
                            yield name, io.BufferedReader(_Bounded(member, budget), BUFFER_BYTES)
            return
        for name in names:
            file = self.path / name if self._is_folder else self.path
            mode = file.lstat().st_mode if self._is_folder else file.stat().st_mode
            if not stat.S_ISREG(mode):
                refuse(name, f"{kind_of(mode)}; only plain files are read")
            else:
                with file.open("rb", buffering=BUFFER_BYTES) as stream:
                    yield name, stream

    def _refuse(self, name: str, why: str) -> None:
        raise ImportFileError(f"{self.path}: {name}: {why}")


class _Budget:
    """How much a ZIP may still unfold to, all of its members together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._most = max(UNFOLDED_BYTES, UNFOLDED_TIMES * path.stat().st_size)
        self._left = self._most

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise too_large(self._path, f"more than {self._most // 2**20} MiB")


class _Bounded(io.RawIOBase):
    """A member of a ZIP, read within a budget."""

    def __init__(self, member: Any, budget: _Budget) -> None:
        self._member, self._budget = member, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._member.read(len(buffer))
        self._budget.spend(len(content))
        buffer[: len(content)] = content
        return len(content)


def first_line(head: bytes) -> str:
    """Return the first line of a file whose first bytes are known."""
    return head.partition(b"\n")[0].decode("utf-8-sig", "replace").strip()


def cell_text(value: Any) -> str:
    """Return a JSON value as a cell's text; null is empty."""
    return "" if value is None else str(value)


def base_name(name: str) -> str:
    """Return a file's name without its folders."""
    return PurePosixPath(name).name
