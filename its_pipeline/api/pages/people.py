"""The addresses of people and their interventions: lists, one of them, lots, days otherwise.

What belongs here: HTTP in and out. What does not: what the pages show (`views`), what forms say
(`forms`), or the log's rules.
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.pages.forms import day_in, drawn_in, read_form
from its_pipeline.api.pages.rendering import HEADERS, page, see_other
from its_pipeline.api.pages.saving import follow
from its_pipeline.api.pages.views import address_of, experiment_view, person_view
from its_pipeline.api.questions.fields import Identifier
from its_pipeline.api.questions.looking import read_looks
from its_pipeline.api.questions.pages import page_response
from its_pipeline.api.questions.people import forget_person
from its_pipeline.api.questions.services import Services
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.api.routes.people import export
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import VersionConflictError
from its_pipeline.events.keys import shown_id
from its_pipeline.experiments.drawn import log_drawn, say_otherwise, schedule_files

router = APIRouter(prefix="/people/{user_id}", include_in_schema=False)

_UNPROCESSABLE = 422
_REPORT_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
}

UserId = Annotated[Identifier, Path()]
InterventionId = Annotated[Identifier, Path()]


async def entry_of(
    user_id: UserId, intervention_id: InterventionId, services: Parts, exchange: Asked
) -> Intervention:
    """Return the intervention that an address names, if the caller may see it."""
    exchange.authorise(user_id)
    exchange.intervention_id = intervention_id
    for entry in await run_in_threadpool(services.interventions, user_id):
        if entry.intervention_id == intervention_id:
            return entry
    raise Problem(
        "unknown_intervention",
        "the log has no such intervention of this person",
        value=intervention_id,
        remedy="the list of all is one page back",
    )


Entry = Annotated[Intervention, Depends(entry_of)]


@router.get("")
async def person(user_id: UserId, services: Parts, exchange: Asked) -> Response:
    """Show a person's interventions."""
    exchange.authorise(user_id)
    logged = await run_in_threadpool(services.interventions, user_id)
    view = await run_in_threadpool(person_view, services, user_id, logged, {})
    return page("person.html", {"message": "", **view}, exchange)


@router.get("/index.html")
async def index(user_id: UserId) -> Response:
    """Lead back from an experiment's own page, which is a file and knows no addresses."""
    return see_other(f"/people/{user_id}")


@router.get("/export")
async def take_along(
    user_id: UserId, request: Request, services: Parts, exchange: Asked
) -> Response:
    """Give away everything that is kept of a person, as a ZIP."""
    return await export(user_id, request, services, exchange)


@router.post("/forgotten")
async def forget(user_id: UserId, request: Request, services: Parts, exchange: Asked) -> Response:
    """Delete everything of a person, once their name was typed again."""
    exchange.authorise(user_id)
    typed = (await read_form(request)).get("typed", "")
    if typed not in (user_id, shown_id(user_id)):
        logged = await run_in_threadpool(services.interventions, user_id)
        view = await run_in_threadpool(person_view, services, user_id, logged, {})
        told = f"nothing was deleted: {typed!r} is not {shown_id(user_id)!r}; type the name again"
        return page("person.html", {"message": told, **view}, exchange, _UNPROCESSABLE)
    answer = await forget_person(services, request, user_id)
    view = {"finished": answer.finished, "left": answer.left}
    return page("forgotten.html", view, exchange, 200 if answer.finished else 202)


@router.post("/drawn")
async def draw(user_id: UserId, request: Request, services: Parts, exchange: Asked) -> Response:
    """Draw by lot on which days a person does something, and log that."""
    exchange.authorise(user_id)
    form = await read_form(request)
    try:
        wanted = await run_in_threadpool(drawn_in, form, user_id)
        logged = await run_in_threadpool(log_drawn, services.settings, wanted)
    except ValueError as error:
        entries = await run_in_threadpool(services.interventions, user_id)
        view = await run_in_threadpool(person_view, services, user_id, entries, form)
        return page("person.html", {"message": str(error), **view}, exchange, _UNPROCESSABLE)
    exchange.intervention_id = logged.intervention_id
    return _shown_at(logged, await follow(services, request, logged))


@router.get("/experiments/{intervention_id}")
async def experiment(
    entry: Entry,
    services: Parts,
    exchange: Asked,
    later: Annotated[bool, Query()] = False,
) -> Response:
    """Show one intervention: its plan, its state, and the looks that were taken at it."""
    told = (
        "It is logged, but could not be brought up to date within a minute. The next nightly run "
        "does it, or press “Bring it up to date now” once more."
    )
    return await _show(services, exchange, entry, note=told if later else "")


@router.post("/experiments/{intervention_id}/otherwise")
async def otherwise(
    entry: Entry,
    request: Request,
    services: Parts,
    exchange: Asked,
) -> Response:
    """Log a day on which the person did otherwise than the schedule says."""
    form = await read_form(request)
    try:
        version = form.get("version", "")
        amended = await run_in_threadpool(
            lambda: say_otherwise(
                services.settings,
                entry.user_id,
                entry.intervention_id,
                {day_in(form, "day", "Day")},
                form.get("reason") or "said on the page",
                undo=form.get("undo") == "yes",
                expected_version=int(version) if re.fullmatch(r"\d{1,9}", version) else None,
            )
        )
    except VersionConflictError as error:
        return await _show(services, exchange, entry, str(error), 409, form)
    except ValueError as error:
        return await _show(services, exchange, entry, str(error), _UNPROCESSABLE, form)
    return _shown_at(amended, await follow(services, request, amended))


@router.post("/experiments/{intervention_id}/followed")
async def bring_up_to_date(
    entry: Entry,
    request: Request,
    services: Parts,
    exchange: Asked,
) -> Response:
    """Do for one intervention now what the next night would do."""
    return _shown_at(entry, await follow(services, request, entry))


@router.get("/experiments/{intervention_id}/page")
async def report(entry: Entry, request: Request, services: Parts) -> Response:
    """Show the page of an intervention's newest verdict; it is drawn if it is not there yet."""
    key = str(entry.key)
    if await run_in_threadpool(services.store.verdict, key) is None:
        raise Problem(
            "not_found",
            "this intervention has no page yet",
            value=entry.name,
            remedy="the next nightly run decides what it shows",
        )
    return await page_response(services, request, key, _REPORT_HEADERS)


@router.get("/experiments/{intervention_id}/schedule.{kind}")
async def schedule_file(
    entry: Entry,
    kind: Literal["ics", "csv"],
    services: Parts,
    exchange: Asked,
) -> Response:
    """Give a drawn schedule away, as a calendar or a table."""
    try:
        files = schedule_files(entry)
    except ValueError as error:
        raise Problem("not_found", str(error), value=kind) from None
    [(name, text)] = [(name, text) for name, text in files.items() if name.endswith(f".{kind}")]
    return Response(
        text,
        media_type="text/calendar" if kind == "ics" else "text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _show(
    services: Services,
    exchange: Asked,
    entry: Intervention,
    message: str = "",
    status: int = 200,
    form: dict[str, str] | None = None,
    note: str = "",
) -> Response:
    looks = await run_in_threadpool(read_looks, services, entry.user_id, entry.intervention_id)
    view = await run_in_threadpool(experiment_view, services, entry, looks, form or {})
    shown = {"message": message, "later": note, **view}
    return page("experiment.html", shown, exchange, status)


def _shown_at(entry: Intervention, is_done: bool) -> Response:
    return see_other(address_of(entry) + ("" if is_done else "?later=true"))
