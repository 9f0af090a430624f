"""Results in sets: bytes an experiment, and milliseconds in which one is read by its key.

``python -m benchmarks.result_sets --experiments 100 --rows 10000`` analyses people with 90 and 90
days twice, with no analysis audited and with all, and moves their results from folders into a set;
every number of every analysis is compared before and after, to the last bit. Then copies of these
rows under other names fill sets of 10,000 experiments, of which single ones are read. Budgets: at
most 40 KB an experiment that is not audited, and 10 milliseconds for an analysis.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks._store import folder_bytes, make_store
from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.experiments.compaction import compact
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_prepared, open_store
from its_pipeline.its import Analysis, warm_up
from its_pipeline.its.packing import packed, unpacked
from its_pipeline.settings import Settings
from its_pipeline.stores.result_rows import ResultRow
from its_pipeline.stores.result_sets import ResultSets

AT_A_TIME = 1000
READ = 1000


def fitted(root: Path, people: int, audited: bool) -> Settings:
    """Return a store whose analyses lie in folders; nothing is published or recorded."""
    settings = make_store(root, people)
    snapshot = Snapshot(settings)
    keys = snapshot.experiment_keys()
    snapshot.preload(keys)
    for key in keys:
        fit_prepared(settings, snapshot.prepare(key), audit_share=float(audited))
    return settings


def bits(settings: Settings) -> dict[str, Any]:
    """Return all that is stored of every experiment, analyses and their draws as bytes."""
    store = open_store(settings)
    found = {}
    for key in Snapshot(settings).experiment_keys():
        verdict = store.verdict(key)
        assert verdict is not None
        stored = store.stored(key, verdict.fingerprint or "")
        assert stored is not None
        draws = {
            name: each.tobytes() for name, each in Analysis.from_stored(stored[0]).draws.items()
        }
        found[key] = verdict, packed(*stored), hash(tuple(sorted(draws.items())))
    return found


def moved(settings: Settings, people: int) -> tuple[float, float, float, float]:
    """Move a store's results into a set; return what that came to, an experiment.

    Bytes in folders, bytes in the set, bytes of the packed analysis alone, milliseconds.
    """
    before, loose = bits(settings), folder_bytes(settings.experiments_dir)
    started = time.perf_counter()
    compact(settings)
    seconds = time.perf_counter() - started
    if bits(settings) != before:
        raise RuntimeError("an analysis is not the same to the last bit after it was moved")
    [path] = open_store(settings).sets.paths()
    analyses = statistics.mean(len(each[1]) for each in before.values())
    return loose / people, path.stat().st_size / people, analyses, 1000 * seconds / people


def filled(source: ResultSets, root: Path, rows: int) -> ResultSets:
    """Fill sets with copies of another one's rows under other names."""
    model = [
        replace(row, analysis=None if row.is_standing else source.analysis(*row.place))
        for key in sorted(source.experiments())
        for row in source.rows(key)
    ]
    by_key: dict[str, list[ResultRow]] = {}
    for row in model:
        by_key.setdefault(row.key, []).append(row)
    groups = list(by_key.values())
    sets = ResultSets(root)
    names = [f"copy-{number:06d}" for number in range(rows)]
    random.Random(0).shuffle(names)
    for start in range(0, rows, AT_A_TIME):
        some = names[start : start + AT_A_TIME]
        sets.add(
            replace(row, key=f"{name}|mornings", user_id=name)
            for number, name in enumerate(some)
            for row in groups[number % len(groups)]
        )
    return sets


def timed(read: Callable[[str], object], keys: list[str]) -> tuple[float, float]:
    """Return the median and the 99th percentile of milliseconds a call."""
    took = []
    for key in keys:
        started = time.perf_counter()
        read(key)
        took.append(1000 * (time.perf_counter() - started))
    took.sort()
    return statistics.median(took), took[int(0.99 * len(took))]


def readings(sets: ResultSets, rows: int) -> list[tuple[str, float, float]]:
    """Return what is read, and the median and 99th percentile of its milliseconds."""
    keys = [f"copy-{number:06d}|mornings" for number in range(rows)]
    some = random.Random(1).sample(keys, min(READ, rows))
    of = {
        key: next(row.fingerprint for row in sets.rows(key) if not row.is_standing) for key in some
    }

    def analysis(key: str) -> Analysis:
        content = sets.analysis(key, of[key])
        assert content is not None
        return Analysis.from_stored(unpacked(content)[0])

    return [
        ("the newest verdict, anyone's", *timed(lambda key: sets.row(key, ""), some)),
        ("the newest verdict, all in order", *timed(lambda key: sets.row(key, ""), keys)),
        ("an analysis, anyone's", *timed(analysis, some)),
        ("whether there is anything of nobody", *timed(sets.rows, [f"{k}x" for k in some])),
    ]


def opening(folder: Path, key: str) -> float:
    """Return the milliseconds of a first verdict: every set's footer is read for it."""
    from its_pipeline.stores import result_file

    result_file._opened.cache_clear()
    return timed(ResultSets(folder).rows, [key])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    warm_up()
    table = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for audited in (False, True):
            settings = fitted(root / f"audited-{audited}", given.experiments, audited)
            before, after, analysis, took = moved(settings, given.experiments)
            table.append(
                (
                    "all audited" if audited else "none audited",
                    f"{before / 1000:.1f}",
                    f"{after / 1000:.1f}",
                    f"{analysis / 1000:.1f}",
                    f"{took:.0f}",
                )
            )
        source = ResultSets(root / "audited-False")
        sets = filled(source, root / "many", given.rows)
        n_sets = len(sets.paths())
        key = "copy-000000|mornings"
        rows = [
            (f"{n_sets} sets: the first of a process", f"{opening(root / 'many', key):.2f}", "")
        ]
        rows += [
            (f"{n_sets} sets: {what}", f"{middle:.2f}", f"{high:.2f}")
            for what, middle, high in readings(sets, given.rows)
        ]
        started = time.perf_counter()
        sets.merge()
        seconds = time.perf_counter() - started
        rows.append(("one set: the first of a process", f"{opening(root / 'many', key):.2f}", ""))
        rows += [
            (f"one set: {what}", f"{middle:.2f}", f"{high:.2f}")
            for what, middle, high in readings(sets, given.rows)
        ]
        [path] = sets.paths()
        size = path.stat().st_size
    write_table(
        "result_sets",
        "## Results in sets\n\n"
        f"`python -m benchmarks.result_sets --experiments {given.experiments} "
        f"--rows {given.rows}`, {machine()}\n\n"
        "90 and 90 days with four shares of the time of day; moved, every analysis and all its "
        "draws are the same to the last bit. An audited one keeps the auditor's chains besides.\n\n"
        + rows_as_markdown(
            (
                "",
                "KB an experiment in folders",
                "KB in a set",
                "of these the analysis",
                "ms an experiment to move",
            ),
            table,
        )
        + f"\nA store of {given.rows:,} experiments:\n\n"
        + rows_as_markdown(("read", "median, ms", "99th percentile, ms"), rows)
        + f"\nMerging {n_sets} sets into one of {size / 1e6:.0f} MB took {seconds:.1f} s. Budgets: "
        "40 KB an experiment that is not audited, 10 ms for an analysis.\n",
    )


if __name__ == "__main__":
    main()
