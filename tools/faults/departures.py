"""`kill -9` in the middle of forgetting somebody; going on must leave no byte of theirs.

``python -m tools.faults.departures --kills 20 --seed 0`` prints a line a kill and ends with a JSON
summary; the test runs it with few. Each kill comes ahead of a random file operation of a deletion,
on its own copy of a store over which a night has gone, and whose first days are closed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from its_pipeline.experiments.service import open_store
from its_pipeline.settings import Settings
from tools import departures
from tools.departures import NUMBERS, OTHERS, TEXTS, WHO, settings_of
from tools.faults import state
from tools.faults.forked import run_child
from tools.faults.world import import_everything, night
from tools.leftovers import leftovers


def kill_repeatedly(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill `kills` deletions, each on its own copy of a store; return what was found."""
    import_everything()
    store, scratch = folder / "store", folder / "scratch"
    built = run_child(lambda: str(departures.build(store).store_root), scratch)
    done = run_child(lambda: night(settings_of(store)) + _pool(store) + _close(store), scratch)
    if built.error or done.error or done.result:
        raise RuntimeError(f"the night failed: {built.error or done.error or done.result}")
    calm = folder / "calm"
    shutil.copytree(store, calm)
    ending = run_child(lambda: _forget(calm), scratch, watched=calm)
    if ending.error:
        raise RuntimeError(f"the undisturbed deletion failed: {ending.error}")
    rng, killed, problems = random.Random(seed), 0, leftovers(calm, TEXTS, NUMBERS)
    expected = _of_others(calm)
    if not any(key.startswith(OTHERS) for key in expected):
        raise RuntimeError("there is no result of anybody else to look after")
    for number in range(kills):
        copy = folder / f"killed-{number}"
        shutil.copytree(store, copy)
        at = rng.randint(1, ending.operations)
        dead = run_child(lambda place=copy: _forget(place), scratch, watched=copy, kill_at=at)
        killed += dead.killed
        shown = run_child(lambda place=copy: _shown(place), scratch)
        after = run_child(lambda place=copy: _go_on(place), scratch)
        found = [each for each in (dead.error, shown.error, after.error) if each]
        found += shown.result or []
        found += leftovers(copy, TEXTS, NUMBERS) if not found else []
        found += [f"{name} is left unfinished" for name in state.leftovers(copy)]
        found += [] if found or _of_others(copy) == expected else ["the others are not the same"]
        where = dead.where.replace(str(copy), "")
        print(f"{number + 1}: {at}; {where}; {'; '.join(found) or 'nothing is left'}", flush=True)
        problems += found
        shutil.rmtree(copy)
    return {"kills": killed, "operations": ending.operations, "problems": problems}


def _pool(root: Path) -> list[str]:
    """Make the kind that all of them tried; return what failed."""
    from its_pipeline.defs.local import local_runner

    with local_runner(settings_of(root), "night") as runner:
        outcome = runner.pooled()
    if outcome is None:
        return ["there is no kind"]
    return [] if outcome.success else [outcome.message]


def _close(root: Path) -> list[str]:
    """Delete the events of the first days; return what failed."""
    from its_pipeline.ingest.closing import close_old_days

    # Fewer days than anybody may keep: the store has no more.
    closing = close_old_days(settings_of(root).model_copy(update={"keep_events_days": 12}))
    return [] if closing.deleted else [f"no day was closed: {closing}"]


def _forget(root: Path) -> list[str]:
    from its_pipeline.leaving.forget import forget

    return list(forget(settings_of(root), WHO).left)


def _go_on(root: Path) -> list[str]:
    """Go on as the next run of the pipeline does; ask again where it had not begun."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.events.forgotten import Forgotten

    settings = settings_of(root)
    if WHO not in Forgotten(settings.store_root):
        return _forget(root)
    with local_runner(settings, "night"):
        return []


def _shown(root: Path) -> list[str]:
    """Return what is still shown of somebody whose deletion has begun."""
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.events.interventions import open_log
    from its_pipeline.experiments.preparation import Snapshot

    settings = settings_of(root)
    if WHO not in Forgotten(settings.store_root):
        return []
    log = open_log(settings)
    try:
        listed = [entry for entry in log.list() if entry.user_id == WHO]
    finally:
        log.close()
    shown = [key for key in Snapshot(settings).experiment_keys() if key.startswith(WHO)]
    return [f"{len(listed)} interventions and {shown} are shown"] if listed or shown else []


def _of_others(root: Path) -> dict[str, bytes]:
    """Return what must be the same whoever leaves and however: others' folders, the lake, days.

    When a page was written is left out: it is written again once its kind is without who left.
    """
    from its_pipeline.events.closed_days import closed_days
    from its_pipeline.files.contents import CONTENTS_FILE

    settings = settings_of(root)
    own = [
        path
        for user in OTHERS
        for folder in (settings.experiments_dir / user, settings.reports_dir / user)
        for path in folder.rglob("*")
        if path.is_file()
        and (path.name != CONTENTS_FILE or path.is_relative_to(settings.experiments_dir))
    ]
    shared = [settings.daily_outcomes_path, *settings.lake_dir.rglob("*.parquet")]
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted([*own, *shared])}
    found |= _results_of_others(settings)
    closed = closed_days(settings)
    if closed is not None:
        # Its folder has a number that tells how often it was begun, and no more.
        found |= {path.name: path.read_bytes() for path in (closed.outcomes, closed.people)}
    return found


def _results_of_others(settings: Settings) -> dict[str, bytes]:
    """Return what sets of results and MLflow's tables of shards hold of others."""
    sets, found = open_store(settings).sets, {}
    for key in sorted(sets.experiments()):
        if key.startswith(OTHERS):
            for row in sets.rows(key):
                analysis = sets.analysis(key, row.fingerprint) or b""
                found[f"{key} {row.fingerprint}"] = row.verdict.encode() + analysis
    told = [
        line
        for table in state.shard_tables(settings).values()
        for line in (table or "").splitlines()
        if line.startswith(OTHERS)
    ]
    return found | {"told of shards": "\n".join(sorted(told)).encode()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    arguments = vars(parser.parse_args())
    departures.COMMON["partition_limit"] = arguments.pop("partition_limit")
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_repeatedly(Path(folder), **arguments)))


if __name__ == "__main__":
    main()
