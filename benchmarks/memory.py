"""Memory: a thousand analyses in one process do not grow it. Writes tables/memory.md.

python -m benchmarks.memory --analyses 1000
"""

from __future__ import annotations

import argparse
import gc

import pandas as pd
import psutil

from benchmarks._table import machine, markdown, write_table
from benchmarks.calibration_series import Cell, simulate
from its_pipeline.its import AnalysisSpec, analyze, warm_up


def main() -> None:
    """Analyse again and again and print the process's resident memory."""
    parser = argparse.ArgumentParser(description="Memory over many analyses.")
    parser.add_argument("--analyses", type=int, default=1000)
    options = parser.parse_args()
    warm_up()
    process = psutil.Process()
    cells = [Cell(n, 0.3, 0.1) for n in (40, 60, 90, 180)]
    rows = []
    for index in range(options.analyses + 1):
        if index % (options.analyses // 10) == 0:
            gc.collect()
            rows.append({"analyses": index, "MB": f"{process.memory_info().rss / 2**20:.0f}"})
            print(rows[-1], flush=True)
        outcome, day, _ = simulate(cells[index % len(cells)], index)
        analyze(outcome, day, AnalysisSpec(seed=index))
    text = (
        f"# Memory\n\n{machine()}. Resident memory of one process over {options.analyses} "
        "analyses of 40 to 180 days.\n\n" + markdown(pd.DataFrame(rows))
    )
    write_table("memory", text)


if __name__ == "__main__":
    main()
