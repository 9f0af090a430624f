"""Nights of small stores evaluated in shards, and what lies there after them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.bulk import RefreshSummary
from its_pipeline.experiments.looking import looks_at
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_runs import (
    refresh_shards,
)
from its_pipeline.its.storage import Stored
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    write_daily,
)

PEOPLE = {
    "ada": series(seed=1, effect=6.0),
    "bob": series(seed=2),
    # Too few days after the start: waiting, without an analysis.
    "cy": series(n_post=3, seed=3),
    "dee": series(seed=4, effect=-3.0),
    "eve": series(seed=5),
    # Twice the same value every day: refused.
    "flo": series(seed=6, sd=0.0),
}
ANALYSED = ("ada", "bob", "dee", "eve")
DECIDED_AT = "2026-06-20T04:00:00.000000+00:00"
SHARDS = [Shard(2, 0), Shard(2, 1)]


def filled(root: Path) -> Settings:
    settings = short_settings(root, refresh_workers=1)
    write_daily(settings, PEOPLE)
    for user in PEOPLE:
        log_intervention(settings, user)
    return settings


def copied(settings: Settings, root: Path, **changes: object) -> Settings:
    """Return a copy of a store, as another machine has it."""
    shutil.copytree(settings.store_root, root)
    return settings.model_copy(update={"store_root": root, **changes})


def night(settings: Settings, **changes: object) -> dict[str, RefreshSummary]:
    found = refresh_shards(settings, SHARDS, **{"decided_at": DECIDED_AT, **changes})
    return {shard.name: summary for shard, summary in found}


def counts(summaries: dict[str, RefreshSummary]) -> dict[str, int]:
    total: dict[str, int] = {}
    for summary in summaries.values():
        assert summary.crashed == []
        for name, count in summary.counts.items():
            total[name] = total.get(name, 0) + count
    return {name: count for name, count in total.items() if count}


def contents(settings: Settings) -> list[bytes]:
    """Return the bytes of all result sets, without what their names count."""
    return [path.read_bytes() for path in sorted(open_store(settings).sets.paths(), key=_shard)]


def _shard(path: Path) -> str:
    return path.stem.split("-")[2]


def verdict_of(settings: Settings, user: str) -> Verdict:
    verdict = open_store(settings).verdict(f"{user}|morning")
    assert verdict is not None
    return verdict


def stored_of(settings: Settings, user: str) -> tuple[Stored, dict[str, pd.DataFrame]]:
    store, fingerprint = open_store(settings), verdict_of(settings, user).fingerprint
    assert fingerprint is not None
    assert store.finished(f"{user}|morning", fingerprint) is not None
    found = store.stored(f"{user}|morning", fingerprint)
    assert found is not None
    return found


def told(verdict: Verdict) -> dict[str, object]:
    return replace(verdict, decided_at="", computed_seconds=0.0, dagster_run_id=None).to_dict()


def looks_of(settings: Settings, user: str) -> tuple:
    return looks_at(settings, Snapshot(settings).intervention(f"{user}|morning"))


def raising_always(error: BaseException):
    def raising(*_args, **_kwargs):
        raise error

    return raising
