"""What is recorded of an installation: the libraries that move a number, and no others."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions, version

from its_pipeline.stores.provenance import LIBRARIES, library_versions
from its_pipeline_tests.support import PROJECT_ROOT

ITS = PROJECT_ROOT / "its_pipeline" / "its"
#: What shows a number or hands it over, and computes none that is published.
SHOWS = {"plots", "adapters"}
#: Imported to hand draws over as NetCDF, and to keep frames; see the modules.
HANDS_OVER = {"arviz", "pyarrow"}
#: Moves a number without an import in `its`.
BEHIND = {
    "its-pipeline": "the model itself",
    "nutpie": "loaded by its path, see its/inference/nutpie_library.py",
    "llvmlite": "Numba's compiler",
    "duckdb": "the daily values",
}


def _imported() -> set[str]:
    names = set()
    for path in ITS.rglob("*.py"):
        if path.relative_to(ITS).parts[0] in SHOWS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"its_pipeline"}


def test_the_libraries_that_move_a_number_are_recorded_and_no_others():
    distributions = packages_distributions()
    imported = {distributions[name][0] for name in _imported()} - HANDS_OVER
    assert set(LIBRARIES) == imported | set(BEHIND)


def test_the_recorded_versions_are_the_installed_ones():
    assert library_versions() == {name: version(name) for name in LIBRARIES}
