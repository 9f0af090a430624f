"""Reading the sheets of a spreadsheet (.xlsx, .xls, .ods) as rows, within bounds.

What belongs here: what a spreadsheet may be, starting `sheet_process`, and its cells as text. What
does not: finding out which line has the names (`tables`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from its_pipeline.events.cell_texts import Native
from its_pipeline.events.file_rules import (
    BATCH_BYTES,
    BATCH_ROWS,
    UNFOLDED_BYTES,
    ImportFileError,
    refuse_twice,
    too_large,
)
from its_pipeline.events.mapping import ImportMapping, numbered_columns

SHEET_SUFFIXES: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
_ZIP: Final = b"PK\x03\x04"
_PARTS: Final = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
"""What a ZIP file holds that is a spreadsheet."""
_PROGRAM: Final = Path(__file__).with_name("sheet_process.py")


Cell = str | None


def is_spreadsheet(path: Path) -> bool:
    """Tell from a file's contents whether it is a spreadsheet; the name does not count."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == _OLD_EXCEL:
        return True
    if start != _ZIP:
        return False
    try:
        with zipfile.ZipFile(path) as packed:
            return any(part in packed.namelist() for part in _PARTS)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return False


def sheet_sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Return rows and columns of each sheet by name, in the file's order.

    Raises
    ------
    ImportFileError
        If the file cannot be read, or unfolds to too much.
    """
    with _lines(path) as lines:
        return {name: (int(rows), int(columns)) for name, rows, columns in lines}


@contextmanager
def sheet_rows(path: Path, sheet: str) -> Iterator[Iterator[list[Cell]]]:
    """Open the rows of a sheet from its first line on; cells that are no text are `Native`.

    Raises
    ------
    ImportFileError
        If the file cannot be read, or unfolds to too much.
    """
    with _lines(path, sheet) as lines:
        yield ([_cell(value) for value in row] for row in lines)


def the_sheet(path: Path, sheet: str | None) -> str:
    """Return the sheet to read: the one that is named, or the only one that holds a table.

    Raises
    ------
    ImportFileError
        If there is no such sheet, or several could be meant.
    """
    sizes = sheet_sizes(path)
    if sheet is not None:
        if sheet not in sizes:
            raise ImportFileError(
                f"{path}: there is no sheet {sheet!r}; the file has {', '.join(map(repr, sizes))}"
            )
        return sheet
    tables = sheets_with_tables(sizes)
    if len(tables) == 1:
        return tables[0]
    listed = ", ".join(map(repr, tables)) if tables else "none"
    raise ImportFileError(
        f"{path}: sheets that hold a table: {listed}; name the right one (`sheet` in the mapping, "
        "--sheet)"
    )


def sheets_with_tables(sizes: dict[str, tuple[int, int]]) -> list[str]:
    """Return the sheets of at least two rows and two columns."""
    return [name for name, (rows, columns) in sizes.items() if rows > 1 and columns > 1]


def sheet_batches(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    """Return the mapped columns of a spreadsheet's sheet as batches of text.

    Raises
    ------
    ImportFileError
        If the file cannot be read, several sheets could be meant, or a column is missing.
    """
    wanted = mapping.columns()
    with sheet_rows(path, the_sheet(path, mapping.sheet)) as rows:
        names, rows = sheet_table(rows, mapping.header_line)
        for column in wanted:
            refuse_twice(path, column, names)
        places = {name: names.index(name) for name in wanted}
        held: list[list[str | None]] = []
        for row in rows:
            held.append([_text(row, places[name], name, mapping) for name in wanted])
            if len(held) == BATCH_ROWS:
                yield _batch(held, wanted)
                held = []
        if held:
            yield _batch(held, wanted)


def sheet_table(
    rows: Iterator[list[Cell]], header_line: int | None
) -> tuple[list[str], Iterator[list[Cell]]]:
    """Return the names of a sheet's columns and the rows below them that are not empty."""
    for _ in range((header_line or 1) - 1):
        next(rows, None)
    first = next(rows, [])
    names = [cell or "" for cell in first]
    if header_line == 0:
        names, rows = numbered_columns(len(first)), chain([first], rows)
    return names, (row for row in rows if any(cell is not None for cell in row))


def _text(row: list[Cell], place: int, name: str, mapping: ImportMapping) -> str | None:
    cell = row[place] if place < len(row) else None
    if cell is None or cell in mapping.null_values:
        return None
    if isinstance(cell, Native) and mapping.decimal_comma and name in mapping.outcomes.values():
        return cell.replace(".", ",")
    return str(cell)


def _batch(rows: list[list[str | None]], names: Sequence[str]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.record_batch(columns, names=list(names))


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, Native):
        return value
    if isinstance(value, list):
        return Native(value[0])
    if isinstance(value, bool):
        return Native("true" if value else "false")
    return str(value)


@contextmanager
def _lines(path: Path, *arguments: str) -> Iterator[Iterator[list[Any]]]:
    """Run the program on a file and give its lines; what it could not read is an error."""
    _refuse_bombs(path)
    command = [sys.executable, "-I", str(_PROGRAM), str(path.resolve()), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:  # noqa: S603
        try:
            yield _bounded(path, program)
        finally:
            program.kill()


def _bounded(path: Path, program: subprocess.Popen[bytes]) -> Iterator[list[Any]]:
    """Return the program's lines until they are too many, or it did not end well."""
    output, held = program.stdout, 0
    while output and (line := output.readline(BATCH_BYTES)):
        held += len(line)
        if held > UNFOLDED_BYTES or len(line) == BATCH_BYTES:
            raise too_large(path, f"more than {UNFOLDED_BYTES // 2**20} MiB of text")
        # Numbers stay the text they are.
        yield json.loads(line, parse_int=Native, parse_float=Native) if line[-1:] == b"\n" else []
    if program.wait():
        raise _unreadable(path)


def _refuse_bombs(path: Path) -> None:
    """Refuse a ZIP file whose parts unfold to more than may be held, whatever it says itself."""
    with path.open("rb") as file:
        if file.read(4) != _ZIP:
            return
    unfolded = 0
    try:
        with zipfile.ZipFile(path) as packed:
            for part in packed.infolist():
                # What the directory says of a size may be wrong; how far it unfolds is not.
                part.file_size = UNFOLDED_BYTES + 1
                with packed.open(part) as content:
                    while chunk := content.read(1024 * 1024):
                        unfolded += len(chunk)
                        if unfolded > UNFOLDED_BYTES:
                            raise too_large(path, f"more than {UNFOLDED_BYTES // 2**20} MiB")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> ImportFileError:
    return ImportFileError(
        f"{path}: not readable as a spreadsheet (.xlsx, .xls, .ods): damaged, locked with a "
        "password, or larger than can be held; save it again, or as CSV"
    )
