"""Putting in place the page on how far intervals can be trusted in this store.

What belongs here: gathering what the placebo audit stored for the page. What does not: measuring
(`audit`), or wording and drawing (`report.trust`).
"""

from __future__ import annotations

import os
from pathlib import Path

from its_pipeline.experiments.audit_numbers import (
    FACTOR_PEOPLE,
    FACTOR_WINDOWS,
    TOLD_PEOPLE,
    verdict_of,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import TRUST_FILE
from its_pipeline.experiments.shared_files import write_shared
from its_pipeline.settings import Settings, checkout_root
from its_pipeline.stores.placebo_audit import Audit, AuditStore, IntervalFactor, Measured


def publish_trust(settings: Settings, snapshot: Snapshot | None = None) -> Path:
    """Write the page, whether anything was measured yet or not; return where it lies.

    Parameters
    ----------
    settings
        The installation.
    snapshot
        Reused where given.
    """
    from its_pipeline.report.trust import BENCHMARK_FILE, TrustInput, render_trust

    snapshot = snapshot or Snapshot(settings)
    store = AuditStore(settings)
    audit, factors = store.read(), store.factors()
    checkout = checkout_root()
    # A page of a checkout can lead to the table; an installed wheel has none.
    benchmarks = checkout / BENCHMARK_FILE if checkout is not None else None
    facts = TrustInput(
        audit=audit,
        factors=factors,
        titles={name: metric.title for name, metric in snapshot.metrics.items()},
        verdicts={row.metric: verdict_of(row) for row in judged_rows(audit, factors)},
        people=len(people_of(settings)),
        told_people=TOLD_PEOPLE,
        factor_people=FACTOR_PEOPLE,
        factor_windows=FACTOR_WINDOWS,
        benchmark_href=(
            Path(os.path.relpath(benchmarks, settings.reports_dir)).as_posix()
            if benchmarks is not None and benchmarks.is_file()
            else None
        ),
    )
    path = settings.reports_dir / TRUST_FILE
    write_shared(settings, path, render_trust(facts).encode())
    return path


def judged_rows(audit: Audit | None, factors: dict[str, IntervalFactor]) -> list[Measured]:
    """Return of every metric what its published intervals came to over all lengths.

    Parameters
    ----------
    audit
        The newest measurement, if any.
    factors
        In force.
    """
    if audit is None:
        return []
    return [row for row in audit.in_force(factors) if row.n_days is None]


def people_of(settings: Settings) -> list[str]:
    """Return everybody in the daily outcomes, sorted.

    Read a group of rows at a time, each person's name once a group and not once a day.
    """
    if not settings.daily_outcomes_path.is_file():
        return []
    import pyarrow.parquet as pq

    people: set[str] = set()
    path = settings.daily_outcomes_path
    with pq.ParquetFile(path, read_dictionary=["user_id"], pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["user_id"], use_threads=False)["user_id"]
            people.update(column.unique().to_pylist())
    return sorted(people)
