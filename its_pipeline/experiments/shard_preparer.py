"""Preparing the experiments of a chunk, from the chunk alone.

What belongs here: what a chunk's rows hold, as preparing asks for it. What does not: preparing
itself (`preparer`), or evaluating what is prepared (`shard_work`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.intervention_rows import plain_to_intervention
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.experiments.comparisons import ComparisonSources
from its_pipeline.experiments.preparer import Preparer, no_days
from its_pipeline.experiments.rejections import Counts, Rejections
from its_pipeline.experiments.shard_input import LOOKS, series_of
from its_pipeline.experiments.shard_shared import SharedInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class ChunkPreparer(Preparer):
    """What is known of a chunk's people.

    Parameters
    ----------
    people
        Rows of `shard_input.PEOPLE_SCHEMA`.
    shared
        What all share.
    """

    def __init__(self, people: pa.Table, shared: SharedInput) -> None:
        self.shared = shared
        self.options = shared.options
        self.today_on = None if shared.today_on is None else date.fromisoformat(shared.today_on)
        self.now = datetime.fromisoformat(shared.decided_at)
        names = ("user_id", "interventions", "rejected", "digest", "known", LOOKS.name)
        self.people = people.select([n for n in names if n in people.column_names]).to_pylist()
        self._series = series_of(people)

    @cached_property
    def metrics(self) -> Mapping[str, OutcomeMetric]:
        """The registered outcome metrics by name."""
        return _metrics(self.shared.to_json())

    @cached_property
    def interventions(self) -> Mapping[str, tuple[Intervention, ...]]:
        """People's interventions, withdrawn ones included, in the newest version."""
        return {
            person["user_id"]: tuple(
                map(plain_to_intervention, json.loads(person["interventions"]))
            )
            for person in self.people
        }

    @cached_property
    def rejections(self) -> Rejections:
        """How many events of whom the contract rejected."""
        counts: dict[OutcomeMetric, Counts] = {metric: {} for metric in self.metrics.values()}
        for person in self.people:
            for name, rows in json.loads(person["rejected"] or "{}").items():
                counts[self.metrics[name]][person["user_id"]] = [
                    (None if day is None else date.fromisoformat(day), rule, count)
                    for day, rule, count in rows
                ]
        return Rejections.given(counts)

    @cached_property
    def comparison_sources(self) -> ComparisonSources:
        """What the names of comparison series mean."""
        shared = self.shared
        return ComparisonSources(
            self.metrics, self.series, shared.external_series, lambda: sorted(shared.external)
        )

    @cached_property
    def interval_factors(self) -> Mapping[str, float]:
        """By how much the intervals of a metric are widened."""
        return self.shared.interval_factors

    def series(self, user_id: str, outcome: str) -> pd.DataFrame:
        """Return all observed days of one person's outcome, in order."""
        found = self._series.get((user_id, outcome))
        return no_days() if found is None else found


@lru_cache(maxsize=4)
def _metrics(shared: str) -> Mapping[str, OutcomeMetric]:
    return SharedInput.of_json(shared).outcome_metrics()
