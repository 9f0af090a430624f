"""Answering a question: from what is known, or from the pool; and what a verdict means in HTTP.

What belongs here: the steps of ``POST /analytics/its/analyze`` and of drawing plots. What does not:
the addresses (`routes.analyses`), or the statistics.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from starlette.requests import Request

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.bodies import diagnostics_answer
from its_pipeline.api.questions.preparing import Question, ask
from its_pipeline.api.questions.requests import AnalyzeRequest
from its_pipeline.api.questions.services import Services
from its_pipeline.api.questions.waiting import work
from its_pipeline.api.workers.jobs import FitAnswer, FitJob, PlotJob, PlotName
from its_pipeline.stores.verdict import Verdict


def ask_and_look_up(
    services: Services, request: AnalyzeRequest
) -> tuple[Question, FitAnswer | None]:
    """Prepare what a request asks for, and return it with the answer if there is one already.

    Raises
    ------
    Problem
        As in `preparing.ask`.
    """
    question = ask(services, request)
    return question, known_answer(services, question)


def known_answer(services: Services, question: Question) -> FitAnswer | None:
    """Return the answer if it was computed and recorded before, by whatever process."""
    verdict = services.store.finished(question.key, question.fingerprint)
    if verdict is not None:
        intervention = question.prepared.intervention
        services.settle(intervention.user_id, intervention.intervention_id)
    run_id = services.store.recorded_run(question.key, question.fingerprint)
    if verdict is None or run_id is None:
        return None
    if question.is_own:
        newest = services.store.verdict(question.key)
        version = question.prepared.intervention.version
        if newest is None or (newest.fingerprint, newest.intervention_version) != (
            question.fingerprint,
            version,
        ):
            # It has to become the experiment's newest verdict, under the experiment's lock.
            return None
        verdict = newest
    else:
        services.adhoc.asked(question.key, question.fingerprint, services.store)
    return FitAnswer(verdict, True, run_id)


async def compute(services: Services, request: Request, question: Question) -> FitAnswer:
    """Let the pool answer; the same question asked meanwhile shares the work."""
    key = f"fit {question.key} {question.fingerprint} {question.is_own}"
    job = FitJob(question.prepared, question.is_own, services.server_settings.adhoc_analyses)

    def count(answer: FitAnswer) -> None:
        services.monitoring.adhoc_removed.inc(answer.removed)
        if not answer.cached:
            services.monitoring.fit_seconds.observe(answer.verdict.computed_seconds)

    return await work(services, request, key, job, count)


def check_published(verdict: Verdict, run_id: str | None) -> None:
    """Refuse a verdict that has no effects.

    Raises
    ------
    Problem
        ``not_converged`` with the diagnostics, ``not_analysable``, ``analysis_failed``.
    """
    if verdict.status == "analysed":
        return
    if verdict.status == "not_converged":
        diagnostics = diagnostics_answer(verdict.diagnostics)
        raise Problem(
            "not_converged",
            verdict.reason,
            mcmc_diagnostics=diagnostics.model_dump(mode="json") if diagnostics else None,
            mlflow_run_id=run_id,
        )
    if verdict.status == "crashed":
        raise Problem("analysis_failed", "the analysis ended without an answer")
    raise Problem(
        "not_analysable",
        verdict.reason,
        value=verdict.started_on,
        reason_code=verdict.reason_code,
    )


async def draw(
    services: Services, request: Request, verdict: Verdict, names: Sequence[PlotName]
) -> dict[PlotName, bytes]:
    """Return plots as PNG, those drawn before from memory.

    Raises
    ------
    Problem
        ``unknown_run`` where the draws are not kept any more, and what `work` raises.
    """
    fingerprint = verdict.fingerprint or ""
    plots: dict[PlotName, bytes] = {}
    for name in names:
        png = services.plots.get(fingerprint, name)
        if png is not None:
            plots[name] = png
    missing: tuple[PlotName, ...] = tuple(name for name in names if name not in plots)
    if missing:
        if not services.store.holds(verdict.key, fingerprint):
            raise Problem("unknown_run", "the draws of this analysis are not kept any more")
        key = f"plots {verdict.key} {fingerprint} {' '.join(missing)}"
        drawn = await work(services, request, key, PlotJob(verdict, missing))
        for name in missing:
            services.plots.put(fingerprint, name, drawn[name])
            plots[name] = drawn[name]
    return plots


def encoded(plots: dict[PlotName, bytes]) -> dict[PlotName, str]:
    """Return plots as base64 texts."""
    return {name: base64.b64encode(png).decode("ascii") for name, png in plots.items()}
