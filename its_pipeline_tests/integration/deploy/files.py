"""Reading `deploy/`: what units and compose file start, and the example of settings.

What belongs here: parsing. What does not: starting anything.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from its_pipeline_tests.support import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = DEPLOY / "systemd"
#: Where the units expect the virtual environment's programs.
PROGRAMS = "/opt/its/venv/bin/"


def value_of(unit: Path, name: str) -> str:
    """Return the one value of a name in a unit's file."""
    lines = unit.read_text().splitlines()
    (found,) = [line.split("=", 1)[1] for line in lines if line.startswith(f"{name}=")]
    return found


def unit_commands() -> dict[str, list[str]]:
    """Return the command of every service that stays, by its name without ``its-``."""
    found = {}
    for unit in sorted(UNITS.glob("its-*.service")):
        command = shlex.split(value_of(unit, "ExecStart"))
        if "Type=oneshot" not in unit.read_text():
            assert command[0].startswith(PROGRAMS)
            command[0] = command[0].removeprefix(PROGRAMS)
            found[unit.stem.removeprefix("its-")] = command
    return found


def compose() -> dict:
    """Return the compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def example_settings() -> dict[str, str]:
    """Return the settings of ``its.env.example``."""
    lines = (DEPLOY / "its.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
