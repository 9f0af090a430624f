"""Every file of a store damaged, one at a time: the others go on, and one run makes it again.

A night is run over a small store. Then, on a fresh copy of it for each trial, one file is cut
short, emptied, filled with garbage, deleted, or made unreadable; what `status` and the server read
is read, and one night is run. What the store holds after that must be what it held before, bit for
bit, but for what nothing can make again: the simulated events themselves, and the log of
interventions, which must refuse with its name and the command that restores it, and be as it was
after that command.

``python -m tools.faults.damage --people 2`` takes one file of every kind (people, days, shards and
runs alike are one kind); ``--every`` takes all files. With ``--partition-limit 0`` the store has
shards, and a second one follows, whose night was killed after its first shard was computed: every
kind of file that such a night goes on from is damaged there.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from its_pipeline.experiments.sharding import has_shards, known_shards
from its_pipeline.settings import Settings
from tools.faults import state
from tools.faults.forked import give_up_override, run_child
from tools.faults.world import COMMON, build_world, import_everything, ingest, night

WAYS: Final = ("truncated", "emptied", "garbage", "deleted", "unreadable")
#: Of what a night goes on from, which nobody compares with anything: one bit is another as well.
ITS_WAYS: Final = (*WAYS, "flipped")
#: Nothing can make these again; they must be named.
ORIGINALS: Final = re.compile(r"simulated/.*")
LOG: Final = "interventions.sqlite"
#: Folders of what a night goes on from, in a store with shards.
GOES_ON_FROM: Final = ("shards", "results/")
#: Held, written to by running processes, or never read by us.
PASSED_OVER: Final = re.compile(r"dagster/storage/.*|.*-(wal|shm|journal)")


def damage(path: Path, way: str, seed: int) -> None:
    """Damage one file in place, as a disk or a careless hand does; hard links share the damage."""
    size = path.stat().st_size
    if way == "truncated":
        os.truncate(path, size // 2)
    elif way == "emptied":
        os.truncate(path, 0)
    elif way == "garbage":
        path.write_bytes(random.Random(seed).randbytes(max(size, 64)))
    elif way == "deleted":
        path.unlink()
    elif way == "flipped":
        content = bytearray(path.read_bytes())
        content[size // 2 : size // 2 + 1] = bytes(byte ^ 4 for byte in content[size // 2 :][:1])
        path.write_bytes(bytes(content))
    else:
        path.chmod(0)


def kind_of(name: str) -> str:
    """Return a file's name with people, days, runs and fingerprints left out."""
    name = re.sub(r"person-\d+", "PERSON", name)
    name = re.sub(r"day=[\d-]+", "DAY", name)
    name = re.sub(r"\d{6}of\d{6}|shard-\d+-of-\d+", "SHARD", name)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", "ID", name)


def files_of(root: Path, every: bool) -> list[str]:
    """Return the files to damage, by path under the store's root."""
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    names = [name for name in names if not PASSED_OVER.fullmatch(name)]
    if every:
        return names
    # Of days the middle one: those at the ends have few events.
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(name), []).append(name)
    return [found[len(found) // 2] for found in kinds.values()]


def trial(settings: Settings, is_log: bool) -> dict[str, Any]:
    """Read what commands and server read, run a night, and return what was said and what failed."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("its_pipeline").addHandler(handler)
    broken = read_as_others_do(settings)
    failures = night(settings)
    if is_log:
        from its_pipeline.events.log_copies import restore_log

        said += failures
        said += broken
        url = settings.resolved_intervention_log_url
        try:
            restore_log(url, settings.store_root)
        except ValueError as error:
            said.append(str(error))
        broken = read_as_others_do(settings)
        failures = night(settings)
    return {"said": said, "broken": broken, "failures": failures}


def read_as_others_do(settings: Settings) -> list[str]:
    """Read every person's verdict and analysis as `status` and the server do; who failed, why."""
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import LostAnalysisError, load_analysis, open_store

    store = open_store(settings)
    try:
        keys = Snapshot(settings).experiment_keys()
    except ValueError as error:
        return [f"log: {error}"]
    found = []
    for key in keys:
        try:
            verdict = store.verdict(key)
            if verdict is not None:
                load_analysis(settings, verdict)
                if has_shards(settings) and not state.page_is_whole(settings, key):
                    found.append(f"{key}: half a page")
        except LostAnalysisError:
            pass  # Said to whoever asks for it, and made again.
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            found.append(f"{key}: {type(error).__name__}: {error}")
    return found


def run_trials(
    folder: Path,
    people: int,
    every: bool,
    seed: int,
    most: int | None,
    gather_from: int = 100,
    only: str = "",
) -> dict[str, Any]:
    """Damage the files of a store one after the other; return what went wrong."""
    root, scratch = folder / "store", folder / "scratch"
    settings = build_world(root, people, gather_from=gather_from)
    bases = {"": folder / "kept"}
    if settings.partition_limit < people:
        dead = run_child(lambda: broken_off(settings), scratch)
        if not dead.killed:
            raise RuntimeError(f"no night was broken off: {dead.error or dead.result}")
        bases["broken off"] = folder / "broken-off"
        subprocess.run(["cp", "-a", str(root), str(bases["broken off"])], check=True)
    first = run_child(lambda: night(settings) + night(settings), scratch)
    if first.error or first.result:
        raise RuntimeError(f"the undisturbed night failed: {first.error or first.result}")
    expected = run_child(lambda: state.whole_state(settings), scratch).result
    root.rename(bases[""])
    trials = [
        (base, name, way)
        for base, kept in bases.items()
        for name in files_of(kept, every)
        if only in name and (not base or name.startswith(GOES_ON_FROM))
        for way in (ITS_WAYS if base else WAYS)
    ]
    if most is not None:
        # Locks and outputs of runs hold nothing; a short form has better to do.
        trials = [one for one in trials if not one[1].endswith("lock")]
        trials = random.Random(seed).sample(trials, min(most, len(trials)))
    problems: list[str] = []
    counts: Counter[str] = Counter()
    started = time.perf_counter()
    for number, (base, name, way) in enumerate(trials):
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(bases[base]), str(root)], check=True)
        damage(root / name, way, seed + number)

        def body(name: str = name) -> dict[str, Any]:
            give_up_override()
            return trial(settings, name == LOG)

        ending = run_child(body, scratch)
        counts[way] += 1
        what = " ".join(part for part in (base, name, way) if part)
        print(f"{number + 1} of {len(trials)}: {what}", file=sys.stderr, flush=True)
        wrong = _wrong(name, ending, settings, expected, scratch)
        problems += [f"{what}: {text}" for text in wrong]
        print(*wrong, sep="\n", file=sys.stderr, flush=True)
    return {
        "trials": len(trials),
        "kinds": len({(base, kind_of(name)) for base, name, _ in trials}),
        "by_way": dict(counts),
        "seconds": round(time.perf_counter() - started),
        "problems": problems,
    }


def broken_off(settings: Settings) -> None:
    """Run a night of a store with shards, and die when its first shard was computed.

    What the next one goes on from is there then: inputs, and results of which nobody was told.
    """
    from its_pipeline.experiments import shard_runs

    failed = ingest(settings)
    if failed:
        raise RuntimeError(f"the ingest failed: {failed}")
    shards = known_shards(settings)
    shard_runs.stale_shards(settings, shards)
    for _ in shard_runs.refresh_shards(
        settings, shards, on_progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    ):
        raise RuntimeError("a shard was done before anything of it was")


def _wrong(
    name: str, ending: Any, settings: Settings, expected: dict[str, Any], scratch: Path
) -> list[str]:
    if ending.error or ending.result is None:
        return [ending.error[-1500:] or "the child died"]
    found = ending.result
    said = " ".join([*found["said"], *found["failures"]])
    if ORIGINALS.fullmatch(name):
        # Nothing else may suffer: what there is stays, and the failure names the file.
        return [] if not found["failures"] or Path(name).name in said else ["it is not named"]
    wrong = [f"not readable: {text}" for text in found["broken"]]
    wrong += [f"the night failed: {text[-1500:]}" for text in found["failures"]]
    if wrong:
        return wrong
    if name == LOG and Path(name).name not in said:
        wrong.append("the log is not named")
    after = run_child(lambda: state.whole_state(settings), scratch)
    if after.error:
        return [after.error[-1500:]]
    return wrong + state.differences(expected, after.result)[:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--every", action="store_true", help="all files, not one of every kind")
    parser.add_argument("--most", type=int, help="at most so many trials, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gather-from", type=int, default=100)
    parser.add_argument("--only", default="", help="files alone that have this in their path")
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    given = vars(parser.parse_args())
    COMMON["partition_limit"] = given.pop("partition_limit")
    import_everything()
    with tempfile.TemporaryDirectory() as folder:
        found = run_trials(Path(folder), **given)
    print("\n" + json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
