"""Analyses of schedules for the tests of pages and figures: real ones, of seeded series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.experiments.window import Cut, Window
from its_pipeline.its import Analysis, AnalysisSpec, Mechanism, Schedule, analyze
from its_pipeline.its.schedule_results import Likeness, ScheduleResults
from its_pipeline.report.inputs import ReportInput
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline_tests.unit.report.factories import make_intervention, make_report

FIRST_ON = date(2026, 3, 2)
REVERSAL = Schedule.periods([("2026-03-30", "2026-04-19"), ("2026-05-11", "2026-05-31")])
"""Four weeks off, then three on, three off, three on, three off."""
LOT = draw_schedule(
    Mechanism(balance="block", block_days=4, longest_run=3, seed=5, drawn_at=None),
    "2026-03-30",
    64,
    datetime(2026, 3, 20, 9, tzinfo=UTC),
)
"""Four weeks off, then 64 days drawn by lot in blocks of four."""
WALKS = Schedule.since("2026-05-01")


def outcome_of(
    schedule: Schedule, effect: float, n_days: int = 112, seed: int = 3, sd: float = 6.0
) -> pd.Series:
    """Return days with AR(1) noise, an effect on each day on, and one day in ten missing."""
    rng = np.random.default_rng(seed)
    noise = np.empty(n_days)
    noise[0] = rng.standard_normal()
    for t in range(1, n_days):
        noise[t] = 0.3 * noise[t - 1] + np.sqrt(0.91) * rng.standard_normal()
    days = pd.date_range(FIRST_ON, periods=n_days, freq="D")
    on = np.array([schedule.is_on(day.date()) for day in days])
    values = 60.0 + sd * noise + effect * on
    values[rng.random(n_days) < 0.1] = np.nan
    return pd.Series(values, index=days)


@lru_cache(maxsize=32)
def scheduled_analysis(
    schedule: Schedule = REVERSAL,
    effect: float = 9.0,
    *,
    n_days: int = 112,
    carryover_days: int = 0,
    other: str = "",
) -> Analysis:
    """Return a real analysis; with `WALKS` of another name in the same model where one is given."""
    others: Mapping[str, Any] = {other: WALKS} if other else {}
    spec = AnalysisSpec(unit="points", carryover_days=carryover_days)
    outcome = outcome_of(schedule, effect, n_days)
    return analyze(outcome, schedule, spec, others=others, audited=False)


def results_of(analysis: Analysis) -> ScheduleResults:
    """Return what follows from the schedule of an analysis."""
    assert analysis.by_schedule is not None
    return analysis.by_schedule


def with_results(analysis: Analysis, **changes: Any) -> Analysis:
    """Return the analysis with other results of its schedule."""
    return replace(analysis, by_schedule=replace(results_of(analysis), **changes))


def with_likeness(analysis: Analysis, word: str, alike: float) -> Analysis:
    """Return the analysis with another word for how alike its phases are."""
    known = results_of(analysis).likeness
    assert known is not None
    return with_results(analysis, likeness=Likeness(word, alike, known.first_less_later))


def scheduled_report(analysis: Analysis, **fields: Any) -> ReportInput:
    """Return what the report of a schedule is made from."""
    schedule = results_of(analysis).schedule
    first, last = (analysis.daily["day"].iloc[row].date() for row in (0, -1))
    intervention = make_intervention(
        name="Magnesium",
        started_on=schedule.starts_on,
        schedule=schedule,
        carryover_days=analysis.spec.carryover_days,
        baseline_days=28,
        horizon_days=(last - schedule.starts_on).days + 1,
        logged_at=datetime(2026, 3, 20, 9, 30, tzinfo=UTC),
    )
    window = Window(
        pre_start_on=first,
        started_on=schedule.starts_on,
        fit_start_on=schedule.starts_on,
        post_end_on=last,
        final_end_on=last,
        cuts=(
            Cut("pre", first, "baseline_days", "the baseline is the 28 days up to the start"),
            Cut("post", last, "horizon_days", f"the window ends {last:%Y-%m-%d}"),
        ),
        together=(),
    )
    return make_report(analysis, **{"intervention": intervention, "window": window, **fields})


def days_after(day: date, n: int) -> date:
    """Return the date some days later."""
    return day + timedelta(days=n)
