"""How the experiments of one shard stand, for whoever is told of the shard as a whole.

What belongs here: counts, and the table that goes into the run store. What does not: evaluating a
shard (`shard_runs`), recording it (`stores.shard_records`), or what Dagster shows of it (`defs`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.links import page_url
from its_pipeline.experiments.service import open_store
from its_pipeline.its.estimand_names import HEADLINE, told_scale
from its_pipeline.settings import Settings

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
    from its_pipeline.stores.standing import FAILED, standing_tables

    counts: Counter[str] = Counter()
    problems: dict[str, str] = {}
    rows = []
    for table in standing_tables(open_store(settings), shard):
        for text in table.column("verdict").to_pylist():
            # As plain JSON: a million verdicts are read after a night that changed all.
            plain = json.loads(text)
            counts[plain["status"]] += 1
            if plain["status"] in FAILED:
                problems[plain["key"]] = plain["reason"]
            rows.append(_row(settings, plain))
    rows.sort(key=lambda row: row["key"])
    return ShardStanding(counts, problems, pa.Table.from_pylist(rows, TABLE_SCHEMA))


def _row(settings: Settings, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a verdict's line of the table, from its JSON form."""
    row = {name: plain[name] for name in _SAME} | {
        "reason": plain["reason"] or None,
        "page": page_url(settings, plain["key"]),
    }
    effect = (plain["effects"] or {}).get(HEADLINE.name)
    if effect is None:
        return row
    times, unit = told_scale(plain.get("likelihood", "normal"), plain["unit"])
    return row | {
        "effect": times * effect["mean"],
        "effect_ci_lower": times * effect["ci_lower"],
        "effect_ci_upper": times * effect["ci_upper"],
        "unit": unit,
    }


_SAME: Final = (
    "key", "user_id", "status", "probability_of_benefit", "fingerprint", "decided_at",
)  # fmt: skip
