"""`kill -9` at the file operations of a compaction: nothing is missing after it or the next one.

``python -m tools.faults.compactions --people 3 --kills 40 --seed 0`` prints a line a kill and ends
with a JSON summary; ``--kills 0`` takes every operation in turn. The store has a set of one person
and folders of the others, so results are moved and sets are merged. Right after each kill
everything must be readable as before; after one more compaction it must lie in one set, and
nothing beside it. With ``--partition-limit 0`` the store has shards: each has its set, and folders
hold what was analysed for somebody alone; all of it must lie in as many sets as an undisturbed
compaction leaves.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tools.faults.forked import run_child
from tools.faults.state import differences, experiment_state, leftovers
from tools.faults.world import COMMON, build_world, import_everything, night, settings_of


def kill_repeatedly(folder: Path, kills: int, seed: int, people: int = 3) -> dict[str, Any]:
    """Kill `kills` compactions, each on its own copy of a store; return what was found."""
    import_everything()
    store, calm, scratch = folder / "store", folder / "calm", folder / "scratch"
    made = run_child(lambda: _build(store, people), scratch)
    if made.error or made.result:
        raise RuntimeError(f"the store could not be made: {made.error or made.result}")
    expected = run_child(lambda: experiment_state(settings_of(store)), scratch).result
    shutil.copytree(store, calm)
    ending = run_child(lambda: _compact(calm), scratch, watched=calm)
    if ending.error or ending.result:
        raise RuntimeError(f"the undisturbed compaction failed: {ending.error or ending.result}")
    sets = _sets(calm)
    if not settings_of(calm).partition_limit < people and sets != 1:
        raise RuntimeError(f"the undisturbed compaction left {sets} sets")
    moments = list(range(1, ending.operations + 1))
    if kills:
        moments = sorted(random.Random(seed).sample(moments, min(kills, len(moments))))
    killed, problems = 0, []
    for at in moments:
        copy = folder / "killed"
        shutil.copytree(store, copy)
        dead = run_child(lambda place=copy: _compact(place), scratch, watched=copy, kill_at=at)
        killed += dead.killed
        found = _differences(expected, copy, scratch, "read after the kill")
        after = run_child(lambda place=copy: _compact(place), scratch)
        found += [after.error] if after.error else list(after.result)
        found += [] if _sets(copy) == sets else [f"there are {_sets(copy)} sets, not {sets}"]
        found += _differences(expected, copy, scratch, "compacted again")
        where = dead.where.replace(str(copy), "")
        print(f"{at}: {where}; {'; '.join(found) or 'everything is there'}", flush=True)
        problems += [f"{at}: {where}: {text}" for text in found]
        shutil.rmtree(copy)
    return {
        "kills": killed,
        "operations": ending.operations,
        "sets": sets,
        "problems": problems,
    }


def _sets(root: Path) -> int:
    return len(list((root / "results").glob("set-*.parquet")))


def _build(root: Path, people: int) -> list[str]:
    """Make a store with a set of one person, or of each shard, and folders of some others."""
    from its_pipeline.events.interventions import InterventionLog
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import fit_experiment, open_store
    from its_pipeline.experiments.sharding import has_shards
    from its_pipeline.stores.gathering import gather

    settings = build_world(root, people)
    failed = night(settings)
    if has_shards(settings):
        log = InterventionLog(settings.resolved_intervention_log_url)
        for entry in log.list()[:-1]:
            log.amend(entry.user_id, entry.intervention_id, baseline_days=15)
        log.close()
        snapshot = Snapshot(settings)
        for key in snapshot.experiment_keys():
            fit_experiment(snapshot, key)
        return failed
    gather(open_store(settings), Snapshot(settings).experiment_keys()[:1])
    return failed


def _compact(root: Path) -> list[str]:
    """Compact a store; return what is left where it should not be."""
    from its_pipeline.experiments.compaction import compact

    settings = settings_of(root)
    compact(settings)
    wrong = leftovers(root)
    left = [path for path in settings.experiments_dir.rglob("*") if path.is_file()]
    return wrong + [f"{path} is left" for path in left if path.name != ".lock"]


def _differences(expected: Any, root: Path, scratch: Path, when: str) -> list[str]:
    ending = run_child(lambda: experiment_state(settings_of(root)), scratch)
    if ending.error:
        return [f"{when}: {ending.error}"]
    return [f"{when}: {text}" for text in differences(expected, ending.result)[:5]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    arguments = vars(parser.parse_args())
    COMMON["partition_limit"] = arguments.pop("partition_limit")
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_repeatedly(Path(folder), **arguments)))


if __name__ == "__main__":
    main()
