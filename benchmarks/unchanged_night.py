"""A night over 10,000 experiments of which one in a hundred, then none, changed.

``python -m benchmarks.unchanged_night --experiments 10000`` prepares a store in which every
experiment has its verdict and its analysis already. To do so in minutes, one analysis is made and
its files stand in for all others, under each one's own fingerprint: passing over an experiment
reads its log entry, its series and its verdict, and never its posterior. Budget: with nothing new,
counting what is stale and the run over all of them take under 60 seconds together.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import dagster as dg

from benchmarks._store import dagster_instance, folder_bytes, make_store, write_daily
from benchmarks._table import machine
from benchmarks._table import write_table as keep_table
from benchmarks.night import resident_mb, run_night
from its_pipeline.defs.partitions import register_experiments
from its_pipeline.experiments.announced import mark_announced
from its_pipeline.experiments.bulk import select_keys, stale_keys
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.settings import Settings


def settle(settings: Settings, instance: dg.DagsterInstance) -> None:
    """Give every experiment its verdict, analysis and page without computing more than one."""
    snapshot = Snapshot(settings)
    keys = snapshot.experiment_keys()
    snapshot.preload(keys)
    register_experiments(instance, keys)
    store = open_store(settings)
    model = fit_experiment(snapshot, keys[0]).verdict
    page = publish_experiment(settings, keys[0], snapshot=snapshot).page
    source = store.analysis_folder(keys[0], model.fingerprint or "")
    store.write_recorded_run(keys[0], model.fingerprint or "", "none")
    mark_announced(settings, model)
    for key in keys[1:]:
        prepared = snapshot.prepare(key)
        intervention = prepared.intervention
        verdict = replace(
            model,
            key=key,
            user_id=intervention.user_id,
            intervention_id=intervention.intervention_id,
            fingerprint=prepared.fingerprint,
            n_pre=prepared.plan.n_pre,
            n_post=prepared.plan.n_post,
        )
        folder = store.analysis_folder(key, prepared.fingerprint or "")
        folder.mkdir(parents=True)
        for file in source.iterdir():
            if file.name != "verdict.json":
                os.link(file, folder / file.name)
        text = json.dumps(verdict.to_dict(), sort_keys=True)
        (folder / "verdict.json").write_text(text)
        (store.folder(key) / "verdict.json").write_text(text)
        recorded = store.folder(key) / "recorded"
        recorded.mkdir()
        (recorded / f"{prepared.fingerprint}.json").write_text('{"mlflow_run_id": "none"}')
        mark = {
            name: verdict.to_dict()[name]
            for name in ("status", "fingerprint", "intervention_version", "n_pre", "n_post")
        }
        (store.folder(key) / "announced.json").write_text(json.dumps(mark))
        target = page_path(settings, key)
        target.parent.mkdir(parents=True)
        os.link(page, target)


def timed_night(
    settings: Settings, instance: dg.DagsterInstance
) -> tuple[float, float, dict[str, str]]:
    """Return seconds of counting the stale ones, seconds of the run, and the run's tags."""
    started = time.perf_counter()
    snapshot = Snapshot(settings)
    stale_keys(snapshot, select_keys(snapshot, None))
    counting = time.perf_counter() - started
    started = time.perf_counter()
    result = run_night(settings, instance)
    seconds = time.perf_counter() - started
    run = instance.get_run_by_id(result.run_id)
    if run is None or not result.success:
        raise RuntimeError("the run failed; its log says why")
    return counting, seconds, dict(run.tags)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    n = parser.parse_args().experiments
    lines = [
        "## A night with little or nothing new\n",
        f"`python -m benchmarks.unchanged_night --experiments {n}`, {machine()}\n",
        "| | stale counted in | run | analysed | unchanged |",
        "|---|---|---|---|---|",
    ]
    empty = 0
    with tempfile.TemporaryDirectory() as folder:
        settings = make_store(Path(folder), n)
        with dagster_instance(settings) as instance:
            settle(settings, instance)
            # What a first analysis loads is no part of passing over.
            grown = folder_bytes(settings.dagster_home)
            for name, changed in (
                ("nothing new", ()),
                ("one in a hundred new", tuple(range(0, n, 100))),
                ("nothing new again", None),
            ):
                if changed:
                    write_daily(settings, n, changed=changed)
                counting, seconds, tags = timed_night(settings, instance)
                lines.append(
                    f"| {name} | {counting:.1f} s | {seconds:.1f} s | "
                    f"{tags.get('its/analysed', 0)} | {tags.get('its/unchanged', 0)} |"
                )
                print(lines[-1], flush=True)
                if not changed:
                    empty = folder_bytes(settings.dagster_home) - grown
                grown = folder_bytes(settings.dagster_home)
    lines.append(
        f"\nBudget: nothing new, both columns together under 60 s. Memory at the end "
        f"{resident_mb():.0f} MiB. A run that finds nothing new adds {empty / 1024:.0f} KiB to "
        "Dagster's home, whatever the number of experiments."
    )
    keep_table("unchanged_night", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
