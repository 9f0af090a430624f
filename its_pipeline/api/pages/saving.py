"""From a dropped file to an experiment that the nights follow.

What belongs here: the order of the steps, each in a worker, and what is true where one of them
fails. What does not: any step; they are those of the command line and of the API.

What is done is kept: an import that was taken stays, and an intervention that was logged is found
by the next night whatever became of its first analysis. The same form sent again changes nothing.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, date, datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.pages.forms import id_of_name
from its_pipeline.api.pages.uploads import Upload
from its_pipeline.api.questions.services import Services
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.workers.file_jobs import (
    FileAnswer,
    FileRead,
    IngestJob,
    Refused,
    TakeJob,
)
from its_pipeline.api.workers.jobs import FitJob, PublishJob
from its_pipeline.events.importing import import_name
from its_pipeline.events.intervention import MAXIMUM_DAYS, Intervention
from its_pipeline.events.interventions import open_log
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared

_LEAST_HORIZON_DAYS: Final = 90
_LONGEST_NAME: Final = 60
_PATIENCE_SECONDS: Final = 60.0
"""How long somebody waits in front of a page for a file of many years."""

_log_of_server = logging.getLogger(__name__)


async def save(
    services: Services,
    request: Request,
    upload: Upload,
    read: FileRead,
    answer: FileAnswer,
    user_id: str,
    name: str,
) -> Intervention:
    """Take the person's days into the store, and log what the file was asked.

    Parameters
    ----------
    services, request
        The server's parts, and who waits.
    upload, read, answer
        The file, what it means, and what it answered.
    user_id, name
        Whose days they are, and what was changed, in their words.

    Raises
    ------
    Problem
        As of `waiting.work`.
    ValueError
        If the store or the log refuses it; the message says why.
    """
    if read.mapping is None or read.path is None:
        raise ValueError(f"{upload.path.name}: answer the questions about it first")
    mapping = read.mapping
    if mapping.user is None:
        mapping = mapping.model_copy(update={"user_constant": user_id})
    wanted = _intervention(read, answer, upload, user_id, name, next(iter(mapping.outcomes)))
    # One import is one person's one outcome of one file: another person's file of the same name
    # is no newer version of it.
    file_name = import_name(upload.path)[:_LONGEST_NAME]
    import_as = f"{file_name}-{wanted.outcome_metric}-of-{user_id}"
    job = TakeJob(read.path, mapping, import_as)
    refused = await work(services, request, f"take {upload.upload_id} {import_as}", job)
    if isinstance(refused, Refused):
        raise ValueError(refused.words)
    return await run_in_threadpool(_log, services, wanted)


async def follow(services: Services, request: Request, entry: Intervention) -> bool:
    """Bring a logged intervention up to date as a night would: its days, its analysis, its page.

    Returns
    -------
    bool
        False where that could not be done now, or would take longer than somebody waits: the next
        night does it, or the same asked again.

    Raises
    ------
    ClientGoneError
        The client went away.
    """
    key = str(entry.key)
    try:
        if not await _ingest(services, request):
            return False
        async with services.turns.of(Exchange.of(request.scope).caller_name):
            prepared = await run_in_threadpool(_prepare, services, entry)
        job = FitJob(prepared, True, services.server_settings.adhoc_analyses)
        await work(services, request, f"fit {key} {prepared.fingerprint} True", job)
        await run_in_threadpool(services.settle, entry.user_id, entry.intervention_id)
        await work(services, request, f"publish {key} {entry.version}", PublishJob(key))
    except Problem as problem:
        # What was logged stays, and the page says that it comes later.
        _log_of_server.warning("%s could not be brought up to date: %s", key, problem.code)
        return False
    return True


async def _ingest(services: Services, request: Request) -> bool:
    """Bring changed days in, some at a time; tell whether all are, within a while."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        if await work(services, request, "ingest", IngestJob()) == 0:
            return True
    return False


def _prepare(services: Services, entry: Intervention) -> Prepared:
    logged = services.interventions(entry.user_id)
    return Snapshot(services.settings, logged=logged).prepare_intervention(entry)


def _log(services: Services, wanted: Intervention) -> Intervention:
    log = open_log(services.settings)
    try:
        return log.log_all([wanted], datetime.now(UTC))[0]
    finally:
        log.close()


def _intervention(
    read: FileRead, answer: FileAnswer, upload: Upload, user_id: str, name: str, metric: str
) -> Intervention:
    """Return what is logged: over the days of the file, so that it is the same question."""
    if read.mapping is None:
        raise ValueError(f"{upload.path.name}: there is no mapping of it")
    known = [day for day, value in read.days if value is not None]
    schedule = None if isinstance(answer.schedule, date) else answer.schedule
    started_on = answer.schedule if schedule is None else schedule.starts_on
    if not isinstance(started_on, date):
        raise ValueError(f"{upload.path.name}: the schedule should have a first day")
    before = (started_on - known[0]).days
    since = (known[-1] - started_on).days + 1
    form = upload.given
    carryover_days = int(form.get("carryover_days") or 0)
    return Intervention.declared(
        user_id=user_id,
        intervention_id=id_of_name(name),
        name=name,
        outcome_metric=metric,
        started_on=started_on,
        schedule=schedule,
        carryover_days=0 if schedule is None else carryover_days,
        direction=form["direction"],
        minimum_effect=float((form.get("minimum_effect") or "0").replace(",", ".")),
        baseline_days=min(max(before, 1), MAXIMUM_DAYS),
        horizon_days=min(max(since, _LEAST_HORIZON_DAYS), MAXIMUM_DAYS),
        time_zone=read.mapping.time_zone,
    )
