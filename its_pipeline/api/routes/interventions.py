"""The addresses of interventions: log, read, amend, withdraw.

What belongs here: HTTP in and out. What does not: the log's rules (`events.interventions`), or
where the experiments stand (`experiments`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.documentation import refusals
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.bodies import intervention_answer
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.preparing import ADHOC_PREFIX, invalid
from its_pipeline.api.questions.requests import AmendmentRequest, InterventionRequest
from its_pipeline.api.questions.responses_interventions import (
    InterventionAnswer,
    InterventionHistoryAnswer,
    InterventionsAnswer,
    VersionEntry,
)
from its_pipeline.api.questions.services import Services
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import (
    AlreadyLoggedError,
    InterventionLog,
    UnknownInterventionError,
    VersionConflictError,
    open_log,
)

router = APIRouter(tags=["interventions"])


@router.post(
    "/interventions",
    status_code=201,
    responses={
        200: {
            "model": InterventionAnswer,
            "description": "The very same was logged before; nothing was written.",
        },
        **refusals("already_logged", "validation"),
    },
)
async def log_intervention(
    body: InterventionRequest, response: Response, services: Parts, exchange: Asked
) -> InterventionAnswer:
    """Log an intervention. The pipeline's sensor finds it and plans or analyses it."""
    exchange.authorise(body.user_id)
    exchange.intervention_id = body.intervention_id
    logged, is_new = await run_in_threadpool(_log, services, body)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/interventions/{body.user_id}/{body.intervention_id}"
    return intervention_answer(logged)


@router.get("/interventions", responses=refusals("validation"))
async def list_interventions(
    services: Parts,
    exchange: Asked,
    user_id: Annotated[
        Identifier | None,
        Query(description="Only this person's; a token of scope `user` sees its own alone."),
    ] = None,
    include_withdrawn: Annotated[bool, Query()] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> InterventionsAnswer:
    """Return logged interventions, by user, start and identifier."""
    if user_id is None and exchange.caller is not None:
        user_id = exchange.caller.user_id
    if user_id is not None:
        exchange.authorise(user_id)
    else:
        exchange.require_service()
    found = await run_in_threadpool(services.log.list, user_id, include_withdrawn)
    page = found[offset : offset + limit]
    is_last = offset + limit >= len(found)
    return InterventionsAnswer(
        interventions=[intervention_answer(entry) for entry in page],
        next_offset=None if is_last else offset + limit,
    )


@router.get(
    "/interventions/{user_id}/{intervention_id}",
    responses=refusals("unknown_intervention", "validation"),
)
async def read_intervention(
    user_id: Annotated[Identifier, Path()],
    intervention_id: Annotated[Identifier, Path()],
    services: Parts,
    exchange: Asked,
) -> InterventionHistoryAnswer:
    """Return a logged intervention with the history of its versions."""
    exchange.authorise(user_id)
    exchange.intervention_id = intervention_id
    entry = await run_in_threadpool(_require, services.log, user_id, intervention_id)
    versions = await run_in_threadpool(services.log.reasons, user_id, intervention_id)
    return InterventionHistoryAnswer(
        **intervention_answer(entry).model_dump(),
        history=[
            VersionEntry(version=version, recorded_at=recorded_at, reason=reason)
            for version, recorded_at, reason in versions
        ],
    )


@router.patch(
    "/interventions/{user_id}/{intervention_id}",
    responses=refusals("unknown_intervention", "version_conflict", "withdrawn", "validation"),
)
async def amend_intervention(
    user_id: Annotated[Identifier, Path()],
    intervention_id: Annotated[Identifier, Path()],
    body: AmendmentRequest,
    services: Parts,
    exchange: Asked,
) -> InterventionAnswer:
    """Amend or withdraw a logged intervention; its earlier versions stay in the history."""
    exchange.authorise(user_id)
    exchange.intervention_id = intervention_id
    amended = await run_in_threadpool(_amend, services, user_id, intervention_id, body)
    return intervention_answer(amended)


@contextmanager
def _writing(services: Services) -> Iterator[InterventionLog]:
    """Open the log with the metrics that are registered now."""
    log = open_log(services.settings)
    try:
        yield log
    finally:
        log.close()


def _require(log: InterventionLog, user_id: str, intervention_id: str) -> Intervention:
    try:
        return log.get(user_id, intervention_id)
    except UnknownInterventionError:
        raise Problem(
            "unknown_intervention",
            "the log has no such intervention of this user",
            value=intervention_id,
        ) from None


def _log(services: Services, body: InterventionRequest) -> tuple[Intervention, bool]:
    if body.intervention_id.startswith(ADHOC_PREFIX):
        raise invalid(
            "body.intervention_id",
            f"identifiers that start with {ADHOC_PREFIX!r} are for dates that are not logged",
            body.intervention_id,
            "choose another intervention_id",
        )
    now = datetime.now(UTC)
    with _writing(services) as log:
        try:
            [logged] = log.log_all([Intervention.declared(**body.model_dump())], now)
        except AlreadyLoggedError as error:
            raise Problem("already_logged", str(error), value=body.intervention_id) from error
        except ValueError as error:
            raise invalid("body", str(error)) from error
    return logged, logged.logged_at == now


def _amend(
    services: Services, user_id: str, intervention_id: str, body: AmendmentRequest
) -> Intervention:
    with _writing(services) as log:
        present = _require(log, user_id, intervention_id)
        if (present.version, present.status) == (body.version, "withdrawn"):
            raise Problem("withdrawn", "the intervention was withdrawn", value=intervention_id)
        try:
            # The log compares the versions where it writes: another process may have written
            # since the line above.
            if body.status == "withdrawn":
                return log.withdraw(
                    user_id, intervention_id, body.reason, expected_version=body.version
                )
            return log.amend(
                user_id,
                intervention_id,
                reason=body.reason,
                expected_version=body.version,
                **body.changes(),
            )
        except VersionConflictError as error:
            raise Problem(
                "version_conflict",
                f"the intervention is in version {error.present}, not {error.expected}",
                value=error.expected,
                version=error.present,
            ) from error
        except ValueError as error:
            raise invalid("body", str(error)) from error
