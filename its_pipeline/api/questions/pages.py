"""The page of an experiment for whoever opens it: from its file, or drawn first.

What belongs here: letting a worker draw it, how many wait for that at once, and the answer with its
entity tag. What does not: the addresses (`routes.analyses`, `pages.people`), or the page
(`its_pipeline.experiments.pages`).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.people import chunks_of
from its_pipeline.api.questions.services import Services
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.workers.jobs import PageJob
from its_pipeline.experiments.pages import OpenPage, open_page

_ATTEMPTS = 3
"""A verdict that is decided anew while its page is drawn makes it another page."""


async def page_response(
    services: Services, request: Request, key: str, headers: Mapping[str, str]
) -> Response:
    """Return the page of an experiment's newest verdict; it is drawn where it is not there.

    However many ask at once, a few pages at a time are in the workers' queue, and everybody else
    waits here for their turn: who opens a page is not told to come again later. Whoever asks for
    many at once does not stand in front of everybody else.

    Parameters
    ----------
    services, request
        The server's parts, and who waits.
    key
        An experiment that has a verdict.
    headers
        Of the page.

    Raises
    ------
    Problem
        As of `waiting.work`.
    """
    opened = await run_in_threadpool(open_page, services.settings, key)
    if opened is None:
        own_turn = services.page_turns.of(Exchange.of(request.scope).caller_name)
        async with own_turn, services.drawing:
            opened = await _drawn(services, request, key)
    tag = f'"{opened.digest}"'
    told = {**headers, "ETag": tag, "Cache-Control": "private, no-cache"}
    if _names(request.headers.get("if-none-match", ""), tag):
        opened.file.close()
        return Response(status_code=304, headers=told)
    return StreamingResponse(
        chunks_of(opened.file),
        media_type="text/html",
        headers={**told, "Content-Length": str(opened.size)},
    )


async def _drawn(services: Services, request: Request, key: str) -> OpenPage:
    for _ in range(_ATTEMPTS):
        # Whoever was ahead may have asked for the same one.
        opened = await run_in_threadpool(open_page, services.settings, key)
        if opened is not None:
            return opened
        await work(services, request, f"page {key}", PageJob(key))
    opened = await run_in_threadpool(open_page, services.settings, key)
    if opened is None:
        raise Problem(
            "busy",
            "this experiment is being decided anew all the time",
            headers={"Retry-After": "10"},
        )
    return opened


def _names(condition: str, tag: str) -> bool:
    """Tell whether If-None-Match names a tag; weak ones are compared as strong ones (RFC 9110)."""
    named = [each.strip().removeprefix("W/") for each in condition.split(",")]
    return "*" in named or tag in named
