"""Time and size of reports and of the index page, at a thousand experiments.

Run `python -m benchmarks.reports` (a few minutes; `--reports 100` for a short form). A handful of
real analyses are made first and each is reported many times under another name; what is timed is
drawing and writing pages only, in CPU seconds of one process, so that a busy machine tells the
same. The index is opened in Chromium, where there is one, sorted by every column and searched,
layout included, in wall time. The table goes to `benchmarks/tables/reports.md`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import load_metrics
from its_pipeline.its import Analysis, AnalysisSpec, analyze
from its_pipeline.its.plots import (
    counterfactual_figure,
    diagnostics_figure,
    effects_figure,
    predictive_check_figure,
    render,
    thumbnail_png,
)
from its_pipeline.report.finding import finding_of
from its_pipeline.report.index import render_index
from its_pipeline.report.inputs import EffectNumbers, IndexRow, ReportInput
from its_pipeline.report.page import render_report

METRIC = "sessionPerformanceScore"
STARTED_ON = date(2026, 3, 1)
N_DISTINCT = 5
N_DAYS = 90
BUDGET_PLOTS_SECONDS = 1.0
BUDGET_INDEX_BYTES = 2_000_000
BUDGET_SORT_MILLISECONDS = 200
SCREENS = {"desktop": (1280, 900), "phone": (375, 812)}
BROWSING = """() => {
    const timed = (act) => {
        const started = performance.now();
        act();
        document.body.offsetHeight;
        return performance.now() - started;
    };
    const buttons = Array.from(document.querySelectorAll("#t thead button"));
    const sorts = buttons.map((button) => timed(() => button.click()));
    const search = document.getElementById("q");
    const searches = ["person-0001", ""].map((words) => timed(() => {
        search.value = words;
        search.dispatchEvent(new Event("input"));
    }));
    return [Math.max(...sorts), Math.max(...searches)];
}"""


def make_analyses(seed: int) -> list[Analysis]:
    """Return real analyses of simulated series, 90 days in each phase, a tenth missing."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(STARTED_ON - timedelta(days=N_DAYS), periods=2 * N_DAYS)
    analyses = []
    for effect in np.linspace(-6, 6, N_DISTINCT):
        noise = np.zeros(len(days))
        for i in range(1, len(days)):
            noise[i] = 0.4 * noise[i - 1] + rng.normal(0, 5)
        values = 60 + noise + np.where(np.arange(len(days)) >= N_DAYS, effect, 0.0)
        values[rng.random(len(days)) < 0.1] = np.nan
        spec = AnalysisSpec(unit="points", seed=seed)
        analyses.append(analyze(pd.Series(values, index=days), STARTED_ON, spec))
    return [analysis for analysis in analyses if analysis.converged]


def make_report(analysis: Analysis, number: int) -> ReportInput:
    """Return a report's input under its own name."""
    intervention = Intervention(
        user_id=f"person-{number:05d}",
        intervention_id="morning",
        outcome_metric=METRIC,
        started_on=STARTED_ON,
        name=f"Study in the morning {number % 12}",
        logged_at=datetime(2026, 2, 1, tzinfo=UTC),
    )
    return ReportInput(intervention, load_metrics(None)[METRIC], analysis)


def index_row(report: ReportInput) -> IndexRow:
    """Return the experiment's line on the index, with all its links."""
    finding = finding_of(report.analysis, report.intervention.name, METRIC)
    user = report.intervention.user_id
    return IndexRow(
        user_id=user,
        intervention_id="morning",
        name=finding.name,
        outcome="session performance",
        unit="points",
        direction="increase",
        started_on=STARTED_ON,
        state="analysed",
        n_pre=report.analysis.n_pre,
        n_post=report.analysis.n_post,
        effect=EffectNumbers(
            finding.mean,
            finding.sd,
            finding.ci_lower,
            finding.ci_upper,
            finding.probability_positive,
            finding.probability_of_benefit,
        ),
        report_href=f"{user}/morning/index.html",
        dagster_url="http://127.0.0.1:3000/runs/9d1f3a52-77aa-4d31-9c1b-0a6f2f7c9a10",
        mlflow_url="http://127.0.0.1:5000/#/runs/0d1f3a5277aa4d319c1b0a6f2f7c9a10",
    )


def time_plots(analysis: Analysis, repeats: int) -> list[tuple[str, float, int]]:
    """Return each figure's median CPU seconds from analysis to PNG, warm, and its bytes."""
    drawers: dict[str, Any] = {
        "counterfactual": lambda: render(counterfactual_figure(analysis)),
        "predictive check": lambda: render(predictive_check_figure(analysis)),
        "effects": lambda: render(effects_figure(analysis)),
        "diagnostics": lambda: render(diagnostics_figure(analysis)),
        "thumbnail": lambda: thumbnail_png(analysis),
    }
    results = []
    for name, draw in drawers.items():
        size = len(draw())
        seconds = []
        for _ in range(repeats):
            started = time.process_time()
            draw()
            seconds.append(time.process_time() - started)
        results.append((name, statistics.median(seconds), size))
    return results


def time_browsing(page: str) -> list[tuple[str, str, str]]:
    """Return rows of the slowest sort and of a search in Chromium, wall time, on two screens.

    Each counts from the click to a page that is laid out anew; none where there is no Chromium.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        return [("sorting the index in Chromium", "no Chromium here", "")]
    from playwright.sync_api import sync_playwright

    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "index.html"
        path.write_text(page, encoding="utf-8")
        browser = playwright.chromium.launch_persistent_context(
            f"{folder}/profile",
            executable_path=chromium,
            args=["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"],
        )
        for name, (width, height) in SCREENS.items():
            tab = browser.new_page()
            tab.set_viewport_size({"width": width, "height": height})
            tab.goto(path.as_uri())
            sort, search = tab.evaluate(BROWSING)
            budget = f"< {BUDGET_SORT_MILLISECONDS} ms"
            rows += [
                (f"slowest sort of the index, {name}", f"{sort:.0f} ms", budget),
                (f"a search of the index, {name}", f"{search:.0f} ms", budget),
            ]
            tab.close()
        browser.close()
    return rows


def measure(n_reports: int, n_index: int, seed: int) -> list[tuple[str, str, str]]:
    """Return the table's rows: what, measured, budget."""
    analyses = make_analyses(seed)
    plots = time_plots(analyses[0], 7)
    total = sum(seconds for name, seconds, _ in plots if name != "thumbnail")
    rows = [(f"plot: {name}", f"{s:.2f} s, {n / 1000:.0f} KB", "") for name, s, n in plots]
    rows.append(("four plots of a report, warm", f"{total:.2f} s", f"< {BUDGET_PLOTS_SECONDS:g} s"))
    seconds, sizes = [], []
    for number in range(n_reports):
        report = make_report(analyses[number % len(analyses)], number)
        started = time.process_time()
        page = render_report(report)
        seconds.append(time.process_time() - started)
        sizes.append(len(page.encode()))
    rows.append((f"report, median of {n_reports:,}", f"{statistics.median(seconds):.2f} s", ""))
    rows.append((f"all {n_reports:,} reports", f"{sum(seconds):.0f} s", ""))
    rows.append(("size of a report, largest", f"{max(sizes) / 1000:.0f} KB", ""))
    lines = [index_row(make_report(analyses[n % len(analyses)], n)) for n in range(n_index)]
    started = time.process_time()
    index = render_index(lines)
    rows.append((f"index of {n_index:,}", f"{time.process_time() - started:.2f} s", ""))
    megabytes = len(index.encode()) / 1e6
    rows.append(
        (
            f"size of the index of {n_index:,}",
            f"{megabytes:.2f} MB",
            f"< {BUDGET_INDEX_BYTES / 1e6:g} MB",
        )
    )
    return [*rows, *time_browsing(index)]


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--index", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = measure(options.reports, options.index, options.seed)
    write_table(
        "reports",
        f"Reports and index on {machine()}, one thread, CPU seconds; series of {2 * N_DAYS} days, "
        f"4 x 2,000 draws, seed {options.seed}.\n\n"
        + rows_as_markdown(("what", "measured", "budget"), rows),
    )


if __name__ == "__main__":
    main()
