"""One experiment that crashes, one that never converges, one with poisoned data, among many.

``python -m tools.faults.bad_apples --people 100`` runs the real bulk job;
the crash and the sampler that is cut short come from a stand-in for `analyze` that treats two
people badly and calls the real one; the poisoned series (infinite, NaN) is in the Parquet file.
With ``--partition-limit 0`` the store has shards, and what is told of them is looked at as well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import its_pipeline.its as its
from its_pipeline.defs.local import local_runner
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_runs import untold
from its_pipeline.experiments.sharding import known_shards
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import STATUSES
from tools.faults.state import dagster_state, page_is_whole
from tools.faults.world import give_shards
from tools.stores import log_intervention, series, short_settings, write_daily

CRASHES, NEVER_CONVERGES, POISONED = "user-001", "user-002", "user-003"


def bad_night(root: Path, people: int, partition_limit: int = 20_000) -> dict[str, Any]:
    """Run the night; return verdicts' counts, the three reasons, and what Dagster says."""
    # In one process: the stand-in for the engine is not in workers.
    settings = short_settings(root, refresh_workers=1, partition_limit=partition_limit)
    real = its.analyze
    users = [f"user-{number:03d}" for number in range(people)]
    frames = {user: series(seed=number) for number, user in enumerate(users)}
    # Finite in sum, hopeless in kind: the same value every day but one that no scale holds.
    frames[POISONED]["value"] = np.where(np.arange(80) == 60, 1e300, 50.0)
    marks = {user: float(frames[user]["value"].iloc[0]) for user in (CRASHES, NEVER_CONVERGES)}
    write_daily(settings, frames)
    for user in users:
        log_intervention(settings, user)
    give_shards(settings, people)

    def analyze(outcome: Any, on: Any, spec: Any, covariates: Any = None, **options: Any) -> Any:
        if outcome.iloc[0] == marks[CRASHES]:
            raise ZeroDivisionError("the model fell over")
        if outcome.iloc[0] == marks[NEVER_CONVERGES]:
            spec = replace(spec, likelihood="student_t", draws=50, chains=2, tune=50)
        return real(outcome, on, spec, covariates, **options)

    its.analyze = analyze  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with local_runner(settings, "night") as runner:
            outcome = runner.refresh()
            evidence = runner.evidence()
            again = runner.refresh()
    finally:
        its.analyze = real  # pyright: ignore[reportAttributeAccessIssue]
    store = open_store(settings)
    verdicts = {user: store.verdict(f"{user}|morning") for user in users}
    shards = known_shards(settings)
    return {
        "shards": len(shards),
        "told": _told(settings),
        "untold": [shard.name for shard in shards if untold(settings, shard)],
        "counts": dict(Counter(v.status if v else "none" for v in verdicts.values())),
        "bad": {
            user: None
            if verdicts[user] is None
            else [
                verdicts[user].status,  # pyright: ignore[reportOptionalMemberAccess]
                verdicts[user].reason,  # pyright: ignore[reportOptionalMemberAccess]
                verdicts[user].effects is None,  # pyright: ignore[reportOptionalMemberAccess]
            ]
            for user in (CRASHES, NEVER_CONVERGES, POISONED)
        },
        "run_succeeded": outcome.success,
        "run_says": outcome.message,
        "evidence_succeeded": evidence.success,
        "computed_again": again.numbers.get("computed"),
        "unchanged_again": again.numbers.get("unchanged"),
        "pages": sum(page_is_whole(settings, f"{user}|morning") for user in users),
    }


def _told(settings: Settings) -> dict[str, int]:
    """Return how many experiments of shards stand how, by what Dagster was told of each."""
    told: Counter[str] = Counter()
    for name, assets in dagster_state(settings).items():
        if Shard.of_name(name) is not None:
            told.update({status: assets["its_fit"][status] for status in STATUSES})
    return dict(+told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    given = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(bad_night(Path(folder), **given), indent=1))


if __name__ == "__main__":
    main()
