"""`kill -9` at the file operations of closing old days: their outcomes are the same ever after.

``python -m tools.faults.closings --kills 40 --seed 0`` prints a line a kill and ends with a JSON
summary; ``--kills 0`` takes every operation in turn. Right after each kill the daily outcomes, made
anew, must be the bytes that they were; after one more closing the store must be as an undisturbed
one is, with nothing left beside it or in the folder for temporary files. The same is asked of
closings for which the disk was too small.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from tools.closing_store import build, settings_of
from tools.faults.forked import run_child

#: Bytes that a file may have: too few for marks of events, for a folder's record, for outcomes.
LARGEST: Final = (100, 900, 3000)


def kill_repeatedly(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill `kills` closings, each on its own copy of a store; return what was found."""
    _import_everything()
    store, calm, scratch = folder / "store", folder / "calm", folder / "scratch"
    outside = folder / "tmp"
    outside.mkdir()
    tempfile.tempdir = str(outside)
    made = run_child(lambda: str(build(store).store_root), scratch)
    if made.error:
        raise RuntimeError(f"the store could not be made: {made.error}")
    shutil.copytree(store, calm)
    outcomes = run_child(lambda: _outcomes(calm), scratch).result
    ending = run_child(lambda: _close(calm), scratch, watched=calm)
    expected = run_child(lambda: _state(calm), scratch).result
    if ending.error or not ending.result or not expected or not outcomes:
        raise RuntimeError(f"the undisturbed closing failed: {ending.error}")
    moments = list(range(1, ending.operations + 1))
    if kills:
        moments = sorted(random.Random(seed).sample(moments, min(kills, len(moments))))
    killed, refused, problems = 0, 0, []
    for at, largest in [*((at, None) for at in moments), *((None, size) for size in LARGEST)]:
        copy = folder / "killed"
        shutil.copytree(store, copy)
        dead = run_child(
            lambda place=copy: _close(place),
            scratch,
            watched=copy,
            kill_at=at,
            largest_file=largest,
        )
        killed += dead.killed
        refused += bool(dead.error)
        found = []
        if largest is not None and "File too large" not in dead.error:
            found.append(f"it does not say that the disk is full: {dead.error[-300:]}")
        after = run_child(lambda place=copy: _outcomes(place), scratch)
        if after.error or after.result != outcomes:
            found.append(after.error or "after the kill the daily outcomes are others")
        found += [f"{path.name} is left outside the store" for path in outside.iterdir()]
        again = run_child(lambda place=copy: _close(place), scratch)
        end = run_child(lambda place=copy: _state(place), scratch)
        found += [text for text in (again.error, end.error) if text]
        if not found and end.result != expected:
            differ = sorted({*end.result.items()} ^ {*expected.items()})[:3]
            found.append(f"closed again, the store is not as an undisturbed one: {differ}")
        where = dead.where.replace(str(copy), "") or f"no file above {largest} bytes"
        print(f"{at or largest}: {where}; {'; '.join(found) or 'everything is there'}", flush=True)
        problems += [f"{where}: {text}" for text in found]
        shutil.rmtree(copy)
    return {
        "kills": killed,
        "refused": refused,
        "operations": ending.operations,
        "problems": problems,
    }


def _import_everything() -> None:
    """Load what the children need, so that none of them has to."""
    import its_pipeline.ingest.closing
    from its_pipeline.events.contract import event_schema

    event_schema(())
    assert its_pipeline.ingest.closing


def _close(root: Path) -> int:
    from its_pipeline.ingest.closing import close_old_days

    return close_old_days(settings_of(root)).deleted


def _outcomes(root: Path) -> str:
    """Make the daily outcomes anew; return their digest."""
    from its_pipeline.ingest.daily import build_daily

    return hashlib.sha256(build_daily(settings_of(root)).path.read_bytes()).hexdigest()


def _state(root: Path) -> dict[str, str]:
    """Return the digest of every file of the lake, of what is kept of closed days, and outcomes."""
    found = {"outcomes": _outcomes(root)}
    for name in ("lake", "closed_days", ".daily"):
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and path.name != ".contents.json":
                inside = path.relative_to(root)
                # A version's number tells how often it was begun, and no more.
                key = "/".join("N" if part.isdecimal() else part for part in inside.parts)
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(kill_repeatedly(Path(folder), **vars(arguments))))


if __name__ == "__main__":
    main()
