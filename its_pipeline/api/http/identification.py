"""Whose token it is, and slowing down whoever guesses.

What belongs here: what the door of the API and the sign-in page ask alike. What does not: where a
token stands in a request (`admission`, `page_requests`), or comparing tokens (`tokens`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.http.rate_limits import RateLimit
from its_pipeline.api.http.server_settings import ServerSettings, is_loopback
from its_pipeline.api.http.tokens import ANONYMOUS, Caller, identify

CLOSE: Final = {"Connection": "close"}


class Identification:
    """Knows the tokens of one server.

    Parameters
    ----------
    server_settings
        The server's settings with its token records.
    """

    def __init__(self, server_settings: ServerSettings) -> None:
        self._anonymous = server_settings.allow_anonymous
        self._records = server_settings.token_records()
        self._refusals = RateLimit(
            server_settings.refusals_per_minute, max(1, int(server_settings.refusals_per_minute))
        )

    @property
    def is_needed(self) -> bool:
        """Whether one has to have a token here."""
        return not self._anonymous

    def caller(self, token: str, client: str) -> Caller:
        """Return whose token it is.

        Parameters
        ----------
        token
            What the request carries; empty: nothing.
        client
            The address that it came from.

        Raises
        ------
        Problem
            ``unauthenticated``, and ``too_many_requests`` after too many of them.
        """
        if self._anonymous:
            return ANONYMOUS
        caller = identify(token, self._records) if token else None
        if caller is not None:
            return caller
        wait = self._refusals.take(client)
        if wait:
            raise too_many("too many requests without a valid token", wait, CLOSE)
        detail = "the token is not valid" if token else "the request carries no bearer token"
        raise Problem("unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def too_many(detail: str, wait: float, headers: Mapping[str, str]) -> Problem:
    """Return the refusal of somebody who should wait; `wait` in seconds."""
    return Problem(
        "too_many_requests",
        detail,
        headers={"Retry-After": str(max(1, math.ceil(wait))), **headers},
    )


def check_host(host: str) -> None:
    """Refuse a host that is not this machine, on a server without tokens.

    Raises
    ------
    Problem
        ``wrong_host``.
    """
    # A page elsewhere can make its own name resolve to 127.0.0.1 and then read what a server
    # without tokens answers; it cannot make the browser send another Host.
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if not is_loopback(name):
        raise Problem(
            "wrong_host",
            "a server without tokens answers to this machine's own names alone",
            value=name,
        )
