"""What did not converge is told to the notifier, and one that is down does no harm."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline_tests.factories import short_settings
from its_pipeline_tests.integration.pipeline.conftest import make_store


@pytest.fixture
def webhook():
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format, *args):
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("reachable", [True, False])
def test_what_did_not_converge_is_told(tmp_path, moody_engine, webhook, reachable):
    url, received = webhook
    settings = make_store(
        short_settings(
            tmp_path,
            notifier="webhook",
            notifier_webhook_url=SecretStr(url if reachable else "http://127.0.0.1:9/"),
        )
    )
    with open_instance(settings) as instance:
        outcome = LocalRunner(settings, instance, "test").refresh(["stuck|morning"])
    assert outcome.success
    assert outcome.numbers["not_converged"] == 1
    if reachable:
        (alert,) = received
        assert "1 of 1 experiments did not converge" in str(alert["title"])
        assert "stuck|morning" in str(alert["text"])
        assert alert["facts"] == {"run_id": outcome.run_id, "not_converged": 1}
