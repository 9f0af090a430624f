"""The addresses of kinds: what people who tried the same came to, for who may see everybody.

What belongs here: HTTP in and out of the pages of kinds, and the list of them. What does not: what
one person sees of their kind, which names nobody else (`views`), or the pages themselves
(`experiments.kind_pages`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.page_requests import KINDS
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.pages.rendering import HEADERS
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.services import Services
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.experiments.kind_pages import (
    INDEX_HREF,
    kind_input,
    kind_page_path,
    kind_rows,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.report.kind_page import KindLine, kind_lines
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_results import PooledResult
from its_pipeline.stores.pooled_store import PooledStore

router = APIRouter(prefix=KINDS, include_in_schema=False)


@router.get("/{kind}/{metric}")
async def kind_page(
    kind: Annotated[Identifier, Path()],
    metric: Annotated[Identifier, Path()],
    services: Parts,
    exchange: Asked,
) -> Response:
    """Show the page of a kind, which names its members: to who may see everybody alone."""
    exchange.require_service()
    html = await run_in_threadpool(_read, services.settings, kind, metric)
    if html is None:
        raise Problem(
            "not_found",
            "nothing is told of these people: there are too few of them, or no page yet",
            value=f"{kind}|{metric}",
            remedy="the next nightly run writes it once there are enough",
        )
    return Response(html, media_type="text/html", headers=HEADERS)


def listed_kinds(services: Services) -> tuple[KindLine, ...]:
    """Return the table of kinds, each with the address of its page."""
    lines = kind_lines(kind_rows(services.settings, Snapshot(services.settings)))
    return tuple(
        line if line.href is None else replace(line, href="/".join((KINDS, *line.key)))
        for line in lines
    )


def _read(settings: Settings, kind: str, metric: str) -> str | None:
    """Return a kind's page with its links to other files as addresses of this server."""
    page = kind_page_path(settings, kind, metric)
    record = PooledStore(settings).read(kind, metric)
    if not isinstance(record, PooledResult) or not page.is_file():
        return None
    html = page.read_text(encoding="utf-8").replace(f'href="{INDEX_HREF}"', 'href="/"')
    for member in kind_input(Snapshot(settings), record).members:
        if member.href is not None:
            address = f"/people/{member.user_id}/experiments/{member.intervention_id}/page"
            html = html.replace(f'href="{member.href}"', f'href="{address}"')
    return html
