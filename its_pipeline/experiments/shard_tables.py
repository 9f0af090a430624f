"""How the experiments of one shard stand, for whoever is told of the shard as a whole.

What belongs here: counts, and the table that goes into the run store. What does not: evaluating a
shard (`shard_runs`), recording it (`stores.shard_records`), or what Dagster shows of it (`defs`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.links import page_url
from its_pipeline.experiments.service import open_store
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.experiments.bulk import RefreshSummary


@dataclass(frozen=True)
class ShardStanding:
    """A shard as it stands.

    Attributes
    ----------
    counts
        Status to number of experiments.
    problems
        Key to reason, of what crashed or did not converge.
    table
        Every experiment, with the columns of `stores.shard_records.TABLE_SCHEMA`.
    """

    counts: Counter[str]
    problems: dict[str, str]
    table: pa.Table

    def numbers(self, summary: RefreshSummary) -> dict[str, float]:
        """Return what the run store is told in numbers, with what a run came to."""
        return {
            **{name: float(count) for name, count in self.counts.items()},
            "experiments": float(self.counts.total()),
            "computed": float(summary.computed),
            "seconds": summary.seconds,
        }


def standing_of_shard(settings: Settings, shard: Shard) -> ShardStanding:
    """Read how the experiments of a shard stand.

    Parameters
    ----------
    settings, shard
        The installation, and which of its shards.
    """
    import pyarrow as pa

    from its_pipeline.stores.shard_records import TABLE_SCHEMA
    from its_pipeline.stores.standing import FAILED, standing_verdicts

    counts: Counter[str] = Counter()
    problems: dict[str, str] = {}
    rows = []
    found = standing_verdicts(open_store(settings), shard)
    for verdict in sorted(found, key=lambda each: each.key):
        counts[verdict.status] += 1
        if verdict.status in FAILED:
            problems[verdict.key] = verdict.reason
        rows.append(_row(settings, verdict))
    return ShardStanding(counts, problems, pa.Table.from_pylist(rows, TABLE_SCHEMA))


def _row(settings: Settings, verdict: Verdict) -> dict[str, object]:
    told = verdict.told_headline or {}
    return {
        "key": verdict.key,
        "user_id": verdict.user_id,
        "status": verdict.status,
        "effect": told.get("mean"),
        "effect_ci_lower": told.get("ci_lower"),
        "effect_ci_upper": told.get("ci_upper"),
        "unit": told.get("unit"),
        "probability_of_benefit": verdict.probability_of_benefit,
        "fingerprint": verdict.fingerprint,
        "decided_at": verdict.decided_at,
        "reason": verdict.reason or None,
        "page": page_url(settings, verdict.key),
    }
