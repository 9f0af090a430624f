"""Reading a request's body: whole, bounded, in time, and of the type that is expected.

What belongs here: the bounds of a body, before anybody parses it. What does not: what is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from its_pipeline.api.http.problems import Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_CLOSE = {"Connection": "close"}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = frozenset({"application/json", "application/merge-patch+json"})

_READ_ON = 16
"""So many times the largest body is read and thrown away of one that is larger."""


class ClientGoneError(Exception):
    """The client closed the connection; nobody is there to be answered."""


async def read_body(
    method: str,
    headers: dict[str, str],
    receive: Receive,
    max_bytes: int,
    seconds: float,
    types: frozenset[str] = _JSON,
    *,
    reads_on: bool = False,
) -> bytes:
    """Return a request's body.

    Parameters
    ----------
    method
        Of the request; what is read with GET is bounded too, but its type does not matter.
    headers
        By lower-case name.
    receive
        Of ASGI.
    max_bytes, seconds
        Largest body, and longest time from the headers to its end.
    types
        Media types that it may have.
    reads_on
        A body that is too large is read to its end, and thrown away, before it is refused: a
        browser shows nothing that is said while it is still sending.

    Raises
    ------
    Problem
        ``body_too_large``, ``body_too_slow``, ``unsupported_media_type``, ``malformed_body``.
    ClientGoneError
        The client went away.
    """
    _check_length(headers.get("content-length"), max_bytes, _READ_ON if reads_on else 1)
    try:
        async with asyncio.timeout(seconds):
            body = await _collect(receive, max_bytes, max_bytes * _READ_ON if reads_on else 0)
    except TimeoutError:
        raise Problem(
            "body_too_slow", f"the body was not complete after {seconds:g} s", headers=_CLOSE
        ) from None
    if body and method not in _WITHOUT_BODY:
        _check_type(headers.get("content-type", ""), types)
    return body


async def _collect(receive: Receive, max_bytes: int, most_thrown_away: int) -> bytes:
    body = bytearray()
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        length += len(chunk)
        if length <= max_bytes:
            body += chunk
        elif length > most_thrown_away or not message.get("more_body", False):
            raise _too_large(max_bytes)
        else:
            body.clear()
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the whole body once, and then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _check_length(length: str | None, max_bytes: int, times: int) -> None:
    if length is None:
        return
    if not length.isascii() or not length.isdigit():
        raise Problem(
            "malformed_body", "Content-Length is not a number", value=length, headers=_CLOSE
        )
    if len(length) > 15 or int(length) > max_bytes * times:
        raise _too_large(max_bytes, length)


def _check_type(content_type: str, types: frozenset[str]) -> None:
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type not in types:
        expected = "application/json" if types is _JSON else " or ".join(sorted(types))
        raise Problem("unsupported_media_type", f"the body must be {expected}", value=media_type)


def _too_large(max_bytes: int, declared: str | None = None) -> Problem:
    return Problem(
        "body_too_large",
        f"a body may have at most {max_bytes} bytes",
        value=declared,
        headers=_CLOSE,
    )
