"""What an experiment was found to be before: past analyses, from MLflow and from result sets.

What belongs here: one list of both, a page at a time. What does not: MLflow's own runs (`runs`), or
whoever shows the list.

Analyses of single experiments have a run of their own in MLflow. Those that were computed in shards
have none, and are rows of result sets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from its_pipeline.events.keys import experiment_key
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.run_fields import RunSummary, verdict_numbers
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.verdict import Verdict

LARGEST_OFFSET: Final = 1_000_000
"""In a page's mark: more than anybody has analyses, and a number that every database can take."""


@dataclass(frozen=True)
class PastAnalysis:
    """One analysis of an experiment, whether it is the newest or not.

    Attributes
    ----------
    user_id, intervention_id, fingerprint, status
        The experiment, the analysis and its verdict's status.
    recorded_at
        UTC instant at which it was recorded or, without a run of its own, decided.
    mlflow_run_id
        The run that records it alone; None of one that was computed in a shard.
    outcome_metric, started_on
        What was asked: the metric, and the intervention's first day (ISO 8601).
    numbers
        As MLflow records them (`run_fields.verdict_numbers`); those of effects exist for a
        converged analysis alone.
    """

    user_id: str
    intervention_id: str
    fingerprint: str
    status: str
    recorded_at: datetime
    mlflow_run_id: str | None
    outcome_metric: str | None
    started_on: str | None
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class PastPage:
    """One page of past analyses, newest first; `next_page` is None on the last one."""

    analyses: tuple[PastAnalysis, ...]
    next_page: str | None


def past_analyses(
    runs: RunStore,
    store: ExperimentStore,
    user_id: str,
    intervention_id: str | None = None,
    status: str | None = None,
    page: str | None = None,
    page_size: int = 50,
) -> PastPage:
    """Return a person's finished analyses, newest first.

    Parameters
    ----------
    runs, store
        The run store, and where results lie.
    user_id, intervention_id, status
        Whose, and which of them.
    page
        `next_page` of the page before.
    page_size
        At most so many.

    Raises
    ------
    ValueError
        An identifier, a status or the page is not a legal one.
    """
    runs_before, rows_before = (0, 0) if page is None else offsets_of(page)
    of_runs = runs.history(
        user_id, intervention_id, status, _mark(runs_before, 0) if runs_before else None, page_size
    )
    of_rows = _unrecorded(store, user_id, intervention_id, status)[rows_before:]
    both = [*map(_of_run, of_runs.runs), *of_rows[:page_size]]
    # Sorting keeps the order of each of the two lists: both are sorted.
    shown = sorted(both, key=lambda each: each.recorded_at, reverse=True)[:page_size]
    n_rows = sum(each.mlflow_run_id is None for each in shown)
    n_runs = len(shown) - n_rows
    is_last = of_runs.next_page is None and n_runs == len(of_runs.runs) and n_rows == len(of_rows)
    after = _mark(runs_before + n_runs, rows_before + n_rows)
    return PastPage(tuple(shown), None if is_last else after)


def offsets_of(page: str) -> tuple[int, int]:
    """Return how many runs and how many rows came on the pages before.

    Raises
    ------
    ValueError
        The text is no mark of a page.
    """
    try:
        content = json.loads(base64.b64decode(page, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        content = None
    found = content if isinstance(content, dict) else {}
    return _offset(found.get("offset"), page), _offset(found.get("rows", 0), page)


def _offset(value: object, page: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_OFFSET:
        raise ValueError(f"page should be a `next_page` but got {page[:50]!r}")
    return value


def _mark(runs: int, rows: int) -> str:
    """Return a page's mark; without rows it is MLflow's own."""
    content = {"offset": runs, "rows": rows} if rows else {"offset": runs}
    return base64.b64encode(json.dumps(content).encode(), altchars=b"-_").decode()


def _of_run(run: RunSummary) -> PastAnalysis:
    return PastAnalysis(
        user_id=run.user_id,
        intervention_id=run.intervention_id,
        fingerprint=run.fingerprint,
        status=run.status,
        recorded_at=run.started_at,
        mlflow_run_id=run.run_id,
        outcome_metric=run.params.get("outcome_metric"),
        started_on=run.params.get("started_on"),
        numbers=run.numbers,
    )


def _unrecorded(
    store: ExperimentStore, user_id: str, intervention_id: str | None, status: str | None
) -> list[PastAnalysis]:
    """Return the analyses in sets that no run records, newest first."""
    keys = (
        store.sets.experiments(user_id)
        if intervention_id is None
        else {experiment_key(user_id, intervention_id)}
    )
    rows = [row for key in keys for row in store.sets.rows(key) if not row.is_standing]
    found = []
    for row in rows:
        if store.recorded_run(row.key, row.fingerprint) is not None:
            continue
        verdict = Verdict.from_dict(json.loads(row.verdict))
        if status is None or verdict.status == status:
            found.append(_of_verdict(verdict, row.fingerprint))
    return sorted(found, key=lambda each: (each.recorded_at, each.fingerprint), reverse=True)


def _of_verdict(verdict: Verdict, fingerprint: str) -> PastAnalysis:
    return PastAnalysis(
        user_id=verdict.user_id,
        intervention_id=verdict.intervention_id,
        fingerprint=fingerprint,
        status=verdict.status,
        recorded_at=datetime.fromisoformat(verdict.decided_at),
        mlflow_run_id=None,
        outcome_metric=verdict.outcome_metric,
        started_on=verdict.started_on,
        numbers=verdict_numbers(verdict, {}),
    )
