"""How benchmarks say what they found: the machine's name, Markdown tables, files that keep them.

What belongs here: writing. What does not: measuring.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TABLES = Path(__file__).resolve().parent / "tables"


def machine() -> str:
    """Name the machine in a few words."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {model}, {memory:.0f} GiB, Python {platform.python_version()}"


def rows_as_markdown(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return rows as a Markdown table."""
    names = [str(name) for name in header]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def markdown(frame: pd.DataFrame) -> str:
    """Return a frame as a Markdown table."""
    return rows_as_markdown(frame.columns, frame.to_numpy())


def write_table(name: str, text: str) -> None:
    """Keep a benchmark's newest table, and print it."""
    TABLES.mkdir(exist_ok=True)
    (TABLES / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, flush=True)
