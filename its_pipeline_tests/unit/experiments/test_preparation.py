"""What goes into the model of a logged experiment: its options, and its fingerprint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from its_pipeline.events.analysis_options import SHARE_COLUMNS, AnalysisOptions
from its_pipeline.events.metrics import OutcomeMetric, write_metrics_file
from its_pipeline.experiments.options import Options
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.settings import Settings
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    short_settings,
    write_daily,
)

KEY = "u|morning"
ENDED = ("SESSION_ENDED",)


def _register(settings: Settings, **changes: object) -> None:
    fields = {
        "name": METRIC,
        "event_types": ENDED,
        "column": "session_performance_score",
        "minimum": 0.0,
        "maximum": 100.0,
        "unit": "points",
        "label": "Session performance",
    }
    metric = OutcomeMetric.model_validate({**fields, **changes})
    write_metrics_file(settings.store_root / "metrics.yaml", (metric,))


@pytest.fixture
def settings(tmp_path) -> Settings:
    chosen = short_settings(tmp_path)
    number = np.arange(60)
    days = pd.DataFrame(
        {
            "day": pd.date_range(START_ON - timedelta(days=30), periods=60, freq="D"),
            "value": 50.0 + number * 7 % 11,
            "n_events": 4,
            "share_morning": 0.5 * (number % 2),
            "share_afternoon": 0.25,
            "share_evening": 0.25 * (number % 3 == 0),
        }
    )
    days["share_night"] = 1 - days[list(SHARE_COLUMNS)].sum(axis=1)
    write_daily(chosen, {"u": days})
    log_intervention(chosen)
    return chosen


def _prepared(settings: Settings) -> Prepared:
    return Snapshot(settings).prepare(KEY)


def test_an_experiment_on_the_shipped_metric_keeps_its_fingerprint(settings, monkeypatch):
    # What stores of earlier versions hold; another one would analyse every experiment again.
    monkeypatch.setattr("its_pipeline.its.fingerprinting.MODEL_VERSION", "ar1-collapsed-2")
    prepared = _prepared(settings)
    assert prepared.fingerprint == "49e30ab72b9ae70cf3d42b0321e5bf76"
    assert prepared.covariates is not None
    assert list(prepared.covariates) == list(SHARE_COLUMNS)
    assert prepared.plan.left_out == ""


@pytest.mark.parametrize(
    ("changes", "known", "days"),
    [
        ({}, "49e30ab72b9ae70cf3d42b0321e5bf76", (30, 30)),
        ({"ended_on": START_ON + timedelta(days=19)}, "303c8a4d15308d9ab6e377ce27087ae1", (30, 20)),
        (
            {"washout_days": 3, "direction": "decrease", "minimum_effect": 2},
            "d7aa2701f151fb299bd69bad9d012d93",
            (30, 27),
        ),
        (
            {"baseline_days": 20, "horizon_days": 10, "time_zone": "Asia/Tokyo"},
            "83305b564aaf63babad7a760c89603eb",
            (20, 10),
        ),
    ],
)
def test_what_is_on_for_good_keeps_window_and_fingerprint(
    settings, monkeypatch, changes, known, days
):
    # Written down ahead of schedules; another one would analyse every experiment again.
    monkeypatch.setattr("its_pipeline.its.fingerprinting.MODEL_VERSION", "ar1-collapsed-2")
    logged = Snapshot(settings).intervention(KEY)
    prepared = Snapshot(settings).prepare_intervention(replace(logged, **changes))
    assert (prepared.plan.n_pre, prepared.plan.n_post) == days
    assert prepared.fingerprint == known


def test_a_schedule_is_part_of_what_is_asked(settings):
    logged = Snapshot(settings).intervention(KEY)

    def fingerprint(changes):
        prepared = Snapshot(settings).prepare_intervention(logged.changed(**changes))
        assert prepared.plan.state == "ready"
        return prepared.fingerprint

    def day(number):
        return START_ON + timedelta(days=number)

    reversal = Schedule.periods([(START_ON, day(9)), (day(20), None)])
    lot = Schedule.days(
        [day(number) for number in (0, 3, 5, 6, 9, 11, 12, 15, 17)],
        Mechanism(seed=3),
        drawn_from_on=START_ON,
        drawn_to_on=day(20),
    )
    in_time = datetime.combine(day(-2), time(12), UTC)
    asked = [
        {},
        {"schedule": reversal},
        {"schedule": replace(reversal, done_otherwise=(day(4),))},
        {"schedule": reversal, "carryover_days": 1},
        {"schedule": lot.with_drawn_at(in_time)},
        {"schedule": lot.with_drawn_at(in_time + timedelta(days=2))},
        {"schedule": replace(lot, mechanism=None, drawn_from_on=None, drawn_to_on=None)}
        | {"horizon_days": 21},
    ]
    found = [fingerprint(changes) for changes in asked]
    assert len(set(found)) == len(asked)
    # When exactly it was drawn ahead of its days makes no other answer.
    assert fingerprint({"schedule": lot.with_drawn_at(in_time - timedelta(days=9))}) == found[4]


def test_reading_many_people_at_once_changes_nothing(settings):
    """A bulk run reads all series together; one person has another in the same model."""
    log_intervention(
        settings, intervention_id="walk", started_on=None, name="A walk",
        schedule=Schedule.periods([(START_ON + timedelta(days=10), START_ON + timedelta(days=19))]),
    )  # fmt: skip
    alone = _prepared(settings)
    together = Snapshot(settings)
    together.preload([KEY, "u|walk"])
    prepared = together.prepare(KEY)
    assert list(prepared.others) == list(alone.others) == ["A walk"]
    assert prepared.fingerprint == alone.fingerprint is not None


def test_shares_leave_the_model_where_days_without_events_are_zeros(settings):
    _register(settings, column=None, aggregation="count", zero_days=True)
    prepared = _prepared(settings)
    assert prepared.covariates is None
    assert "time-of-day shares are not in the model" in prepared.plan.left_out
    unasked = replace(Options.from_settings(settings), analysis=AnalysisOptions(covariates=()))
    without = Snapshot(settings, unasked).prepare(KEY)
    assert without.fingerprint == prepared.fingerprint
    assert without.plan.left_out == ""


def test_a_count_without_zero_days_keeps_its_shares(settings):
    _register(settings, column=None, aggregation="count", zero_days=False)
    prepared = _prepared(settings)
    assert prepared.covariates is not None
    assert prepared.plan.left_out == ""


def test_the_metric_says_its_likelihood_and_the_question_may_say_another(settings):
    usual = _prepared(settings)
    _register(settings)
    assert _prepared(settings).fingerprint == usual.fingerprint

    _register(settings, likelihood="student_t")
    heavy = _prepared(settings)
    assert usual.spec is not None
    assert heavy.spec is not None
    assert (usual.spec.likelihood, heavy.spec.likelihood) == ("normal", "student_t")
    assert heavy.fingerprint != usual.fingerprint

    asked = replace(Options.from_settings(settings), analysis=AnalysisOptions(likelihood="normal"))
    assert Snapshot(settings, asked).prepare(KEY).fingerprint == usual.fingerprint


def test_an_unknown_likelihood_is_refused_by_name(settings):
    _register(settings, likelihood="cauchy")
    prepared = _prepared(settings)
    assert (prepared.plan.state, prepared.plan.reason_code) == ("refused", "unknown_likelihood")
    for part in (METRIC, "'cauchy'", "normal, student_t", "metrics.yaml"):
        assert part in prepared.plan.reason
    assert prepared.fingerprint is None


def test_the_request_goes_over_the_intervention_and_that_over_the_metric(settings):
    usual = _prepared(settings)
    _register(settings, analysis={"trend": False, "season": "none", "covariates": []})
    of_metric = _prepared(settings)
    assert of_metric.spec is not None
    assert (of_metric.spec.trend, of_metric.spec.season, of_metric.covariates) == (
        False,
        "none",
        None,
    )
    assert of_metric.fingerprint != usual.fingerprint

    own = {"season": "day_of_week", "covariates": ["share_evening"]}
    logged = replace(of_metric.intervention, analysis=AnalysisOptions.read(own))
    of_both = Snapshot(settings).prepare_intervention(logged)
    assert of_both.spec is not None
    assert of_both.covariates is not None
    assert (of_both.spec.trend, of_both.spec.season) == (False, "day_of_week")
    assert list(of_both.covariates) == ["share_evening"]

    everything = {"trend": True, "slope": "auto", "covariates": list(SHARE_COLUMNS)}
    asked = Options.from_settings(settings)
    asked = replace(asked, analysis=AnalysisOptions.read(everything))
    of_all = Snapshot(settings, asked).prepare_intervention(logged)
    assert of_all.spec == usual.spec
    assert of_all.fingerprint == usual.fingerprint


def test_a_metric_and_an_intervention_that_contradict_each_other_are_refused(settings):
    logged = replace(_prepared(settings).intervention, analysis=AnalysisOptions(slope=True))
    _register(settings, analysis={"trend": False})
    prepared = Snapshot(settings).prepare_intervention(logged)
    assert (prepared.plan.state, prepared.plan.reason_code) == ("refused", "contradictory_options")
    for part in ("morning", METRIC, "slope is yes but trend is no", "metrics.yaml"):
        assert part in prepared.plan.reason
    asked = replace(Options.from_settings(settings), analysis=AnalysisOptions(trend=True))
    spec = Snapshot(settings, asked).prepare_intervention(logged).spec
    assert spec is not None
    assert (spec.trend, spec.slope) == (True, True)
