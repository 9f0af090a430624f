"""The addresses of kinds: what people who tried the same came to.

What belongs here: HTTP in and out. What does not: who sees what (`questions.kinds`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.questions.fields import Identifier, MetricName
from its_pipeline.api.questions.kinds import read_kind, read_kinds
from its_pipeline.api.questions.responses_kinds import KindsAnswer
from its_pipeline.api.routes.dependencies import Asked, Parts

router = APIRouter(prefix="/analytics/its/kinds", tags=["kinds"])


@router.get("", responses=refusals("unknown_user"))
async def kinds(services: Parts, exchange: Asked) -> KindsAnswer:
    """Return what people who tried the same came to, of each kind that enough people tried."""
    _authorise(exchange)
    return await run_in_threadpool(read_kinds, services, exchange)


@router.get("/{kind}", responses=refusals("unknown_user", "unknown_kind", "validation"))
async def kind(
    kind: Annotated[Identifier, Path()],
    services: Parts,
    exchange: Asked,
    metric: Annotated[MetricName | None, Query()] = None,
) -> KindsAnswer:
    """Return one kind on each metric that it was tried on; a person's own token sees its own row.

    A service token sees every member; nobody else sees anybody's row but their own.
    """
    _authorise(exchange)
    return await run_in_threadpool(read_kind, services, exchange, kind, metric)


def _authorise(exchange: Exchange) -> None:
    """Note for whom it is where the token is a person's: one who was forgotten sees nothing."""
    if exchange.caller is not None and exchange.caller.user_id is not None:
        exchange.authorise(exchange.caller.user_id)
