"""All experiments' newest verdicts in one table and one page.

What belongs here: collecting stored verdicts and putting the table, the warehouse's copy and the
index page in place. What does not: evaluating experiments (`service`) or drawing (`report`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.evidence_files import write_evidence
from its_pipeline.experiments.evidence_rows import evidence_table
from its_pipeline.experiments.kind_pages import kind_rows, publish_kinds
from its_pipeline.experiments.links import dagster_run_url, mlflow_run_url, page_url
from its_pipeline.experiments.looking import standing_of
from its_pipeline.experiments.page_facts import ongoing_until
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import (
    CHECKLIST_FILE,
    TRUST_FILE,
    page_path,
)
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.experiments.shared_files import write_shared
from its_pipeline.experiments.shown_runs import shown_run
from its_pipeline.experiments.trust import publish_trust
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.its.estimand_names import HEADLINE
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import STATUSES, Verdict

if TYPE_CHECKING:
    from its_pipeline.report.cent import CentAnswer
    from its_pipeline.report.inputs import IndexRow

INDEX_FILE: Final = "index.html"


@dataclass(frozen=True)
class Evidence:
    """What was collected.

    Attributes
    ----------
    n_rows
        Experiments that have a verdict, each a row of the table; see `summary.summary`.
    counts
        Status to number of experiments; every status is there.
    table_path, index_path
        Where table and page lie.
    """

    n_rows: int
    counts: dict[str, int]
    table_path: Path
    index_path: Path


def collect_evidence(settings: Settings, snapshot: Snapshot | None = None) -> Evidence:
    """Collect every experiment's newest verdict, and rebuild table, warehouse copy and index page.

    The pages of kinds, and what members' pages tell of the others, are brought up to date as well.

    Parameters
    ----------
    settings
        The installation.
    snapshot
        Reused where given.
    """
    from its_pipeline.report.cent_compliance import compliance_table
    from its_pipeline.report.index import render_index

    snapshot = snapshot or Snapshot(settings)
    if has_shards(settings):
        return _collect_many(settings, snapshot)
    store = open_store(settings)
    found = [store.verdict(key) for key in snapshot.experiment_keys()]
    verdicts = [verdict for verdict in found if verdict is not None]
    table = evidence_table(verdicts)
    buffer = BytesIO()
    table.to_parquet(buffer, index=False)
    write_shared(settings, settings.evidence_path, buffer.getvalue())
    checklists = _checklists(settings, verdicts)
    buffer = BytesIO()
    compliance_table(checklists).to_parquet(buffer, index=False)
    write_shared(settings, settings.compliance_path, buffer.getvalue())
    index_path = settings.reports_dir / INDEX_FILE
    publish_kinds(settings, snapshot)
    rows = [
        index_row(settings, snapshot, verdict, checklists.get(verdict.key)) for verdict in verdicts
    ]
    publish_trust(settings, snapshot)
    nobodys = Rejections(settings.lake_dir).of_nobody()
    index = render_index(
        rows,
        checklists,
        trust_href=TRUST_FILE,
        nobodys_events=nobodys,
        kinds=kind_rows(settings, snapshot),
    )
    write_shared(settings, index_path, index.encode())
    return _evidence(settings, Counter(verdict.status for verdict in verdicts))


def _collect_many(settings: Settings, snapshot: Snapshot) -> Evidence:
    """Collect the evidence of a store with shards, with a page of counts instead of all rows."""
    from its_pipeline.report.overview import render_overview

    counted = write_evidence(settings)
    publish_kinds(settings, snapshot)
    publish_trust(settings, snapshot)
    html = render_overview(
        counted,
        server_url=settings.server_url,
        trust_href=TRUST_FILE,
        nobodys_events=Rejections(settings.lake_dir).of_nobody(),
        kinds=kind_rows(settings, snapshot),
    )
    write_shared(settings, settings.reports_dir / INDEX_FILE, html.encode())
    return _evidence(settings, Counter(counted.states))


def _evidence(settings: Settings, counts: Counter[str]) -> Evidence:
    return Evidence(
        counts.total(),
        {status: counts[status] for status in STATUSES},
        settings.evidence_path,
        settings.reports_dir / INDEX_FILE,
    )


def _checklists(settings: Settings, verdicts: list[Verdict]) -> dict[str, tuple[CentAnswer, ...]]:
    """Return the filled CENT checklists of the published experiments, by key."""
    from its_pipeline.report.cent import read_answers

    found = {}
    for verdict in verdicts:
        path = page_path(settings, verdict.key).with_name(CHECKLIST_FILE)
        answers = read_or_set_aside(
            path, lambda file: read_answers(json.loads(file.read_bytes())), settings.store_root
        )
        if answers is not None:
            found[verdict.key] = answers
    return found


def index_row(
    settings: Settings,
    snapshot: Snapshot,
    verdict: Verdict,
    checklist: tuple[CentAnswer, ...] | None = None,
) -> IndexRow:
    """Return an experiment's line of a list of experiments.

    Parameters
    ----------
    settings, snapshot
        The installation.
    verdict
        The experiment's newest.
    checklist
        Its filled checklist, if it is to be counted.
    """
    from its_pipeline.report.cent import reported_count
    from its_pipeline.report.inputs import EffectNumbers, IndexRow

    metric = snapshot.metrics.get(verdict.outcome_metric)
    told, (times, unit) = verdict.told_headline, verdict.told_scale
    numbers = (verdict.effects or {}).get(HEADLINE.name)
    effect = None
    if numbers and told and verdict.probability_of_benefit is not None:
        effect = EffectNumbers(
            mean=told["mean"],
            sd=told["sd"],
            ci_lower=told["ci_lower"],
            ci_upper=told["ci_upper"],
            probability_positive=numbers["probability_positive"],
            probability_of_benefit=verdict.probability_of_benefit,
        )
    page = page_path(settings, verdict.key)
    reported, applicable = reported_count(checklist) if checklist else (None, None)
    run_id = shown_run(settings, verdict)
    return IndexRow(
        user_id=verdict.user_id,
        intervention_id=verdict.intervention_id,
        name=verdict.intervention_name,
        outcome=metric.title if metric is not None else verdict.outcome_metric,
        unit=unit,
        direction=verdict.direction,
        started_on=date.fromisoformat(verdict.started_on),
        state=verdict.status,
        minimum_effect=times * verdict.minimum_effect,
        reason=verdict.reason,
        n_pre=verdict.n_pre,
        n_post=verdict.n_post,
        analysable_on=date.fromisoformat(verdict.analysable_on) if verdict.analysable_on else None,
        effect=effect,
        warning_codes=tuple(str(warning["code"]) for warning in verdict.warnings),
        is_on_and_off=verdict.is_on_and_off,
        by_lot=verdict.by_lot,
        standing=standing_of(verdict),
        ongoing_until=ongoing_until(verdict),
        report_href=(
            page.relative_to(settings.reports_dir).as_posix()
            if page.is_file()
            else page_url(settings, verdict.key)
        ),
        is_drawn=page.is_file(),
        mlflow_url=mlflow_run_url(settings, run_id),
        dagster_url=dagster_run_url(settings, verdict.dagster_run_id),
        cent_reported=reported,
        cent_applicable=applicable,
        calendar=verdict.calendar,
    )
