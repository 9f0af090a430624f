"""The addresses of a person's data as a whole: taking it along, deleting it.

What belongs here: HTTP in and out. What does not: what is in the ZIP, or what is deleted
(`its_pipeline.leaving`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

import os
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.people import archive_of, chunks_of, forget_person
from its_pipeline.api.questions.responses_people import DepartureAnswer
from its_pipeline.api.routes.dependencies import Asked, Parts

router = APIRouter(prefix="/analytics/its/people", tags=["people"])

_ZIP: Final = {
    "application/zip": {
        "schema": {"type": "string", "format": "binary"},
        "example": "PK... (README.txt in it says what each file is)",
    }
}


@router.get(
    "/{user_id}/export",
    response_class=Response,
    responses={
        200: {"description": "A ZIP; the README.txt in it says what is what.", "content": _ZIP},
        **refusals(
            "unknown_user",
            "validation",
            "busy",
            "not_ready",
            "analysis_timeout",
            "analysis_failed",
        ),
    },
)
async def export(
    user_id: Annotated[Identifier, Path()], request: Request, services: Parts, exchange: Asked
) -> Response:
    """Return everything that is kept of a person: days, events, interventions, results, pages."""
    exchange.authorise(user_id)
    file = await archive_of(services, request, user_id)
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{user_id}.zip"',
    }
    return StreamingResponse(chunks_of(file), media_type="application/zip", headers=headers)


@router.delete(
    "/{user_id}",
    responses={
        202: {
            "model": DepartureAnswer,
            "description": "It has begun, and the pipeline's next run goes on with it.",
        },
        **refusals("validation"),
    },
)
async def forget(
    user_id: Annotated[Identifier, Path()],
    request: Request,
    response: Response,
    services: Parts,
    exchange: Asked,
) -> DepartureAnswer:
    """Delete everything of a person, everywhere, for good; events of theirs that come are left out.

    It may be asked for again. From the first time on the person is unknown to every address; the
    audit log keeps who asked.
    """
    exchange.authorise(user_id, even_forgotten=True)
    answer = await forget_person(services, request, user_id)
    response.status_code = 200 if answer.finished else 202
    return answer
