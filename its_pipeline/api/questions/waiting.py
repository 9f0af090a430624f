"""Waiting for the pool's answer as long as the client does, and what its errors mean in HTTP.

What belongs here: the joint between an asynchronous request and the worker processes. What does
not: the jobs (`workers.jobs`), or what is done with their answers (`answering`, `history`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request

from its_pipeline.api.http.body import ClientGoneError
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.services import Services
from its_pipeline.processes.errors import (
    JobFailedError,
    JobTimeoutError,
    QueueFullError,
    WorkerLostError,
    WorkerUnavailableError,
)

_USUAL_SECONDS: Final = 0.5
"""Of one analysis, to guess how long a full queue takes."""


async def work(
    services: Services,
    request: Request,
    key: str,
    job: Any,
    on_done: Callable[[Any], None] | None = None,
) -> Any:
    """Let the pool do a job, as long as the client waits for it.

    Parameters
    ----------
    services, request
        The server's parts, and who waits.
    key, job
        See `WorkerPool.submit`; work is shared fairly between tokens.
    on_done
        Called with the answer, for the first of those who share it.

    Raises
    ------
    Problem
        ``busy``, ``not_ready``, ``analysis_timeout``, ``analysis_failed``.
    ClientGoneError
        The client went away; work that nobody else waits for is given up.
    """
    try:
        pool_request = services.pool.submit(key, job, Exchange.of(request.scope).caller_name)
    except QueueFullError:
        raise _busy(services) from None
    except WorkerUnavailableError:
        raise _not_ready() from None
    if pool_request.coalesced:
        services.monitoring.coalesced.inc()
    future = asyncio.wrap_future(pool_request)
    gone = asyncio.create_task(_client_gone(request))
    try:
        await asyncio.wait({future, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            services.monitoring.abandoned.inc()
            raise ClientGoneError
        answer = future.result()
        if on_done is not None and not pool_request.coalesced:
            on_done(answer)
        return answer
    except QueueFullError:
        raise _busy(services) from None
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
