"""Spreadsheets that are more than they seem: refused within bounds, and none ends this process."""

from __future__ import annotations

import struct
import zipfile
from datetime import date
from pathlib import Path

import pytest

from its_pipeline.events import sheets
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.settings import Settings
from tools.table_files import ods, packed, worksheet, xlsx

MAPPING = ImportMapping(time="day", user_constant="ada", outcomes={"mood": "mood"})
TABLE = [["day", "mood"], [date(2021, 2, 1), 5], [date(2021, 2, 2), 6.5]]


def parts_of(content: bytes, path: Path) -> dict[str, bytes]:
    path.write_bytes(content)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("content", [xlsx({"S": TABLE}), ods({"S": TABLE})], ids=["xlsx", "ods"])
def test_a_declared_mapping_reads_a_sheet(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    result = import_file(Settings(store_root=tmp_path / "store"), path, MAPPING)
    assert (result.rows, result.days) == (2, 2)
    assert result.foretold is not None
    assert result.foretold.rejected == 0


def test_a_sheet_that_is_not_there_or_one_of_several(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(xlsx({"S": TABLE, "T": TABLE}))
    with pytest.raises(ImportFileError, match="no sheet 'U'; the file has 'S', 'T'"):
        sheets.the_sheet(path, "U")
    with pytest.raises(ImportFileError, match="sheets that hold a table: 'S', 'T'"):
        sheets.the_sheet(path, None)


def test_a_part_that_unfolds_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    parts = parts_of(xlsx({"S": TABLE}), path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
        with file.open("xl/sharedStrings.xml", "w") as part:
            for _ in range(300):
                part.write(bytes(1024 * 1024))
    assert path.stat().st_size < 1024 * 1024
    with pytest.raises(ImportFileError, match="unfold to more than 256 MiB"):
        sheets.sheet_sizes(path)


def test_a_directory_that_lies_of_a_size_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sheets, "UNFOLDED_BYTES", 1_000_000)
    path = tmp_path / "liar.xlsx"
    parts = parts_of(xlsx({"S": TABLE}), path) | {"xl/media": bytes(3_000_000)}
    content = bytearray(packed(parts))
    for at in range(len(content)):
        # The size of the part, in its own head and in the directory.
        if content[at : at + 4] == struct.pack("<I", 3_000_000):
            content[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(bytes(content))
    with pytest.raises(ImportFileError, match=r"unfold to more than|not readable as a spreadsheet"):
        sheets.sheet_sizes(path)


@pytest.mark.parametrize(
    "far",
    [
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>',
    ],
)
def test_a_cell_at_the_end_of_the_sheet_does_not_end_this_process(far: str, tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    parts = parts_of(xlsx({"S": TABLE}), path)
    start = worksheet([]).partition("<sheetData>")[0] + "<sheetData>"
    name = next(name for name in parts if "worksheets" in name)
    parts[name] = f"{start}{far}</sheetData></worksheet>".encode()
    path.write_bytes(packed(parts))
    with pytest.raises(ImportFileError, match=r"spreadsheet|table"):
        sheets.the_sheet(path, None)


def test_repeated_cells_of_open_document_do_not_either(tmp_path: Path) -> None:
    path = tmp_path / "far.ods"
    parts = parts_of(ods({"S": TABLE}), path)
    repeated = b'<table:table-row table:number-rows-repeated="1048576"'
    parts["content.xml"] = parts["content.xml"].replace(b"<table:table-row", repeated)
    parts["content.xml"] = parts["content.xml"].replace(
        b"<table:table-cell", b'<table:table-cell table:number-columns-repeated="16384"'
    )
    path.write_bytes(packed(parts))
    with pytest.raises(ImportFileError, match="spreadsheet"):
        sheets.the_sheet(path, None)
