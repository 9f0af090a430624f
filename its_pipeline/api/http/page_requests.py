"""What is special about the requests of a browser to the pages: their cookie and their origin.

What belongs here: which addresses are pages, the token's cookie, and refusing what other sites make
a browser send. What does not: what the pages show (`api.pages`), or who a token lets in
(`identification`).

The API itself takes the ``Authorization`` header alone: a browser adds a cookie to whatever any
page makes it send, a header to nothing by itself. So the cookie opens pages alone, and a page
writes only what its own forms send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from its_pipeline.api.http.problems import Problem

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
UPLOADS: Final = "/files"
KINDS: Final = "/kinds"
COOKIE: Final = "its_token"
FORM_TYPES: Final = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_MOST_RECEIVED: Final = 4
_MOST_RECEIVED_OF_ONE: Final = 2
"""Files that are being sent now; each is in memory until it is there."""

_PAGES: Final = frozenset({"/", SIGN_IN, SIGN_OUT, UPLOADS})
_BELOW: Final = (f"{UPLOADS}/", f"{KINDS}/", "/people/")


def is_page(path: str) -> bool:
    """Tell whether an address is a page's, for people, and not the API's."""
    return path in _PAGES or path.startswith(_BELOW)


def token_of(headers: Mapping[str, str]) -> str:
    """Return the token in a request's cookies, or an empty text; headers by lower-case name."""
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def cookie(token: str, headers: Mapping[str, str]) -> str:
    """Return the header that keeps a token until the browser is closed; an empty one is forgotten.

    Over TLS it is kept from plain connections; whether that is so, behind whatever proxy, only the
    browser knows: it says so in ``Origin``.
    """
    parts = [f"{COOKIE}={token}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if headers.get("origin", "").startswith("https://"):
        parts.append("Secure")
    if not token:
        parts.append("Max-Age=0")
    return "; ".join(parts)


def check_same_origin(method: str, headers: Mapping[str, str]) -> None:
    """Refuse what writes and was not sent by a page of this very server.

    Browsers say where a form comes from in ``Origin``, and beside it, on this machine or over TLS,
    in ``Sec-Fetch-Site`` (Fetch standard, "append a request `Origin` header"; Fetch Metadata). What
    says neither is no browser, and has the API.

    Raises
    ------
    Problem
        ``cross_site``.
    """
    if method in READING:
        return
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    host = headers.get("host", "")
    is_own = origin in (f"http://{host}", f"https://{host}") if origin is not None else bool(site)
    if not is_own or site not in (None, "same-origin"):
        raise Problem("cross_site", "a form of another site was sent here", value=origin or site)


def too_large_file(most_bytes: int, headers: Mapping[str, str]) -> Problem:
    """Return the refusal of a file that is larger than it may be."""
    return Problem(
        "body_too_large",
        f"a file may have at most {most_bytes / 1_000_000:g} MB",
        remedy="save the columns that matter as a file of their own, and drop that",
        headers=headers,
    )


class Receiving:
    """Bounds how many files are received at once."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Hold a place for a file of somebody's.

        Raises
        ------
        Problem
            ``busy``.
        """
        every = self._names.total()
        if self._names[name] >= _MOST_RECEIVED_OF_ONE or every >= _MOST_RECEIVED:
            raise Problem(
                "busy", f"{every} files are being received already", headers={"Retry-After": "5"}
            )
        self._names[name] += 1
        try:
            yield
        finally:
            self._names -= Counter([name])
