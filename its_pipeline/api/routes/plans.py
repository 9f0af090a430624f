"""The addresses of planning an experiment and of the looks that were taken at one.

What belongs here: HTTP in and out. What does not: the bodies (`questions.looking`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.bodies_looks import LooksAnswer, PlanAnswer, PlanRequest
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.looking import read_looks
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.api.workers.jobs import PlanJob

router = APIRouter(prefix="/analytics/its", tags=["plans"])


@router.post(
    "/plan",
    responses=refusals(
        "unknown_user",
        "validation",
        "insufficient_data",
        "analysis_failed",
        "busy",
        "not_ready",
        "analysis_timeout",
    ),
)
async def plan(body: PlanRequest, request: Request, services: Parts, exchange: Asked) -> PlanAnswer:
    """Say how many days somebody must try something, from their own days, for each design."""
    exchange.authorise(body.user_id)
    await run_in_threadpool(services.require_user, body.user_id)
    job = PlanJob(**body.model_dump())
    found = await work(services, request, f"plan {job}", job)
    if isinstance(found, str):
        raise Problem("insufficient_data", found, value=body.user_id)
    return PlanAnswer.model_validate(found)


@router.get(
    "/looks/{user_id}/{intervention_id}",
    responses=refusals("unknown_user", "unknown_intervention", "validation"),
)
async def looks(
    user_id: Annotated[Identifier, Path()],
    intervention_id: Annotated[Identifier, Path()],
    services: Parts,
    exchange: Asked,
) -> LooksAnswer:
    """Return the looks that were taken at an experiment, what each saw and what it said."""
    exchange.authorise(user_id)
    exchange.intervention_id = intervention_id
    return await run_in_threadpool(read_looks, services, user_id, intervention_id)
