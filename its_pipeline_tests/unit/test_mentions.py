"""What the project's files name exists: modules, files, and the rooms that docstrings point to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from its_pipeline_tests.support import PROJECT_ROOT, tracked_text

PACKAGE = PROJECT_ROOT / "its_pipeline"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
#: Folders whose files are named from the project's root, from the package's, or from beside them.
FOLDERS = ("its_pipeline", "its_pipeline_tests", "benchmarks", "docs", "tools", *ROOMS)
#: Named as what somebody is to write.
TO_COME = {"events/migrations/versions/0006_place.py"}
#: The docstrings of the statistics are not held to it yet.
POINTING = sorted(PACKAGE.rglob("*.py"))

#: Dotted paths below our packages; loggers are named alike and are none.
_DOTTED = re.compile(r"(?<!getLogger\(\")\bits_pipeline(?:_tests)?(?:\.[A-Za-z]\w*)+", re.ASCII)
_FILE = re.compile(rf"(?<![\w/.<}}$-])(?:{'|'.join(FOLDERS)})/[\w/-]+\.(?:py|md|yaml|toml|sql)\b")
_BARE_FILE = re.compile(r"`([\w-]+\.(?:py|md))`")
_POINTER = re.compile(r"(?<!`)`([a-z_]\w*(?:\.\w+)*)`(?!`)")


def _is_module(dotted: str) -> bool:
    path = PROJECT_ROOT / dotted.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def _exists(dotted: str) -> bool:
    """Tell whether a dotted path is a module, or a name that its module's text holds."""
    if _is_module(dotted):
        return True
    module, _, name = dotted.rpartition(".")
    if "." not in dotted:
        return False
    if not _is_module(module):
        return _exists(module)
    file = PROJECT_ROOT / (module.replace(".", "/") + ".py")
    if not file.is_file():
        file = PROJECT_ROOT / module.replace(".", "/") / "__init__.py"
    return file.is_file() and re.search(rf"\b{name}\b", file.read_text()) is not None


def _mentions(pattern: re.Pattern[str]) -> Iterator[tuple[Path, str]]:
    for path in tracked_text():
        if path.suffix in {".py", ".md", ".rst", ".toml", ".yaml", ".yml", ""}:
            for match in pattern.finditer(path.read_text(errors="replace")):
                yield path.relative_to(PROJECT_ROOT), match.group(match.lastindex or 0)


def test_every_module_that_is_named_exists():
    # What tests import is there or they fail; what else they name, they may have made up.
    wrong = {
        (str(path), name)
        for path, name in _mentions(_DOTTED)
        if path.parts[0] != "its_pipeline_tests" and not _exists(name)
    }
    assert wrong == set()


def test_every_file_that_is_named_exists():
    names = {path.name for path in tracked_text()}
    wrong = {
        (str(path), name)
        for path, name in _mentions(_FILE)
        if name not in TO_COME
        and not (PROJECT_ROOT / name).is_file()
        and not (PACKAGE / name).is_file()
        and not (PROJECT_ROOT / path.parent / name).is_file()
    }
    wrong |= {(str(path), name) for path, name in _mentions(_BARE_FILE) if name not in names}
    assert wrong == set()


def test_no_file_cites_a_document_that_is_none_of_the_projects():
    # Put together here, so that this file does not hold what it forbids.
    cited = re.compile(r"\bDESI" + r"GN\b")
    assert {str(path) for path, _ in _mentions(cited)} == set()


@pytest.mark.parametrize("path", POINTING, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_modules_docstring_points_to_exists(path):
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text), clean=False) or ""
    code = text.replace(docstring, "", 1)
    folders = path.relative_to(PROJECT_ROOT).parts[:-1]
    wrong = []
    for name in _POINTER.findall(docstring):
        around = [".".join((*folders[:depth], name)) for depth in range(len(folders), 0, -1)]
        is_file = any((folder / name).is_file() for folder in path.parents)
        is_own = re.search(rf"\b{re.escape(name)}\b", code) is not None
        if not (is_file or is_own or any(map(_exists, [name, *around]))):
            wrong.append(name)
    assert wrong == []
