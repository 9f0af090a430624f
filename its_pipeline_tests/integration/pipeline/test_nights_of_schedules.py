"""Schedules from the log to verdicts, runs and pages, in one store, night after night."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.its import Analysis
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.verdict import Verdict
from tools.stores import METRIC, log_intervention, series, short_settings, write_daily

EFFECT = 9.0
N_DAYS = 48
REVERSAL, LOT, TEA, WALKS, WAITS = (
    "ada|magnesium", "ben|magnesium", "cleo|tea", "cleo|walks", "dan|magnesium",
)  # fmt: skip


def tried(schedules: dict[Schedule, float], first_on: date, seed: int) -> pd.DataFrame:
    """Daily outcomes with an effect on the days on of each schedule."""
    frame = series(40, N_DAYS, seed=seed, started_on=first_on)
    days = [day.date() for day in frame["day"]]
    values = frame["value"].to_numpy(copy=True)
    for schedule, effect in schedules.items():
        values += effect * np.array([schedule.is_on(day) for day in days])
    return frame.assign(value=values)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[SimpleNamespace]:
    # The log's clock is the real one, so a lot that is logged ahead of its days has days to come;
    # what is pretended is that these are over.
    first_on = datetime.now(UTC).date() + timedelta(days=3)

    def day(number: int) -> date:
        return first_on + timedelta(days=number)

    settings = short_settings(tmp_path_factory.mktemp("schedules"), today_on=day(N_DAYS))
    reversal = Schedule.periods([(day(0), day(11)), (day(24), day(35))])
    lot = draw_schedule(
        Mechanism(balance="block", block_days=4, seed=7), first_on, N_DAYS, datetime.now(UTC)
    )
    tea, walks = Schedule.since(day(0)), Schedule.periods([(day(16), day(31))])
    write_daily(
        settings,
        {
            "ada": tried({reversal: EFFECT}, first_on, 1),
            "ben": tried({lot: EFFECT}, first_on, 2),
            "cleo": tried({tea: EFFECT, walks: -EFFECT}, first_on, 3),
            "dan": tried({}, first_on, 4),
        },
    )

    def log(user: str, name: str, **fields: Any) -> None:
        log_intervention(
            settings, user, intervention_id=name, name=name.capitalize(), started_on=None, **fields
        )

    log("ada", "magnesium", schedule=reversal)
    log("ben", "magnesium", schedule=lot)
    log_intervention(settings, "cleo", intervention_id="tea", name="Tea", started_on=day(0))
    log("cleo", "walks", schedule=walks)
    log("dan", "magnesium", schedule=Schedule.periods([(day(44), day(60))]))
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        outcome = runner.refresh()
        yield SimpleNamespace(settings=settings, runner=runner, outcome=outcome, day=day)


def verdict_of(store: Any, key: str) -> Verdict:
    found = open_store(store.settings).verdict(key)
    assert found is not None
    return found


def analysis_of(store: Any, key: str) -> Any:
    found: Analysis | None = load_analysis(store.settings, verdict_of(store, key))
    assert found is not None
    return found


def page_of(store: Any, key: str) -> str:
    return page_path(store.settings, key).read_text()


def effect_of(store: Any, key: str) -> Any:
    effects = verdict_of(store, key).effects
    assert effects is not None
    return effects["counterfactual"]


def test_a_night_analyses_all_and_finds_what_was_put_in(store):
    assert store.outcome.success
    assert store.outcome.numbers["crashed"] == 0
    for key, truth in ((REVERSAL, EFFECT), (LOT, EFFECT), (TEA, EFFECT), (WALKS, -EFFECT)):
        assert verdict_of(store, key).status == "analysed", key
        effect = effect_of(store, key)
        assert effect["ci_lower"] < truth < effect["ci_upper"], key
    flags = {key: (v.is_on_and_off, v.by_lot) for key in (REVERSAL, LOT, TEA, WALKS, WAITS)
             for v in [verdict_of(store, key)]}  # fmt: skip
    assert flags == {
        REVERSAL: (True, False),
        LOT: (True, True),
        TEA: (False, False),
        WALKS: (True, False),
        WAITS: (False, False),
    }


def test_pages_and_index_speak_of_days_with_it(store):
    assert "if nothing else came and went with it" in page_of(store, REVERSAL)
    drawn = page_of(store, LOT)
    assert "as the lot alone decided the days" in drawn
    assert "Could the lot alone have done it" in drawn
    both = page_of(store, TEA)
    assert "Walks" in both[both.index("What else was tried on these days") :]
    assert "In one model with" in both
    waits = page_of(store, WAITS)
    assert "Days without it" in waits
    assert "too few days on" in waits
    evidence = collect_evidence(store.settings)
    index = evidence.index_path.read_text()
    assert all(key.split("|")[0] in index for key in (REVERSAL, LOT, TEA, WAITS))
    assert "too few days on" in index or "possible from" in index
    table = pd.read_parquet(evidence.table_path)
    flags = dict(
        zip(table["key"], zip(table["is_on_and_off"], table["by_lot"], strict=True), strict=True)
    )
    assert flags[LOT] == (True, True)
    assert flags[TEA] == (False, False)


def test_the_stored_analysis_and_its_run_hold_phases_lot_and_others(store):
    reversal, lot, tea = (analysis_of(store, key) for key in (REVERSAL, LOT, TEA))
    assert reversal.phases["on"].tolist() == [False, True, False, True, False]
    assert reversal.by_schedule.likeness.word == "same"
    assert lot.randomisation.p_value < 0.05
    assert [other.name for other in tea.by_schedule.others] == ["Walks"]
    recorded = RunStore.from_settings(store.settings)
    runs = {
        key: recorded.history(user, name).runs[0]
        for key in (REVERSAL, LOT, TEA)
        for user, name in [key.split("|")]
    }
    assert runs[REVERSAL].params["schedule"].startswith("on ")
    assert runs[REVERSAL].numbers["phases.on"] == 2
    assert runs[REVERSAL].numbers["phases.off"] == 3
    assert runs[REVERSAL].numbers["likeness.probability_alike"] > 0.5
    assert runs[LOT].params["schedule"].endswith("drawn by lot")
    assert runs[LOT].numbers["randomisation.p_value"] == lot.randomisation.p_value
    assert runs[TEA].params["in_one_model_with"] == "Walks"
    assert "schedule" not in runs[TEA].params
    assert "phases.on" not in runs[TEA].numbers


def test_two_that_overlap_agree_with_each_other(store):
    tea, walks = analysis_of(store, TEA), analysis_of(store, WALKS)
    (of_tea,), (of_walks,) = walks.by_schedule.others, tea.by_schedule.others
    assert (of_tea.name, of_walks.name) == ("Tea", "Walks")
    for told, own in ((of_tea, TEA), (of_walks, WALKS)):
        effect = effect_of(store, own)
        # Each experiment has its own window, so nearly the same days.
        assert abs(told.effect.mean - effect["mean"]) < 0.5 * effect["sd"]
        assert told.effect.ci_lower < effect["mean"] < told.effect.ci_upper


def test_an_unchanged_night_computes_nothing_and_an_amended_schedule_its_own(store):
    before = {key: verdict_of(store, key).fingerprint for key in (REVERSAL, LOT, TEA, WALKS)}
    again = store.runner.refresh()
    assert again.success
    assert again.numbers["computed"] == 0
    log = InterventionLog(store.settings.resolved_intervention_log_url)
    try:
        known = log.get("ada", "magnesium").schedule
        assert known is not None
        shorter = replace(known.on_periods[1], to_on=store.day(33))
        log.amend(
            "ada",
            "magnesium",
            reason="Two days less.",
            schedule=replace(known, on_periods=(known.on_periods[0], shorter)),
        )
    finally:
        log.close()
    amended = store.runner.refresh()
    assert amended.success
    assert amended.numbers["computed"] == 1
    after = {key: verdict_of(store, key).fingerprint for key in before}
    assert {key for key in before if before[key] != after[key]} == {REVERSAL}
    assert json.loads((page_path(store.settings, REVERSAL).with_name("checklist.json")).read_text())
    assert store.day(33).isoformat() in page_of(store, REVERSAL)
    assert verdict_of(store, REVERSAL).outcome_metric == METRIC
