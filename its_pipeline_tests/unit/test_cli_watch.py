"""``its-pipeline watch``: what it says once, and whom it tells when it goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from its_pipeline.cli import watch
from its_pipeline.cli.main import app
from its_pipeline_tests.support import Quiet, answering


@pytest.fixture
def service():
    """A service whose `status` the test sets."""
    state = SimpleNamespace(status=200)

    class Handler(Quiet):
        def do_GET(self):
            self.send_response(state.status)
            self.end_headers()

    with answering(Handler) as address:
        state.url = f"{address}/health"
        yield state


def run(*words):
    return CliRunner().invoke(app, ["watch", *words])


def test_once_it_names_what_does_not_answer(service):
    assert run("--url", service.url).exit_code == 0
    service.status = 503
    result = run("--url", service.url, "--url", "http://127.0.0.1:9/")
    assert result.exit_code == 1
    assert f"{service.url}: it answered 503" in result.output
    assert "http://127.0.0.1:9/: [Errno 111]" in result.output


def test_a_daemon_that_never_was_is_silent(tmp_path, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    result = run("--daemon")
    assert result.exit_code == 1
    assert "no sign of life of" in result.output
    assert "SCHEDULER" in result.output


@pytest.mark.parametrize("words", [[], ["--url", "file:///etc/passwd"]])
def test_nothing_to_look_at_is_refused(words):
    assert run(*words).exit_code == 2


def test_what_is_silent_twice_is_told_once_and_so_is_its_return(service, webhook, monkeypatch):
    monkeypatch.setenv("ITS_NOTIFIER", "webhook")
    monkeypatch.setenv("ITS_NOTIFIER_WEBHOOK_URL", f"{webhook.url}/ok")
    statuses = iter([503, 200, 503, 503, 503, 200, 200])
    told = []

    def sleep(seconds):
        assert seconds == 7
        told.append([alert["title"].split()[-2:] for alert in webhook.received])
        service.status = next(statuses, None)
        if service.status is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", sleep)
    run("--url", service.url, "--every", "7")
    silent, again = ["not", "answer"], ["answers", "again"]
    one, both = [silent], [silent, again]
    assert told == [[], [], [], [], one, one, both, both]
