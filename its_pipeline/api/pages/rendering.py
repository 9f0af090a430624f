"""How pages and their refusals leave the server: HTML with the headers that go with it.

What belongs here: from a template and a view to a response. What does not: what a page shows
(`views`), or the templates' words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import HTMLResponse, RedirectResponse, Response

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.report.html import Site, render_page

SITE: Final = Site(
    "its_pipeline.api.pages",
    ("style.css", "pages.css"),
    form_action="'self'",
    # Under `no-referrer` browsers hide where a form comes from, from this server as well.
    referrer="same-origin",
)
HEADERS: Final = {
    # The page's own policy is in it; this is what a page cannot say of itself.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}


def page(template: str, view: Mapping[str, Any], exchange: Exchange, status: int = 200) -> Response:
    """Return a page.

    Parameters
    ----------
    template, view
        As of `render_page`; who is signed in is added.
    exchange
        The request's.
    status
        Of HTTP.
    """
    return HTMLResponse(_html(template, view, exchange), status, HEADERS)


def see_other(address: str) -> Response:
    """Return the answer to a form: go and see there; reloading that sends nothing again."""
    return RedirectResponse(address, 303)


def refusal_page(problem: Problem, exchange: Exchange) -> tuple[bytes, Mapping[str, str]]:
    """Return the page of a refusal and its headers; without a valid token, the page to sign in."""
    told = problem.to_dict(exchange.request_id)
    view: dict[str, Any] = {
        "title": told["title"],
        "message": f"{told['detail'][:1].upper()}{told['detail'][1:]}",
        "value": told.get("value"),
        "remedy": told["remedy"],
        "request_id": exchange.request_id,
    }
    template = "refusal.html"
    if problem.code == "unauthenticated":
        template = "sign_in.html"
        was_sent = "not valid" in told["detail"]
        wrong = "This token is not valid. Paste it whole, or ask for a new one."
        view["message"] = wrong if was_sent else ""
    content = _html(template, view, exchange).encode()
    return content, {"content-type": "text/html; charset=utf-8", **HEADERS}


def _html(template: str, view: Mapping[str, Any], exchange: Exchange) -> str:
    caller = exchange.caller
    signed_in = caller is not None and caller.name != "anonymous"
    shared = {
        "token_name": caller.name if caller is not None and signed_in else "",
        "own_id": caller.user_id if caller is not None else None,
    }
    return render_page(template, {**shared, **view}, "page.js", SITE)
