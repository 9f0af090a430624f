"""How many events of a person and a metric the contract rejected, for plans and pages.

What belongs here: counting the quarantine by person, day and rule, once for many experiments, and
whether that is why one lacks days. What does not: the quarantine itself (`events`, `stores.lake`).

Nothing that may have been the metric's is left out: an event whose time cannot be read is not in
any window, and is counted for every one; one whose contents cannot be read, for every metric; and
one that names no person is counted for the store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from its_pipeline.events.duck import literal
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.experiments.plan import Plan

MOST_REJECTED_PASSED = 7
"""So few rejected events of an experiment that lacks days are not why it does."""

Counts = dict[str, list[tuple[date | None, str, int]]]
"""Of people: UTC day (None: its time cannot be read), rule, and how many."""


class Rejections:
    """Counts over the whole quarantine, read when they are first asked for.

    Parameters
    ----------
    lake_dir
        ``Settings.lake_dir``.
    """

    def __init__(self, lake_dir: Path) -> None:
        self.lake_dir = lake_dir
        self._counts_of: dict[OutcomeMetric | None, Counts] = {}

    @classmethod
    def given(cls, counts_of: Mapping[OutcomeMetric, Counts]) -> Rejections:
        """Return counts that somebody has read already, of some metrics."""
        found = cls(Path())
        found._counts_of = {**found._counts_of, **counts_of}
        return found

    @cached_property
    def _files(self) -> list[str]:
        from its_pipeline.stores.lake import REJECTED_EVENTS, Lake

        lake = Lake(self.lake_dir)
        return [
            str(lake.path(REJECTED_EVENTS, day))
            for day in lake.days(REJECTED_EVENTS)
            if lake.is_readable(REJECTED_EVENTS, day)
        ]

    def _rows(self, selected: str, condition: str) -> list[tuple[Any, ...]]:
        import duckdb

        from its_pipeline.stores.lake import REJECTED_EVENTS, Lake

        query = (
            f"SELECT {selected}, count(*) "  # noqa: S608 - literals quoted by us
            "FROM read_parquet(?, hive_partitioning = true) "
            f"WHERE {condition} GROUP BY ALL"
        )
        with duckdb.connect() as connection:
            try:
                return connection.execute(query, [self._files]).fetchall() if self._files else []
            except duckdb.Error:
                # Days that cannot be read to their end are validated again with the next ingestion.
                if not Lake(self.lake_dir).set_aside_damaged(REJECTED_EVENTS):
                    raise
                del self._files
                return connection.execute(query, [self._files]).fetchall() if self._files else []

    def counts(self, metric: OutcomeMetric | None) -> Counts:
        """Return what was rejected of a metric by person; None: of whatever."""
        known = self._counts_of.get(metric)
        if known is None:
            known = self._counts_of[metric] = self._count(metric)
        return known

    def _count(self, metric: OutcomeMetric | None) -> Counts:
        placed = "CASE WHEN NOT contains(all_rules, '(occurred_at)') THEN day::DATE END"
        found: defaultdict[str, list[tuple[date | None, str, int]]] = defaultdict(list)
        condition = "true" if metric is None else _may_be_of(metric)
        for user_id, day, rule, count in self._rows(f"user_id, {placed}, rule", condition):
            found[str(user_id)].append((day, rule, count))
        return dict(found)

    def of(
        self,
        user_id: str,
        metric: OutcomeMetric | None,
        from_on: date | None,
        until_on: date | None,
    ) -> dict[str, int]:
        """Return rule to number of rejected rows of a person in UTC days, both ends INCLUSIVE.

        Parameters
        ----------
        user_id
            The person.
        metric
            Only rows that may have held this metric; None counts all.
        from_on, until_on
            The days; rows whose time cannot be read are on any of them.
        """
        counts: Counter[str] = Counter()
        for day, rule, count in self.counts(metric).get(user_id, []):
            is_after = day is None or from_on is None or day >= from_on
            if is_after and (day is None or until_on is None or day <= until_on):
                counts[rule] += count
        return dict(sorted(counts.items()))

    def of_nobody(self) -> int:
        """Return how many rejected rows name no person that there can be."""
        return sum(count for _, count in self._rows("rule", "contains(all_rules, '(user_id)')"))


def _may_be_of(metric: OutcomeMetric) -> str:
    """Return the condition that a rejected row may have held a metric."""
    conditions = []
    if metric.event_types:
        types = ", ".join(map(literal, metric.event_types))
        unknown = "event_type IS NULL OR contains(all_rules, '(event_type)')"
        conditions.append(f"(event_type IN ({types}) OR {unknown})")
    if metric.json_path is not None:
        # What is kept of a value is cut, and then no JSON any more.
        value = f"json_extract_string(event_data, {literal(metric.json_path)})"
        conditions.append(
            f"CASE WHEN json_valid(event_data) THEN {value} IS NOT NULL "
            "ELSE event_data IS NOT NULL END"
        )
    elif metric.column is not None:
        conditions.append(f'"{metric.column}" IS NOT NULL')
    return " AND ".join(conditions) or "true"


def flooded(plan: Plan, metric: OutcomeMetric, rejections: Rejections) -> str:
    """Return why no day mends what an experiment lacks: most of its events were rejected.

    Parameters
    ----------
    plan
        Of an experiment that is not ready.
    metric
        Its outcome.
    rejections
        Of the store.

    Returns
    -------
    str
        Empty where that is not so.
    """
    user_id = parse_experiment_key(plan.key).user_id
    window = plan.window
    rejected = rejections.of(user_id, metric, window.pre_start_on, window.post_end_on)
    n_observed, n_rejected = plan.n_pre + plan.n_post, sum(rejected.values())
    if n_rejected <= max(n_observed, MOST_REJECTED_PASSED):
        return ""
    rules = ", ".join(f"{rule} {count:,}" for rule, count in rejected.items())
    return (
        f"{n_rejected:,} events of these days were rejected ({rules}), and only {n_observed} "
        "days were observed. Mend them at their source, or import the file again with the "
        "option that its import names; the next run takes them up"
    )
