"""The application: routes, the admission around them, and how refusals of the framework look.

What belongs here: putting the parts together. What does not: any part.
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match

from its_pipeline.api.http.admission import Admission, refusal_of
from its_pipeline.api.http.documentation import complete
from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.identification import Identification
from its_pipeline.api.http.problems import Problem, shown, to_json
from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.pages import entrance, files
from its_pipeline.api.pages import kinds as kind_pages
from its_pipeline.api.pages import people as people_pages
from its_pipeline.api.pages.rendering import refusal_page
from its_pipeline.api.pages.uploads import Uploads
from its_pipeline.api.questions import (
    requests,
    responses,
    responses_interventions,
    responses_kinds,
    responses_people,
)
from its_pipeline.api.questions.services import Services
from its_pipeline.api.routes import (
    analyses,
    experiments,
    interventions,
    kinds,
    people,
    plans,
    server,
)
from its_pipeline.api.routes.dependencies import check_query
from its_pipeline.files.atomic import close_to_others
from its_pipeline.settings import Settings

_MOST_ERRORS = 20
_SWEEP_SECONDS = 15.0

_DESCRIPTION = """\
Asks, for one person and one change in their life: did it work? The answers are those of the nightly
pipeline: same data, same fingerprint, same numbers. Refusals are `application/problem+json`, each
with what was wrong, the value and the remedy.
"""

_log = logging.getLogger(__name__)


def create_app(settings: Settings, server_settings: ServerSettings) -> FastAPI:
    """Make the application of one server.

    Workers start with the application (its lifespan), in the background.

    Parameters
    ----------
    settings, server_settings
        The installation's and the server's settings.

    Raises
    ------
    UnsafeSettingsError
        The server would be open to people it must not be open to.
    """
    server_settings.check_safe()
    services = Services.make(settings, server_settings)
    identification = Identification(server_settings)
    uploads = Uploads(
        server_settings.uploads,
        server_settings.uploads_of_one,
        60 * server_settings.upload_minutes,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Whatever is written is about people: worker processes inherit this.
        others = os.umask(0o077)
        try:
            close_to_others(settings.store_root)
        except PermissionError:
            _log.warning(
                "%s belongs to somebody else, who decides who reads it", settings.store_root
            )
        services.pool.start()
        # MLflow takes seconds to import; whoever asks for a history first should not wait for it.
        threading.Thread(target=services.runs.open, name="its-runs", daemon=True).start()
        sweeping = asyncio.create_task(_sweep(uploads))
        try:
            yield
        finally:
            sweeping.cancel()
            await run_in_threadpool(services.pool.stop)
            await run_in_threadpool(uploads.close)
            services.log.close()
            services.audit.close()
            os.umask(others)

    app = _bare(lifespan)
    app.state.services = services
    app.state.identification = identification
    app.state.uploads = uploads
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(
        Admission,  # type: ignore[arg-type] - an ASGI middleware
        server_settings=server_settings,
        identification=identification,
        monitoring=services.monitoring,
        audit=services.audit,
        is_forgotten=services.forgotten.__contains__,
        refusal_page=refusal_page,
    )
    if server_settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(server_settings.cors_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location", "Retry-After", "X-Request-Id"],
        )
    return app


async def _sweep(uploads: Uploads) -> None:
    """Remove dropped files when their time is over, also where nobody asks for anything."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        await run_in_threadpool(uploads.sweep)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document, without making a server."""
    return _bare(None).openapi()


def _bare(lifespan: Any) -> FastAPI:
    """Return the routes and their documentation, with nothing behind them."""
    app = FastAPI(
        title="its_pipeline",
        version=version("its-pipeline"),
        summary="Did it work? Interrupted time series, one person at a time.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # The framework's pages load their scripts from elsewhere; docs/api.md is ours.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would be built from the Host header, which anybody can write.
        redirect_slashes=False,
        dependencies=[Depends(check_query)],
    )
    api = (analyses, plans, interventions, experiments, kinds, people, server)
    for routes in (*api, entrance, files, kind_pages, people_pages):
        app.include_router(routes.router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]

    @cache
    def document() -> bytes:
        return to_json(app.openapi())

    async def show_document(_: Request) -> Response:
        # Open to everybody and large: written once, not for each who asks.
        return Response(document(), media_type="application/json")

    app.add_route("/openapi.json", show_document, include_in_schema=False)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        bodies = (
            requests,
            responses,
            responses_interventions,
            responses_kinds,
            responses_people,
        )
        app.openapi_schema = complete(document, bodies)
    return app.openapi_schema


async def _problem(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, Problem):
        raise TypeError(f"this handler is for problems but got {problem!r}")
    exchange = Exchange.of(request.scope)
    exchange.problem = problem.code
    if problem.kind.status >= 500 and problem.__cause__ is not None:
        _log.error("request %s: %s", exchange.request_id, problem.__cause__)
    content, headers = refusal_of(problem, exchange, refusal_page)
    return Response(
        content, status_code=problem.kind.status, headers={**headers, **problem.headers}
    )


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"this handler is for validation errors but got {error!r}")
    found = error.errors()
    malformed = [one for one in found if one["type"] == "json_invalid"]
    if malformed:
        reason = malformed[0].get("ctx", {}).get("error", "")
        return await _problem(request, Problem("malformed_body", f"the body is not JSON: {reason}"))
    errors = []
    for one in found[:_MOST_ERRORS]:
        entry = {
            "location": shown(".".join(str(part) for part in one["loc"])),
            "message": shown(one["msg"].removeprefix("Value error, ")),
        }
        if one.get("input") is not None and one["type"] != "missing":
            entry["value"] = shown(one["input"])
        errors.append(entry)
    detail = "; ".join(f"{e['location'].rpartition('.')[2]}: {e['message']}" for e in errors[:3])
    value = errors[0].get("value")
    return await _problem(request, Problem("validation", detail, value=value, errors=errors))


def _methods_here(request: Request) -> list[str]:
    """Return what this address answers; the framework knows of the first route with it alone."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= set(getattr(route, "methods", None) or ())
    return sorted(found)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"this handler is for HTTP errors but got {error!r}")
    match error.status_code:
        case 404:
            problem = Problem(
                "not_found", "there is nothing at this address", value=request.url.path
            )
        case 405:
            problem = Problem(
                "method_not_allowed",
                f"this address does not answer {request.method[:16]}",
                value=request.method,
                headers={"Allow": ", ".join(_methods_here(request))},
            )
        case 400:
            problem = Problem("malformed_body", "the body is not one that can be read")
        case _:
            raise error
    return await _problem(request, problem)
