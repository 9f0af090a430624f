"""Cold: a fresh process from command to effects, split into import, compile, sample and rest.

Measured twice: with an empty cache of compiled kernels (the first run after an installation) and
with the cache on disk. Writes tables/cold.md.

    python -m benchmarks.cold --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks._table import machine, markdown, write_table

CHILD = """
import json, sys, time
started = time.perf_counter()
from its_pipeline.its import AnalysisSpec, analyze
import numpy as np, pandas as pd
imported = time.perf_counter()
rng = np.random.default_rng(0)
days = pd.date_range("2024-01-01", periods=90, freq="D")
analysis = analyze(pd.Series(rng.normal(70, 10, 90), index=days), days[45], AnalysisSpec())
assert analysis.effects is not None
print(json.dumps({"import": imported - started, **analysis.timing}))
"""


def run(cache: Path) -> dict[str, float]:
    """Run one fresh process and return its seconds by part."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
    )
    whole = time.perf_counter() - started
    parts = json.loads(done.stdout.strip().splitlines()[-1])
    named = {
        "import": parts["import"],
        "compile": parts["compile"],
        "sample": parts["sample"],
        "rest of analyze": parts["total"] - parts["compile"] - parts["sample"],
    }
    return named | {"interpreter": whole - sum(named.values()), "whole process": whole}


def main() -> None:
    """Measure both states of the cache and print the table."""
    parser = argparse.ArgumentParser(description="A fresh process from command to effects.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    empty, kept = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            empty.append(run(Path(folder)))
            kept.append(run(Path(folder)))
    table = pd.DataFrame(
        {
            "nothing compiled yet (s)": pd.DataFrame(empty).median(),
            "kernels on disk (s)": pd.DataFrame(kept).median(),
        }
    ).round(2)
    text = (
        f"# Cold start\n\n{machine()}. Medians of {options.rounds} fresh processes, 90 days, "
        "4 x 2000 draws.\n\n" + markdown(table.reset_index(names="part"))
    )
    write_table("cold", text)


if __name__ == "__main__":
    main()
