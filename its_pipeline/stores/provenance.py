"""What an analysis ran on: the code's version and the libraries' versions.

What belongs here: facts about this installation that never change while a process lives, shown
beside a number and kept with it. What does not: anything about data or models, or the identity of
an analysis (`its.fingerprinting`), of which these are no part.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from its_pipeline.settings import checkout_root

#: The libraries whose version may change a number: DuckDB makes the daily values, pandas lays them
#: on their calendar, Numba and its compiler llvmlite make the density and the quantiles, nutpie
#: samples, NumPy and SciPy compute the rest.
LIBRARIES: Final = (
    "its-pipeline",
    "nutpie",
    "numba",
    "llvmlite",
    "numpy",
    "scipy",
    "pandas",
    "duckdb",
)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the commit of the checkout that this code runs from; installed, the package's version.

    Installed code asks no git: the repository around a virtual environment is somebody else's.
    """
    checkout = checkout_root()
    return (checkout and _commit(checkout)) or f"its-pipeline {_version('its-pipeline')}"


def _commit(checkout: Path) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [git, "-C", str(checkout), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout.strip() or None if done.returncode == 0 else None


@lru_cache(maxsize=1)
def library_versions() -> Mapping[str, str]:
    """Return the installed version of every library in `LIBRARIES`."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
