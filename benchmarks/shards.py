"""A night of a store that is evaluated in shards: what an experiment costs, changed and unchanged.

``python -m benchmarks.shards --experiments 10000`` makes a store of 90 + 90 days each, plans its
shards, evaluates all (`ITS_AUDIT_SHARE` 0.02), and passes over them again: with the same files,
with days written anew, with one in a hundred changed, and a day later. Budgets: changed at most
30 ms of two cores and 40 KB an experiment; unchanged at most 30 s for 10,000 and 5 minutes for
100,000.

``--audit-share 1`` has every one audited, at most 150 ms each; its table is one of its own.
``--plan-only`` ends after the plan, for a million.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks._memory import in_fresh_process
from benchmarks._store import folder_bytes, make_store, write_daily
from benchmarks._table import machine, write_table
from benchmarks.night import cpu_seconds
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_plan import plan_shards
from its_pipeline.experiments.shard_runs import mark_told, refresh_shards, stale_shards
from its_pipeline.experiments.sharding import shards_of
from its_pipeline.settings import Settings


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what work returns, and its wall-clock and CPU seconds, its processes' included."""
    started, used = time.perf_counter(), cpu_seconds()
    found = work()
    return found, time.perf_counter() - started, cpu_seconds() - used


def night(settings: Settings, n: int) -> dict[str, int]:
    """Evaluate all shards, tell nobody, and return the counts."""
    counts: dict[str, int] = {}
    for shard, summary in refresh_shards(settings, shards_of(settings, n)):
        mark_told(settings, shard)
        if summary.crashed:
            raise RuntimeError(f"{summary.crashed[0]}: {summary.problems[summary.crashed[0]]}")
        for name, count in summary.counts.items():
            counts[name] = counts.get(name, 0) + count
    return {name: count for name, count in counts.items() if count}


def timed_plan(settings: Settings, n: int) -> tuple[Any, float, float]:
    """Return the planned shards, and the wall-clock and CPU seconds of planning them."""
    return timed(lambda: plan_shards(settings, shards_of(settings, n)))


def timed_night(settings: Settings, n: int) -> tuple[dict[str, int], float, float]:
    """Return the counts of a night, and its wall-clock and CPU seconds."""
    return timed(lambda: night(settings, n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--audit-share", type=float, default=0.02)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--plan-only", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments)


def measure(root: Path, arguments: argparse.Namespace) -> None:
    """Run all of it and write the table."""
    n = arguments.experiments
    settings = make_store(root, n).model_copy(
        update={
            "partition_limit": 0,
            "audit_share": arguments.audit_share,
            "engine": arguments.engine,
            "refresh_workers": arguments.workers,
        }
    )
    shards = shards_of(settings, n)
    lines = [
        "## A night in shards\n",
        f"`python -m benchmarks.shards --experiments {n} --audit-share {arguments.audit_share} "
        f"--engine {arguments.engine}`, {machine()}\n",
        "| | experiments | wall | CPU | an experiment, wall | CPU |",
        "|---|---|---|---|---|---|",
    ]

    def line(name: str, counts: object, wall: float, cpu: float) -> None:
        lines.append(
            f"| {name} | {counts} | {wall:.1f} s | {cpu:.1f} s | {1000 * wall / n:.2f} ms | "
            f"{1000 * cpu / n:.2f} ms |"
        )
        print(lines[-1], flush=True)

    planning = in_fresh_process(timed_plan, settings, n)
    planned, wall, cpu = planning.found
    line(f"planned, {len(shards)} shards", sum(each.people for each in planned), wall, cpu)
    inputs = folder_bytes(root / "shards")
    if not arguments.plan_only:
        first = in_fresh_process(timed_night, settings, n)
        line("all changed", *first.found)
        stored = folder_bytes(root / "results")
        passed_over(settings, n, line)
        lines.append(
            f"\nResults {stored / n / 1024:.1f} KB an experiment in "
            f"{len(open_store(settings).sets.paths())} files; looks and interventions "
            f"{folder_bytes(root / 'interventions.sqlite') / n / 1024:.1f} KB."
        )
        lines.append(
            "\nMemory, each in a process of its own: planning at most "
            f"{planning.peak_mib:.0f} MiB; the night in which all changed "
            f"{first.peak_mib:.0f} MiB, and {first.worker_mib:.0f} MiB of a worker's own."
        )
    lines.append(f"\nInputs {inputs / n / 1024:.1f} KB an experiment while they are needed.")
    write_table(
        "shards_audited" if arguments.audit_share == 1.0 else "shards", "\n".join(lines) + "\n"
    )


def passed_over(settings: Settings, n: int, line: Callable[..., None]) -> None:
    """Measure nights in which little or nothing is new."""
    shards = shards_of(settings, n)

    def stale_and_night(settings: Settings) -> object:
        stale = stale_shards(settings, shards)
        return f"{len(stale)} shards stale: {night(settings, n) if stale else ''}"

    line("nothing new, same files", *timed(lambda: stale_and_night(settings)))
    os.utime(settings.daily_outcomes_path)
    line("nothing new, days in a new file", *timed(lambda: stale_and_night(settings)))
    write_daily(settings, n, changed=tuple(range(0, n, 100)))
    line("one in a hundred new", *timed(lambda: stale_and_night(settings)))
    day = settings.utc_today() + timedelta(days=1)
    later = settings.model_copy(update={"today_on": day})
    line("nothing new, a day later", *timed(lambda: stale_and_night(later)))


if __name__ == "__main__":
    main()
