"""The addresses under ``/analytics/its``: analyse, history, runs, plots, reports.

What belongs here: HTTP in and out. What does not: how an answer comes about (`questions`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.questions.answering import (
    ask_and_look_up,
    check_published,
    compute,
    draw,
    encoded,
)
from its_pipeline.api.questions.bodies import analysis_answer
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.history import (
    kept,
    read_history,
    report_of,
    stored_analysis,
    stored_verdict,
)
from its_pipeline.api.questions.requests import AnalyzeRequest
from its_pipeline.api.questions.responses import AnalysisAnswer, HistoryAnswer
from its_pipeline.api.routes.dependencies import Asked, FoundRun, Parts
from its_pipeline.api.workers.jobs import PLOT_NAMES, PlotName
from its_pipeline.stores.verdict import Status

router = APIRouter(prefix="/analytics/its", tags=["analyses"])

_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; font-src data:; frame-ancestors 'none'"
)
"""A report is one self-contained page; whatever is in it, it reaches nothing of this server."""

_POOL = ("analysis_failed", "busy", "not_ready", "analysis_timeout")
"""Refusals of every address that waits for a worker."""

_PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
_HTML = {
    "text/html": {
        "schema": {"type": "string"},
        "example": "<!doctype html><html><head><title>Study in the morning</title>...",
    }
}


@router.post(
    "/analyze",
    responses=refusals(
        "unknown_user",
        "unknown_intervention",
        "withdrawn",
        "validation",
        "insufficient_data",
        "future_date",
        "not_analysable",
        "not_converged",
        *_POOL,
    ),
)
async def analyze(
    body: AnalyzeRequest,
    request: Request,
    services: Parts,
    exchange: Asked,
    plots: Annotated[
        list[PlotName | Literal["all"]],
        Query(max_length=8, description="Plots to put into the answer; none by default."),
    ] = [],  # noqa: B006 - FastAPI copies defaults
) -> AnalysisAnswer:
    """Analyse one intervention of one person, or return the analysis if it is known.

    It is the analysis that the pipeline makes at night: same data, same fingerprint, same numbers,
    same run in MLflow. The effects of a sampler that did not converge are never shown.
    """
    exchange.authorise(body.user_id)
    async with services.turns.of(exchange.caller_name):
        question, answer = await run_in_threadpool(ask_and_look_up, services, body)
    exchange.intervention_id = question.prepared.intervention.intervention_id
    if answer is None:
        answer = await compute(services, request, question)
    exchange.mlflow_run_id = answer.mlflow_run_id
    services.monitoring.verdicts.labels(answer.verdict.status, str(answer.cached).lower()).inc()
    check_published(answer.verdict, answer.mlflow_run_id)
    names: list[PlotName] = [name for name in PLOT_NAMES if name in plots or "all" in plots]
    drawn = await draw(services, request, answer.verdict, names)
    return analysis_answer(
        services.settings,
        answer.verdict,
        answer.mlflow_run_id,
        cached=answer.cached,
        told=await run_in_threadpool(stored_analysis, services, answer.verdict),
        kept=await run_in_threadpool(kept, services, answer.verdict),
        plots=encoded(drawn),
    )


@router.get("/history/{user_id}", responses=refusals("unknown_user", "validation"))
async def history(
    user_id: Annotated[Identifier, Path()],
    services: Parts,
    exchange: Asked,
    intervention_id: Annotated[
        Identifier | None, Query(description="Only analyses of this intervention.")
    ] = None,
    status: Annotated[Status | None, Query(description="Only analyses that came to this.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Analyses a page.")] = 50,
    page: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=r"^[A-Za-z0-9_=-]+$",
            description="`next_page` of the page before.",
        ),
    ] = None,
) -> HistoryAnswer:
    """Return a person's past analyses, newest first, in whatever way they were computed."""
    exchange.authorise(user_id)
    return await run_in_threadpool(
        read_history, services, user_id, intervention_id, status, limit, page
    )


@router.get("/runs/{run_id}", responses=refusals("unknown_run", "validation"))
async def run(found: FoundRun, services: Parts) -> AnalysisAnswer:
    """Return one past analysis in full; one that did not converge has diagnostics alone."""
    verdict = await run_in_threadpool(stored_verdict, services, found)
    told = await run_in_threadpool(stored_analysis, services, verdict)
    return analysis_answer(
        services.settings,
        verdict,
        found.run_id,
        cached=True,
        told=told,
        kept=await run_in_threadpool(kept, services, verdict),
    )


@router.get(
    "/runs/{run_id}/plots/{name}",
    response_class=Response,
    responses={
        200: {"description": "The plot, at 150 dpi.", "content": _PNG},
        **refusals(
            "unknown_run",
            "validation",
            "not_converged",
            *_POOL,
        ),
    },
)
async def plot(
    found: FoundRun, name: Annotated[PlotName, Path()], request: Request, services: Parts
) -> Response:
    """Return one plot of a past analysis; of one that did not converge, diagnostics alone."""
    verdict = await run_in_threadpool(stored_verdict, services, found)
    if name != "diagnostics":
        check_published(verdict, found.run_id)
    drawn = await draw(services, request, verdict, [name])
    return Response(drawn[name], media_type="image/png")


@router.get(
    "/runs/{run_id}/report",
    response_class=Response,
    responses={
        200: {"description": "One self-contained page, with its `ETag`.", "content": _HTML},
        304: {"description": "The page is still the one whose tag `If-None-Match` names."},
        **refusals(
            "unknown_run",
            "no_report",
            "validation",
            *_POOL,
        ),
    },
)
async def report(found: FoundRun, request: Request, services: Parts) -> Response:
    """Return the report of a past analysis; the newest one's is drawn if it is not there yet."""
    headers = {"Content-Security-Policy": _REPORT_POLICY}
    return await report_of(services, request, found, headers)
