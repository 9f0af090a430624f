"""ARCHITECTURE.md and the project's rules, held against the code itself."""

from __future__ import annotations

import ast
import importlib.util
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from its_pipeline.its import models, registry
from its_pipeline_tests.support import PROJECT_ROOT, tracked_text

PACKAGE = PROJECT_ROOT / "its_pipeline"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))

#: What each room may import of ours.
_INNER = {"schedules", "its", "events", "stores", "files", "settings"}
ALLOWED = {
    "files": set(),
    "processes": set(),
    "schedules": set(),
    "its": {"schedules"},
    "events": {"schedules", "files", "settings"},
    "exports": {"events"},
    "stores": {"schedules", "its", "events", "files", "settings"},
    "report": {"schedules", "its", "events", "stores"},
    "tables": {"schedules", "events"},
    "ingest": {"events", "stores", "files", "settings"},
    "experiments": _INNER | {"report", "processes"},
    "leaving": _INNER | {"ingest", "experiments"},
    "defs": _INNER | {"report", "tables", "ingest", "experiments", "leaving", "exports"},
    "api": _INNER | {"report", "tables", "ingest", "experiments", "leaving", "processes"},
    "cli": _INNER
    | {"report", "tables", "ingest", "experiments", "leaving", "defs", "api", "exports"},
}

#: Rooms that are not yet held free of circles between their modules.
WITH_CIRCLES: set[str] = set()


def _module_map():
    spec = importlib.util.spec_from_file_location(
        "module_map", PROJECT_ROOT / "tools" / "module_map.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _imported(source: str) -> set[str]:
    """Return what a module imports of ours, anywhere in it: modules, and names taken from them."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their module in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("its_pipeline.")}


def _rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in _imported(path.read_text())}


def _circle(sources: dict[str, str]) -> list[str]:
    """Return modules that import each other in a circle, or none.

    Parameters
    ----------
    sources
        The text of every module by its full name.
    """
    graph = {}
    for module, source in sources.items():
        named = _imported(source)
        # `from a.b import c` needs a.b.c where that is a module, else a.b.
        graph[module] = {
            name if name in sources else name.rpartition(".")[0] for name in named
        } & sources.keys()
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


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


@pytest.mark.parametrize("room", sorted(ALLOWED.keys() - WITH_CIRCLES))
def test_no_circle_between_the_modules_of_a_room(room):
    sources = {}
    for path in (PACKAGE / room).rglob("*.py"):
        parts = path.relative_to(PROJECT_ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = path.read_text()
    assert _circle(sources) == []


def test_a_circle_is_found_wherever_its_imports_stand():
    one, two = "its_pipeline.room.one", "its_pipeline.room.floor.two"
    sources = {
        one: "def late():\n    from its_pipeline.room.floor import two\n    return two\n",
        two: "if TYPE_CHECKING:\n    from its_pipeline.room.one import late\n",
    }
    assert set(_circle(sources)) == {one, two}
    assert _circle({**sources, two: "import its_pipeline.other.one\n"}) == []


def test_commands_know_what_they_share_and_not_each_other():
    others = re.compile(r"its_pipeline\.cli(?:\.(?!(?:support|when)\b)| import )\w+")
    wrong = {
        path.name: found
        for path in (PACKAGE / "cli").glob("*.py")
        if path.name != "main.py" and (found := others.findall(path.read_text()))
    }
    assert wrong == {}


def test_beside_the_rooms_lie_the_settings_and_dagsters_entry_point():
    assert {path.name for path in PACKAGE.glob("*.py")} == {
        "__init__.py",
        "definitions.py",
        "settings.py",
    }


def test_shared_tools_lie_below_tests_and_benchmarks_and_outside_the_product():
    forbidden = {
        "its_pipeline": "tools|benchmarks|its_pipeline_tests",
        "tools": "benchmarks|its_pipeline_tests",
        "benchmarks": "its_pipeline_tests",
        "its_pipeline_tests": "benchmarks",
    }
    wrong = {
        str(path.relative_to(PROJECT_ROOT)): found
        for folder, others in forbidden.items()
        for path in (PROJECT_ROOT / folder).rglob("*.py")
        if (found := re.findall(rf"^ *(?:from|import) (?:{others})\b.*", path.read_text(), re.M))
    }
    assert wrong == {}


#: The floors of the API from the ground up; each may import those below it.
API_FLOORS = (("workers", "http"), ("questions",), ("routes",), ("pages",))


def _floors_imported(path: Path) -> set[str]:
    """Return the floors of the API that a module imports, ``""`` for the modules on top."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("its_pipeline.api."):
                floor = name.split(".")[2]
                found.add(floor if (PACKAGE / "api" / floor).is_dir() else "")
    return found


def test_the_floors_of_the_api_stand_on_each_other():
    floors = {name for level in API_FLOORS for name in level}
    api = PACKAGE / "api"
    assert {path.parent.name for path in api.glob("*/__init__.py")} == floors
    below: set[str] = set()
    for level in API_FLOORS:
        for floor in level:
            wrong = {
                str(path.relative_to(api)): sorted(extra)
                for path in (api / floor).rglob("*.py")
                if (extra := _floors_imported(path) - below - {floor})
            }
            assert wrong == {}
        below |= set(level)


def test_each_floor_of_the_api_is_described():
    text = (PROJECT_ROOT / "ARCHITECTURE.md").read_text()
    before_the_map = text[: text.index("## Module map")]
    for floor in (name for level in API_FLOORS for name in level):
        assert re.search(rf"^{floor} +[A-Z]", before_the_map, re.MULTILINE), floor


#: What each floor of the statistics may import of the others.
ITS_FLOORS = {
    "decisions": {"inference"},
    "designs": set(),
    "inference": set(),
    "noise": {"inference"},
    "likelihoods": {"inference", "noise"},
    "sensitivity": {"designs", "inference", "noise", "likelihoods"},
    "pooling": {"inference"},
    "planning": {"decisions", "designs", "inference", "likelihoods", "noise", "sensitivity"},
    "plots": {"inference"},
    "adapters": {"designs", "inference", "noise", "likelihoods"},
}


@pytest.mark.parametrize("floor", sorted(ITS_FLOORS))
def test_the_floors_of_the_statistics_point_one_way(floor):
    wrong = {}
    for path in (PACKAGE / "its" / floor).rglob("*.py"):
        parts = [name.split(".") for name in _imported(path.read_text())]
        others = {p[2] for p in parts if p[:2] == ["its_pipeline", "its"] and len(p) > 2}
        extra = (others & ITS_FLOORS.keys()) - ITS_FLOORS[floor] - {floor}
        if extra:
            wrong[path.name] = sorted(extra)
    assert wrong == {}


def _names_noise(text: str, parameters: set[str]) -> list[int]:
    """Return the lines that raise a correlation to a power or branch on a parameter's name."""
    found = []
    for node in ast.walk(ast.parse(text)):
        raised = None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            raised = node.left
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".power", ".pow")):
            raised = node.args[0]
        correlation = raised is not None and re.search(r"\b(rho|phi)\b", ast.unparse(raised))
        compared = [node.left] if isinstance(node, ast.Compare) else []
        keys = [node.slice] if isinstance(node, ast.Subscript) else compared
        named = any(isinstance(key, ast.Constant) and key.value in parameters for key in keys)
        if correlation or named:
            found.append(getattr(node, "lineno", 0))
    return found


def _naming(parameters: set[str], homes: tuple[str, ...]) -> dict[str, list[int]]:
    found = {}
    for path in MODULES:
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(homes) and (lines := _names_noise(path.read_text(), parameters)):
            found[name] = lines
    return found


#: The simulator draws the world that the models are tried on, and shares nothing with them.
NOISE_HOMES = ("its/noise/", "its/adapters/", "events/simulator.py")


def test_only_the_noise_models_know_how_a_correlation_fades():
    parameters = {
        name
        for model in map(models.noise_model, registry.NOISE_MODELS)
        for name in model.labels
        if name != "sigma"
    }
    assert parameters == {"phi", "share_new"}
    told = "a = rho**gap\nb = np.power(phi, 2)\nc = x['phi']\n"
    assert _names_noise(told, parameters) == [1, 2, 3]
    assert _names_noise("if 'phi' in noise:\n    pass\n", parameters) == [1]
    assert _naming(parameters, NOISE_HOMES) == {}


def test_only_a_likelihood_knows_its_own_parameters():
    parameters = {
        name
        for likelihood in map(models.likelihood, registry.LIKELIHOODS)
        for name in likelihood.labels
    }
    assert parameters == {"nu", "latent_sd", "dispersion"}
    assert _naming(parameters, (*NOISE_HOMES, "its/likelihoods/")) == {}


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
