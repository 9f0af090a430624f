"""Foreign files of all kinds, damaged at random, through inbox, `import` and the reader.

No file may end in a traceback, take more than 60 s, or let the process hold more than 1 GB; those
that are taken are taken once.

``python -m tools.faults.fuzz --files 1000``; the seed decides every byte.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.settings import Settings
from tools.table_files import ods, packed, xlsx

MOST_SECONDS: Final = 60.0
MOST_BYTES: Final = 1_000_000_000
MAPPING: Final = {"time": "time", "user": "user", "outcomes": {"mood": "mood"}}


def _rows(rng: random.Random) -> list[dict[str, str]]:
    times = ["2026-03-10T10:00:00Z", "2026-03-10", "", "x", "9999-99-99", "\u202e1", "1e400"]
    moods = ["5", "6.5", "", "NaN", "-1e308", "five", "0x10", "'); DROP TABLE x;--", "\x00"]
    return [
        {
            "user": rng.choice(["ada", "bob", "../x", "", "ä|b", "x" * rng.randint(1, 300)]),
            "time": rng.choice(times),
            "mood": rng.choice(moods),
        }
        for _ in range(rng.randint(0, 60))
    ]


def csv_file(rng: random.Random) -> bytes:
    """Return a CSV of odd values, delimiters, quotes, encodings and widths."""
    delimiter = rng.choice([",", ",", ",", ";", "\t", "|"])
    names = ["user", "time", "mood"]
    if rng.random() < 0.1:
        names.append(rng.choice(["mood", "", "note", "user"]))
    lines = [delimiter.join(names)]
    ragged = rng.random() < 0.2
    for row in _rows(rng):
        cells = [row.get(name, "") for name in names]
        if ragged and rng.random() < 0.1:
            cells = cells[: rng.randint(0, 3)] + ['"open'] * rng.randint(0, 2)
        lines.append(delimiter.join(cells))
    encoding = rng.choice(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "latin-1", "utf-32"])
    return rng.choice(["\n", "\r\n", "\r"]).join(lines).encode(encoding, errors="replace")


def jsonl_file(rng: random.Random) -> bytes:
    """Return JSON Lines of odd values, some nested deep."""
    lines = [json.dumps(row) for row in _rows(rng)]
    if rng.random() < 0.3:
        deep = rng.choice([10, 900, 50_000])
        lines.append('{"user": ' + "[" * deep + "]" * deep + "}")
    if rng.random() < 0.2:
        lines.append('{"user": ' + "9" * rng.randint(1, 10_000) + ', "mood": true, "time": {}}')
    return "\n".join(lines).encode()


def parquet_file(rng: random.Random) -> bytes:
    """Return Parquet of odd types; some unfolds to a thousand times its size."""
    rows = rng.choice([0, 1, 50, 5_000])
    choices: list[Callable[[], pa.Array]] = [
        lambda: pa.array(["2026-03-10"] * rows),
        lambda: pa.array([None] * rows),
        lambda: pa.array(range(rows)),
        lambda: pa.array([[1, 2]] * rows),
        lambda: pa.array([b"\xff"] * rows),
        lambda: pa.array([{"a": "b"}] * rows),
        # Made folded, so that what this program holds is what reading the file takes.
        lambda: pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 100_000]),
        lambda: pa.array([1.5] * rows, pa.float32()),
        lambda: pa.array([10**15] * rows, pa.timestamp("ns")),
    ]
    table = pa.table({name: rng.choice(choices)() for name in ("user", "time", "mood")})
    buffer = io.BytesIO()
    compression = rng.choice(["zstd", "snappy", "gzip", "none"])
    pq.write_table(table, buffer, compression=compression)
    return buffer.getvalue()


def zip_file(rng: random.Random) -> bytes:
    """Return a ZIP file, some of which unfolds to a great deal."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        content = rng.choice([csv_file(rng), b"0" * 10_000_000])
        packed.writestr(rng.choice(["a.csv", "../a.csv", "xl/workbook.xml"]), content)
    return buffer.getvalue()


def sheet_file(rng: random.Random) -> bytes:
    """Return a spreadsheet of odd values, sheets, places and repetitions."""
    names = ["user", "time", "mood"]
    rows: list[list[Any]] = [names, *([row[name] for name in names] for row in _rows(rng))]
    for row in rows[1:]:
        if rng.random() < 0.3:
            row[1] = date(2026, 3, 10)
            row[2] = rng.choice([5, 6.5, True, None, -1e308])
    rows[:0] = [["a title"]] * rng.choice([0, 0, 3])
    sheets = {f"S{n}": rows if n == 0 else [["x"]] for n in range(rng.choice([1, 1, 3]))}
    try:
        content = rng.choice([xlsx, ods])(sheets)
    except ValueError:
        return b"PK"
    parts: dict[str, str | bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    for name, part in parts.items():
        text = part if isinstance(part, bytes) else part.encode()
        if rng.random() < 0.1:
            text = text.replace(b'r="A1"', b'r="XFD1048576"')
        if rng.random() < 0.1:
            many = b'<table:table-row table:number-rows-repeated="1048576"'
            text = text.replace(b"<table:table-row", many)
        if rng.random() < 0.05:
            text += b" " * rng.choice([1_000, 300_000_000])
        parts[name] = damaged(text, rng) if rng.random() < 0.1 else text
    return packed(parts)


def xml_file(rng: random.Random) -> bytes:
    """Return XML, some of it with entities that name entities."""
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(rng.randint(1, 9))
    )
    return f'<?xml version="1.0"?><!DOCTYPE a [{entities}]><a user="ada">&e0;</a>'.encode()


def gzip_file(rng: random.Random) -> bytes:
    """Return a compressed CSV."""
    return gzip.compress(csv_file(rng))


KINDS: Final[dict[str, tuple[Callable[[random.Random], bytes], tuple[str, ...]]]] = {
    "csv": (csv_file, (".csv", ".txt", ".tsv")),
    "jsonl": (jsonl_file, (".jsonl", ".ndjson")),
    "parquet": (parquet_file, (".parquet",)),
    "xlsx": (zip_file, (".xlsx", ".csv", ".parquet")),
    "sheet": (sheet_file, (".xlsx", ".xls", ".ods", ".csv")),
    "zip": (zip_file, (".zip", ".csv")),
    "xml": (xml_file, (".xml", ".csv", ".jsonl")),
    "gzip": (gzip_file, (".csv.gz", ".csv")),
}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the bytes, as they are or with some of them changed, cut, doubled or swapped."""
    found = bytearray(content)
    for _ in range(rng.choice([0, 0, 0, 1, 3, 20])):
        if not found:
            break
        at = rng.randrange(len(found))
        how = rng.randrange(4)
        if how == 0:
            found[at] = rng.randrange(256)
        elif how == 1:
            del found[at:]
        elif how == 2:
            found[at:at] = found[at : at + rng.randint(1, 200)]
        else:
            found[at : at + 8] = rng.randbytes(8)
    return bytes(found)


def fuzz(folder: Path, files: int, seed: int) -> dict[str, Any]:
    """Put files one by one through both ways; return counts and what went wrong."""
    from its_pipeline.events.file_rules import ImportFileError
    from its_pipeline.events.importing import import_file
    from its_pipeline.events.inbox import inbox_dir, take_inbox
    from its_pipeline.events.mapping import make_mapping
    from its_pipeline.tables.understanding import understand

    rng = random.Random(seed)
    settings = Settings(store_root=folder / "store")
    inbox = inbox_dir(settings)
    inbox.mkdir(parents=True)
    (inbox / "mapping.yaml").write_text(json.dumps(MAPPING))
    counts: Counter[str] = Counter()
    problems: list[str] = []
    slowest = 0.0
    for number in range(files):
        kind = rng.choice([*sorted(KINDS), *(["csv", "jsonl", "parquet"] * 3)])
        make, suffixes = KINDS[kind]
        name = f"file-{number:05d}{rng.choice(suffixes)}"
        content = damaged(make(rng), rng)
        (inbox / name).write_bytes(content)
        direct = folder / name
        direct.write_bytes(content)
        started = time.perf_counter()
        changes: dict[str, Any] = {}
        if rng.random() < 0.2:
            changes["file_format"] = rng.choice(["csv", "parquet", "jsonl", "sheet"])
        if rng.random() < 0.2:
            changes["encoding"] = rng.choice(["latin-1", "utf-16", "rot13", "nonsense"])
        try:
            mapping = make_mapping(MAPPING | changes)
            import_file(settings, direct, mapping, f"direct-{number}", anyway=True)
            counts["imported"] += 1
        except ImportFileError:
            counts["import refused"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            problems.append(f"import {name}: {type(error).__name__}: {str(error)[:300]}")
        try:
            understood = understand(direct)
            counts["asked" if understood.questions else "understood"] += 1
            "\n".join(understood.lines)
        except ImportFileError:
            counts["not understood"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            problems.append(f"understand {name}: {type(error).__name__}: {str(error)[:300]}")
        slowest = max(slowest, time.perf_counter() - started)
        if number % 100 == 0:
            print(f"{number} of {files} imported", file=sys.stderr, flush=True)
        direct.unlink()
    started = time.perf_counter()
    first = take_inbox(settings, 0)
    seconds_inbox = time.perf_counter() - started
    for found in first:
        counts[f"inbox {found.outcome}"] += 1
        if "ended in" in found.reason:
            beside = (inbox / f"{found.name}.error.txt").read_text()
            problems.append(f"inbox {found.name}: {beside[-600:]}")
    again = Counter(found.outcome for found in take_inbox(settings, 0))
    if again["taken"] or len(first) != files:
        problems.append(f"{again['taken']} files were taken twice, {len(first)} of {files} seen")
    if slowest > MOST_SECONDS:
        problems.append(f"one file took {slowest:.0f} s")
    held = most_bytes_held()
    if held > MOST_BYTES:
        problems.append(f"the process held {held / 1e6:.0f} MB")
    return {
        "files": files,
        "counts": dict(sorted(counts.items())),
        "slowest_seconds": round(slowest, 2),
        "inbox_seconds": round(seconds_inbox, 1),
        "megabytes": round(held / 1e6),
        "problems": problems,
    }


def most_bytes_held() -> int:
    """Return the most memory that this program held; `ru_maxrss` has its parent's in it too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n" + json.dumps(fuzz(Path(folder), given.files, given.seed), indent=1))


if __name__ == "__main__":
    main()
