"""The table over all experiments of a store with shards, written in one pass over its results.

What belongs here: the evidence table as a file, and what is counted on the way for the overview.
What does not: a row's columns (`evidence_rows`), reading the results (`stores.standing`), or the
pages (`evidence`, `report.overview`).

A few thousand verdicts are in memory at a time, however many there are. The table of checklists is
written in the same pass, without texts: those are on every page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shared_files import shared_workshop
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.experiments.checklists import ChecklistsOfMany
    from its_pipeline.files.parquet import ParquetSink
    from its_pipeline.report.overview import Overview

#: Memory of sorting the table by key; what takes more goes through the disk.
_SORT_MEMORY: Final = "500MB"


def write_evidence(settings: Settings) -> Overview:
    """Write evidence, sorted by key, and checklists anew; return what was counted.

    Parameters
    ----------
    settings
        The installation.
    """
    from its_pipeline.experiments.checklists import ChecklistsOfMany
    from its_pipeline.experiments.evidence_rows import evidence_schema
    from its_pipeline.files.parquet import ParquetSink, unfinished_files, write_parquet
    from its_pipeline.report.cent_compliance import compliance_schema

    targets = [settings.evidence_path, settings.compliance_path]
    with (
        shared_workshop(settings) as folder,
        unfinished_files(targets, within=folder) as (unfinished, checklists),
    ):
        unsorted = unfinished.with_name(f"{unfinished.stem}-unsorted{unfinished.suffix}")
        sink = ParquetSink(checklists, compliance_schema())
        counting = _Counting(ChecklistsOfMany(settings), sink)
        try:
            write_parquet(unsorted, evidence_schema(), counting.rows(settings))
            sink.close()
            _sort(unsorted, unfinished)
        finally:
            sink.abandon()
            unsorted.unlink(missing_ok=True)
    return counting.overview()


class _Counting:
    """Rows of the table, counted as they go by; their checklists go to a file of their own."""

    def __init__(self, checklists: ChecklistsOfMany, sink: ParquetSink) -> None:
        self._checklists = checklists
        self._sink = sink
        self._states: Counter[str] = Counter()
        self._standings: Counter[str] = Counter()
        self._problems: list[Verdict] = []

    def rows(self, settings: Settings) -> Iterator[pa.Table]:
        """Yield the rows of the table, in the order in which the results lie."""
        from its_pipeline.stores.standing import ROWS_AT_ONCE, standing_verdicts

        waiting: list[Verdict] = []
        for verdict in standing_verdicts(open_store(settings)):
            self._count(verdict)
            waiting.append(verdict)
            if len(waiting) == ROWS_AT_ONCE:
                yield self._written(waiting)
                waiting = []
        if waiting:
            yield self._written(waiting)

    def _written(self, verdicts: list[Verdict]) -> pa.Table:
        from its_pipeline.experiments.evidence_rows import evidence_rows

        self._sink.add(self._checklists.rows(verdicts))
        return evidence_rows(verdicts)

    def _count(self, verdict: Verdict) -> None:
        from its_pipeline.report.overview import MOST_PROBLEMS, PROBLEMS

        self._states[verdict.status] += 1
        if verdict.standing is not None:
            self._standings[verdict.standing["kind"]] += 1
        if verdict.status in PROBLEMS and len(self._problems) < MOST_PROBLEMS:
            self._problems.append(verdict)

    def overview(self) -> Overview:
        """Return what was counted."""
        from its_pipeline.report.overview import Overview, Problem

        return Overview(
            states=dict(self._states),
            standings=dict(self._standings),
            problems=tuple(
                Problem(each.user_id, each.intervention_id, each.status, each.reason)
                for each in self._problems
            ),
            cent=self._checklists.counts(),
            cent_experiments=self._checklists.experiments,
        )


def _sort(unsorted: Path, target: Path) -> None:
    from its_pipeline.events.duck import in_memory, literal

    with in_memory(_SORT_MEMORY, spill_to=target.parent) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_parquet({literal(str(unsorted))}) ORDER BY key) "  # noqa: S608
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
