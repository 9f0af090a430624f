"""What routes are given: the server's parts, the request's exchange, and answers of the pool.

What belongs here: the joints between the framework and the rest. What does not: any route.
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any

from fastapi import Depends, Request

from its_pipeline.api.http.body import ClientGoneError
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem, shown
from its_pipeline.api.services import Services
from its_pipeline.processes.errors import (
    JobFailedError,
    JobTimeoutError,
    QueueFullError,
    WorkerLostError,
    WorkerUnavailableError,
)

_USUAL_SECONDS = 0.5
"""Of one analysis, to guess how long a full queue takes."""


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


async def work(services: Services, request: Request, key: str, job: Any) -> Any:
    """Let the pool do a job, as long as the client waits for it.

    Raises
    ------
    Problem
        ``busy``, ``not_ready``, ``analysis_timeout``, ``analysis_failed``.
    ClientGoneError
        The client went away; work that nobody else waits for is given up.
    """
    try:
        pool_request = services.pool.submit(key, job)
    except QueueFullError:
        raise _busy(services) from None
    except WorkerUnavailableError:
        raise _not_ready() from None
    if pool_request.coalesced:
        services.metrics.coalesced.inc()
    future = asyncio.wrap_future(pool_request)
    gone = asyncio.create_task(_client_gone(request))
    try:
        await asyncio.wait({future, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            services.metrics.abandoned.inc()
            raise ClientGoneError
        return future.result()
    except JobTimeoutError as error:
        raise Problem("analysis_timeout", f"the analysis was ended: {error}") from None
    except WorkerUnavailableError:
        raise _not_ready() from None
    except (JobFailedError, WorkerLostError) as error:
        raise Problem(
            "analysis_failed", "the analysis ended without an answer; nothing was stored"
        ) from error
    finally:
        gone.cancel()
        # Nothing happens to one that is done.
        pool_request.cancel()


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _busy(services: Services) -> Problem:
    state = services.pool.state()
    seconds = max(1, math.ceil(state.queued * _USUAL_SECONDS / state.workers))
    return Problem(
        "busy",
        f"{state.queued} analyses wait already",
        headers={"Retry-After": str(seconds)},
    )


def _not_ready() -> Problem:
    return Problem("not_ready", "no worker can analyse now", headers={"Retry-After": "10"})
