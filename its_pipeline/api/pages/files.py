"""The addresses of a dropped file: drop it, see what it means, ask it, save it, have it forgotten.

What belongs here: HTTP in and out. What does not: holding files (`uploads`), what forms say
(`forms`), or taking a file into the store (`saving`).
"""
# FastAPI is imported here: nothing of this package is imported by Dagster's definitions.
# ruff: noqa: TID253

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from its_pipeline.api.http.page_requests import UPLOADS, too_large_file
from its_pipeline.api.pages.forms import (
    aggregate_in,
    read_dropped,
    read_form,
    said_in,
    spec_in,
    when_in,
)
from its_pipeline.api.pages.rendering import page, see_other
from its_pipeline.api.pages.saving import follow, save
from its_pipeline.api.pages.uploads import Upload, Uploads
from its_pipeline.api.pages.views import address_of, file_view, upload_bound
from its_pipeline.api.questions.services import Services
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.routes.dependencies import Asked, Parts
from its_pipeline.api.workers.file_jobs import AskJob, FileRead, ReadJob, Refused
from its_pipeline.events.keys import key_of_id

router = APIRouter(prefix=UPLOADS, include_in_schema=False)

_UNPROCESSABLE = 422


async def uploads_of(request: Request) -> Uploads:
    """Return the files that are held."""
    return request.app.state.uploads


Held = Annotated[Uploads, Depends(uploads_of)]


async def upload_of(upload_id: str, uploads: Held, exchange: Asked) -> Upload:
    """Return the file that an address names, if it is the caller's and still there."""
    return await run_in_threadpool(uploads.get, exchange.caller_name, upload_id)


Meant = Annotated[Upload, Depends(upload_of)]


@router.post("")
async def drop(request: Request, services: Parts, uploads: Held, exchange: Asked) -> Response:
    """Hold a file for a while."""
    name, content = await read_dropped(request)
    bound = services.server_settings.upload_bytes
    if len(content) > bound:
        raise too_large_file(bound, {})
    if not content:
        told = "The file is empty." if name else "No file was chosen. Choose one, then send it."
        shown = {"message": told, "experiments": [], "kinds": ()}
        view = {**shown, **upload_bound(services.server_settings)}
        return page("home.html", view, exchange, _UNPROCESSABLE)
    upload = await run_in_threadpool(uploads.add, exchange.caller_name, name, content)
    return see_other(f"{UPLOADS}/{upload.upload_id}")


@router.get("/{upload_id}")
async def show(upload: Meant, request: Request, services: Parts, exchange: Asked) -> Response:
    """Show what a file means, what it answered, and what else can be asked."""
    return await _show(upload, request, services, exchange)


@router.post("/{upload_id}/said")
async def say(upload: Meant, request: Request, services: Parts, exchange: Asked) -> Response:
    """Answer questions about a file, or choose of it."""
    form = await read_form(request)
    read = await _read(upload, request, services, exchange)
    try:
        said = said_in(form, upload.said, read if isinstance(read, FileRead) else None)
        aggregate = aggregate_in(form) or upload.aggregate
    except ValueError as error:
        return await _show(upload, request, services, exchange, str(error), form)
    upload.said, upload.aggregate = said, aggregate
    upload.chosen = form.get("person") or upload.chosen
    upload.outcome = form.get("outcome") or upload.outcome
    upload.forget_what_was_read()
    return see_other(f"{UPLOADS}/{upload.upload_id}")


@router.post("/{upload_id}/asked")
async def ask(upload: Meant, request: Request, services: Parts, exchange: Asked) -> Response:
    """Ask a file whether it worked."""
    form = await read_form(request)
    read = await _read(upload, request, services, exchange)
    if isinstance(read, Refused) or read.mapping is None or read.path is None:
        return await _show(upload, request, services, exchange)
    upload.answer = None
    try:
        when = when_in(form, read.calendar)
        unit = next(iter(read.mapping.units.values()), read.mapping.unit)
        spec = spec_in(form, unit)
    except ValueError as error:
        return await _show(upload, request, services, exchange, str(error), form)
    name = form.get("name") or "the intervention"
    job = AskJob(read.path, read.mapping, read.outcome, upload.aggregate, when, name, spec)
    key = f"ask {upload.upload_id} {upload.said} {upload.chosen} {job}"
    answer = await work(services, request, key, job)
    if isinstance(answer, Refused):
        return await _show(upload, request, services, exchange, answer.words, form)
    upload.answer, upload.given = answer, form
    return see_other(f"{UPLOADS}/{upload.upload_id}#answer")


@router.post("/{upload_id}/saved")
async def keep(
    upload: Meant, request: Request, services: Parts, uploads: Held, exchange: Asked
) -> Response:
    """Save a file's days and log what it was asked; nights follow it from then on."""
    form = await read_form(request)
    read = await _read(upload, request, services, exchange)
    if not isinstance(read, FileRead) or upload.answer is None:
        told = "There is no answer to be logged yet: say first when it began, and ask."
        return await _show(upload, request, services, exchange, told)
    filled = {**upload.given, **form}
    try:
        if not form.get("name"):
            raise ValueError("What was changed: is empty; give it a name")
        own = exchange.caller.user_id if exchange.caller is not None else None
        text = form.get("user_id") or own or ""
        user_id = read.user_id or key_of_id("Whose days these are", text)
    except ValueError as error:
        return await _show(upload, request, services, exchange, str(error), filled)
    exchange.authorise(user_id)
    try:
        entry = await save(
            services, request, upload, read, upload.answer, user_id, form["name"][:200]
        )
    except ValueError as error:
        return await _show(upload, request, services, exchange, str(error), filled)
    exchange.intervention_id = entry.intervention_id
    is_done = await follow(services, request, entry)
    await run_in_threadpool(uploads.forget, upload)
    return see_other(address_of(entry) + ("" if is_done else "?later=true"))


@router.post("/{upload_id}/forgotten")
async def forget(upload: Meant, uploads: Held) -> Response:
    """Remove a file at once."""
    await run_in_threadpool(uploads.forget, upload)
    return see_other("/")


async def _read(
    upload: Upload, request: Request, services: Services, exchange: Asked
) -> FileRead | Refused:
    """Return what a file means, read once for all that was said of it."""
    read = upload.read
    if read is None:
        own = exchange.caller.user_id if exchange.caller is not None else None
        job = ReadJob(
            upload.path, upload.said, own, upload.chosen, upload.outcome, upload.aggregate
        )
        read = upload.read = await work(services, request, f"read {job}", job)
    if isinstance(read, FileRead) and read.user_id is not None:
        exchange.user_id = read.user_id
    return read


async def _show(
    upload: Upload,
    request: Request,
    services: Services,
    exchange: Asked,
    message: str = "",
    form: Mapping[str, str] | None = None,
) -> Response:
    """Return a file's page; with a message, its status says that something is wrong."""
    read = await _read(upload, request, services, exchange)
    view = {
        "message": message,
        **file_view(upload, read, exchange.caller, form or upload.given),
        **upload_bound(services.server_settings),
    }
    status = 200 if not message else _UNPROCESSABLE
    if isinstance(read, Refused):
        status = read.status
    return page("file.html", view, exchange, status)
