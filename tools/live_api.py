"""A real API server in this process: uvicorn on a free loopback port, real stores and workers.

What belongs here: starting it and asking it. What does not: what it should answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.http.tokens import make_token
from its_pipeline.api.questions.services import Services
from its_pipeline.api.server import make_server
from its_pipeline.settings import Settings


@dataclass(frozen=True)
class Live:
    """A running server and the tokens that open it."""

    url: str
    settings: Settings
    services: Services
    tokens: dict[str, str]

    def headers(self, who: str | None = "service") -> dict[str, str]:
        """Return the headers by which the server knows somebody."""
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}

    def client(self, who: str | None = "service") -> httpx.Client:
        """Return a client of somebody's."""
        return httpx.Client(base_url=self.url, headers=self.headers(who), timeout=60)

    def request(self, method: str, path: str, who: str | None = "service", **more: Any) -> Any:
        """Send one request and return its response."""
        with self.client(who) as client:
            return client.request(method, path, **more)

    def analyze(self, who: str | None = "service", params: Any = None, **body: Any) -> Any:
        """Ask for anna's analysis; `...` as a value leaves a field out."""
        asked = {"user_id": "anna", "intervention_date": "2026-05-01", **body}
        asked = {name: value for name, value in asked.items() if value is not ...}
        return self.request("POST", "/analytics/its/analyze", who, json=asked, params=params)


@contextmanager
def running(settings: Settings, *, wait: bool = True, **server_settings: Any) -> Iterator[Live]:
    """Run a server with tokens for `service`, `anna` and `ben`."""
    made = {who: make_token(who, None if who == "service" else who) for who in _WHO}
    options: dict[str, Any] = {
        "port": 0,
        "workers": 1,
        "rate_per_minute": 100_000,
        "rate_burst": 10_000,
        "refusals_per_minute": 10_000,
        "tokens": tuple(record for _, record in made.values()),
    }
    server = make_server(settings, ServerSettings(**{**options, **server_settings}))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _until(lambda: server.started, 30)
        port = server.servers[0].sockets[0].getsockname()[1]
        services = server.config.loaded_app.state.services
        tokens = {who: token for who, (token, _) in made.items()}
        if wait:
            _until(lambda: services.pool.state().ready > 0, 120)
        yield Live(f"http://127.0.0.1:{port}", settings, services, tokens)
    finally:
        server.should_exit = True
        thread.join(30)


_WHO = ("service", "anna", "ben")


def _until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds} s")
        time.sleep(0.02)
