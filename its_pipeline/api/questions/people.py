"""A person's data as a whole, for somebody who asks over HTTP: taking it along, deleting it.

What belongs here: letting a worker do it, and handing its file out. What does not: what is in the
file, or what is deleted (`its_pipeline.leaving`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.responses_people import DepartureAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.workers.jobs import ArchiveJob, ForgetJob
from its_pipeline.leaving.departure import Departure, downloads_dir

_ABANDONED_SECONDS: Final = 3600
"""After so long, a file that nobody fetched is one of a server that was killed."""
_CHUNK_BYTES: Final = 1 << 18


async def archive_of(services: Services, request: Request, user_id: str) -> BinaryIO:
    """Return everything of a person as an open ZIP, whose name is gone: closed, it is no more.

    Raises
    ------
    Problem
        ``unknown_user``, or as in `work`.
    """
    await run_in_threadpool(services.require_user, user_id)
    await run_in_threadpool(services.settle, user_id)
    path = await run_in_threadpool(_place, services, user_id)
    try:
        # Each its own: whoever shared another's would find the file gone.
        key = f"archive {user_id} {path.name}"
        await work(services, request, key, ArchiveJob(user_id, path))
        return await run_in_threadpool(path.open, "rb")
    finally:
        await run_in_threadpool(path.unlink, True)


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Read a file in pieces and close it."""
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


async def forget_person(services: Services, request: Request, user_id: str) -> DepartureAnswer:
    """Delete everything of a person; what cannot be done now is done by the pipeline's next run."""
    await run_in_threadpool(services.forgotten.begin, user_id)
    services.plots.clear()
    try:
        found = await work(services, request, f"forget {user_id}", ForgetJob(user_id))
    except Problem as problem:
        wait = (
            f"the deletion has begun and could not be ended now ({problem.code}): the pipeline's "
            "next run goes on with it, or the same request"
        )
        found = Departure(user_id, finished=False, left=(wait,))
    return DepartureAnswer(
        user_id=user_id,
        finished=found.finished,
        deleted={name: count for name, count in found.deleted.items() if count},
        left=list(found.left),
    )


def _place(services: Services, user_id: str) -> Path:
    folder = downloads_dir(services.settings, user_id)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if left.is_file() and left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            left.unlink(missing_ok=True)
    return folder / f"{uuid.uuid4().hex}.zip"
