"""Facts of a page beside the analysis: its days, its events, and where it comes from.

What belongs here: turning what a verdict holds as texts and counts into what a page shows. What
does not: which facts a page has, or publishing it (`publish`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, cast

from its_pipeline.experiments.links import dagster_run_url, mlflow_run_url
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.window import Cut, Window
from its_pipeline.settings import Settings
from its_pipeline.stores.provenance import code_version, library_versions
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import Analysis
    from its_pipeline.report.inputs import DataFacts, Provenance


def day_of(text: str | None) -> date | None:
    """Return a verdict's text of a date as a date."""
    return date.fromisoformat(text) if text else None


def window_of(verdict: Verdict) -> Window | None:
    """Return the window of a verdict, or None of one of an earlier version."""
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


def provenance_of(
    settings: Settings,
    intervention: Intervention,
    verdict: Verdict,
    analysis: Analysis | None,
    run_id: str | None,
) -> Provenance:
    """Return what a verdict was computed from, by what, and where its runs are.

    Parameters
    ----------
    settings, intervention
        The installation, and the experiment as it is logged.
    verdict, analysis
        What is shown; None where nothing was sampled.
    run_id
        The run that records it, if any.
    """
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


def rejected_of(snapshot: Snapshot, verdict: Verdict, rejections: Rejections) -> dict[str, int]:
    """Return how many events a page says were rejected, by rule."""
    metric = snapshot.metrics.get(verdict.outcome_metric)
    days = day_of(verdict.pre_start_on), day_of(verdict.post_end_on)
    return rejections.of(verdict.user_id, metric, *days)


def data_of(verdict: Verdict, rejected: Mapping[str, int]) -> DataFacts:
    """Return what a page says of its events."""
    from its_pipeline.report.inputs import DataFacts

    return DataFacts(
        n_events=verdict.n_events,
        rejected_rows=sum(rejected.values()),
        rejected_reasons=rejected,
    )
