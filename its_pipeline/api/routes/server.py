"""The addresses about the server itself: is it there, is it ready, what has it counted.

What belongs here: what a load balancer and Prometheus ask. What does not: anything about people.
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from its_pipeline.api.http.admission import unaudited
from its_pipeline.api.http.audit import AuditUnavailableError
from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.responses import HealthAnswer, ReadyAnswer
from its_pipeline.api.routes.dependencies import Asked, Parts

router = APIRouter(tags=["server"])


@router.get("/health")
async def health() -> HealthAnswer:
    """Say that the server runs."""
    return HealthAnswer(status="ok", version=version("its-pipeline"))


@router.get("/ready", responses=refusals("not_ready", "audit_unavailable"))
async def ready(services: Parts) -> ReadyAnswer:
    """Say whether an analysis asked for now would be started at once: the model is compiled."""
    try:
        services.audit.check()
    except AuditUnavailableError:
        raise unaudited() from None
    state = services.pool.state()
    if state.ready == 0:
        raise Problem("not_ready", "the model is being compiled", headers={"Retry-After": "5"})
    return ReadyAnswer(status="ready", workers=state.workers, ready=state.ready)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format.",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": "# HELP its_api_pool_queued Analyses that wait.\n"
                    "# TYPE its_api_pool_queued gauge\nits_api_pool_queued 0.0\n",
                }
            },
        }
    },
)
async def metrics(services: Parts, exchange: Asked) -> Response:
    """Return what the server counts, for Prometheus; needs a service token."""
    exchange.require_service()
    return Response(services.monitoring.text(), media_type=CONTENT_TYPE_LATEST)
