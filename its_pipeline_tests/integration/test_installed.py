"""A wheel in an environment of its own, run from an empty folder: nothing of a checkout is there.

The environment sees the libraries that are installed here by their plain path, so that no `.pth`
file of theirs is read: an editable installation of ours cannot get in.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from its_pipeline_tests.support import PROJECT_ROOT

# The kernels are compiled anew for the environment, which a busy machine makes long.
pytestmark = pytest.mark.timeout(1500)

#: Seconds that a server may take to answer at all.
PATIENCE = 180.0
LOCATIONS = "{workspaceOrError{...on Workspace{locationEntries{name loadStatus \
locationOrLoadError{__typename ...on PythonError{message}}}}}}"


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, an empty folder to stand in, and a person's home."""

    environment: Path
    folder: Path
    home: Path

    @property
    def site_packages(self) -> Path:
        return next((self.environment / "lib").glob("python*")) / "site-packages"

    @property
    def store(self) -> Path:
        return self.home / "share" / "its_pipeline"

    def variables(self, **more: str) -> dict[str, str]:
        """Return the variables of a person who has set nothing."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "share"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "TMPDIR": str(self.home / "tmp"),
            "ITS_DRAWS": "500",
            "ITS_AUDIT_SHARE": "0.1",
            "ITS_TUNE": "500",
            **more,
        }

    def python(self, code: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.environment / "bin" / "python", *options, "-c", code],
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run the command to its end and return what it said."""
        done = subprocess.run(
            [self.environment / "bin" / "its-pipeline", *arguments],
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, **variables: str) -> Iterator[None]:
        """Run a server; it and all that it started are ended with the block."""
        log = self.home / f"{arguments[0]}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [self.environment / "bin" / "its-pipeline", *arguments],
                cwd=self.folder,
                env=self.variables(**variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield
            except BaseException:
                print(log.read_text()[-5000:])
                raise
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def build(folder: Path) -> Path:
    """Build the wheel as `make wheel` does, from a copy, and return it."""
    source = folder / "source"
    shutil.copytree(
        PROJECT_ROOT / "its_pipeline",
        source / "its_pipeline",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT_ROOT / name, source)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    made = Installed(root / "environment", root / "empty", root / "home")
    made.folder.mkdir()
    (made.home / "tmp").mkdir(parents=True)
    venv.create(made.environment, with_pip=False, symlinks=True)
    libraries = importlib.util.find_spec("dagster")
    assert libraries is not None
    assert libraries.origin is not None
    (made.site_packages / "libraries.pth").write_text(str(Path(libraries.origin).parents[1]))
    for package in ("its_pipeline", "its_pipeline_tests"):
        looked = made.python(f"import {package}")
        assert f"No module named '{package}'" in looked.stderr, "the checkout shows through"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", made.environment / "bin" / "python"),
            *("install", "--quiet", "--no-deps", "--no-index", "--no-cache-dir", build(root)),
        ],
        check=True,
    )
    return made


def files(folder: Path) -> set[str]:
    """Return all files under a folder but bytecode and compiled kernels, which are caches."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(url: str, body: Any = None) -> Any:
    """Ask until a server is there, and return the JSON it answers."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return json.load(response)
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_an_installed_wheel_does_everything_from_an_empty_folder(installed):
    before = files(installed.site_packages)

    demo = installed.run("demo", "--people", "2")
    assert f"store: {installed.store}" in demo
    assert "2 experiments were fitted" in demo
    assert "its-pipeline ui" in demo
    page = (installed.store / "reports" / "ada" / "morning_study" / "index.html").read_text()
    assert re.search(r"<dt>Code version</dt><dd><bdi>its-pipeline \d+\.\d+\.\d+</bdi>", page)
    instance = yaml.safe_load((installed.store / "dagster" / "dagster.yaml").read_text())
    assert instance["run_monitoring"]["enabled"] is True

    assert "unchanged" in installed.run("run")

    port = free_port()
    with installed.running("serve", "--port", str(port), ITS_API_ALLOW_ANONYMOUS="true"):
        assert answer(f"http://127.0.0.1:{port}/health")["status"] == "ok"
        history = answer(f"http://127.0.0.1:{port}/analytics/its/history/ada")
        assert "morning_study" in json.dumps(history)

    port = free_port()
    with installed.running("ui", "--port", str(port)):
        told = answer(f"http://127.0.0.1:{port}/graphql", {"query": LOCATIONS})
        (location,) = told["data"]["workspaceOrError"]["locationEntries"]
    assert location["name"] == "its_pipeline"
    assert location["loadStatus"] == "LOADED"
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation"

    assert files(installed.site_packages) == before
    assert files(installed.folder) == set()


def test_what_runs_is_the_wheel_and_it_holds_every_module(installed):
    """Every module is imported from the environment, none from a checkout."""
    looked = installed.python(
        "import its_pipeline, importlib, json, pkgutil, sys\n"
        "from its_pipeline.settings import checkout_root\n"
        "names = [m.name for m in pkgutil.walk_packages(its_pipeline.__path__, 'its_pipeline.')]\n"
        "print(json.dumps([its_pipeline.__file__, sys.path, checkout_root(), names]))"
    )
    assert looked.returncode == 0, looked.stderr
    file, path, checkout, names = json.loads(looked.stdout)
    assert Path(file).parent == installed.site_packages / "its_pipeline"
    assert not any(Path(entry).resolve() == PROJECT_ROOT for entry in path if entry)
    assert checkout is None
    ours = {
        ".".join(module.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(".__init__")
        for module in (PROJECT_ROOT / "its_pipeline").rglob("*.py")
    }
    assert {"its_pipeline", *names} == ours
