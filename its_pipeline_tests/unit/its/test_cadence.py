"""`analyze` in the series' own unit of time: found, told, and the same numbers as days."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import (
    Analysis,
    AnalysisSpec,
    InvalidSeries,
    Schedule,
    analyze,
    fingerprint,
    plan,
    session_on,
)
from its_pipeline.its.cadence import in_steps
from its_pipeline.its.decisions.information import information_of
from its_pipeline.its.headline import headline
from its_pipeline.its.results import Effect, Effects
from its_pipeline.its.warning_codes import SHORT_PHASE
from its_pipeline.report.finding import finding_of
from its_pipeline.report.page import answer_view
from its_pipeline.report.sentence import answer_sentences
from its_pipeline.schedules.cadence import Cadence
from its_pipeline_tests.support import shared_data_dir

N = 40
DAY_WORDS = re.compile(r"\b([Dd]ays?|weekday)\b")


def series(index) -> pd.Series:
    rng = np.random.default_rng(4)
    return pd.Series(
        rng.normal(50.0, 5.0, len(index)) + 6.0 * (np.arange(len(index)) >= N // 2), index
    )


def effects(found: Analysis) -> Effects:
    assert found.effects is not None
    return found.effects


def slope(found: Analysis) -> Effect:
    sustained = effects(found).sustained
    assert sustained is not None
    return sustained


def told(analysis) -> str:
    """Return what people are told of an analysis, as one text."""
    warned = " ".join(warning.text for warning in analysis.warnings)
    sentences = answer_sentences(finding_of(analysis, "walks", "mood")).text
    return f"{sentences} {warned} {answer_view(analysis, 'walks', 'mood')}"


CADENCES = {
    "week": pd.date_range("2022-01-05", periods=N, freq="7D"),
    "month": pd.date_range("2015-01-31", periods=N, freq="ME"),
    "quarter": pd.date_range("2005-01-01", periods=N, freq="QS"),
    "year": pd.date_range("1960-01-01", periods=N, freq="YS"),
    "14-day": pd.date_range("2020-01-05", periods=N, freq="14D"),
    "session": pd.RangeIndex(1, N + 1),
}


@pytest.mark.parametrize("name", sorted(CADENCES))
def test_the_unit_of_time_is_found_and_the_numbers_are_those_of_days(name):
    outcome = series(CADENCES[name])
    found = analyze(outcome, outcome.index[N // 2], audited=False)
    assert (found.spec.cadence, found.spec.season) == (name, "none")
    assert (found.n_pre, found.n_post) == (N // 2, N - N // 2)
    assert len(found.daily) == N
    step = found.spec.step
    assert effects(found).cumulative.unit == f"sum over {step}s"
    assert f"{step.capitalize()}s before / since" in told(found)
    assert not DAY_WORDS.search(told(found).replace("14-day", ""))
    as_days = outcome.set_axis(pd.date_range("2020-01-01", periods=N))
    plain = AnalysisSpec(season="none")
    same = analyze(as_days, as_days.index[N // 2], plain, audited=False)
    for effect in ("immediate", "counterfactual"):
        ours, theirs = getattr(effects(found), effect), getattr(effects(same), effect)
        assert (ours.mean, ours.sd) == pytest.approx((theirs.mean, theirs.sd), rel=1e-9)
    # A slope is told per step, not per seven of them.
    ours, theirs = slope(found), slope(same)
    assert 7.0 * ours.mean == pytest.approx(theirs.mean, rel=1e-9)
    assert ours.unit == f"per {step}"


@pytest.mark.parametrize("share", [0.0, 0.15, 0.6])
@pytest.mark.parametrize("freq", ["D", "B"])
def test_a_series_of_days_passes_as_it_is(share, freq):
    days = pd.date_range("2024-01-01", periods=120, freq=freq)
    outcome = series(days[np.random.default_rng(1).random(120) >= share])
    spec = AnalysisSpec(washout_days=2)
    laid = in_steps(outcome, "2024-03-01", spec)
    assert laid.spec is spec
    assert laid.outcome is outcome
    assert "cadence" not in laid.spec.to_dict()


def test_a_declared_cadence_is_in_the_fingerprint_and_comes_back():
    spec = AnalysisSpec(cadence="week")
    assert AnalysisSpec.from_dict(spec.to_dict()) == spec
    outcome = series(CADENCES["week"])
    assert fingerprint(outcome, "2022-06-01", spec) != fingerprint(
        outcome, "2022-06-01", AnalysisSpec()
    )


def test_what_was_laid_in_steps_comes_out_as_it_is():
    outcome = series(CADENCES["month"])
    once = in_steps(outcome, "2016-11-15", AnalysisSpec())
    again = in_steps(once.outcome, once.schedule, once.spec)
    assert once.schedule == Schedule.since("2016-11-01")
    assert (again.schedule, again.spec) == (once.schedule, once.spec)
    pd.testing.assert_series_equal(again.outcome, once.outcome)


def test_months_have_their_season_from_two_years_of_baseline_on():
    outcome = series(pd.date_range("2012-01-15", periods=60, freq="MS") + pd.Timedelta(days=14))
    assert in_steps(outcome, outcome.index[24], AnalysisSpec()).spec.season == "month"
    assert in_steps(outcome, outcome.index[23], AnalysisSpec()).spec.season == "none"
    none = AnalysisSpec(season="none")
    assert in_steps(outcome, outcome.index[24], none).spec.season == "none"
    said = analyze(outcome, "2015-01-15", AnalysisSpec(season="month"), audited=False)
    assert (said.spec.cadence, said.spec.step, said.n_pre) == ("month", "month", 35)


def test_covariates_and_others_lie_on_the_same_steps():
    outcome = series(CADENCES["month"])
    covariates = pd.DataFrame({"heat": np.arange(N) % 7.0}, outcome.index)
    others = {"coffee": Schedule.periods([("2016-01-10", "2016-05-20")])}
    laid = in_steps(outcome, outcome.index[20], AnalysisSpec(), covariates, others)
    assert laid.covariates is not None
    assert laid.others is not None
    assert (laid.covariates.index == laid.outcome.index).all()
    # Month ends from 31 January 2016 on, up to 30 April: the one of May lies after the 20th.
    assert laid.others["coffee"] == Schedule.periods([("2016-01-01", "2016-04-01")])
    found = analyze(
        outcome,
        outcome.index[20],
        AnalysisSpec(season="none"),
        covariates,
        others=others,
        audited=False,
    )
    assert "heat" in found.coefficients
    assert found.by_schedule is not None
    assert found.by_schedule.others[0].name == "coffee"


def test_irregular_dates_stay_days_without_a_season_and_are_bounded():
    gaps = np.random.default_rng(3).integers(4, 40, N)
    dates = pd.DatetimeIndex(np.datetime64("2018-01-01") + np.cumsum(gaps))
    found = analyze(series(dates), dates[N // 2], audited=False)
    assert (found.spec.cadence, found.spec.season, found.spec.step) == ("irregular", "none", "day")
    assert slope(found).unit == "per week"
    sparse = pd.DatetimeIndex(np.datetime64("1950-01-01") + 11 * np.cumsum(gaps))
    with pytest.raises(InvalidSeries, match="say the unit of time by cadence") as caught:
        analyze(series(sparse), sparse[N // 2])
    assert caught.value.code == "irregular_dates"


def test_two_values_in_one_step_are_refused_with_the_remedy():
    outcome = series(pd.date_range("2024-01-01", periods=N))
    with pytest.raises(
        InvalidSeries, match="each week may occur once but 2024-01-01 and"
    ) as caught:
        analyze(outcome, "2024-01-20", AnalysisSpec(cadence="week"))
    assert caught.value.code == "duplicate_days"
    with pytest.raises(ValueError, match="needs months"):
        AnalysisSpec(cadence="week", season="month")


def test_sessions_take_numbers_and_schedules_and_never_say_a_date():
    outcome = series(pd.Index([n for n in range(1, N + 3) if n not in (5, 17)]))
    schedule = Schedule.periods([(session_on(12), session_on(20)), (session_on(31), None)])
    found = analyze(outcome, schedule, audited=False)
    assert found.spec.step == "session"
    assert found.n_post == 20
    text = told(found)
    assert not re.search(r"\d{4}-\d\d|20\d\d|January|February", text)
    few = analyze(outcome.iloc[:20], 12, audited=False)
    short = next(warning for warning in few.warnings if warning.code == SHORT_PHASE.code)
    assert "sessions before" in short.text
    wrongs: tuple[Any, ...] = ("2024-01-20", 5.5)
    for wrong in wrongs:
        with pytest.raises(InvalidSeries, match="must be a session's number"):
            analyze(outcome, wrong)
    with pytest.raises(InvalidSeries, match=r"\[0, 9000\]"):
        analyze(outcome.set_axis(outcome.index + 20_000), 20_030)


def test_a_plan_and_information_are_in_steps():
    outcome = series(CADENCES["year"])
    planned = plan(outcome)
    assert planned.cadence == "year"
    assert 0.0 < planned.power_at(30) < 1.0
    with pytest.raises(ValueError, match="one unit of time but got days and years"):
        plan([outcome, series(pd.date_range("2024-01-01", periods=N))])
    on = outcome.index[N // 2]
    found = analyze(outcome, on, audited=False)
    known = information_of(found, outcome, on, date(2010, 1, 1), date(2010, 1, 1))
    assert 0.0 < known.now < known.planned == 1.0


def test_a_lot_of_days_is_not_tested_on_weeks():
    from its_pipeline.its import Mechanism

    outcome = series(CADENCES["week"])
    days = [day for n, day in enumerate(outcome.index) if n % 3 == 1 or n > 30]
    schedule = Schedule.days(days, Mechanism(seed=1, balance="none"))
    found = analyze(outcome, schedule, audited=False)
    assert found.randomisation is None
    assert any("not weeks" in warning.text for warning in found.warnings)


# Real series, with no option given.


def test_seat_belts_are_months():
    data = pd.read_csv(shared_data_dir() / "uk_seatbelts.csv", index_col="date", parse_dates=True)
    outcome = data["drivers"].map(np.log)
    found = analyze(outcome, "1983-02-01", audited=False)
    assert (found.spec.step, found.spec.season, found.n_pre, found.n_post) == (
        "month", "month", 169, 23,
    )  # fmt: skip
    as_before = headline(outcome, "1983-02-01", AnalysisSpec(season="month"))
    assert effects(found).counterfactual.mean == pytest.approx(as_before.mean, abs=1e-3)


def test_quetiapine_is_months():
    data = pd.read_csv(shared_data_dir() / "quetiapine_dispensings.csv")
    dates = pd.DatetimeIndex(pd.to_datetime(data["month"], format="%d-%b-%y"))
    found = analyze(
        pd.Series(data["dispensings"].to_numpy(float), dates), "2014-01-01", audited=False
    )
    assert (found.spec.step, found.spec.season, found.n_pre) == ("month", "month", 36)
    assert slope(found).unit == "per month"
    assert effects(found).counterfactual.ci_upper < 0.0


@pytest.mark.parametrize(
    ("file", "case", "number", "value", "baseline", "words"),
    [
        ("scan_Huber2014.csv", "Adam", "mt", "compliance", ("phase", "A"), "sessions"),
        ("scdhlm_Laski.csv", "Case 1", "time", "outcome", ("treatment", "baseline"), "sessions"),
        ("scdhlm_Saddler.csv", "Case 1", "time", "outcome", ("treatment", "baseline"), "sessions"),
        ("scdhlm_Lambert.csv", "case A1", "time", "outcome", ("treatment", "SSR"), "sessions"),
    ],
)
def test_numbered_sessions_are_sessions(file, case, number, value, baseline, words):
    data = pd.read_csv(shared_data_dir() / file)
    rows = data[data["case"] == case]
    if "measure" in rows:
        rows = rows[rows["measure"] == rows["measure"].iloc[0]]
    rows = rows.sort_values(number)
    outcome = pd.Series(rows[value].to_numpy(float), rows[number].to_numpy(int))
    column, off = baseline
    on = outcome.index[(rows[column] != off).to_numpy()]
    schedule = Schedule.days([session_on(n) for n in on])
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(outcome.index.to_numpy(), unit="D")
    as_days = Schedule.days([days[outcome.index.get_loc(n)] for n in on])
    spec = AnalysisSpec(season="none", trend=False)
    try:
        same = headline(outcome.set_axis(days), as_days, spec)
    except ValueError as error:  # some cases have fewer than eight sessions of a kind
        with pytest.raises(type(error), match=words):
            headline(outcome, schedule, replace(spec, season="day_of_week"))
        return
    ours = headline(outcome, schedule, replace(spec, season="day_of_week"))
    assert (ours.mean, ours.sd) == pytest.approx((same.mean, same.sd), rel=1e-9)
    assert Cadence.of("session").told(schedule.first_on) == f"session {on[0]}"
