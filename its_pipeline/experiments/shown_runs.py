"""Which MLflow run people are led to from an experiment: its own, or that of its shard.

What belongs here: choosing. What does not: recording runs (`recorder`, `stores.shard_records`), or
addresses (`links`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import known_shards, shard_of_key
from its_pipeline.stores.shard_newest import recorded_shard_run

if TYPE_CHECKING:
    from its_pipeline.settings import Settings
    from its_pipeline.stores.verdict import Verdict


def shown_run(settings: Settings, verdict: Verdict) -> str | None:
    """Return the run that records an analysis, or that tells of its shard; None without either.

    Parameters
    ----------
    settings, verdict
        The installation, and the experiment's newest verdict.
    """
    if verdict.fingerprint is None:
        return None
    own = open_store(settings).recorded_run(verdict.key, verdict.fingerprint)
    shards = known_shards(settings) if own is None else []
    if not shards:
        return own
    return recorded_shard_run(settings, shard_of_key(verdict.key, len(shards)).name)
