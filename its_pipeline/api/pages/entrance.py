"""The first page, signing in and signing out.

What belongs here: HTTP in and out. What does not: whose token it is (`http.identification`), or the
other pages.
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.identification import Identification
from its_pipeline.api.http.page_requests import SIGN_IN, SIGN_OUT, cookie
from its_pipeline.api.pages.forms import read_form
from its_pipeline.api.pages.kinds import listed_kinds
from its_pipeline.api.pages.rendering import page, see_other
from its_pipeline.api.pages.views import MOST_FOUND, MOST_LISTED, listed, upload_bound
from its_pipeline.api.questions.services import Services
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.events.intervention import Intervention

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(
    services: Parts, exchange: Asked, find: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Show where a file can be dropped, and interventions that the caller may see.

    Those are the ones that began last or, with `find`, those whose person or name begins so.
    """
    own = exchange.caller.user_id if exchange.caller is not None else None
    if own is not None:
        exchange.authorise(own)
    find = find.strip()
    logged = await run_in_threadpool(_shown, services, own, find)
    view = {
        "message": "",
        "find": find,
        "most_found": MOST_FOUND,
        "are_more": bool(find) and len(logged) > MOST_FOUND,
        "experiments": await run_in_threadpool(
            listed, services, logged[:MOST_FOUND] if find else logged, in_order=bool(find)
        ),
        # Kinds are of everybody.
        "kinds": await run_in_threadpool(listed_kinds, services) if own is None else (),
        **upload_bound(services.server_settings),
    }
    return page("home.html", view, exchange)


def _shown(services: Services, own: str | None, find: str) -> list[Intervention]:
    if find:
        # One more than are shown tells that there are more.
        return services.log.beginning_with(find, MOST_FOUND + 1, own)
    if own is not None:
        return services.log.list(own, include_withdrawn=True)
    return services.log.newest(MOST_LISTED)


@router.get(SIGN_IN)
async def ask_for_token(request: Request, exchange: Asked) -> Response:
    """Show the form to sign in, where one has to."""
    identification: Identification = request.app.state.identification
    if not identification.is_needed:
        return see_other("/")
    return page("sign_in.html", {"message": ""}, exchange)


@router.post(SIGN_IN)
async def sign_in(request: Request, exchange: Asked) -> Response:
    """Keep a token in a cookie until the browser is closed."""
    identification: Identification = request.app.state.identification
    if not identification.is_needed:
        return see_other("/")
    token = (await read_form(request)).get("token", "").removeprefix("Bearer ").strip()
    identification.caller(token or "none", exchange.client)
    response = see_other("/")
    response.headers["Set-Cookie"] = cookie(token, request.headers)
    return response


@router.post(SIGN_OUT)
async def sign_out(request: Request) -> Response:
    """Have the browser forget the token."""
    response = see_other(SIGN_IN)
    response.headers["Set-Cookie"] = cookie("", request.headers)
    return response
