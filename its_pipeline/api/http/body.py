"""Reading a request's body: whole, small, in time, and JSON.

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


class ClientGoneError(Exception):
    """The client closed the connection; nobody is there to be answered."""


async def read_body(
    method: str, headers: dict[str, str], receive: Receive, max_bytes: int, seconds: float
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

    Raises
    ------
    Problem
        ``body_too_large``, ``body_too_slow``, ``unsupported_media_type``, ``malformed_body``.
    ClientGoneError
        The client went away.
    """
    _check_length(headers.get("content-length"), max_bytes)
    try:
        async with asyncio.timeout(seconds):
            body = await _collect(receive, max_bytes)
    except TimeoutError:
        raise Problem(
            "body_too_slow", f"the body was not complete after {seconds:g} s", headers=_CLOSE
        ) from None
    if body and method not in _WITHOUT_BODY:
        _check_type(headers.get("content-type", ""))
    return body


async def _collect(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
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


def _check_length(length: str | None, max_bytes: int) -> None:
    if length is None:
        return
    if not length.isascii() or not length.isdigit():
        raise Problem(
            "malformed_body", "Content-Length is not a number", value=length, headers=_CLOSE
        )
    if len(length) > 15 or int(length) > max_bytes:
        raise _too_large(max_bytes, length)


def _check_type(content_type: str) -> None:
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type not in ("application/json", "application/merge-patch+json"):
        raise Problem(
            "unsupported_media_type", "the body must be application/json", value=media_type
        )


def _too_large(max_bytes: int, declared: str | None = None) -> Problem:
    return Problem(
        "body_too_large",
        f"a body may have at most {max_bytes} bytes",
        value=declared,
        headers=_CLOSE,
    )
