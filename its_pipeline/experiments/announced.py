"""Which verdicts Dagster has been told of.

What belongs here: a mark beside an experiment that says which verdict its newest events carry. A
run that is killed between storing a verdict and telling Dagster leaves an old mark, and the next
run tells it. What does not: the verdicts themselves (`stores.experiment_store`).
"""

from __future__ import annotations

from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_state import forget_told
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict


def is_announced(settings: Settings, verdict: Verdict) -> bool:
    """Tell whether Dagster's newest events of an experiment carry this verdict."""
    return open_store(settings).announced(verdict.key) == _mark(verdict)


def mark_announced(settings: Settings, verdict: Verdict) -> None:
    """Remember that Dagster has been told of this verdict."""
    open_store(settings).write_announced(verdict.key, _mark(verdict))


def forget_announced(settings: Settings) -> int:
    """Forget what Dagster was told, as when its database is lost; return of how many.

    Of experiments and, in a store with shards, of these.
    """
    return open_store(settings).forget_announced() + forget_told(settings)


def _mark(verdict: Verdict) -> dict[str, str | int | None]:
    return {
        "status": verdict.status,
        "fingerprint": verdict.fingerprint,
        "intervention_version": verdict.intervention_version,
        "n_pre": verdict.n_pre,
        "n_post": verdict.n_post,
    }
