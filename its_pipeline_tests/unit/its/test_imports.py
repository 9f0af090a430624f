"""The public door is cheap, and analysing loads no modelling library but our own code."""

import subprocess
import sys

HEAVY = "pymc causalpy arviz nutpie pytensor matplotlib mlflow pandera xarray"


def _loaded(code, names):
    script = f"{code}\nimport sys\nprint([n for n in {names.split()!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def test_importing_the_door_loads_nothing_heavy():
    assert _loaded("import its_pipeline.its", HEAVY + " numba pandas scipy") == "[]"


def test_help_shows_the_public_names_in_a_fresh_process():
    code = "import its_pipeline.its\nhelp(its_pipeline.its)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    functions = done.stdout.partition("\nFUNCTIONS\n")[2].partition("\nDATA\n")[0]
    for name in ("analyze", "fingerprint", "warm_up"):
        assert f"\n    {name}(" in "\n" + functions
    assert "class AnalysisSpec(" in done.stdout
    assert "MODEL_VERSION = " in done.stdout


def test_analysing_loads_no_modelling_library():
    code = """
from its_pipeline.its import AnalysisSpec, analyze
from its_pipeline_tests.unit.its.series_factory import make_series
a = analyze(*make_series(40), AnalysisSpec(draws=200, tune=100))
a.to_dict()
"""
    assert _loaded(code, HEAVY) == "[]"


def test_nutpie_can_be_imported_afterwards_and_is_shared():
    code = """
from its_pipeline.its.inference.nutpie_library import nutpie_library
library = nutpie_library()
import nutpie
assert nutpie._lib is library, "two copies"
from its_pipeline.its import analyze
from its_pipeline_tests.unit.its.series_factory import make_series
assert analyze(*make_series(40)).converged
"""
    assert _loaded(code, "nutpie") == "['nutpie']"
