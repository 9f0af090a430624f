"""Writes the module map of ARCHITECTURE.md from the modules' own first lines.

``python tools/module_map.py`` rewrites the map in place; a test holds that it is current. What a
module is for is said once, in the module.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- module map: start -->", "<!-- module map: end -->"


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring; empty where it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    return docstring.splitlines()[0] if docstring else ""


def module_map(root: Path = ROOT) -> str:
    """Return the map: a table a room, a row a module."""
    package = root / "its_pipeline"
    rooms = [package, *sorted(path for path in package.iterdir() if path.is_dir())]
    blocks = []
    for room in rooms:
        pattern = "*.py" if room == package else "**/*.py"
        modules = [
            path
            for path in sorted(room.glob(pattern))
            if path.name != "__init__.py" or first_line(path)
        ]
        if not modules:
            continue
        rows = [
            f"| `{path.relative_to(room).as_posix()}` | {first_line(path)} |" for path in modules
        ]
        heading = "`its_pipeline/`" if room == package else f"`its_pipeline/{room.name}/`"
        blocks.append(
            "\n".join([f"### {heading}", "", "| module | what it is |", "|---|---|", *rows])
        )
    return "\n\n".join(blocks)


def rewritten(text: str, mapping: str) -> str:
    """Return a page with its map replaced.

    Raises
    ------
    ValueError
        The page lacks the two marks.
    """
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not start or not end:
        raise ValueError(f"ARCHITECTURE.md should have the marks {START!r} and {END!r}")
    return f"{head}{START}\n\n{mapping}\n\n{END}{tail}"


if __name__ == "__main__":
    page = ROOT / "ARCHITECTURE.md"
    page.write_text(rewritten(page.read_text(), module_map()))
