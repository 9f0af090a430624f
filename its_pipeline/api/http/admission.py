"""What every request passes before a route sees it, and every answer on its way out.

What belongs here: who may come in, how often and with how large a body; the headers of every
answer; counting and auditing. It is closed by default: only `OPEN_PATHS` need no token. What does
not: whose data a caller may see, which routes decide with `Exchange.authorise`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from its_pipeline.api.http.audit import AuditLog
from its_pipeline.api.http.body import ClientGoneError, Message, Receive, read_body, replayed
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.monitoring import Monitoring
from its_pipeline.api.http.problems import MEDIA_TYPE, Problem, to_json
from its_pipeline.api.http.rate_limits import RateLimit
from its_pipeline.api.http.server_settings import ServerSettings, is_loopback
from its_pipeline.api.http.tokens import ANONYMOUS, Caller, TokenRecord, identify

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS: Final = frozenset({"/health", "/ready", "/openapi.json"})
"""What needs no token: it says nothing about anybody."""

CLIENT_GONE_STATUS: Final = 499
"""Status in logs and counts of a request whose client did not wait; it is never sent."""

HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""Of every answer that does not set them itself; no-store, because answers are about people."""

_log = logging.getLogger(__name__)


class Admission:
    """The outermost layer of ours around the routes; an ASGI middleware.

    Parameters
    ----------
    app
        What is behind it.
    server_settings, records
        The server's settings and its token records.
    monitoring, audit
        Where requests are counted and written down.
    """

    def __init__(
        self,
        app: App,
        server_settings: ServerSettings,
        records: tuple[TokenRecord, ...],
        monitoring: Monitoring,
        audit: AuditLog,
    ) -> None:
        self._app = app
        self._settings = server_settings
        self._records = records
        self._monitoring = monitoring
        self._audit = audit
        self._rate = RateLimit(server_settings.rate_per_minute, server_settings.rate_burst)
        self._refusals = RateLimit(
            server_settings.refusals_per_minute, max(1, int(server_settings.refusals_per_minute))
        )
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        exchange = Exchange(scope["method"], scope["path"], client[0] if client else "")
        exchange.put(scope)
        response = _Response(send, exchange)
        started = time.perf_counter()
        try:
            await self._pass(scope, receive, response, exchange)
        except ClientGoneError:
            response.status = CLIENT_GONE_STATUS
        finally:
            self._note(scope, exchange, response.status, time.perf_counter() - started)

    async def _pass(
        self, scope: Scope, receive: Receive, response: _Response, exchange: Exchange
    ) -> None:
        self._inside += 1
        try:
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in scope["headers"]
            }
            self._admit(headers, exchange)
            body = await read_body(
                exchange.method,
                headers,
                receive,
                self._settings.max_body_bytes,
                self._settings.body_seconds,
            )
            await self._app(scope, replayed(body, receive), response.send)
        except Problem as problem:
            await response.refuse(problem)
        except ClientGoneError:
            raise
        except Exception:
            # The outermost door: the crash is logged whole, and the caller, who must see neither
            # trace nor path, gets a 500. Nothing is turned into a result.
            _log.exception("request %s could not be answered", exchange.request_id)
            if response.begun:
                raise
            await response.refuse(Problem("internal_error", "the request could not be answered"))
        finally:
            self._inside -= 1

    def _admit(self, headers: dict[str, str], exchange: Exchange) -> None:
        if self._settings.allow_anonymous:
            _check_host(headers.get("host", ""))
        if exchange.path in OPEN_PATHS:
            return
        exchange.caller = self._identify(headers.get("authorization"), exchange.client)
        name = exchange.caller.name
        wait = self._rate.take(name if exchange.caller is not ANONYMOUS else exchange.client)
        if wait:
            raise _too_many(f"more than {self._settings.rate_per_minute:g} requests a minute", wait)
        if self._inside > self._settings.max_requests:
            raise Problem(
                "busy",
                f"{self._settings.max_requests} requests are being answered already",
                headers={"Retry-After": "1"},
            )

    def _identify(self, authorization: str | None, client: str) -> Caller:
        if self._settings.allow_anonymous:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        caller = identify(token, self._records) if scheme.lower() == "bearer" and token else None
        if caller is not None:
            return caller
        wait = self._refusals.take(client)
        if wait:
            raise _too_many("too many requests without a valid token", wait)
        detail = "the token is not valid" if token else "the request carries no bearer token"
        raise Problem("unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})

    def _note(self, scope: Scope, exchange: Exchange, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        # Anything may come as a method; as a label it would grow what is counted without bound.
        method = exchange.method if exchange.method in _METHODS else "other"
        self._monitoring.requests.labels(method, route, str(status)).inc()
        self._monitoring.request_seconds.labels(route).observe(seconds)
        if exchange.path in OPEN_PATHS:
            return
        self._audit.write(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "request_id": exchange.request_id,
                "token": exchange.caller.name if exchange.caller else None,
                "client": exchange.client,
                "method": exchange.method[:16],
                "path": exchange.path[:256],
                "user_id": exchange.user_id,
                "intervention_id": exchange.intervention_id,
                "mlflow_run_id": exchange.mlflow_run_id,
                "status": status,
                "problem": exchange.problem,
                "seconds": round(seconds, 4),
            }
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Response:
    """The way out: adds headers and remembers the status."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._exchange = exchange
        self.begun = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in HEADERS if name not in present]
            headers.append((b"x-request-id", self._exchange.request_id.encode()))
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        self._exchange.problem = problem.code
        content = to_json(problem.to_dict(self._exchange.request_id))
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(content)),
            **problem.headers,
        }
        await self.send(
            {
                "type": "http.response.start",
                "status": problem.kind.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in headers.items()
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": content})


def _check_host(host: str) -> None:
    # A page elsewhere can make its own name resolve to 127.0.0.1 and then read what a server
    # without tokens answers; it cannot make the browser send another Host.
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if not is_loopback(name):
        raise Problem(
            "wrong_host",
            "a server without tokens answers to this machine's own names alone",
            value=name,
        )


def _too_many(detail: str, wait: float) -> Problem:
    return Problem(
        "too_many_requests", detail, headers={"Retry-After": str(max(1, math.ceil(wait)))}
    )
