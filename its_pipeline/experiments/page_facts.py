"""The facts of one stored verdict that its page is made from.

What belongs here: from a verdict, its snapshot and its run to the records that `report` takes. What
does not: putting pages in place (`publish`), or wording and drawing (`report`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, cast

from its_pipeline.experiments.links import dagster_run_url, mlflow_run_url
from its_pipeline.experiments.planning import plan_of
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.window import Cut, Window
from its_pipeline.settings import Settings
from its_pipeline.stores.provenance import code_version, library_versions
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis
    from its_pipeline.its.planning.summary import PlanSummary
    from its_pipeline.report.inputs import DataFacts, Provenance


def ongoing_until(verdict: Verdict) -> date | None:
    """Return the last day that the post-period can still reach, while it is not there yet."""
    final = day_of(verdict.final_end_on)
    reached = day_of(verdict.post_end_on)
    return final if final is not None and reached is not None and reached < final else None


def planned_of(
    settings: Settings, verdict: Verdict, intervention: Intervention
) -> PlanSummary | None:
    """Return how many days a waiting experiment needs."""
    if verdict.status != "waiting":
        return None
    from its_pipeline.its.planning.summary import PlanSummary

    # Its window depends on the person's other interventions, which the caller need not have read.
    snapshot = Snapshot.of_person(settings, intervention.user_id)
    found = plan_of(settings, snapshot.prepare(str(intervention.key)))
    return None if found is None else PlanSummary.of(found[0], is_own=found[1])


def day_of(text: str | None) -> date | None:
    """Return a stored date; None where there is none."""
    return date.fromisoformat(text) if text else None


def window_of(verdict: Verdict) -> Window | None:
    """Return the days of a verdict; None where it did not get that far."""
    days = [
        day_of(text)
        for text in (
            verdict.pre_start_on,
            verdict.started_on,
            verdict.fit_start_on,
            verdict.post_end_on,
            verdict.final_end_on,
        )
    ]
    pre, start, fit, post, final = days
    if pre is None or start is None or fit is None or post is None or final is None:
        return None
    cuts = tuple(
        Cut(
            cast("Literal['pre', 'post', 'with']", cut["side"]),
            date.fromisoformat(cut["on"]),
            cut["code"],
            cut["reason"],
        )
        for cut in verdict.cuts
    )
    return Window(pre, start, fit, post, final, cuts, ())


def rejected_of(snapshot: Snapshot, verdict: Verdict, rejections: Rejections) -> dict[str, int]:
    """Return how many events a page says were rejected, by rule."""
    metric = snapshot.metrics.get(verdict.outcome_metric)
    days = day_of(verdict.pre_start_on), day_of(verdict.post_end_on)
    return rejections.of(verdict.user_id, metric, *days)


def data_of(verdict: Verdict, rejected: Mapping[str, int]) -> DataFacts:
    """Return which data went in."""
    from its_pipeline.report.inputs import DataFacts

    return DataFacts(
        n_events=verdict.n_events,
        rejected_rows=sum(rejected.values()),
        rejected_reasons=rejected,
    )


def provenance_of(
    settings: Settings,
    intervention: Intervention,
    verdict: Verdict,
    analysis: Analysis | None,
    run_id: str | None,
) -> Provenance:
    """Return where every number comes from."""
    from its_pipeline.report.inputs import Provenance

    partitions = None
    if verdict.pre_start_on and verdict.post_end_on:
        partitions = (verdict.pre_start_on, verdict.post_end_on)
    return Provenance(
        fingerprint=verdict.fingerprint,
        model_version=verdict.model_version,
        versions=library_versions(),
        code_version=code_version(),
        seed=analysis.spec.seed if analysis is not None else None,
        mlflow_run_id=run_id,
        mlflow_url=mlflow_run_url(settings, run_id),
        dagster_run_id=verdict.dagster_run_id,
        dagster_url=dagster_run_url(settings, verdict.dagster_run_id),
        event_partitions=partitions,
        command=(
            f"its-pipeline refresh --force '{intervention.user_id}|{intervention.intervention_id}'"
        ),
        decided_at=datetime.fromisoformat(verdict.decided_at),
        computed_seconds=verdict.computed_seconds or None,
    )
