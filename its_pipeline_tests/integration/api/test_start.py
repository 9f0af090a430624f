"""Starting the server as people do: the command, its refusals, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from its_pipeline.api.http.tokens import make_token


def command(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "its_pipeline.api", *arguments],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--host", "0.0.0.0", "--without-tokens"],
        ["--host", "127.0.0.1"],
    ],
)
def test_it_does_not_start_open_to_strangers(tmp_path, arguments):
    process = command("serve", *arguments, ITS_STORE_ROOT=str(tmp_path))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "ITS_API_TOKENS" in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_it_serves_and_ends_when_asked_leaving_no_process(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, record = make_token("app")
    process = command(
        "serve",
        "--port",
        str(port),
        ITS_STORE_ROOT=str(tmp_path),
        ITS_API_TOKENS=f"[{record.model_dump_json()}]",
    )
    try:
        answer = _when_up(f"http://127.0.0.1:{port}/health")
        assert answer.json()["status"] == "ok"
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers).status_code == 200
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in output
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def serve_for_people(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
    return subprocess.Popen(
        [sys.executable, "-c", "from its_pipeline.cli.main import app; app()", "serve", *arguments],
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_one_command_opens_the_page_on_this_machine_and_says_where(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = serve_for_people("--port", str(port), ITS_STORE_ROOT=str(tmp_path))
    try:
        assert _when_up(f"http://127.0.0.1:{port}/").status_code == 200
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert output.startswith(f"open http://127.0.0.1:{port} in a browser")
    assert "without tokens" in output
    assert "Traceback" not in output


def test_with_a_token_configured_the_page_asks_for_it(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, record = make_token("app")
    tokens = f"[{record.model_dump_json()}]"
    process = serve_for_people(
        "--port", str(port), ITS_STORE_ROOT=str(tmp_path), ITS_API_TOKENS=tokens
    )
    try:
        assert _when_up(f"http://127.0.0.1:{port}/").status_code == 401
    finally:
        process.kill()
        output, _ = process.communicate()
    assert "without tokens" not in output


def test_the_page_does_not_open_to_other_machines_without_tokens(tmp_path):
    process = serve_for_people("--host", "0.0.0.0", ITS_STORE_ROOT=str(tmp_path))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "ITS_API_TOKENS" in output
    assert "open http" not in output


def test_workers_end_when_the_server_is_killed(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = command(
        "serve", "--port", str(port), "--without-tokens", ITS_STORE_ROOT=str(tmp_path)
    )
    try:
        _when_up(f"http://127.0.0.1:{port}/health")
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.communicate()
    assert children
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def _when_up(url):
    deadline = time.monotonic() + 90
    while True:
        try:
            return httpx.get(url)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def test_a_token_is_shown_once_and_its_record_opens(tmp_path):
    output, _ = command("token", "phone", "--user", "anna", "--days", "30").communicate(timeout=60)
    lines = dict(line.split(": ", 1) for line in output.strip().splitlines())
    assert lines["token"].strip().startswith("its_")
    assert lines["token"].strip() not in lines["record"]
    assert '"user_id": "anna"' in lines["record"]
