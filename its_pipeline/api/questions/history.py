"""Reading what was analysed before: histories, runs, reports.

What belongs here: finding it in MLflow and the store, for those who may see it. What does not: the
addresses (`routes.analyses`), or writing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.bodies import run_entry
from its_pipeline.api.questions.pages import page_response
from its_pipeline.api.questions.preparing import invalid
from its_pipeline.api.questions.responses import HistoryAnswer, KeptAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.events.keys import experiment_key
from its_pipeline.stores.past_analyses import offsets_of, past_analyses
from its_pipeline.stores.run_fields import RunSummary
from its_pipeline.stores.runs import UnknownRunError
from its_pipeline.stores.verdict import Verdict

REPORT_ARTIFACT: Final = "report/report.html"
VERDICT_ARTIFACT: Final = "verdict.json"


def read_history(
    services: Services,
    user_id: str,
    intervention_id: str | None,
    status: str | None,
    limit: int,
    page: str | None,
) -> HistoryAnswer:
    """Return a page of a person's analyses, newest first.

    Raises
    ------
    Problem
        ``unknown_user``; ``validation`` where the page is not one that was given out.
    """
    if page is not None:
        try:
            offsets_of(page)
        except ValueError as error:
            raise invalid("query.page", "is not a `next_page` of an answer", page) from error
    services.settle(user_id)
    found = past_analyses(
        services.runs, services.store, user_id, intervention_id, status, page, limit
    )
    if not found.analyses:
        services.require_user(user_id)
    return HistoryAnswer(
        user_id=user_id,
        runs=[run_entry(services.settings, each) for each in found.analyses],
        next_page=found.next_page,
    )


def find_run(services: Services, exchange: Exchange, run_id: str) -> RunSummary:
    """Return a run that the caller may see.

    Raises
    ------
    Problem
        ``unknown_run``, the same whether there is none or it is somebody else's.
    """
    exchange.mlflow_run_id = run_id
    try:
        found = services.runs.get(run_id)
    except UnknownRunError:
        found = None
    if found is None or not exchange.may_see(found.user_id):
        raise Problem("unknown_run", "no analysis of yours has this run id", value=run_id)
    exchange.user_id, exchange.intervention_id = found.user_id, found.intervention_id
    return found


def stored_verdict(services: Services, run: RunSummary) -> Verdict:
    """Return the verdict of a run: from the store, or from MLflow where the store was pruned.

    Raises
    ------
    Problem
        ``unknown_run`` where both are gone.
    """
    key = experiment_key(run.user_id, run.intervention_id)
    verdict = services.store.finished(key, run.fingerprint)
    if verdict is not None:
        return verdict
    try:
        file = services.runs.artifact(run.run_id, VERDICT_ARTIFACT)
    except UnknownRunError:
        raise Problem(
            "unknown_run", "the files of this analysis are not kept any more", value=run.run_id
        ) from None
    try:
        return Verdict.from_dict(json.loads(file.read_bytes()))
    except (ValueError, TypeError) as error:
        raise Problem(
            "unknown_run",
            "the files of this analysis are damaged; the next run makes them again",
            value=run.run_id,
        ) from error


def stored_analysis(services: Services, verdict: Verdict) -> Mapping[str, Any]:
    """Return what the stored analysis of a verdict says of itself; empty where it was pruned."""
    if verdict.fingerprint is None:
        return {}
    return services.store.told(verdict.key, verdict.fingerprint)


def kept(services: Services, verdict: Verdict) -> KeptAnswer | None:
    """Return how many analyses like this one are kept of its person, if they are counted."""
    if verdict.fingerprint is None:
        return None
    analyses = services.adhoc.kept(verdict.key, verdict.fingerprint)
    if analyses is None:
        return None
    return KeptAnswer(analyses=analyses, limit=services.server_settings.adhoc_analyses)


async def report_of(
    services: Services, request: Request, run: RunSummary, headers: Mapping[str, str]
) -> Response:
    """Return the report of a run; where it is the experiment's newest, it is drawn if need be.

    Raises
    ------
    Problem
        ``no_report`` for an older analysis that never got one, or one of a date that is not logged.
    """
    await run_in_threadpool(services.settle, run.user_id, run.intervention_id)
    key = experiment_key(run.user_id, run.intervention_id)
    newest = await run_in_threadpool(services.store.verdict, key)
    if newest is not None and newest.fingerprint == run.fingerprint:
        return await page_response(services, request, key, headers)
    page = await run_in_threadpool(_report_artifact, services, run)
    if page is not None:
        return Response(page, media_type="text/html", headers=headers)
    raise Problem(
        "no_report",
        "only the newest analysis of a logged intervention has a report",
        value=run.run_id,
    )


def _report_artifact(services: Services, run: RunSummary) -> bytes | None:
    client, _ = services.runs.open()
    folder = REPORT_ARTIFACT.rpartition("/")[0]
    if REPORT_ARTIFACT not in {info.path for info in client.list_artifacts(run.run_id, folder)}:
        return None
    with tempfile.TemporaryDirectory() as copies:
        return Path(
            client.download_artifacts(run.run_id, REPORT_ARTIFACT, dst_path=copies)
        ).read_bytes()
