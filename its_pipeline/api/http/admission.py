"""What every request passes before a route sees it, and every answer on its way out.

What belongs here: who may come in, how often and with how large a body; the headers of every
answer; counting and auditing. It is closed by default: only `OPEN_PATHS` and the page to sign in
need no token. What does not: whose data a caller may see, which routes decide with
`Exchange.authorise`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from its_pipeline.api.http.audit import SUM_SECONDS, AuditLog, AuditUnavailableError
from its_pipeline.api.http.body import ClientGoneError, Message, Receive, read_body, replayed
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.identification import CLOSE, Identification, check_host, too_many
from its_pipeline.api.http.monitoring import Monitoring
from its_pipeline.api.http.page_requests import (
    FORM_TYPES,
    READING,
    SIGN_IN,
    UPLOADS,
    Receiving,
    check_same_origin,
    is_page,
    token_of,
    too_large_file,
)
from its_pipeline.api.http.problems import MEDIA_TYPE, Problem, to_json
from its_pipeline.api.http.rate_limits import RateLimit
from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.http.tokens import ANONYMOUS

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RefusalPage = Callable[[Problem, Exchange], tuple[bytes, Mapping[str, str]]]
"""Returns a refusal for people: a page and its headers."""

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
    server_settings, identification
        The server's settings and whom it knows.
    monitoring, audit
        Where requests are counted and written down.
    is_forgotten
        See `Exchange`.
    refusal_page
        How a refusal looks at the addresses of pages.
    """

    def __init__(
        self,
        app: App,
        server_settings: ServerSettings,
        identification: Identification,
        monitoring: Monitoring,
        audit: AuditLog,
        is_forgotten: Callable[[str], bool],
        refusal_page: RefusalPage,
    ) -> None:
        self._app = app
        self._is_forgotten = is_forgotten
        self._settings = server_settings
        self._identification = identification
        self._monitoring = monitoring
        self._audit = audit
        self._refusal_page = refusal_page
        self._rate = RateLimit(server_settings.rate_per_minute, server_settings.rate_burst)
        self._inside = 0
        self._receiving = Receiving()

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

        response = _Response(send, exchange, note, self._refusal_page)
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
            body = await self._read(headers, receive, exchange)
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
            self._inside -= takes_place

    async def _read(self, headers: dict[str, str], receive: Receive, exchange: Exchange) -> bytes:
        bounds = (self._settings.max_body_bytes, self._settings.body_seconds)
        if not is_page(exchange.path):
            return await read_body(exchange.method, headers, receive, *bounds)
        if (exchange.path, exchange.method) != (UPLOADS, "POST"):
            return await read_body(exchange.method, headers, receive, *bounds, FORM_TYPES)
        most, seconds = self._settings.upload_bytes, self._settings.upload_seconds
        with self._receiving.of(exchange.caller_name):
            try:
                return await read_body(
                    "POST", headers, receive, most + _FORM_BYTES, seconds, FORM_TYPES, reads_on=True
                )
            except Problem as problem:
                if problem.code == "body_too_large":
                    raise too_large_file(most, problem.headers) from None
                raise

    def _admit(self, headers: dict[str, str], exchange: Exchange) -> None:
        if self._settings.allow_anonymous:
            check_host(headers.get("host", ""))
        if exchange.path in OPEN_PATHS or exchange.path == SIGN_IN:
            # Each by itself: who asks for a large one for ever does not hide that the server lives.
            self._take(f"{exchange.path} {exchange.client}", CLOSE)
            if exchange.path == SIGN_IN:
                check_same_origin(exchange.method, headers)
            return
        exchange.caller = self._identification.caller(_token(headers, exchange), exchange.client)
        if is_page(exchange.path):
            check_same_origin(exchange.method, headers)
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
        if exchange.method not in READING:
            exchange.on_authorised = lambda: self._announce(exchange)

    def _take(self, name: str, headers: Mapping[str, str]) -> None:
        wait = self._rate.take(name)
        if wait:
            raise too_many(
                f"more than {self._settings.rate_per_minute:g} requests a minute", wait, headers
            )

    def _announce(self, exchange: Exchange) -> None:
        """Write down that somebody's data is about to be changed; its end is another line."""
        try:
            self._audit.write(_entry(exchange, None, None))
        except AuditUnavailableError:
            raise unaudited() from None

    def _note(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Write down what was let in, and count what was refused at the door."""
        if exchange.let_in:
            self._audit.write(_entry(exchange, status, seconds))
        elif exchange.problem is not None and exchange.path not in OPEN_PATHS:
            self._count_refusal(exchange.client, exchange.problem)

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


_METHODS = READING | {"POST", "PUT", "PATCH", "DELETE"}
_FORM_BYTES: Final = 16 * 1024
"""What a form has around its file."""


def refusal_of(
    problem: Problem, exchange: Exchange, refusal_page: RefusalPage
) -> tuple[bytes, Mapping[str, str]]:
    """Return a refusal and its headers: a page where one was asked for, else JSON."""
    if is_page(exchange.path):
        return refusal_page(problem, exchange)
    return to_json(problem.to_dict(exchange.request_id)), {"content-type": MEDIA_TYPE}


def _token(headers: Mapping[str, str], exchange: Exchange) -> str:
    """Return the token of a request: a page's in its cookie, else in the header alone."""
    if is_page(exchange.path):
        return token_of(headers)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


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
    refusal_page
        As in `Admission`.
    """

    def __init__(
        self,
        send: Send,
        exchange: Exchange,
        note: Callable[[int], None],
        refusal_page: RefusalPage,
    ) -> None:
        self._refusal_page = refusal_page
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
        content, own = refusal_of(problem, self._exchange, self._refusal_page)
        headers = {"content-length": str(len(content)), **own, **problem.headers}
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
                headers=CLOSE,
            )
        headers[key] = value.decode("latin-1")
    if "host" not in headers and scope.get("http_version") != "1.0":
        raise Problem(
            "malformed_request",
            "there is no Host header",
            remedy="send one, as HTTP/1.1 asks for",
            headers=CLOSE,
        )
    return headers
