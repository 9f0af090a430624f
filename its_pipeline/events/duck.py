"""How the events room opens DuckDB: in memory, bounded, in UTC, without downloading anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from its_pipeline.files.atomic import UNFINISHED_PREFIX

DEFAULT_MEMORY = "1GB"


@contextmanager
def in_memory(
    memory: str = DEFAULT_MEMORY, threads: int | None = None, spill_to: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB and close it again.

    Parameters
    ----------
    memory
        Limit, as DuckDB writes it (`"1GB"`).
    threads
        Number of threads; None is DuckDB's default.
    spill_to
        Folder for what does not fit, whose next writer removes what a killed one left there; None:
        nothing is spilled, for questions that need little memory whatever they are asked of.
    """
    with ExitStack() as stack:
        spill = ""
        if spill_to is not None:
            prefix = f"{UNFINISHED_PREFIX}spill-"
            spill = stack.enter_context(TemporaryDirectory(prefix=prefix, dir=spill_to))
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
        }
        if threads is not None:
            config["threads"] = threads
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def sql(name: str, /, **parts: str) -> str:
    """Return the statement in `sql/<name>.sql` with its `{{parts}}` filled in.

    Raises
    ------
    ValueError
        If a part is left over on either side.
    """
    text = resources.files("its_pipeline.events").joinpath(f"sql/{name}.sql").read_text("utf-8")
    for part, value in parts.items():
        marker = "{{" + part + "}}"
        if marker not in text:
            raise ValueError(f"sql/{name}.sql has no part {marker}")
        text = text.replace(marker, value)
    if "{{" in text:
        left = text[text.index("{{") :].split("}}")[0] + "}}"
        raise ValueError(f"sql/{name}.sql needs a value for {left}")
    return text


def literal(text: str) -> str:
    """Quote a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
