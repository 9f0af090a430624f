"""The program that opens a spreadsheet, in a process of its own with bounded memory and time.

What belongs here: python-calamine, and its values as JSON lines. What does not: anything of ours;
`sheets` starts this file by its path and reads what it prints.

A few kilobytes of a spreadsheet can stand for gigabytes of cells, and a reader that runs out of
memory ends its process. Here that is this one.

Arguments: the file, then the sheet; without a sheet the sheets are listed. A line is a row: text as
text, numbers as numbers, days and moments as a list of their ISO text; an empty cell is null.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineWorkbook

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 60


def plain(value: Any) -> Any:
    """Return a cell as JSON has it."""
    if value == "":
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return [value.date().isoformat() if is_day else value.isoformat(" ")]
    if isinstance(value, date):
        return [value.isoformat()]
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return value


def main(file: str, sheet: str | None = None) -> None:
    """Print the sheets with their sizes, or the rows of one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    book = CalamineWorkbook.from_path(file)
    if sheet is None:
        for name in book.sheet_names:
            found = book.get_sheet_by_name(name)
            print(json.dumps([name, found.height, found.width]))
        return
    found = book.get_sheet_by_name(sheet)
    if not found.height:
        return
    for _ in range(found.start[0]):
        print("[]")
    for row in found.iter_rows():
        print(json.dumps([plain(value) for value in row]))


if __name__ == "__main__":
    main(*sys.argv[1:])
