"""A first load: a CSV of many UTC days into an empty store, until the daily outcomes are there.

    nice -n 5 python -m benchmarks.first_load [--days 1060] [--events 2000] [--before FOLDER]

Commands as people type them, each in a process of its own: ``its-pipeline import``, then
``its-pipeline run`` (the jobs ``ingest_events``, ``refresh_experiments`` and ``collect_evidence``)
in one store, and in another the days without Dagster. With ``--before``, a checkout of an earlier
version, both commands are timed in the same run with that version too. Processor seconds tell more
than seconds where others use the machine as well.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._table import machine, rows_as_markdown, write_table

HERE = Path(__file__).resolve().parent.parent
PEOPLE = 300
BUDGET_SECONDS = 90
COMMAND = "from its_pipeline.cli.main import app; app()"
WITHOUT_DAGSTER = """
from its_pipeline.ingest.daily import build_daily
from its_pipeline.ingest.steps import changed_days, ingest_days
from its_pipeline.settings import get_settings
settings = get_settings()
for portion in ingest_days(settings, changed_days(settings)):
    assert not any(day.failure for day in portion)
assert build_daily(settings).rows
"""


@dataclass(frozen=True)
class Took:
    """What a process took; `first_word` is when it said something first."""

    seconds: float
    processor_seconds: float
    first_word: float


def write_csv(path: Path, days: int, events: int) -> None:
    """Write so many events of 300 people on every UTC day, ordered by day."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2023-01-01", "s")
    with path.open("w", encoding="utf-8") as file:
        file.write("time,person,score\n")
        for day in range(days):
            moments = start + day * 86_400 + rng.integers(0, 86_400, events)
            people = rng.integers(0, PEOPLE, events)
            scores = rng.normal(60.0, 8.0, events)
            for moment, person, score in zip(moments, people, scores, strict=True):
                file.write(f"{moment}Z,p{person:03d},{score:.2f}\n")


def timed(store: Path, program: str, *arguments: str, code: Path = HERE) -> Took:
    """Run a program on a store and time it."""
    environment = {**os.environ, "ITS_STORE_ROOT": str(store), "PYTHONPATH": str(code)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, *arguments],
        env=environment,
        cwd=store.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    first_word = time.perf_counter() - started
    said += process.stdout.read()
    if process.wait():
        raise RuntimeError(f"{arguments or program} failed:\n{said.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.perf_counter() - started, processor, first_word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=1060)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    days, events = arguments.days, arguments.events
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="its-bench-") as folder:
        root = Path(folder)
        csv = root / "events.csv"
        write_csv(csv, days, events)
        options = ("--time", "time", "--user", "person", "--outcome", "score")
        found = {"import": timed(root / "store", COMMAND, "import", str(csv), *options)}
        shutil.copytree(root / "store", root / "bare")
        found["run, with Dagster"] = timed(root / "store", COMMAND, "run")
        found["the days without Dagster"] = timed(root / "bare", WITHOUT_DAGSTER)
        if arguments.before:
            code = arguments.before.resolve()
            for command in (("import", str(csv), *options), ("run",)):
                name = f"{command[0]}, as it was before"
                found[name] = timed(root / "before", COMMAND, *command, code=code)
            written = [
                (root / name / "daily_outcomes.parquet").read_bytes()
                for name in ("store", "before")
            ]
            assert written[0] == written[1]
    rows = [
        (name, f"{took.seconds:.0f}", f"{took.processor_seconds:.0f}", f"{took.first_word:.1f}")
        for name, took in found.items()
    ]
    whole = found["import"].seconds + found["run, with Dagster"].seconds
    bare = found["import"].seconds + found["the days without Dagster"].seconds
    lines = [
        f"# A first load: {days} UTC days of {events} events\n",
        f"`python -m benchmarks.first_load --days {days} --events {events}`, {machine()}; load "
        f"average {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end. Import and run "
        f"together {whole:.0f} s, import and days without Dagster {bare:.0f} s; {BUDGET_SECONDS} s "
        "are asked of 1060 days of 2000 on two cores.\n",
        rows_as_markdown(("step", "seconds", "processor seconds", "first word, s"), rows),
    ]
    if arguments.before:
        for name, now in (("import", "import"), ("run", "run, with Dagster")):
            earlier = found[f"{name}, as it was before"]
            lines.append(
                f"Before / now, {name}: {earlier.seconds / found[now].seconds:.1f} in seconds, "
                f"{earlier.processor_seconds / found[now].processor_seconds:.1f} in processor "
                "seconds.\n"
            )
        lines.append("The daily outcomes are the same bytes.\n")
    write_table("first_load", "\n".join(lines))


if __name__ == "__main__":
    main()
