"""How a table lies in its file: format, encoding, delimiter, sheet, and the line of the names.

What belongs here: what can be told before any column is looked at. What does not: what the columns
hold (`profile`), or reading them (`cells`).
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from its_pipeline.events.cell_texts import Native, number_readings, read_yes_no, time_readings
from its_pipeline.events.file_rules import ImportFileError, file_signature, refuse_packed
from its_pipeline.events.mapping import FileFormat, numbered_columns
from its_pipeline.events.reading import format_of_name
from its_pipeline.events.sheets import (
    Cell,
    is_spreadsheet,
    sheet_rows,
    sheet_sizes,
    sheet_table,
    sheets_with_tables,
    the_sheet,
)
from its_pipeline.tables.asking import Question, Said

DELIMITERS: Final = (",", ";", "\t", "|")
LOOKED_AT_LINES: Final = 200
"""Lines that decide on delimiter and names; what columns hold is told from all lines."""
_LINE_CHARACTERS: Final = 100_000
_NULL_SHARE: Final = 0.2
"""Text in UTF-16 without a byte order mark has about as many zero bytes as Latin letters."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Layout:
    """How a table lies in its file.

    Attributes
    ----------
    file_format, encoding, delimiter, sheet, header_line
        As in `ImportMapping`; `encoding` and `delimiter` are of CSV and JSON Lines.
    columns
        Names of the columns that are there once, in the file's order; empty where the format names
        them elsewhere (Parquet, JSON Lines).
    """

    file_format: FileFormat
    encoding: str = "utf-8"
    delimiter: str | None = None
    sheet: str | None = None
    header_line: int | None = None
    columns: tuple[str, ...] = ()


class UndecidedError(ImportFileError):
    """The file alone does not say how it lies; `question` would decide it."""

    def __init__(self, path: Path, question: Question) -> None:
        super().__init__(f"{path}: {question}")
        self.question = question


def find_layout(path: Path, said: Said) -> Layout:
    """Return how a table lies in its file.

    Raises
    ------
    ImportFileError
        If the file is no table that can be read; as `UndecidedError` if a person could say.
    """
    if file_signature(path)[0] == 0:
        raise ImportFileError(f"{path}: the file is empty; deliver it again with its header")
    kind = said.file_format or _format(path)
    if kind == "sheet":
        return _sheet(path, said)
    if kind == "parquet":
        return Layout("parquet")
    refuse_packed(path)
    encoding = said.encoding or find_encoding(path)
    if kind == "jsonl":
        return Layout("jsonl", encoding)
    return _csv(path, said, encoding)


def find_encoding(path: Path) -> str:
    """Return a text file's encoding: by its mark, UTF-8 if all of it is, else Windows' Latin."""
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    if start.count(0) > _NULL_SHARE * len(start):
        return "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
    for name in ("utf-8", "cp1252"):
        if _decodes(path, name):
            return name
    return "latin-1"


def _format(path: Path) -> FileFormat:
    if is_spreadsheet(path):
        return "sheet"
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return "parquet"
    named = format_of_name(path)
    # Contents decide for the formats that have a mark; a name may say what they are not.
    return named if named == "jsonl" else "csv"


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while chunk := file.read(1024 * 1024):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _sheet(path: Path, said: Said) -> Layout:
    sheet = said.sheet
    if sheet is None:
        tables = sheets_with_tables(sheet_sizes(path))
        if len(tables) > 1:
            text = "the file has several sheets with a table"
            raise UndecidedError(path, Question("sheet", text, tuple(tables), "--sheet"))
    sheet = the_sheet(path, sheet)
    with sheet_rows(path, sheet) as rows:
        first = list(islice(rows, LOOKED_AT_LINES))
    header_line = said.header_line
    if header_line is None:
        header_line = find_header(path, list(enumerate(first, start=1)))
    names, _ = sheet_table(iter(first), header_line)
    return Layout("sheet", sheet=sheet, header_line=header_line, columns=_once(names))


def _csv(path: Path, said: Said, encoding: str) -> Layout:
    lines = _first_lines(path, encoding)
    if not lines:
        raise ImportFileError(f"{path}: no line with text; deliver it again with its header")
    skipped = 0
    delimiter = said.delimiter
    if lines[0].lower().startswith("sep=") and len(lines[0]) == len("sep=;"):
        skipped, delimiter = 1, delimiter or lines[0][-1]
    delimiter = delimiter or _likely_delimiter(lines[skipped:])
    rows = [(line + skipped, row) for line, row in _rows(lines[skipped:], delimiter)]
    header_line = said.header_line
    if header_line is None:
        header_line = find_header(path, rows)
    if header_line == 0:
        names = numbered_columns(len(rows[0][1]))
    else:
        names = next((row for line, row in rows if line == header_line), [])
    layout = Layout("csv", encoding, delimiter, header_line=header_line, columns=_once(names))
    if len(names) < 2:
        raise ImportFileError(
            f"{path}: no table: a table has a column of days and one of values, divided by , ; | "
            "or tabs; say --delimiter, or deliver another file"
        )
    return replace(layout, header_line=header_line)


def _first_lines(path: Path, encoding: str) -> list[str]:
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    lines: list[str] = []
    try:
        with path.open(encoding=name) as file:
            while len(lines) < LOOKED_AT_LINES and (line := file.readline(_LINE_CHARACTERS)):
                lines.append(line.rstrip("\n"))
    except LookupError as error:
        raise ImportFileError(
            f"{path}: unknown encoding {encoding!r}; name one such as utf-8 or latin-1"
        ) from error
    except UnicodeError as error:
        raise ImportFileError(
            f"{path}: not in encoding {encoding}: {error}; say --encoding (for example latin-1)"
        ) from error
    return lines if any(line.strip() for line in lines) else []


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the rows of some lines with the number of the line each begins on."""
    reader = csv.reader([f"{line}\n" for line in lines], delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error:
        # A quote that is never closed; what was read so far is enough to look at.
        return rows
    return rows


def _likely_delimiter(lines: Sequence[str]) -> str:
    """Return the sign that makes of the lines rows of one length whose cells mean something."""

    def fitness(delimiter: str) -> tuple[float, int]:
        rows = [row for _, row in _rows(lines, delimiter)]
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            return 0.0, 1
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        cells = [cell for row in rows if len(row) == width for cell in row if cell.strip()]
        meant = sum(_is_value(cell) or read_yes_no(cell) is not None for cell in cells) / max(
            len(cells), 1
        )
        return count / len(rows) * (0.25 + meant), width

    return max(DELIMITERS, key=fitness)


def find_header(path: Path, rows: Sequence[tuple[int, Sequence[Cell]]]) -> int:
    """Return the line of the columns' names; 0 if there are none.

    Parameters
    ----------
    path
        For messages.
    rows
        The first rows, each with the number of its line.

    Raises
    ------
    UndecidedError
        If the names could not be told from lines ahead of the table.
    """
    if not rows:
        raise ImportFileError(f"{path}: no row with text; deliver it again with its header")
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    filled = [sum(bool(cell and cell.strip()) for cell in row) for _, row in rows]
    usual = max(Counter(n for n in filled if n > 1) or {1: 1}, key=Counter(filled).__getitem__)
    for (line, row), count in zip(rows, filled, strict=True):
        if len(row) != width or count < max(2, usual // 2 + 1):
            continue
        named = [cell for cell in row if cell and cell.strip()]
        if not any(isinstance(cell, Native) or _is_value(cell) for cell in named):
            return line
        if line == rows[0][0] == 1:
            return 0
        break
    text = "the line with the columns' names cannot be told"
    raise UndecidedError(path, Question("header_line", text, (), "--header-line NUMBER"))


def _is_value(cell: str) -> bool:
    """Tell whether a cell is a number or a time rather than a name or prose."""
    return bool(number_readings(cell) or time_readings(cell))


def _once(names: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(names := list(names))
    return tuple(name for name in names if counts[name] == 1)
