"""Looking for somebody in every byte of a folder: names, packed columns, databases, journals.

What belongs here: unpacking whatever a store holds, and searching it. What does not: what should be
found. It shares no code with the product that deletes.
"""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def leftovers(root: Path, texts: Sequence[str], numbers: Sequence[float] = ()) -> list[str]:
    """Return where any of some texts or float64 numbers is still found under a folder.

    Parameters
    ----------
    root
        The folder; a path with one of the texts in it is found as well.
    texts
        Searched as UTF-8.
    numbers
        Searched as the eight bytes that a float64 is, as its text, and in columns as they read.
    """
    found = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        found += [f"{name}: its name has {text}" for text in texts if text in name]
        if path.is_file():
            found += [f"{name}: {what}" for what in _in_file(path, texts, numbers)]
    return found


def _in_file(path: Path, texts: Sequence[str], numbers: Sequence[float]) -> Iterator[str]:
    content = path.read_bytes()
    wanted = {text: text.encode() for text in texts}
    wanted |= {f"{number!r} as float64": struct.pack("<d", number) for number in numbers}
    wanted |= {repr(number): repr(number).encode() for number in numbers}
    for what, packed in _unpacked(content):
        yield from (f"{label} in {what}" for label, sought in wanted.items() if sought in packed)
    if content[:4] == b"PAR1" and content[-4:] == b"PAR1":
        file = pq.ParquetFile(path)
        yield from _in_table(file.read(), texts, numbers)
        yield from (f"{t} in its footer" for t in texts if t in str(file.metadata.metadata))
        yield from (f"{t} in its schema" for t in texts if t in str(file.schema_arrow))
    if content[8:12] == b"DUCK":
        yield from _in_duckdb(path, texts, numbers)


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "its bytes", content
    if content[:2] == b"\x1f\x8b":
        yield "its bytes, unpacked", gzip.decompress(content)
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                yield name, name.encode() + packed.read(name)


def _in_table(table: pa.Table, texts: Sequence[str], numbers: Sequence[float]) -> Iterator[str]:
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_floating(column.type):
            values = column.to_numpy()
            yield from (f"{n} in {name}" for n in numbers if np.isclose(values, n, 0, 1e-9).any())
        else:
            shown = "\n".join(map(str, column.unique().to_pylist()))
            sought = [*texts, *map(repr, numbers)]
            yield from (f"{text} in {name}" for text in sought if text in shown)


def _in_duckdb(path: Path, texts: Sequence[str], numbers: Sequence[float]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        with duckdb.connect(copy, read_only=True) as connection:
            for (name,) in connection.execute("SHOW TABLES").fetchall():
                table = connection.sql(f'SELECT * FROM "{name}"').to_arrow_table()
                yield from (f"{what} of {name}" for what in _in_table(table, texts, numbers))
