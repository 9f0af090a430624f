"""Comparison series of a logged experiment: whose they are, which days they leave, what is said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.events.metrics import OutcomeMetric, write_metrics_file
from its_pipeline.experiments.preparation import Options, Prepared, Snapshot
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.settings import Settings
from its_pipeline.stores.external_series import remove_external, write_external
from tools.stores import METRIC, START_ON, log_intervention, series, short_settings, write_daily

KEY = "u|morning"
STEPS = OutcomeMetric(
    name="steps", event_types=("DAY",), json_path="$.steps", aggregation="sum", unit="steps"
)
#: Forty days before the start and forty since.
DAYS = pd.date_range(START_ON - timedelta(days=40), periods=80, freq="D")


def write_two(settings: Settings, outcome: pd.DataFrame, steps: pd.DataFrame) -> None:
    """Write the daily outcomes of one person, and their steps beside them."""
    write_daily(settings, {"u": outcome})
    file = settings.daily_outcomes_path
    mine = pq.read_table(file)
    write_daily(settings, {"u": steps})
    theirs = pq.read_table(file)
    names = pa.array(["steps"] * theirs.num_rows)
    theirs = theirs.set_column(theirs.schema.get_field_index("outcome"), "outcome", names)
    pq.write_table(pa.concat_tables([mine, theirs]), file)
    write_metrics_file(settings.store_root / "metrics.yaml", (STEPS,))


def _weather(*missing: int) -> pd.Series:
    values = np.random.default_rng(7).normal(15.0, 5.0, 80)
    values[list(missing)] = np.nan
    return pd.Series(values, DAYS)


@pytest.fixture
def settings(tmp_path) -> Settings:
    chosen = short_settings(tmp_path)
    write_two(chosen, series(effect=6.0), series(level=9000.0, sd=1500.0, seed=1))
    write_external(chosen, "weather", _weather())
    return chosen


def _prepared(settings: Settings, *names: str, **changes: Any) -> Prepared:
    snapshot = Snapshot(settings)
    if "u" not in snapshot.interventions:
        log_intervention(settings, **changes)
        snapshot = Snapshot(settings)
    options = Options(AnalysisOptions(comparisons=names))
    return snapshot.prepare_intervention(snapshot.intervention(KEY), options)


def test_the_persons_own_metric_and_an_external_series_go_in_by_day(settings):
    prepared = _prepared(settings, "weather", "steps")
    covariates = prepared.covariates
    assert covariates is not None
    assert list(covariates)[-2:] == ["steps", "weather"]
    steps = Snapshot(settings).series("u", "steps")["value"].to_numpy()
    assert covariates["steps"].to_numpy() == pytest.approx(steps)
    assert covariates["weather"].to_numpy() == pytest.approx(_weather().to_numpy())
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (40, 40)
    assert prepared.compared is not None
    assert prepared.compared.warnings() == ()


def test_a_night_a_look_and_a_question_ask_the_same(settings):
    log_intervention(settings, analysis={"comparisons": ["weather", "steps"]})
    alone = Snapshot(settings).prepare(KEY)
    asked = replace(
        Options.from_settings(settings), analysis=AnalysisOptions(comparisons=("steps", "weather"))
    )
    plain = replace(alone.intervention, analysis=AnalysisOptions())
    answer = Snapshot(settings).prepare_intervention(plain, asked)
    assert answer.fingerprint == alone.fingerprint
    many = Snapshot(settings)
    many.preload([KEY])
    assert many.prepare(KEY).fingerprint == alone.fingerprint


def test_what_is_asked_depends_on_the_series_values_in_the_window_alone(settings):
    known = _prepared(settings, "weather").fingerprint
    earlier = pd.Series([99.0], pd.DatetimeIndex([DAYS[0] - timedelta(days=60)]))
    other = pd.concat([earlier, _weather()])
    write_external(settings, "weather", other)
    assert _prepared(settings, "weather").fingerprint == known
    other.iloc[51] += 0.5
    write_external(settings, "weather", other)
    assert _prepared(settings, "weather").fingerprint != known
    assert _prepared(settings).fingerprint != known


def test_a_day_without_a_value_is_left_out_and_said(settings):
    known = _prepared(settings, "weather").fingerprint
    write_external(settings, "weather", _weather(3, 60, 61))
    prepared = _prepared(settings, "weather")
    assert prepared.outcome is not None
    assert DAYS[60] not in prepared.outcome.index
    assert prepared.covariates is not None
    assert prepared.covariates.index.equals(prepared.outcome.index)
    assert np.isfinite(prepared.covariates.to_numpy()).all()
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (39, 38)
    assert prepared.fingerprint != known
    assert prepared.compared is not None
    (warning,) = prepared.compared.warnings()
    assert warning.code == "days_without_comparison"
    assert warning.numbers == {"days": 3, "kept_pre": 39, "kept_post": 38}


def test_a_day_in_the_washout_is_not_counted_as_left_out(settings):
    write_external(settings, "weather", _weather(41))
    prepared = _prepared(settings, "weather", washout_days=3)
    assert prepared.compared is not None
    assert prepared.compared.warnings() == ()
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (40, 37)
    assert prepared.outcome is not None
    assert DAYS[41] in prepared.outcome.index


def test_a_series_that_most_days_lack_is_left_out_and_said(settings):
    write_external(settings, "weather", _weather(*range(69, 80)))
    prepared = _prepared(settings, "weather", "steps")
    assert prepared.covariates is not None
    assert list(prepared.covariates)[-1] == "steps"
    assert prepared.outcome is not None
    assert len(prepared.outcome) == 80
    assert prepared.compared is not None
    (warning,) = prepared.compared.warnings()
    assert warning.code == "comparison_left_out"
    assert warning.numbers["common_post"] == 29
    assert "29 of 40" in warning.text
    alone = _prepared(settings, "steps")
    assert alone.fingerprint != prepared.fingerprint
    write_external(settings, "weather", _weather(*range(70, 80)))
    assert "weather" in _prepared(settings, "weather", "steps").covariates  # type: ignore[operator]


def test_each_series_is_judged_by_what_those_before_it_left(settings):
    write_external(settings, "a", _weather(*range(10)))
    write_external(settings, "b", _weather(*range(10, 20)))
    prepared = _prepared(settings, "a", "b")
    assert prepared.compared is not None
    assert list(prepared.compared.values) == ["a"]
    assert [each.name for each in prepared.compared.left_out] == ["b"]
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (30, 40)


def test_a_series_never_costs_an_experiment_its_last_days(settings):
    write_two(settings, series(40, 8, effect=6.0), series(level=9000.0, seed=1))
    write_external(settings, "weather", _weather(47))
    prepared = _prepared(settings, "weather")
    assert prepared.plan.state == "ready"
    assert prepared.plan.n_post == 8
    assert prepared.compared is not None
    assert [each.name for each in prepared.compared.left_out] == ["weather"]


def test_phases_of_a_schedule_are_counted_as_off_and_on(settings):
    on = Schedule.periods([(DAYS[20].date(), DAYS[39].date()), (DAYS[60].date(), None)])
    write_external(settings, "weather", _weather(0, 25, 70))
    prepared = _prepared(settings, "weather", schedule=on, started_on=None)
    assert (prepared.plan.n_pre, prepared.plan.n_post) == (39, 38)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wether", r"no outcome metric .*steps.* and no external series \(weather\)"),
        (METRIC, "is the outcome itself"),
    ],
)
def test_a_name_that_means_no_other_series_is_refused(settings, name, words):
    plan = _prepared(settings, name).plan
    assert (plan.state, plan.reason_code) == ("refused", "illegal_comparison")
    assert re.search(words, plan.reason)


def test_a_name_that_means_two_series_is_refused(settings):
    write_external(settings, "steps", _weather())
    plan = _prepared(settings, "steps").plan
    assert "an outcome metric and of an external series" in plan.reason


def test_a_series_that_was_taken_away_is_missed_at_once_but_not_where_all_is_over(settings):
    log_intervention(settings, analysis={"comparisons": ["weather"]})
    remove_external(settings, "weather")
    snapshot = Snapshot(settings)
    assert snapshot.prepare(KEY).plan.reason_code == "illegal_comparison"
    withdrawn = replace(snapshot.intervention(KEY), status="withdrawn")
    assert snapshot.prepare_intervention(withdrawn).plan.state == "closed"


def test_an_outcome_without_times_of_day_has_its_comparison_alone(settings):
    prepared = Snapshot(settings).prepare_intervention(
        replace(
            log_intervention(settings), analysis={"covariates": "none", "comparisons": ["weather"]}
        )
    )
    assert prepared.covariates is not None
    assert list(prepared.covariates) == ["weather"]
