"""The address of experiments: where each of a person's stands.

What belongs here: HTTP in and out. What does not: an experiment's plan
(`its_pipeline.experiments`), or logging interventions (`interventions`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.questions.experiments import read_experiments
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.responses_interventions import ExperimentsAnswer
from its_pipeline.api.routes.dependencies import Asked, Parts

router = APIRouter(tags=["experiments"])


@router.get("/experiments/{user_id}", responses=refusals("unknown_user", "validation"))
async def experiments(
    user_id: Annotated[Identifier, Path()], services: Parts, exchange: Asked
) -> ExperimentsAnswer:
    """Return every experiment of a person and where it stands."""
    exchange.authorise(user_id)
    return await run_in_threadpool(read_experiments, services, user_id)
