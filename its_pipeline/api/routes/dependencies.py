"""What the framework gives to routes: the server's parts, the request's exchange, the run meant.

What belongs here: FastAPI's dependencies. What does not: any route, or waiting for the pool
(`questions.waiting`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem, shown
from its_pipeline.api.questions.fields import RunId
from its_pipeline.api.questions.history import find_run
from its_pipeline.api.questions.services import Services
from its_pipeline.stores.run_fields import RunSummary


async def services_of(request: Request) -> Services:
    """Return the server's parts."""
    return request.app.state.services


async def exchange_of(request: Request) -> Exchange:
    """Return what is known of this request."""
    return Exchange.of(request.scope)


async def check_query(request: Request) -> None:
    """Refuse query parameters that the address does not know: a typo must not drop a filter.

    Raises
    ------
    Problem
        ``validation``, with the known ones.
    """
    dependant = getattr(request.scope.get("route"), "dependant", None)
    known = sorted(field.alias for field in getattr(dependant, "query_params", ()))
    for name in request.query_params:
        if name not in known:
            message = f"is not known here; known are {', '.join(known) or 'none'}"
            raise Problem(
                "validation",
                f"query: {message}",
                value=name,
                errors=[{"location": "query", "message": message, "value": shown(name)}],
            )


Parts = Annotated[Services, Depends(services_of)]
Asked = Annotated[Exchange, Depends(exchange_of)]


async def run_of(run_id: Annotated[RunId, Path()], services: Parts, exchange: Asked) -> RunSummary:
    """Return the run that an address names, if the caller may see it."""
    return await run_in_threadpool(find_run, services, exchange, run_id)


FoundRun = Annotated[RunSummary, Depends(run_of)]
