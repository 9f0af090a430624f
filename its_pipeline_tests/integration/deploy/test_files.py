"""What `deploy/` holds fits together: units, compose file, image, example of settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.settings import Settings
from its_pipeline_tests.integration.deploy.files import (
    DEPLOY,
    UNITS,
    compose,
    example_settings,
    unit_commands,
)
from its_pipeline_tests.support import PROJECT_ROOT


def of_compose(word: str, services: list[str]) -> str:
    """Return a word of a compose command as the units have it."""
    word = word.replace("0.0.0.0", "127.0.0.1")
    return re.sub(rf"//({'|'.join(services)}):", "//127.0.0.1:", word)


def test_compose_starts_what_the_units_start():
    services = {name: s for name, s in compose()["services"].items() if name != "postgres"}
    commands = {
        name: [of_compose(word, list(services)) for word in service["command"]]
        for name, service in services.items()
    }
    assert commands == unit_commands()
    assert set(commands) == {"webserver", "daemon", "api", "mlflow", "watch"}


def test_every_container_restarts_is_looked_at_and_has_bounded_logs():
    for name, service in compose()["services"].items():
        assert service["restart"] == "unless-stopped"
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
        assert name == "watch" or service["healthcheck"]["test"][0] == "CMD"
        for published in service.get("ports", []):
            assert published.startswith("127.0.0.1:")


def test_every_health_check_is_a_look_of_the_watch():
    watched = compose()["services"]["watch"]["command"]
    looked_at = {"--daemon"} | {word for word in watched if word.startswith("http")}
    checks = set()
    for name, service in compose()["services"].items():
        if "healthcheck" in service and name != "postgres":
            program, command, *rest = service["healthcheck"]["test"][1:]
            assert (program, command) == ("its-pipeline", "watch")
            checks.add(rest[-1].replace("127.0.0.1", name))
    assert checks == looked_at


def test_the_example_names_settings_that_exist_and_holds_no_secret():
    example = example_settings()
    known = {f"ITS_{name.upper()}" for name in Settings.model_fields}
    known |= {f"ITS_API_{name.upper()}" for name in ServerSettings.model_fields}
    assert example.keys() - known == set()
    assert not [value for value in example.values() if re.search(r"//[^/@]*:[^/@]*@", value)]
    assert compose()["services"]["api"]["environment"].keys() - {"PGPASSWORD"} <= example.keys()


def test_the_images_files_are_there():
    text = (DEPLOY / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert names
    assert [name for name in names if not (PROJECT_ROOT / name).exists()] == []
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {f"!{name}" for name in names} <= set(kept)


@pytest.fixture
def units(tmp_path) -> Path:
    """The units as systemd finds them, with programs that are there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze (apt-get install systemd)")
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for unit in folder.glob("*.service"):
        text = re.sub(r"/opt/its/\S+", sys.executable, unit.read_text())
        unit.write_text(text)
    return folder


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_systemd_takes_the_units(units):
    files = [*units.glob("*.service"), *units.glob("*.target"), *units.glob("*.timer")]
    assert len(files) == 8
    checked = analyze("verify", "--man=no", *files)
    assert (checked.returncode, checked.stderr) == (0, "")
    # That a mistake in the common part would be seen: it is read for each.
    common = units / "its-.service.d" / "common.conf"
    common.write_text(common.read_text().replace("ProtectSystem=strict", "ProtectSystems=strict"))
    assert "Unknown key 'ProtectSystems'" in analyze("verify", "--man=no", *files).stderr


def test_the_services_can_do_little_else(units):
    for unit in units.glob("its-*.service"):
        # Of 100; without the common part it is 96.
        checked = analyze("security", "--offline=yes", "--threshold=25", unit)
        assert checked.returncode == 0, checked.stdout[-500:]
