"""What every request passes before a route sees it, and every answer on its way out.

What belongs here: who may come in, how often and with how large a body; the headers of every
answer; counting and auditing. It is closed by default: only `OPEN_PATHS` need no token. What does
not: whose data a caller may see, which routes decide with `Exchange.authorise`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from its_pipeline.api.http.audit import SUM_SECONDS, AuditLog, AuditUnavailableError
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
    is_forgotten
        See `Exchange`.
    """

    def __init__(
        self,
        app: App,
        server_settings: ServerSettings,
        records: tuple[TokenRecord, ...],
        monitoring: Monitoring,
        audit: AuditLog,
        is_forgotten: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._is_forgotten = is_forgotten
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
        exchange = Exchange(
            scope["method"],
            scope["path"],
            client[0] if client else "",
            is_forgotten=self._is_forgotten,
        )
        exchange.put(scope)
        started = time.perf_counter()

        def note(status: int) -> None:
            self._note(exchange, status, time.perf_counter() - started)

        response = _Response(send, exchange, note)
        try:
            await self._pass(scope, receive, response, exchange)
        except ClientGoneError:
            response.status = CLIENT_GONE_STATUS
            with contextlib.suppress(AuditUnavailableError):
                # Nobody is there to be refused; the audit has told of it in the server's log.
                note(CLIENT_GONE_STATUS)
        finally:
            self._count(scope, exchange, response.status, time.perf_counter() - started)

    async def _pass(
        self, scope: Scope, receive: Receive, response: _Response, exchange: Exchange
    ) -> None:
        takes_place = False
        try:
            headers = _single_headers(scope)
            self._admit(headers, exchange)
            takes_place = exchange.let_in
            self._inside += takes_place
            body = await read_body(
                exchange.method,
                headers,
                receive,
                self._settings.max_body_bytes,
                self._settings.body_seconds,
            )
            await self._app(scope, replayed(body, receive), response.send)
        except Problem as problem:
            if not exchange.let_in:
                self._count_refusal(exchange.client, problem.code)
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
            self._inside -= takes_place

    def _admit(self, headers: dict[str, str], exchange: Exchange) -> None:
        if self._settings.allow_anonymous:
            _check_host(headers.get("host", ""))
        if exchange.path in OPEN_PATHS:
            # Each by itself: who asks for a large one for ever does not hide that the server lives.
            self._take(f"{exchange.path} {exchange.client}", _CLOSE)
            return
        exchange.caller = self._identify(headers.get("authorization"), exchange.client)
        if exchange.caller is ANONYMOUS:
            self._take(exchange.client, {})
        else:
            # No address has a space in front.
            self._take(f" {exchange.caller.name}", {})
        if self._inside >= self._settings.max_requests:
            raise Problem(
                "busy",
                f"{self._settings.max_requests} requests are being answered already",
                headers={"Retry-After": "1"},
            )
        exchange.let_in = True
        if exchange.method not in _READING:
            exchange.on_authorised = lambda: self._announce(exchange)

    def _take(self, name: str, headers: Mapping[str, str]) -> None:
        wait = self._rate.take(name)
        if wait:
            raise _too_many(
                f"more than {self._settings.rate_per_minute:g} requests a minute", wait, headers
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
            raise _too_many("too many requests without a valid token", wait, _CLOSE)
        detail = "the token is not valid" if token else "the request carries no bearer token"
        raise Problem("unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})

    def _announce(self, exchange: Exchange) -> None:
        """Write down that somebody's data is about to be changed; its end is another line."""
        try:
            self._audit.write(_entry(exchange, None, None))
        except AuditUnavailableError:
            raise unaudited() from None

    def _note(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Write down what was let in."""
        if exchange.let_in:
            self._audit.write(_entry(exchange, status, seconds))

    def _count_refusal(self, client: str, problem: str) -> None:
        """Count what was refused at the door, which no line of its own is written of."""
        self._monitoring.refusals.labels(problem).inc()
        if self._audit.refuse(client, problem):
            asyncio.get_running_loop().call_later(SUM_SECONDS, self._audit.sum_up)

    def _count(self, scope: Scope, exchange: Exchange, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        # Anything may come as a method; as a label it would grow what is counted without bound.
        method = exchange.method if exchange.method in _METHODS else "other"
        self._monitoring.requests.labels(method, route, str(status)).inc()
        self._monitoring.request_seconds.labels(route).observe(seconds)


_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READING | {"POST", "PUT", "PATCH", "DELETE"}
_CLOSE: Final = {"Connection": "close"}


def unaudited() -> Problem:
    """Return the refusal of what cannot be written down."""
    return Problem(
        "audit_unavailable",
        "who asks for whom cannot be written down, so nobody's data is read or changed",
        headers={"Retry-After": "10"},
    )


def _entry(exchange: Exchange, status: int | None, seconds: float | None) -> dict[str, Any]:
    return {
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
        "seconds": None if seconds is None else round(seconds, 4),
    }


class _Response:
    """The way out: adds headers, remembers the status, and gives nothing out that is not noted.

    Parameters
    ----------
    send
        Of ASGI.
    exchange
        The request's.
    note
        Called with the status before anything is sent; where it raises, a refusal is sent instead.
    """

    def __init__(self, send: Send, exchange: Exchange, note: Callable[[int], None]) -> None:
        self._send = send
        self._exchange = exchange
        self._note = note
        self._withheld = False
        self.begun = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if self._withheld:
            return
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        self.begun = True
        try:
            self._note(message["status"])
        except AuditUnavailableError:
            self._withheld = True
            await self._send_problem(unaudited())
        else:
            await self._start(message)

    async def refuse(self, problem: Problem) -> None:
        self.begun = True
        self._exchange.problem = problem.code
        try:
            self._note(problem.kind.status)
        except AuditUnavailableError:
            problem = unaudited()
        await self._send_problem(problem)

    async def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = list(message.get("headers", ()))
        present = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in HEADERS if name not in present]
        headers.append((b"x-request-id", self._exchange.request_id.encode()))
        await self._send({**message, "headers": headers})

    async def _send_problem(self, problem: Problem) -> None:
        self._exchange.problem = problem.code
        content = to_json(problem.to_dict(self._exchange.request_id))
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(content)),
            **problem.headers,
        }
        await self._start(
            {
                "type": "http.response.start",
                "status": problem.kind.status,
                "headers": [
                    (name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in headers.items()
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": content})


def _single_headers(scope: Scope) -> dict[str, str]:
    """Return a request's headers by lower-case name.

    Raises
    ------
    Problem
        ``malformed_request`` where what stands before us might read the request otherwise: two
        tokens, or another number of hosts than one.
    """
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in headers and key in ("authorization", "host"):
            raise Problem(
                "malformed_request",
                f"there is more than one {key.title()} header",
                remedy="send one",
                headers=_CLOSE,
            )
        headers[key] = value.decode("latin-1")
    if "host" not in headers and scope.get("http_version") != "1.0":
        raise Problem(
            "malformed_request",
            "there is no Host header",
            remedy="send one, as HTTP/1.1 asks for",
            headers=_CLOSE,
        )
    return headers


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


def _too_many(detail: str, wait: float, headers: Mapping[str, str]) -> Problem:
    return Problem(
        "too_many_requests",
        detail,
        headers={"Retry-After": str(max(1, math.ceil(wait))), **headers},
    )
