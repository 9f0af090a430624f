"""A night in which every experiment is stale: what one costs, over the warm fit alone.

``python -m benchmarks.night --experiments 1000`` makes a store, times warm calls of `analyze` on
its series, runs the job ``refresh_experiments`` (fit, gate, figures, page, MLflow, Dagster events)
once, with its worker processes, on a real Dagster instance, and times warm calls again. Budget: per
experiment at most 3, then 1.5 times the warm fit.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import statistics
import tempfile
import time
from pathlib import Path

import dagster as dg

from benchmarks._store import dagster_instance, folder_bytes, make_store
from benchmarks._table import machine, write_table
from its_pipeline.defs.build import build_defs
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.its import analyze
from its_pipeline.settings import Settings


def warm_fit_seconds(settings: Settings, calls: int) -> tuple[float, float]:
    """Return the median wall-clock and CPU time of one warm `analyze` on the first series."""
    snapshot = Snapshot(settings)
    keys = snapshot.experiment_keys()[: calls + 3]
    snapshot.preload(keys)
    seconds, cpu = [], []
    for key in keys:
        prepared = snapshot.prepare(key)
        if prepared.spec is None or prepared.outcome is None:
            raise ValueError(f"{key} should be ready but is {prepared.plan.state}")
        started, used = time.perf_counter(), time.process_time()
        analyze(
            prepared.outcome,
            prepared.intervention.started_on,
            prepared.spec,
            prepared.covariates,
        )
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    return statistics.median(seconds[3:]), statistics.median(cpu[3:])


def run_night(settings: Settings, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Run ``refresh_experiments`` over the whole store in this process."""
    job = build_defs(settings).resolve_job_def("refresh_experiments")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def resident_mb() -> float:
    """Return the largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the workers that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--fits", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="folder in which the store is kept")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    arguments = parser.parse_args()
    if arguments.keep is not None:
        _night(arguments.keep, arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        _night(Path(folder), arguments)


def _night(root: Path, arguments: argparse.Namespace) -> None:
    n = arguments.experiments
    settings = make_store(root, n)
    before, cpu_before = warm_fit_seconds(settings, arguments.fits)
    memory_before = resident_mb()
    profile = cProfile.Profile()
    with dagster_instance(settings) as instance:
        started, cpu = time.perf_counter(), cpu_seconds()
        if arguments.profile:
            profile.enable()
        result = run_night(settings, instance)
        profile.disable()
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        worker_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        counts = instance.get_run_by_id(result.run_id)
    after, cpu_after = warm_fit_seconds(settings, arguments.fits)
    fit = (before + after) / 2
    ratio = seconds / n / fit
    cpu_ratio = cpu / n / ((cpu_before + cpu_after) / 2)
    tags = {} if counts is None else counts.tags
    if arguments.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(110)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    stores = {
        "analyses (posterior, series, verdict)": settings.experiments_dir,
        "reports (page, plots)": settings.reports_dir,
        "MLflow artifacts that are not links to these": settings.mlflow_artifact_dir,
        "MLflow database": root / "mlflow.db",
        "Dagster home": settings.dagster_home,
    }
    counted: set[int] = set()
    lines = [
        "## A night with everything stale\n",
        f"`python -m benchmarks.night --experiments {n}`, {machine()}\n",
        "| | |",
        "|---|---|",
        f"| experiments, 90 + 90 days, 4 x 2,000 draws | {n} |",
        f"| run | {'success' if result.success else 'failure'}, "
        f"{tags.get('its/analysed', 0)} analysed, {tags.get('its/not_converged', 0)} not converged,"
        f" {tags.get('its/crashed', 0)} crashed |",
        f"| one warm `analyze`, median before and after | {before:.3f} s, {after:.3f} s wall; "
        f"{cpu_before:.3f} s, {cpu_after:.3f} s CPU |",
        f"| the night, per experiment | {seconds / n:.3f} s wall, {cpu / n:.3f} s CPU |",
        f"| **over the warm fit** (first target 3, then 1.5) | **{ratio:.2f}** |",
        f"| the same in CPU seconds, which other work disturbs less | {cpu_ratio:.2f} |",
        f"| memory at the start, at the end; largest worker | {memory_before:.0f} MiB, "
        f"{resident_mb():.0f} MiB; {worker_mb:.0f} MiB |",
        *(
            f"| {name}, per experiment | {folder_bytes(path, counted) / n / 1024:.0f} KiB |"
            for name, path in stores.items()
        ),
    ]
    write_table("night", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
