"""All services of `deploy/`, started by their own command lines on a real PostgreSQL server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from its_pipeline.api.http.tokens import make_token
from its_pipeline_tests.integration.deploy.files import DEPLOY, example_settings, unit_commands
from its_pipeline_tests.postgres import postgres_server
from tools.postgres import PASSWORD

__all__ = ["postgres_server"]

pytestmark = pytest.mark.postgres


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def environment(postgres_server, tmp_path):
    """The example's settings, of a store and a server of the test's own."""
    postgres_server.run_sql((DEPLOY / "databases.sql").read_text(), database="postgres")
    _, record = make_token("app")
    (tmp_path / "tokens.json").write_text(f"[{record.model_dump_json()}]")
    server = f"//tester@127.0.0.1:{postgres_server.port}/"
    settings = {
        name: value.replace("///", server).split("?")[0]
        if value.startswith("postgresql")
        else value
        for name, value in example_settings().items()
    }
    settings |= {
        "ITS_STORE_ROOT": str(tmp_path / "store"),
        "ITS_API_TOKENS_FILE": str(tmp_path / "tokens.json"),
        "PGPASSWORD": PASSWORD,
        "ITS_API_WORKERS": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
    return {**clean, **settings}


def commands_on(ports: dict[str, str]) -> dict[str, list[str]]:
    """Return the units' commands, with programs and ports that are there."""
    found = {}
    for name, words in unit_commands().items():
        program = Path(sys.executable).with_name(words[0])
        rest = [_on_port(word, ports) for word in words[1:]]
        found[name] = [str(program), *rest]
    return found


def _on_port(word: str, ports: dict[str, str]) -> str:
    for usual, port in ports.items():
        word = port if word == usual else word.replace(f"127.0.0.1:{usual}/", f"127.0.0.1:{port}/")
    return word


@pytest.mark.timeout(360)
def test_all_services_start_answer_and_end(environment, tmp_path):
    commands = commands_on(dict(zip(("3000", "8000", "5000"), free_ports(3), strict=True)))
    watch = commands.pop("watch")
    assert watch[2:4] == ["--every", "300"]
    services = {}
    try:
        for name, command in commands.items():
            with (tmp_path / f"{name}.log").open("w") as log:
                services[name] = subprocess.Popen(
                    command, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        for url in [word for word in watch if word.startswith("http")]:
            _wait_for(url, services, tmp_path)
        once = [*watch[:2], *watch[4:]]
        looked = subprocess.run(once, env=environment, capture_output=True, text=True, check=False)
        assert (looked.returncode, looked.stdout) == (0, ""), _said(tmp_path, "daemon")
        parts = {
            name: psutil.Process(s.pid).children(recursive=True) for name, s in services.items()
        }
        arguments = [" ".join(part.cmdline()) for each in parts.values() for part in each]
        assert not [line for line in arguments if "postgresql" in line or "dagster dev" in line]
        for service in services.values():
            service.send_signal(signal.SIGTERM)
        for name, service in services.items():
            assert service.wait(60) in (0, -signal.SIGTERM), (name, _said(tmp_path, name))
        _, alive = psutil.wait_procs([part for each in parts.values() for part in each], timeout=30)
        assert alive == []
    finally:
        for service in services.values():
            if service.poll() is None:
                os.killpg(service.pid, signal.SIGKILL)
                service.wait()
    store = Path(environment["ITS_STORE_ROOT"])
    # All records are in the databases.
    assert [*store.rglob("*.db"), *store.rglob("*.sqlite")] == []
    for name in services:
        assert "Traceback" not in _said(tmp_path, name), name


def _wait_for(url, services, folder):
    deadline = time.monotonic() + 240
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get(url).is_success:
                return
        for name, service in services.items():
            assert service.poll() is None, (name, _said(folder, name))
        assert time.monotonic() < deadline, {name: _said(folder, name) for name in services}
        time.sleep(0.2)


def _said(folder, name):
    return (folder / f"{name}.log").read_text()[-3000:]
