"""How much disk a night adds, by part, when every experiment changed.

``python -m benchmarks.growth --experiments 10 --nights 3`` runs the first night, then changes every
series and runs again; what the later nights add per experiment is what an installation grows by.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks._store import dagster_instance, folder_bytes, make_store
from benchmarks._table import machine, write_table
from benchmarks.night import run_night
from its_pipeline.settings import Settings


def parts(settings: Settings) -> dict[str, int]:
    """Return bytes by part of the store."""
    home = settings.dagster_home
    counted: set[int] = set()
    return {
        "analyses": folder_bytes(settings.experiments_dir, counted),
        "reports": folder_bytes(settings.reports_dir, counted),
        "MLflow artifacts that are not links to these": folder_bytes(
            settings.mlflow_artifact_dir, counted
        ),
        "MLflow database": sum(
            path.stat().st_size for path in settings.store_root.glob("mlflow.db*")
        ),
        "Dagster, across runs (index.db)": sum(
            path.stat().st_size for path in (home / "history" / "runs").glob("index.db*")
        ),
        "Dagster, all else": folder_bytes(home)
        - sum(path.stat().st_size for path in (home / "history" / "runs").glob("index.db*")),
    }


def shift(settings: Settings) -> None:
    """Change every series a little, so that every fingerprint is another one."""
    table = pq.read_table(settings.daily_outcomes_path)
    place = table.schema.get_field_index("value")
    values = pc.add(table.column("value"), pa.scalar(0.001))  # pyright: ignore
    pq.write_table(
        table.set_column(place, "value", values), settings.daily_outcomes_path, row_group_size=8192
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10)
    parser.add_argument("--nights", type=int, default=3)
    arguments = parser.parse_args()
    n, nights = arguments.experiments, arguments.nights
    with tempfile.TemporaryDirectory() as folder:
        settings = make_store(Path(folder), n)
        with dagster_instance(settings) as instance:
            run_night(settings, instance)
            first = parts(settings)
            for _ in range(nights - 1):
                shift(settings)
                run_night(settings, instance)
            last = parts(settings)
    lines = [
        "## Growth\n",
        f"`python -m benchmarks.growth --experiments {n} --nights {nights}`, {machine()}\n",
        "| part | after the first night | each later night adds, per changed experiment |",
        "|---|---|---|",
    ]
    for name, size in first.items():
        added = (last[name] - size) / (nights - 1) / n / 1024
        lines.append(f"| {name} | {size / 2**20:.1f} MiB | {round(added)} KiB |")
    total = sum(last.values()) - sum(first.values())
    lines.append(f"| **all** | | **{total / (nights - 1) / n / 1024:.0f} KiB** |")
    write_table("growth", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
