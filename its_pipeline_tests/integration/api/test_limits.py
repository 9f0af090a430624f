"""What one client may cost all others: unread answers, requests sent ahead, refusals, the audit."""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from its_pipeline.api.http.connections import LEAST_READ_BYTES, MOST_AHEAD
from its_pipeline_tests.integration.api.test_analyze import problem
from its_pipeline_tests.integration.api.test_hostile import raw
from its_pipeline_tests.integration.api.test_robustness import adhoc, counted, eventually
from tools.live_api import running
from tools.stores import log_intervention, short_settings

PAGE = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(live):
    """Return a connection whose own side holds little that is unread."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", int(live.url.rpartition(":")[2])))
    return connection


def served(live):
    """Return the connections that the server, which runs in this process, holds open."""
    port = int(live.url.rpartition(":")[2])
    found = psutil.Process().net_connections("tcp")
    return [each for each in found if each.laddr.port == port and each.status == "ESTABLISHED"]


def test_clients_that_do_not_read_take_nobodys_place_and_are_let_go(tmp_path):
    settings = short_settings(tmp_path)
    with (
        running(settings, wait=False, max_requests=3, write_seconds=0.5) as live,
        ExitStack() as all_,
    ):
        unread = [all_.enter_context(connected(live)) for _ in range(12)]
        for connection in unread:
            connection.sendall(PAGE * 60)
        deadline = time.monotonic() + 20
        while served(live):
            assert time.monotonic() < deadline, "they are never let go"
            assert live.request("GET", "/interventions").status_code == 200
            assert live.request("GET", "/health", None).status_code == 200


def test_one_request_that_nobody_reads_the_answer_of_ends_too(tmp_path):
    settings = short_settings(tmp_path)
    with running(settings, wait=False, write_seconds=0.3) as live, connected(live) as connection:
        # Each asked for when the one before was written: nothing is sent ahead.
        def is_let_go():
            try:
                connection.sendall(PAGE)
            except OSError:
                return True
            return False

        eventually(is_let_go, 10, pause=0.02)


def test_a_slow_but_steady_reader_gets_everything(tmp_path):
    with running(short_settings(tmp_path), wait=False, write_seconds=0.5) as live:
        page = live.request("GET", "/openapi.json", None).content
        with connected(live) as connection:
            connection.sendall(PAGE * 4)
            received, started = bytearray(), time.monotonic()
            while len(received) < 4 * len(page):
                # Twice what must be taken in the time.
                until = len(received) + 2 * LEAST_READ_BYTES
                while len(received) < min(until, 4 * len(page)):
                    piece = connection.recv(65536)
                    assert piece, "it was let go"
                    received += piece
                time.sleep(0.25)
            assert time.monotonic() - started > 1.0
    assert bytes(received).count(page) >= 3


def test_requests_are_sent_ahead_within_bounds_and_those_taken_are_answered(live):
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = raw(live, one * 60, seconds=3.0)
    assert 1 <= answers.count("HTTP/1.1 200 OK") <= MOST_AHEAD + 1
    assert answers.count('{"status":"ok"') == answers.count("HTTP/1.1 200 OK")
    assert "still open" not in answers
    few = raw(live, one * 3 + one.replace(b"Host", b"Connection: close\r\nHost"), seconds=3.0)
    assert few.count("HTTP/1.1 200 OK") == 4


def test_open_pages_are_limited_each_by_address(tmp_path):
    with running(short_settings(tmp_path), wait=False, rate_per_minute=1, rate_burst=3) as live:
        asked = [live.request("GET", "/openapi.json", None) for _ in range(4)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        problem(asked[-1], 429, "too_many_requests")
        assert live.request("GET", "/health", None).status_code == 200
        assert live.request("GET", "/interventions").status_code == 200


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("HTTP/1.1", "", 400),
        ("HTTP/1.1", "Host: x\r\nHost: y\r\n", 400),
        ("HTTP/1.0", "", 200),
        ("HTTP/1.1", "Host: x\r\nX-Many: 1\r\nX-Many: 2\r\n", 200),
    ],
)
def test_a_request_has_one_host(live, line, more, status):
    answer = raw(live, f"GET /health {line}\r\n{more}Connection: close\r\n\r\n".encode(), 3.0)
    assert answer.splitlines()[0].split()[1] == str(status)
    assert ("malformed_request" in answer) == (status == 400)


def test_two_tokens_are_none(live):
    tokens = [f"Authorization: Bearer {live.tokens[who]}\r\n" for who in ("anna", "service")]
    for both in (tokens, tokens[::-1], tokens[:1] * 2):
        head = f"GET /metrics HTTP/1.1\r\nHost: x\r\n{''.join(both)}\r\n"
        answer = raw(live, head.encode(), 3.0)
        assert " 400 " in answer.splitlines()[0]
        assert "malformed_request" in answer


def test_large_headers_that_come_complete_are_refused_too(live):
    line = b"X-Large: " + b"a" * 8000 + b"\r\n"
    answer = raw(live, b"GET /health HTTP/1.1\r\nHost: x\r\n" + line * 5 + b"\r\n", 3.0)
    assert " 431 " in answer.splitlines()[0]
    # What stands in one read with a body before it is not counted as headers.
    content = b'{"user_id": "' + b"a" * 40_000 + b'"}'
    first = (
        "POST /interventions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {live.tokens['anna']}\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content
    second = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    answers = raw(live, first + second, 5.0, later=b"\r\n")
    assert answers.splitlines()[0].split()[1] == "422"
    assert "HTTP/1.1 200 OK" in answers


@pytest.mark.parametrize("path", ["/interventions/", "/health/", "/experiments/anna/"])
def test_nobody_is_sent_to_where_the_host_header_says(live, path):
    answer = live.request("GET", path, headers={"Host": "evil.example"})
    problem(answer, 404, "not_found")
    assert "location" not in answer.headers


def test_refusals_are_counted_apart_from_what_was_let_in(tmp_path):
    settings = short_settings(tmp_path)
    with running(settings, wait=False, refusals_per_minute=20) as live:
        with live.client(None) as client:
            told = [client.get("/metrics").status_code for _ in range(100)]
        assert (told.count(401), told.count(429)) == (20, 80)
        assert live.request("GET", "/interventions", "anna").status_code == 200
        text = live.request("GET", "/metrics").text
        assert 'its_api_refusals_total{problem="too_many_requests"} 80.0' in text
    folder = settings.store_root / "api"
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert [(line["token"], line["status"]) for line in lines] == [("anna", 200), ("service", 200)]
    refused = (folder / "audit-refused.jsonl").read_text().splitlines()
    counts = {json.loads(line)["problem"]: json.loads(line)["count"] for line in refused}
    assert counts == {"unauthenticated": 20, "too_many_requests": 80}


def test_without_an_audit_nobodys_data_is_read_or_changed(tmp_path):
    settings = short_settings(tmp_path / "store")
    log_intervention(settings, "anna")
    in_the_way = tmp_path / "audit"
    entry = {"user_id": "anna", "intervention_id": "late", "started_on": "2026-05-09"}
    with running(settings, wait=False, audit_log=in_the_way / "audit.jsonl") as live:
        in_the_way.write_text("a file where a folder should be")
        for who in ("anna", "service"):
            refused = live.request("GET", "/interventions/anna/morning", who)
            problem(refused, 503, "audit_unavailable")
            assert "Study in the morning" not in refused.text
        problem(live.request("POST", "/interventions", json=entry), 503, "audit_unavailable")
        problem(live.request("GET", "/ready", None), 503, "audit_unavailable")
        assert live.request("GET", "/health", None).status_code == 200
        assert [each.intervention_id for each in live.services.log.list("anna")] == ["morning"]
        in_the_way.unlink()
        assert live.request("GET", "/interventions/anna/morning", "anna").status_code == 200
        assert live.request("POST", "/interventions", json=entry).status_code == 201
    lines = [json.loads(line) for line in (in_the_way / "audit.jsonl").read_text().splitlines()]
    ours = [line for line in lines if line.get("method") == "POST"]
    # Who was about to write, and for whom, stands there before it was done.
    assert [(line["user_id"], line["status"]) for line in ours] == [("anna", None), ("anna", 201)]
    assert ours[0]["request_id"] == ours[1]["request_id"]


def test_one_token_does_not_keep_the_queue_from_others(live):
    size = live.services.server_settings.queue_size
    pool = live.services.pool
    with ThreadPoolExecutor(size + 2) as threads:
        with live.services.store.locked(adhoc("p9", "2026-05-03")):
            greedy = [
                threads.submit(
                    live.analyze,
                    user_id="p9",
                    intervention_date="2026-05-03",
                    minimum_effect=float(number),
                )
                for number in range(size + 1)
            ]
            eventually(lambda: (pool.state().running, pool.state().queued) == (1, size))
            other = threads.submit(live.analyze, "ben", user_id="ben", minimum_effect=3.25)
            eventually(lambda: sum(one.done() for one in greedy) == 1)
            [refused] = [one.result() for one in greedy if one.done()]
            problem(refused, 503, "busy")
            assert pool.state().queued == size
        answer = other.result(60)
        assert answer.status_code == 200
        # Its turn came before the rest of the other's.
        assert sum(one.done() for one in greedy) < size + 1
        assert [one.result(60).status_code for one in greedy].count(200) == size
    assert answer.json()["kept"]["limit"] == live.services.server_settings.adhoc_analyses
    assert counted(live, "its_api_adhoc_removed_total") == 0


def test_what_the_server_writes_is_for_its_owner_alone(live):
    live.analyze(user_id="p0", minimum_effect=1.5)
    folders = [live.settings.experiments_dir, live.settings.adhoc_dir]
    folders += [live.settings.store_root / "api", live.settings.mlflow_artifact_dir]
    found = [live.settings.store_root, live.settings.store_root / "mlflow.db"]
    found += [path for folder in folders for path in (folder, *folder.rglob("*"))]
    assert len(found) > 20
    assert [path for path in found if path.stat().st_mode & 0o077] == []


def test_clients_that_leave_write_nothing_to_the_log(tmp_path, caplog):
    with running(short_settings(tmp_path), wait=False) as live:
        for _ in range(20):
            with connected(live) as connection:
                connection.sendall(PAGE * 5)
                # A reset while answers are on their way.
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for noise in (b"no such thing\r\n\r\n", b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n"):
            raw(live, noise, 1.0)
        eventually(lambda: not served(live), 10)
    found = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in found] == []
