"""The placebo study: real days with a pretended intervention, every method, one table.

What belongs here: running the methods on the windows, and the table. What does not: the windows'
rule (`placebo_windows`) or the methods (`placebo_methods`). Prints one Markdown table (with
--sources the same by source), and writes every single result under --out.

    python -m benchmarks.placebo --every 10
    python -m benchmarks.placebo --methods ours "AR(1), trend and slope wide" --sources
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import TABLES, machine, markdown
from benchmarks.placebo_methods import BEFORE, METHODS, judge
from benchmarks.placebo_windows import LENGTHS, windows

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "placebo_days.parquet"
MACHINES = ("nn5",)
"""Sources that are no people: withdrawals at cash machines."""
SURE = 0.95


def clustered(values: pd.Series, people: pd.Series) -> str:
    """Return a mean with its standard error, people as the unit."""
    values = values.astype(float)
    mean = values.mean()
    sums = (values - mean).groupby(people).sum()
    return f"{mean:.3f} ({np.sqrt(np.square(sums).sum()) / len(values):.3f})"


def summary(results: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return a row for each group and method."""
    rows = []
    before = results[results["method"] == BEFORE].groupby(by)["width"].mean()
    for key, group in results.groupby([*by, "method"], sort=False):
        *where, method = key
        people = group["person"]
        reference = before.get(tuple(where) if len(where) > 1 else where[0], np.nan)
        parts = {name: group[name].dropna() for name in ("immediate_holds", "sustained_holds")}
        rows.append(
            {
                **dict(zip(by, where, strict=True)),
                "windows": len(group),
                "people": people.nunique(),
                "method": method,
                "holds 0 (se)": clustered(group["null_holds"], people),
                'false "helped" (se)': clustered(group["null_positive"] > SURE, people),
                'false "worse" (se)': clustered(group["null_positive"] < 1.0 - SURE, people),
                "width, AR(1) with wide trends = 1": f"{group['width'].mean() / reference:.2f}",
                "power at 1 sd": f"{(group['one_positive'] > SURE).mean():.2f}",
                "holds 0 to 2 sd": f"{group['growing_holds'].mean():.3f}",
                "holds 0 under a trend": f"{group['straight_holds'].mean():.3f}",
                "immediate": _share(parts["immediate_holds"]),
                "sustained": _share(parts["sustained_holds"]),
            }
        )
    return pd.DataFrame(rows).sort_values(by, kind="stable")


def _share(values: pd.Series) -> str:
    return f"{values.astype(float).mean():.3f}" if len(values) else "-"


def picture(people: pd.DataFrame, path: Path) -> None:
    """Draw for each method how often its interval holds 0 on people's days, by length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), constrained_layout=True)
    axes.axhspan(0.93, 0.98, color="#d9ead3", label="93-98 %")
    for method, found in people.groupby("method", sort=False):
        held = found.groupby("n")["null_holds"].agg(["mean", "size"])
        axes.plot(range(len(held)), held["mean"], "o-", label=str(method))
        axes.set_xticks(range(len(held)), [f"{n} days" for n in held.index])
    axes.set_ylabel("share of 95 % intervals that hold 0")
    axes.set_title("People's days on which nothing was changed")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Run the methods, print the table, write the files."""
    parser = argparse.ArgumentParser(description="Real days with a pretended intervention.")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth window")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "benchmarks" / "placebo")
    parser.add_argument("--write", action="store_true", help="keep table and picture in tables/")
    parser.add_argument("--name", default="placebo", help="what they are called there")
    parser.add_argument("--sources", action="store_true", help="print the table by source too")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"no {options.data}: pass the daily series with --data")
    days = pd.read_parquet(options.data)
    chosen = [w for n in LENGTHS for w in list(windows(days, n))[:: options.every]]
    started = time.perf_counter()
    rows = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        work = partial(judge, methods=options.methods)
        for found in pool.imap(work, chosen, chunksize=20):
            rows += found
    results = pd.DataFrame(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    results.to_csv(options.out / "results.csv", index=False)
    people = results[~results["source"].isin(MACHINES)]
    table = pd.concat(
        [
            summary(results.assign(days="all"), ["days", "n"]),
            summary(people.assign(days="people's"), ["days", "n"]),
        ]
    )
    by_source = summary(results, ["n", "source"])
    text = (
        f"# Placebo days\n\n{machine()}; every {options.every}. window, {len(chosen)} windows, "
        f"{time.perf_counter() - started:.0f} s.\n\n{markdown(table)}"
    )
    print(text)
    if options.write:
        (TABLES / f"{options.name}.md").write_text(text, encoding="utf-8")
        picture(people, TABLES / f"{options.name}.png")
    if options.sources:
        print(markdown(by_source))


if __name__ == "__main__":
    main()
