"""Input that means harm, clients that are slow, and answers that must tell nothing."""

from __future__ import annotations

import json
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.questions.services import Services
from its_pipeline_tests.integration.api.test_analyze import problem
from tools.live_api import running
from tools.stores import log_intervention, series, short_settings, write_daily

EVIL_IDS = [
    "../../etc/passwd",
    "..",
    "a/../../b",
    "%2e%2e%2f",
    "a|b",
    "' OR tags.x = '",
    "x' OR 1=1 --",
    "a`b",
    'a"b',
    "a\\b",
    "a\u0000b",
    "a\nb",
    "ä",
    "a" * 65,
    "",
    " anna",
    "anna ",
    "-anna",
    "\u202eanna",
]


@pytest.mark.parametrize("evil", EVIL_IDS)
def test_identifiers_are_refused_before_they_touch_anything(live, evil):
    folders = (live.settings.experiments_dir, live.settings.reports_dir)
    before = [sorted(folder.rglob("*")) for folder in folders]
    for body in ({"user_id": evil}, {"intervention_id": evil, "intervention_date": ...}):
        problem(live.analyze(**body), 422, "validation")
    entry = {"user_id": evil, "intervention_id": "x", "started_on": "2026-05-01"}
    problem(live.request("POST", "/interventions", json=entry), 422, "validation")
    for query in ("/interventions", "/analytics/its/history/anna"):
        name = "user_id" if query == "/interventions" else "intervention_id"
        asked = live.request("GET", query, params={name: evil})
        problem(asked, 422, "validation")
    assert [sorted(folder.rglob("*")) for folder in folders] == before


@pytest.mark.parametrize("evil", EVIL_IDS)
def test_identifiers_in_paths(live, evil):
    from urllib.parse import quote

    for path in ("/analytics/its/history/{}", "/experiments/{}", "/interventions/{}/x"):
        asked = live.request("GET", path.format(quote(evil, safe="")))
        # The client itself makes the first page of `/experiments/..`; it wants a cookie.
        assert asked.status_code in ((401, 404, 422) if evil == ".." else (404, 422)), asked.text
        assert "root:" not in asked.text


@pytest.mark.parametrize(
    "run_id", ["' OR tags.x = '", "0" * 31, "0" * 33, "A" * 32, "../" * 10, "0" * 31 + "\n"]
)
def test_run_ids(live, run_id):
    from urllib.parse import quote

    for more in ("", "/report", "/plots/effects"):
        asked = live.request("GET", f"/analytics/its/runs/{quote(run_id, safe='')}{more}")
        # Refused by its form; never looked up.
        if "/" in run_id:
            problem(asked, 404, "not_found")
        else:
            problem(asked, 422, "validation")
    problem(live.request("GET", f"/analytics/its/runs/{'0' * 32}"), 404, "unknown_run")


def test_plots_have_four_names(live):
    run_id = live.analyze().json()["mlflow_run_id"]
    for name in ("..%2f..%2fverdict.json", "posterior", "effects.png"):
        asked = live.request("GET", f"/analytics/its/runs/{run_id}/plots/{name}")
        assert asked.status_code in (404, 422)


@pytest.mark.parametrize(
    "page",
    [
        "x",
        "' OR 1=1",
        "eyJvZmZzZXQiOiAtMX0=",
        "eyJvZmZzZXQiOiAxZTMwfQ==",
        "eyJvZmZzZXQiOiA5OTk5OTk5OTk5OTk5OTk5OTk5OTl9",
        "W10=",
        "eyJvZmZzZXQiOiAiMSJ9",
        "A" * 300,
    ],
)
def test_pages_that_were_never_given_out(live, page):
    asked = live.request("GET", "/analytics/its/history/anna", params={"page": page})
    problem(asked, 422, "validation")


def post(live, content, content_type="application/json", path="/analytics/its/analyze"):
    return live.request("POST", path, content=content, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "malformed_body"),
        (b"\xff\xfe{}", 400, "malformed_body"),
        (b"[" * 20_000, 400, "malformed_body"),
        (b'{"mcmc_samples": ' + b"9" * 5000 + b"}", 400, "malformed_body"),
        (b"", 422, "validation"),
        (b"null", 422, "validation"),
        (b"[]", 422, "validation"),
        (b'"text"', 422, "validation"),
        (b'{"user_id": "\\ud800"}', 422, "validation"),
        (b'{"\\ud800": 1}', 422, "validation"),
        (b'{"user_id": "anna", "minimum_effect": NaN}', 422, "validation"),
        (b'{"user_id": "anna", "minimum_effect": 1e999}', 422, "validation"),
        (b'{"user_id": "anna", "mcmc_samples": 1' + b"0" * 400 + b"}", 422, "validation"),
        (b'{"user_id": {"$ne": null}}', 422, "validation"),
        (json.dumps({f"k{i}": i for i in range(3000)}).encode(), 422, "validation"),
    ],
)
def test_bodies(live, content, status, code):
    asked = post(live, content)
    problem(asked, status, code)
    assert len(asked.content) < 20_000


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"]
)
def test_content_types(live, content_type):
    content = b'{"user_id": "anna", "intervention_date": "2026-05-01"}'
    problem(post(live, content, content_type), 415, "unsupported_media_type")


def test_large_bodies_are_refused_without_being_read(live):
    large = b'{"user_id": "' + b"a" * 100_000 + b'"}'
    found = problem(post(live, large), 413, "body_too_large")
    assert str(live.services.server_settings.max_body_bytes) in found["detail"]

    def endless():
        for _ in range(10_000):
            yield b" " * 1024

    try:
        asked = post(live, endless())
    except httpx.WriteError:  # the server closed the connection while we were still sending
        return
    problem(asked, 413, "body_too_large")


def raw(live, text, seconds=5.0, later=b""):
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(text)
        if later:
            time.sleep(0.2)
            connection.sendall(later)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            received += b"(still open)"
        return received.decode("latin-1")


def test_a_body_that_never_ends_is_not_waited_for(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, body_seconds=0.3) as impatient:
        head = (
            "POST /analytics/its/analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {impatient.tokens['anna']}\r\nContent-Length: 100\r\n\r\n{{"
        )
        started = time.monotonic()
        answer = raw(impatient, head.encode())
        assert " 408 " in answer.splitlines()[0]
        assert "body_too_slow" in answer
        assert "still open" not in answer
        assert time.monotonic() - started < 3


def test_headers_that_never_end_are_not_waited_for(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, header_seconds=0.3) as impatient:
        started = time.monotonic()
        assert "still open" not in raw(impatient, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert "still open" not in raw(impatient, b"")
        assert time.monotonic() - started < 3
        assert impatient.request("GET", "/health", None).status_code == 200


@pytest.mark.parametrize("slow", [b"GET /health HTTP/1.1\r\nX-Slow: ", b"\r\n", b"G"])
def test_headers_that_never_end_on_a_connection_that_is_kept(tmp_path, live, slow):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, header_seconds=0.3) as impatient:
        first = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = raw(impatient, first, seconds=3.0, later=slow)
        assert answer.startswith("HTTP/1.1 200")
        assert "still open" not in answer


def test_large_headers_are_refused_while_they_come(live):
    line = b"X-Large: " + b"a" * 8000 + b"\r\n"
    for head in (b"GET /health HTTP/1.1\r\n" + line * 10, b"GET /" + b"a" * 80_000):
        answer = raw(live, head, seconds=3.0)
        assert " 431 " in answer.splitlines()[0]
        assert "headers_too_large" in answer
        assert "still open" not in answer
    three = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + line * 3 + b"\r\n"
    assert raw(live, three, seconds=3.0).startswith("HTTP/1.1 200")


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"no such thing\r\n\r\n"])
def test_what_is_not_http_is_told_so(live, noise):
    answer = raw(live, noise, seconds=3.0)
    assert " 400 " in answer.splitlines()[0]
    assert "application/problem+json" in answer
    assert "malformed_request" in answer


def test_an_unfinished_request_does_not_cost_the_answer_that_is_on_its_way(live):
    content = b'{"user_id": "p5", "intervention_date": "2026-05-02"}'
    with running(live.settings, header_seconds=0.2) as impatient:
        asked = (
            "POST /analytics/its/analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
            f"\r\nAuthorization: Bearer {impatient.tokens['service']}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        ).encode() + content
        with ThreadPoolExecutor(1) as threads:
            with live.services.store.locked("p5|adhoc-2026-05-02-sessionPerformanceScore"):
                waits = threads.submit(raw, impatient, asked + b"GET /hea", 40.0)
                time.sleep(1.0)
                assert not waits.done()
                # One that grows without end does.
                assert raw(impatient, asked + b"GET /" + b"a" * 80_000, 3.0) == ""
            answer = waits.result(60)
    assert answer.startswith("HTTP/1.1 200")
    assert "still open" not in answer


def test_a_body_that_is_declared_too_large_is_not_even_read(live):
    head = (
        "POST /interventions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {live.tokens['anna']}\r\nContent-Length: 100000\r\n\r\n"
    )
    answer = raw(live, head.encode(), seconds=2.0)
    assert " 413 " in answer.splitlines()[0]
    assert '"value":"100000"' in answer
    assert "still open" not in answer


def test_without_a_token_a_body_is_not_even_read(live):
    head = (
        "POST /interventions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 60000\r\n\r\n{"
    )
    answer = raw(live, head.encode(), seconds=1.0)
    assert " 401 " in answer.splitlines()[0]


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 30])
def test_content_lengths(live, length):
    head = (
        "POST /interventions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {live.tokens['anna']}\r\nContent-Length: {length}\r\n\r\n{{}}"
    )
    status = raw(live, head.encode(), seconds=1.0).splitlines()[0]
    assert " 400 " in status or " 413 " in status


def test_pages_of_other_sites_may_not_read_answers(live):
    asked = live.request("GET", "/health", None, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in asked.headers
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    asked = live.request("OPTIONS", "/interventions", None, headers=preflight)
    assert asked.status_code in (401, 405)
    assert "access-control-allow-origin" not in asked.headers


def test_an_origin_that_was_let_in(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, cors_origins=("https://ours.example",)) as open_to:
        for origin, allowed in (("https://ours.example", True), ("https://evil.example", False)):
            preflight = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            }
            asked = open_to.request("OPTIONS", "/interventions", None, headers=preflight)
            assert (asked.headers.get("access-control-allow-origin") == origin) is allowed


def test_a_server_without_tokens_answers_to_its_own_names_alone(tmp_path, live):
    settings = live.settings.model_copy(update={"store_root": tmp_path})
    with running(settings, wait=False, tokens=(), allow_anonymous=True) as anonymous:
        assert anonymous.request("GET", "/interventions", None).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
            asked = anonymous.request("GET", "/interventions", None, headers={"Host": host})
            problem(asked, 421, "wrong_host")
        for host in ("localhost", "127.0.0.1:80", "[::1]:8000"):
            asked = anonymous.request("GET", "/interventions", None, headers={"Host": host})
            assert asked.status_code == 200


def test_what_breaks_inside_is_not_told(tmp_path):
    settings = short_settings(tmp_path / "secret-place")
    write_daily(settings, {"anna": series()})
    log_intervention(settings, "anna")
    with running(settings, wait=False) as broken:
        settings.daily_outcomes_path.write_bytes(b"not a Parquet file")
        answers = [broken.analyze(), broken.request("GET", "/experiments/anna")]
        database = settings.store_root / "interventions.sqlite"
        broken.services.log.close()
        database.write_bytes(b"not a database" * 100)
        answers.append(broken.request("GET", "/interventions"))
        shutil.rmtree(settings.store_root / "api", ignore_errors=True)
    for answer in answers:
        problem(answer, 500, "internal_error")
        for secret in ("Traceback", "secret-place", "SELECT", "sqlite", "arrow", ".py"):
            assert secret.lower() not in answer.text.lower()


def test_services_are_made_without_starting_anything(tmp_path):
    services = Services.make(short_settings(tmp_path), ServerSettings(allow_anonymous=True))
    assert services.pool.state().process_ids == ()
    assert list(tmp_path.iterdir()) == []
