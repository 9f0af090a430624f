"""What the framework gives to routes: the server's parts and the request's exchange.

What belongs here: FastAPI's dependencies. What does not: any route, or waiting for the pool
(`questions.waiting`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem, shown
from its_pipeline.api.questions.services import Services


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
