"""One million experiments planned, sharded and told, with the results stubbed at the worker.

``python -m benchmarks.million --experiments 1000000`` writes a log and days of a million people,
plans their shards, has every run of the night told to Dagster and recorded in MLflow, collects the
evidence, and opens Dagster's pages in a browser. Everything is the real thing but
`shard_work.evaluate_chunk`, which gives everybody the same answer: what is measured is what a night
costs besides the analyses. Each step is a process of its own, of which the largest memory is told.

``--analysed --experiments 100000`` is a night of that many changed experiments of 90 + 90 days with
nothing stubbed, 2 % of them audited.

Budget: planned, sharded and told within 10 minutes and 4 GB; Dagster's pages open within 3 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks._million import Stub, files_under, settings_of, user_name, write_days, write_log
from benchmarks._table import machine, write_table
from its_pipeline.experiments.sharding import SHARDS_FILE
from its_pipeline.settings import Settings

#: Pages of Dagster's UI, by what they show.
PAGES: Final = {
    "asset its_fit, its partitions": "/assets/its_fit?view=partitions",
    "asset its_fit, its newest events": "/assets/its_fit?view=events",
    "checks of its_fit": "/assets/its_fit?view=checks",
    "all assets": "/asset-groups",
    "runs": "/runs",
}


def plan(settings: Settings) -> dict[str, Any]:
    """Do what the end of an ingest does: decide on shards, make partitions, count what is stale."""
    from its_pipeline.defs.home import open_instance
    from its_pipeline.defs.partitions import register_shards
    from its_pipeline.defs.shard_refresh import runs_of_night
    from its_pipeline.events.log_counts import count_interventions
    from its_pipeline.experiments.shard_runs import stale_shards
    from its_pipeline.experiments.sharding import shards_now

    experiments = count_interventions(settings)
    shards = shards_now(settings, experiments)
    with open_instance(settings) as instance:
        register_shards(instance, shards)
    started = time.perf_counter()
    stale = stale_shards(settings, shards)
    runs = runs_of_night(settings, shards, len(stale), experiments)
    return {
        "shards": len(shards),
        "stale": len(stale),
        "runs": runs,
        "planning_seconds": round(time.perf_counter() - started, 1),
    }


def night(settings: Settings, part: int, parts: int, *, analysed: bool) -> dict[str, Any]:
    """Run one of the night's runs, with stubbed results unless they are analysed."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.experiments import shard_engines

    if not analysed:
        verdict = json.loads((settings.store_root.parent / "verdict.json").read_text())
        shard_engines.evaluate_chunk = Stub(verdict)
    with local_runner(settings, "night") as runner:
        outcome = runner.refresh(shard=part, shards=parts)
    if not outcome.success:
        raise RuntimeError(outcome.message)
    return {"told": outcome.numbers["total"]}


def evidence(settings: Settings) -> dict[str, Any]:
    """Collect the evidence of all."""
    from its_pipeline.defs.local import local_runner

    with local_runner(settings, "night") as runner:
        started = time.perf_counter()
        outcome = runner.evidence()
    if not outcome.success:
        raise RuntimeError(outcome.message)
    return {
        "rows": outcome.numbers["dagster/row_count"],
        "job_seconds": round(time.perf_counter() - started, 1),
        "index_kb": round((settings.reports_dir / "index.html").stat().st_size / 1000),
    }


def reading(settings: Settings, experiments: int) -> dict[str, Any]:
    """Read one experiment at a time, as a server does."""
    from its_pipeline.experiments.service import open_store

    store = open_store(settings)
    numbers = random.Random(0).sample(range(experiments), min(200, experiments))
    seconds = []
    for number in numbers:
        started = time.perf_counter()
        if store.verdict(f"{user_name(number)}|mornings-{number}") is None:
            raise RuntimeError(f"person {number} has no verdict")
        seconds.append(time.perf_counter() - started)
    seconds.sort()
    return {
        "verdict_ms_median": round(1000 * seconds[len(seconds) // 2], 1),
        "verdict_ms_longest": round(1000 * seconds[-1], 1),
    }


def template(root: Path) -> dict[str, Any]:
    """Analyse one series for real; its verdict is everybody's."""
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import fit_experiment
    from tools.stores import log_intervention, series, short_settings, write_daily

    settings = short_settings(root)
    write_daily(settings, {"u": series(effect=5.0)})
    log_intervention(settings)
    return fit_experiment(Snapshot(settings), "u|morning").verdict.to_dict()


def status(settings: Settings) -> dict[str, Any]:
    """Run ``its-pipeline status``."""
    from typer.testing import CliRunner

    from its_pipeline.cli.main import app

    started = time.perf_counter()
    done = CliRunner().invoke(app, ["status"], env={"ITS_STORE_ROOT": str(settings.store_root)})
    if done.exit_code:
        raise RuntimeError(done.output)
    return {"status_seconds": round(time.perf_counter() - started, 1), "lines": len(done.output)}


def step(root: Path, name: str, *arguments: object) -> dict[str, Any]:
    """Run a step in a process of its own; return what it said, its seconds and memory."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.million", "--root", str(root),
         "--step", name, *map(str, arguments)],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{name} {arguments}: {seconds:.1f} s, {found}", flush=True)
    return {**found, "wall": seconds}


def main() -> None:
    """Run everything and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, help="days a person; 14 by default, 180 if analysed")
    parser.add_argument("--analysed", action="store_true", help="nothing is stubbed")
    parser.add_argument("--keep", type=Path, help="folder in which the store is kept")
    parser.add_argument(
        "--shards", type=int, help="as many as a larger store has: what is told is as much as there"
    )
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument(
        "--at-once", type=int, default=2, help="runs at the same time (ITS_SHARD_CONCURRENCY)"
    )
    parser.add_argument("--root", type=Path)
    parser.add_argument("--step")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args()
    options.days = options.days or (180 if options.analysed else 14)
    if options.step is not None:
        print(json.dumps(_one_step(options)))
        return
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        _measure(options.keep, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), options)


def _one_step(options: argparse.Namespace) -> dict[str, Any]:
    settings = settings_of(options.root, analysed=options.analysed)
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "plan": lambda: plan(settings),
        "night": lambda: night(settings, options.part, options.parts, analysed=options.analysed),
        "evidence": lambda: evidence(settings),
        "reading": lambda: reading(settings, options.experiments),
        "status": lambda: status(settings),
    }
    found = steps[options.step]()
    peak = next(
        each
        for each in Path("/proc/self/status").read_text().splitlines()
        if each.startswith("VmHWM")
    )
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = round(sum(each.ru_utime + each.ru_stime for each in used), 1)
    return {**found, "cpu": cpu, "mb": round(int(peak.split()[1]) / 1024)}


def _measure(folder: Path, options: argparse.Namespace) -> None:
    from benchmarks._dagster_pages import opened

    root, n = folder / "store", options.experiments
    settings = settings_of(root, analysed=options.analysed)
    how = ["--analysed"] if options.analysed else []
    if not (folder / "verdict.json").exists():
        (folder / "verdict.json").write_text(json.dumps(template(folder / "template")))
    if not root.exists():
        started = time.perf_counter()
        write_log(settings, n)
        write_days(settings, n, options.days)
        if options.shards is not None:
            (root / SHARDS_FILE).write_text(json.dumps({"count": options.shards}))
        print(f"written in {time.perf_counter() - started:.0f} s", flush=True)
    planned = step(root, "plan", *how)
    runs = planned["runs"]
    started = time.perf_counter()
    with ThreadPoolExecutor(options.at_once) as pool:
        nights = list(
            pool.map(
                lambda part: step(root, "night", "--part", part, "--parts", runs, *how),
                range(runs),
            )
        )
    night_seconds = time.perf_counter() - started
    collected = step(root, "evidence")
    one = step(root, "reading", "--experiments", n)
    told = step(root, "status")
    again = step(root, "plan", *how)
    both = {
        "wall": planned["wall"] + night_seconds,
        "cpu": planned["cpu"] + sum(each["cpu"] for each in nights),
        "mb": max(each["mb"] for each in (planned, *nights)),
    }
    of_night = {**both, "wall": night_seconds, "cpu": both["cpu"] - planned["cpu"]}
    rows = [
        ("plan: shards, partitions, what is stale", planned),
        (f"night: {runs} runs, {options.at_once} at a time", of_night),
        ("**planned, sharded and told**, a million within 10 minutes and 4 GB", both),
        ("evidence, warehouse and front page", collected),
        ("`its-pipeline status`", told),
        ("plan again, nothing changed", again),
    ]
    lines = [
        f"## {'Many experiments, analysed' if options.analysed else 'One million experiments'}\n",
        f"`python -m benchmarks.million --experiments {n} --days {options.days}"
        f"{' --analysed' if options.analysed else ''}`, {machine()}\n",
        f"{n:,} experiments of {n:,} people, {options.days} days each, in {planned['shards']} "
        f"shards; {'2 % audited' if options.analysed else 'results stubbed at the worker'}. "
        "Memory: the largest of the step's processes.\n",
        "| step | wall clock | CPU | memory |",
        "|---|---|---|---|",
        *(
            f"| {name} | {each['wall']:.0f} s | {each['cpu']:.0f} s | {each['mb']:,} MB |"
            for name, each in rows
        ),
        "",
        f"The newest verdict of one experiment: {one['verdict_ms_median']} ms, at most "
        f"{one['verdict_ms_longest']} ms of 200. The front page has {collected['index_kb']} KB.\n",
        "| in the store | files | MB |",
        "|---|---|---|",
        *(f"| {name} | {count:,} | {size / 1e6:,.1f} |" for name, count, size in files_under(root)),
        "",
        "| database | rows |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in _rows(root)),
    ]
    if not options.no_browser:
        pictures = folder / "pictures" if options.keep else None
        lines += ["", "| page of Dagster's (budget 3 s) | opened | again |", "|---|---|---|"]
        lines += [
            f"| {name} | {first:.1f} s | {second:.1f} s |"
            for name, first, second in opened(settings, PAGES, pictures)
        ]
    write_table("hundred_thousand" if options.analysed else "million", "\n".join(lines) + "\n")


def _rows(root: Path) -> list[tuple[str, int]]:
    """Return the rows of Dagster's and MLflow's larger tables."""
    history = root / "dagster" / "history"
    found = []
    for file, tables in (
        (history / "runs" / "index.db",
         ("event_logs", "asset_event_tags", "asset_check_executions", "dynamic_partitions")),
        (history / "runs.db", ("runs", "run_tags")),
        (root / "mlflow.db", ("runs", "tags", "metrics", "latest_metrics")),
    ):  # fmt: skip
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            for table in tables:
                [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                found.append((f"{os.path.relpath(file, root)}, {table}", count))
    return found


if __name__ == "__main__":
    main()
