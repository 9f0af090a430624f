"""Two shards at once on PostgreSQL: Dagster's storage, MLflow and the intervention log in a server.

``python -m benchmarks.scaling_postgres --experiments 24 --workers 2`` starts Debian's PostgreSQL on
a free loopback port, makes a store whose Dagster home, run store and intervention log lie in it,
and runs ``its-pipeline refresh --shard 1/2`` and ``--shard 2/2`` in two processes at the same time,
as two machines on shared storage would, each with so many worker processes. Every experiment must
be analysed exactly once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg

from benchmarks._store import log_people, write_daily
from benchmarks._table import machine, write_table
from its_pipeline.defs.home import open_instance
from its_pipeline.files.atomic import write_json
from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore
from tools.postgres import PostgresServer, server_binaries

COMMAND = "from its_pipeline.cli.main import app; app()"
STORAGE = """
storage:
  postgres:
    postgres_db:
      scheme: postgresql+psycopg2
      username: {username}
      password: {{env: ITS_DAGSTER_PG_PASSWORD}}
      hostname: {hostname}
      port: {port}
      db_name: dagster
telemetry: {{enabled: false}}
nux: {{enabled: false}}
concurrency:
  pools: {{granularity: run, default_limit: 1}}
  runs: {{max_concurrent_runs: 4, tag_concurrency_limits: [{{key: its/shard, limit: 2}}]}}
run_monitoring: {{enabled: true}}
"""


def make_postgres_store(root: Path, server: PostgresServer, people: int) -> Settings:
    """Make a store whose databases lie in the server; its Parquet and artifacts under `root`."""
    urls = {name: server.create_database(name) for name in ("dagster", "mlflow", "interventions")}
    own = {
        "mlflow_tracking_uri": _driven(urls["mlflow"]),
        "intervention_log_url": _driven(urls["interventions"]),
        "today_on": "2026-05-31",
        "dagster_url": None,
        "mlflow_url": None,
    }
    settings = Settings(store_root=root, **own)
    write_json(settings.installation_file, own)
    parts = urlsplit(urls["dagster"])
    os.environ["ITS_DAGSTER_PG_PASSWORD"] = parts.password or ""
    settings.dagster_home.mkdir(parents=True)
    storage = STORAGE.format(username=parts.username, hostname=parts.hostname, port=parts.port)
    (settings.dagster_home / "dagster.yaml").write_text(storage)
    write_daily(settings, people)
    log_people(settings, people)
    return settings


def _driven(url: str) -> str:
    # SQLAlchemy 2.1 would look for psycopg 3 by itself; psycopg2 is what is installed.
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def run_shards(settings: Settings, workers: int, shards: int = 2) -> list[tuple[int, str]]:
    """Run every shard in a process of its own, all at once; return status and output of each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, "refresh", "--shard", f"{shard + 1}/{shards}"],
            env={
                **os.environ,
                "ITS_STORE_ROOT": str(settings.store_root),
                "ITS_REFRESH_WORKERS": str(workers),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for shard in range(shards)
    ]
    outputs = [process.communicate()[0] for process in processes]
    return [(p.returncode, out) for p, out in zip(processes, outputs, strict=True)]


def inspect(settings: Settings) -> dict[str, int]:
    """Return what the two servers' databases hold after the shards."""
    with open_instance(settings) as instance:
        storage = type(instance.run_storage).__name__
        runs = instance.get_runs(dg.RunsFilter(job_name="refresh_experiments"))
        succeeded = sum(run.status == dg.DagsterRunStatus.SUCCESS for run in runs)
        reports = len(instance.get_materialized_partitions(dg.AssetKey("its_report")))
    if storage != "PostgresRunStorage":
        raise SystemExit(f"Dagster's runs should lie in PostgreSQL but lie in {storage}")
    analyses = RunStore.from_settings(settings).history(page_size=1000).runs
    each = Counter((run.user_id, run.fingerprint) for run in analyses)
    return {
        "Dagster runs that succeeded": succeeded,
        "partitions of its_report": reports,
        "analyses in MLflow": len(analyses),
        "analyses recorded twice": sum(count > 1 for count in each.values()),
        "MLflow parent runs": len({run.tags.get("mlflow.parentRunId") for run in analyses}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2, help="worker processes of each shard")
    arguments = parser.parse_args()
    binaries = server_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL server binaries here: apt-get install postgresql")
    server = PostgresServer(binaries)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = make_postgres_store(Path(folder), server, arguments.experiments)
            started = time.perf_counter()
            for code, output in run_shards(settings, arguments.workers):
                if code:
                    raise SystemExit(output)
            seconds = time.perf_counter() - started
            found = inspect(settings)
    finally:
        server.stop()
    lines = [
        "## Two shards at once on PostgreSQL\n",
        f"`python -m benchmarks.scaling_postgres --experiments {arguments.experiments} "
        f"--workers {arguments.workers}`, {machine()}\n",
        "| | |",
        "|---|---|",
        f"| experiments | {arguments.experiments} |",
        f"| both shards, imports and first compilation included | {seconds:.0f} s |",
        *(f"| {name} | {number} |" for name, number in found.items()),
    ]
    write_table("scaling_postgres", "\n".join(lines) + "\n")
    if found["analyses in MLflow"] != arguments.experiments or found["analyses recorded twice"]:
        raise SystemExit("every experiment should be analysed exactly once")


if __name__ == "__main__":
    main()
