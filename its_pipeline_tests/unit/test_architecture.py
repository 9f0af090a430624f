"""ARCHITECTURE.md and the house's rules, held against the code itself."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from its_pipeline_tests.support import PROJECT_ROOT, tracked_text

PACKAGE = PROJECT_ROOT / "its_pipeline"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))

#: What each room may import of ours.
_INNER = {"its", "events", "stores", "files", "settings"}
ALLOWED = {
    "files": set(),
    "its": set(),
    "events": {"files", "settings"},
    "stores": {"its", "events", "files", "settings"},
    "report": {"its", "events"},
    "ingest": {"events", "stores", "files", "settings"},
    "experiments": _INNER | {"report"},
    "defs": _INNER | {"report", "ingest", "experiments", "notify"},
    "api": _INNER | {"report", "ingest", "experiments"},
    "cli": _INNER | {"report", "ingest", "experiments", "defs", "api", "demo"},
}


def _module_map():
    spec = importlib.util.spec_from_file_location(
        "module_map", PROJECT_ROOT / "tools" / "module_map.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rooms_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module == "its_pipeline":
                names = [f"its_pipeline.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("its_pipeline.")}
    return found


def test_the_module_map_is_current():
    tool = _module_map()
    text = (PROJECT_ROOT / "ARCHITECTURE.md").read_text()
    assert text == tool.rewritten(text, tool.module_map()), "run: python tools/module_map.py"


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_dependencies_point_one_way(room):
    wrong = {
        str(path.relative_to(PROJECT_ROOT)): sorted(extra)
        for path in (PACKAGE / room).rglob("*.py")
        if (extra := _rooms_imported(path) - ALLOWED[room] - {room})
    }
    assert wrong == {}


def test_every_room_has_its_rule():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(ALLOWED)


def test_modules_are_short_and_say_what_they_are_for():
    too_long = {
        path.name: count for path in MODULES if (count := len(path.read_text().splitlines())) > 400
    }
    assert too_long == {}
    silent = [
        str(path.relative_to(PROJECT_ROOT))
        for path in MODULES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def _swallows(handler: ast.ExceptHandler, lines: list[str]) -> bool:
    """Tell whether a handler takes every error, passes none on, and does not say why."""
    broad = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )
    passes_on = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
    says_why = "noqa: BLE001 - " in lines[handler.lineno - 1]
    return broad and not passes_on and not says_why


def test_no_crash_is_turned_into_a_result():
    wrong = []
    for path in MODULES:
        text = path.read_text()
        wrong += [
            f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ExceptHandler) and _swallows(node, text.splitlines())
        ]
    assert wrong == []


def test_no_file_names_a_registry_or_a_machine():
    # The patterns are put together here so that this file does not hold what it forbids.
    hosts = "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)"])
    machine = "|".join(f"/{name}/" for name in ("ho" + "me", "ro" + "ot", "wo" + "rk"))
    forbidden = re.compile(rf"{hosts}|(?<![\w.$}}]){machine}")
    wrong = [
        f"{path.relative_to(PROJECT_ROOT)}: {match.group()}"
        for path in tracked_text()
        if (match := forbidden.search(path.read_text(errors="replace")))
    ]
    assert wrong == []
