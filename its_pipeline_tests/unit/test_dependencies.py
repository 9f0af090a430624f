"""What we import of others: declared in pyproject.toml, and which of it is private to them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions, version

import pytest

from its_pipeline_tests.support import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "its_pipeline"


@dataclass(frozen=True)
class Door:
    """Something private to a library that we use; it may change with any version.

    Attributes
    ----------
    library
        The distribution.
    module
        Where it is imported from.
    names
        What is used, as paths of attributes below the module.
    used_in
        The one module of ours that imports it, below the package.
    """

    library: str
    module: str
    names: tuple[str, ...]
    used_in: str


DOORS = (
    Door(
        "dagster",
        "dagster._core.storage.event_log.sqlite.sqlite_event_log",
        (
            "INDEX_SHARD_NAME",
            "SqliteEventLogStorage.run_connection",
            "SqliteEventLogStorage.index_connection",
            "SqliteEventLogStorage.conn_string_for_shard",
            "SqliteEventLogStorage.has_table",
            "SqliteEventLogStorage.has_asset_key_index_cols",
            "SqliteEventLogStorage._has_asset_key_index_cols_on_connection",
        ),
        "defs/recording.py",
    ),
    Door(
        "dagster",
        "dagster._core.storage.sqlite",
        ("SQLITE_BUSY_TIMEOUT_SECONDS",),
        "defs/recording.py",
    ),
    Door(
        "dagster",
        "dagster._core.definitions.asset_checks.asset_check_evaluation",
        ("AssetCheckEvaluationTargetMaterializationData",),
        "defs/recording.py",
    ),
    Door(
        "nutpie",
        "nutpie._lib",
        (
            "LogpFunc",
            "ExpandFunc",
            "PyVariable.new_variables",
            "PyMcModel",
            "PyNutsSettings.Diag",
            "PyNutsSettings.num_tune",
            "PyNutsSettings.num_draws",
            "PyNutsSettings.num_chains",
            "PyNutsSettings.target_accept",
            "PyNutsSettings.maxdepth",
            "PySampler.from_pymc",
            "PySampler.wait",
            "PySampler.abort",
            "PySampler.is_empty",
            "PySampler.take_results",
            "ProgressType.none",
            "PyStorage.arrow",
        ),
        "its/inference/nutpie_library.py",
    ),
    Door(
        "mlflow",
        "mlflow.store.tracking.sqlalchemy_store",
        ("SqlAlchemyStore",),
        "stores/run_database.py",
    ),
    Door(
        "uvicorn",
        "uvicorn.protocols.http.httptools_impl",
        (
            "STATUS_LINE",
            "HttpToolsProtocol.connection_made",
            "HttpToolsProtocol.connection_lost",
            "HttpToolsProtocol.data_received",
            "HttpToolsProtocol.on_message_begin",
            "HttpToolsProtocol.on_headers_complete",
            "HttpToolsProtocol.send_400_response",
        ),
        "api/http/connections.py",
    ),
)


def _imports() -> Iterator[tuple[str, str]]:
    """Yield each module of ours, below the package, with what it imports of others."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] not in {*sys.stdlib_module_names, "its_pipeline"}:
                    yield str(path.relative_to(PACKAGE)), name


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> set[str]:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    said = [*project["dependencies"], *extras["postgres"]]
    return {_normal(re.split(r"[\[<>=!~; ]", entry, maxsplit=1)[0]) for entry in said}


def test_what_is_imported_is_declared():
    distributions, declared = packages_distributions(), _declared()
    wrong = {
        (where, name)
        for where, name in _imports()
        if not declared & set(map(_normal, distributions[name.partition(".")[0]]))
    }
    assert wrong == set()


def _missing(door: Door) -> list[str]:
    try:
        module = import_module(door.module)
    except ImportError as error:
        return [f"{door.module} ({error})"]
    missing = []
    for name in door.names:
        found = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            missing.append(f"{door.module}.{name}")
    return missing


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.library}: {door.module}")
def test_what_is_private_to_a_library_is_there(door):
    missing = _missing(door)
    assert not missing, (
        f"{door.library} {version(door.library)} has no {', '.join(missing)} any more, which "
        f"its_pipeline/{door.used_in} uses: keep {door.library} at the version before, or mend "
        "that module"
    )


def test_a_private_door_that_an_upgrade_closed_is_named():
    door = Door("pyyaml", "yaml", ("SafeLoader", "SafeLoader.no_such", "gone"), "any.py")
    assert _missing(door) == ["yaml.SafeLoader.no_such", "yaml.gone"]
    assert _missing(Door("pyyaml", "yaml._gone", (), "any.py"))[0].startswith("yaml._gone (")


def test_what_a_check_looked_at_is_told_in_these_words():
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData,
    )

    told = AssetCheckEvaluationTargetMaterializationData(storage_id=1, run_id="a", timestamp=2.0)
    assert (told.storage_id, told.run_id, told.timestamp) == (1, "a", 2.0)


def test_nothing_private_is_imported_elsewhere():
    private = re.compile(r"\._[a-z]")
    doors = {(door.used_in, door.module) for door in DOORS}
    known = {door.module for door in DOORS}
    wrong = {
        found
        for found in _imports()
        if (private.search(found[1]) or found[1] in known) and found not in doors
    }
    assert wrong == set()
