"""From a request to a prepared experiment, or to the reason why it cannot be analysed.

What belongs here: which intervention is meant, with which options, and what a plan's state means
for somebody who asks now. What does not: computing (`workers.jobs`), or
the form of responses (`bodies`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.requests import AnalyzeRequest
from its_pipeline.api.questions.services import Services
from its_pipeline.events.analysis_options import UNSAID, AnalysisOptions
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import OutcomeMetric, UnknownMetricError, get_metric
from its_pipeline.experiments.options import Options, OptionsError, chosen_options
from its_pipeline.experiments.plan import Plan
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.schedules.schedule import Schedule

ADHOC_PREFIX: Final = "adhoc-"
"""Identifiers of questions about a date that is not logged start with it; none can be logged."""

_LONGEST_ID = 64


@dataclass(frozen=True)
class Question:
    """A question that can be answered.

    Attributes
    ----------
    prepared
        Ready to be analysed.
    is_own
        Whether it is a logged experiment's own question, with the installation's options: the one
        that is asked at night.
    """

    prepared: Prepared
    is_own: bool

    @property
    def key(self) -> str:
        """The experiment's key."""
        return self.prepared.plan.key

    @property
    def fingerprint(self) -> str:
        """Of the analysis."""
        if self.prepared.fingerprint is None:
            raise ValueError(f"a question should have a fingerprint: {self.key}")
        return self.prepared.fingerprint


def adhoc_id(started_on: date, outcome_metric: str) -> str:
    """Return the identifier of an intervention that is asked for by its date alone."""
    wanted = f"{ADHOC_PREFIX}{started_on.isoformat()}-{outcome_metric}"
    if len(wanted) <= _LONGEST_ID:
        return wanted
    digest = hashlib.sha256(outcome_metric.encode()).hexdigest()[:8]
    return f"{wanted[: _LONGEST_ID - 9]}-{digest}"


def invalid(location: str, message: str, value: Any = None, remedy: str | None = None) -> Problem:
    """Return the problem of one field that breaks a rule which only the stores know."""
    error = {"location": location, "message": message}
    return Problem(
        "validation",
        f"{location.rpartition('.')[2]}: {message}",
        value=value,
        remedy=remedy,
        errors=[error],
    )


def ask(services: Services, request: AnalyzeRequest) -> Question:
    """Prepare what a request asks for.

    Raises
    ------
    Problem
        ``unknown_user``, ``unknown_intervention``, ``validation``, ``future_date``,
        ``insufficient_data``, ``withdrawn``, ``not_analysable``.
    """
    logged = services.interventions(request.user_id)
    snapshot = Snapshot(services.settings, logged=logged)
    # The days are read anyway, and whoever has some is known.
    if not logged and snapshot.series(request.user_id, request.outcome_metric).empty:
        services.require_user(request.user_id)
    meant = _logged_intervention(request, logged)
    intervention = _asked(request, meant or _adhoc(request, logged))
    try:
        metric = get_metric(snapshot.metrics, intervention.outcome_metric)
    except UnknownMetricError as error:
        raise invalid("body.outcome_metric", str(error), error.name) from error
    options = _options(request, snapshot.options, intervention, metric)
    prepared = snapshot.prepare_intervention(intervention, options)
    if prepared.plan.state != "ready":
        raise refusal(prepared.plan, _is_future(services, intervention), meant is not None)
    return Question(prepared, is_own=intervention == meant and options == snapshot.options)


def _logged_intervention(
    request: AnalyzeRequest, logged: list[Intervention]
) -> Intervention | None:
    """Return the logged intervention that is meant, by its identifier or by its date."""
    if request.intervention_id is not None:
        for entry in logged:
            if entry.intervention_id == request.intervention_id:
                return entry
        raise Problem(
            "unknown_intervention",
            "the log has no such intervention of this user",
            value=request.intervention_id,
        )
    started_on, schedule = request.started_on(), _asked_schedule(request, None)
    same = [
        entry
        for entry in logged
        if entry.started_on == started_on
        and entry.outcome_metric == request.outcome_metric
        and entry.status == "open"
        and (request.schedule is None or _days(entry.schedule) == _days(schedule))
    ]
    return same[0] if len(same) == 1 else None


def _adhoc(request: AnalyzeRequest, logged: list[Intervention]) -> Intervention:
    started_on = request.started_on()
    if started_on is None:
        raise ValueError("a request without intervention_id should have an intervention_date")
    return Intervention(
        user_id=request.user_id,
        intervention_id=adhoc_id(started_on, request.outcome_metric),
        name=f"Change on {started_on.isoformat()}",
        outcome_metric=request.outcome_metric,
        started_on=started_on,
        time_zone=logged[-1].time_zone if logged else "UTC",
        schedule=_asked_schedule(request, datetime.now(UTC)),
    )


def _asked_schedule(request: AnalyzeRequest, drawn_at: datetime | None) -> Schedule | None:
    """Return the schedule that is asked for, None also where it is on from its first day for good.

    Its lot, if any, counts as drawn at that instant: only the log can say that it was earlier.
    """
    schedule = request.asked_schedule()
    if schedule is None or schedule.is_single_change:
        return None
    return schedule.with_drawn_at(drawn_at)


def _days(schedule: Schedule | None) -> Schedule | None:
    return None if schedule is None else schedule.with_drawn_at(None)


def _asked(request: AnalyzeRequest, intervention: Intervention) -> Intervention:
    """Return the intervention with what the request says differently."""
    started_on = intervention.started_on
    if (
        "outcome_metric" in request.model_fields_set
        and request.outcome_metric != intervention.outcome_metric
    ):
        raise invalid(
            "body.outcome_metric",
            f"{intervention.intervention_id} was logged for {intervention.outcome_metric}",
            request.outcome_metric,
            "leave outcome_metric out, or ask by intervention_date",
        )
    changes: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("direction", "minimum_effect", "washout_days", "carryover_days")
        if getattr(request, name) is not None
    }
    try:
        request.check_dates(started_on)
    except ValueError as error:
        raise invalid("body", str(error)) from error
    if request.start_date is not None:
        changes["baseline_days"] = (started_on - request.start_date).days
    if request.end_date is not None:
        changes["horizon_days"] = (request.end_date - started_on).days + 1
    try:
        return replace(intervention, **changes)
    except ValueError as error:
        raise invalid("body", str(error)) from error


def _options(
    request: AnalyzeRequest, own: Options, intervention: Intervention, metric: OutcomeMetric
) -> Options:
    return replace(
        own,
        analysis=_asked_otherwise(request.options(), intervention, metric),
        draws=own.draws if request.mcmc_samples is None else request.mcmc_samples,
        chains=own.chains if request.mcmc_chains is None else request.mcmc_chains,
    )


def _asked_otherwise(
    asked: AnalysisOptions, intervention: Intervention, metric: OutcomeMetric
) -> AnalysisOptions:
    """Return what a request says that would not be so anyway: the rest is no other question."""
    if asked == UNSAID:
        return asked
    try:
        chosen_options(asked, intervention, metric)
    except OptionsError as error:
        raise invalid("body.analysis", str(error), asked.said()) from error
    try:
        usual = chosen_options(UNSAID, intervention, metric)
    except OptionsError:
        return asked  # What is logged and declared makes no analysis; with what is asked it does.
    return asked.beyond(usual)


def _is_future(services: Services, intervention: Intervention) -> bool:
    today = services.settings.utc_today()
    # Somewhere it is tomorrow already: only what lies beyond that is the future for everybody.
    return (intervention.started_on - today).days > 1


def refusal(plan: Plan, is_future: bool, is_logged: bool) -> Problem:
    """Return the problem that a plan which is not ready means for somebody who asks now.

    Parameters
    ----------
    plan
        Not ready.
    is_future
        Whether the intervention starts later, wherever the person may be.
    is_logged
        Whether it is in the log, so that the pipeline evaluates it by itself.
    """
    from its_pipeline.its.series import MINIMUM_DAYS

    started_on = plan.window.started_on.isoformat()
    counts: dict[str, Any] = {
        "value": started_on,
        "n_pre": plan.n_pre,
        "n_post": plan.n_post,
        "minimum_days": MINIMUM_DAYS,
        "reason_code": plan.reason_code,
        "analysable_on": plan.analysable_on.isoformat() if plan.analysable_on else None,
    }
    if plan.reason_code == "withdrawn":
        return Problem("withdrawn", plan.reason, value=plan.key.partition("|")[2])
    if is_future:
        when = f" on {plan.analysable_on}" if plan.analysable_on else " when its day has come"
        remedy = "it" if is_logged else "log it with POST /interventions; it"
        return Problem(
            "future_date",
            f"{started_on} is in the future",
            remedy=f"{remedy} is analysed{when}",
            **counts,
        )
    if plan.state in ("waiting", "closed"):
        remedy = (
            f"ask again on {plan.analysable_on}"
            if plan.analysable_on
            else "choose another intervention_date, or earlier start_date and later end_date"
        )
        return Problem("insufficient_data", plan.reason, remedy=remedy, **counts)
    return Problem("not_analysable", plan.reason, value=started_on, reason_code=plan.reason_code)
