"""Schedules through `analyze`: reversal, days by lot, several interventions at once."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import (
    Analysis,
    AnalysisSpec,
    InsufficientData,
    InvalidSeries,
    Mechanism,
    Schedule,
    analyze,
    fingerprint,
)
from its_pipeline_tests.unit.its.series_factory import make_series, run

N = 80
ABAB = Schedule.periods([("2024-01-21", "2024-02-09"), ("2024-03-01", None)])
"""Twenty days each of a series of `N`."""
SPEC = AnalysisSpec(season="none")


def _outcome(effects, *, seed=1, n=N, rho=0.3, schedule=ABAB) -> Any:
    """Return noise of sd 10 with an effect on each of the schedule's periods."""
    outcome, _ = make_series(n, rho=rho, seed=seed)
    for period, effect in zip(schedule.on_periods, effects, strict=True):
        last = period.to_on or outcome.index[-1].date()
        outcome.loc[str(period.from_on) : str(last)] += effect
    return outcome


def _codes(analysis):
    return {warning.code for warning in analysis.warnings}


@pytest.fixture(scope="module")
def same() -> Any:
    return run(_outcome([15.0, 15.0]), ABAB, SPEC)


def test_the_average_effect_and_each_phases_own(same):
    effect = same.effects.counterfactual
    assert effect.ci_lower < 15.0 < effect.ci_upper
    assert effect.sd < 5.0
    assert same.effects.sustained is None
    assert (same.n_pre, same.n_post) == (40, 40)
    phases = same.phases
    assert phases["on"].tolist() == [False, True, False, True]
    assert phases["n"].tolist() == [20] * 4
    assert phases["from_on"].map(str).tolist() == [
        "2024-01-01",
        "2024-01-21",
        "2024-02-10",
        "2024-03-01",
    ]
    assert phases["effect"].isna().tolist() == [True, False, True, False]
    assert (phases["ci_lower"].dropna() < 15.0).all()
    assert (phases["ci_upper"].dropna() > 15.0).all()
    assert phases["effect"].mean() == pytest.approx(effect.mean, rel=1e-6)
    outcome = _outcome([15.0, 15.0])
    assert phases["mean"][1] == pytest.approx(outcome[20:40].mean())


def test_phases_are_called_alike_where_they_are(same):
    likeness = same.by_schedule.likeness
    assert likeness.word == "same"
    assert likeness.probability_alike > 0.5
    assert likeness.first_less_later.ci_lower < 0.0 < likeness.first_less_later.ci_upper


def test_an_effect_of_the_first_time_alone_is_called_that():
    found = run(_outcome([40.0, 0.0]), ABAB, SPEC)
    likeness = found.by_schedule.likeness
    assert likeness.word == "first_only"
    assert likeness.first_less_later.ci_lower < 40.0 < likeness.first_less_later.ci_upper
    own = found.phases["effect"].dropna().tolist()
    assert own[0] > 25.0
    assert abs(own[1]) < 15.0


def test_days_are_named_on_and_off_and_effects_stand_on_days_on(same):
    daily = same.daily
    assert set(daily["phase"]) == {"off", "on"}
    on = (daily["phase"] == "on").to_numpy()
    assert np.isfinite(daily["effect"].to_numpy()[on]).all()
    assert daily["effect"][~on].isna().all()
    gap = daily["fitted"] - daily["counterfactual"]
    np.testing.assert_allclose(gap[~on], 0.0, atol=1e-9)
    np.testing.assert_allclose(gap[on], daily["effect"][on])


def test_few_phases_are_warned_of_and_three_of_each_are_not():
    assert "few_phases" in _codes(run(_outcome([5.0, 5.0]), ABAB, SPEC))
    days = pd.date_range("2024-01-01", periods=60)
    thrice = Schedule.periods([(days[i], days[i + 9]) for i in (10, 30, 50)])
    codes = _codes(run(_outcome([5.0] * 3, n=60, schedule=thrice), thrice, SPEC))
    assert not codes & {"few_phases", "short_phases"}
    brief = Schedule.periods([(days[i], days[i + 1]) for i in range(5, 60, 10)])
    assert "short_phases" in _codes(run(_outcome([5.0] * 6, n=60, schedule=brief), brief, SPEC))


def test_what_a_bare_date_means_is_one_open_period_to_the_last_bit():
    outcome, day = make_series(60, level_change=8.0)
    bare = run(outcome, day)
    for schedule in (Schedule.since(day), Schedule.periods([(day, None)])):
        found = run(outcome, schedule)
        assert found.effects == bare.effects
        assert found.warnings == bare.warnings
        assert found.daily.equals(bare.daily)
        spec = AnalysisSpec()
        assert fingerprint(outcome, schedule, spec) == fingerprint(outcome, day, spec)
    assert fingerprint(outcome, ABAB, SPEC) != fingerprint(outcome, ABAB.first_on, SPEC)
    also = fingerprint(outcome, day, SPEC, others={"walks": ABAB})
    assert also != fingerprint(outcome, day, SPEC)
    assert also != fingerprint(outcome, day, SPEC, others={"walks": day})


def test_fewer_than_eight_days_in_a_phase_do_where_all_together_are_enough():
    days = pd.date_range("2024-01-01", periods=20)
    schedule = Schedule.periods([(days[5], days[9]), (days[15], None)])
    assert run(_outcome([5.0, 5.0], n=20, schedule=schedule), schedule, SPEC).converged
    with pytest.raises(InsufficientData, match="7 with the intervention") as caught:
        run(_outcome([5.0] * 2, n=20, schedule=schedule)[:17], schedule, SPEC)
    assert (caught.value.n_pre, caught.value.n_post) == (10, 7)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (replace(SPEC, estimator="forecast"), "forecast_of_schedule"),
        (replace(SPEC, slope=True), "slope_of_schedule"),
    ],
)
def test_what_a_schedule_cannot_have_is_refused(spec, code):
    with pytest.raises(InvalidSeries) as caught:
        run(_outcome([5.0, 5.0]), ABAB, spec)
    assert caught.value.code == code


def test_carryover_days_are_left_out_of_the_fit():
    outcome = _outcome([15.0, 15.0])
    spec = replace(SPEC, carryover_days=3)
    found = run(outcome, ABAB, spec)
    assert (found.n_pre, found.n_post) == (37, 34)
    assert (found.daily["phase"] == "left_out").sum() == 9
    spoilt = outcome.copy()
    spoilt.iloc[[20, 40, 60]] += 1000.0
    assert run(spoilt, ABAB, spec).effects == found.effects


def test_a_carryover_that_fades_is_estimated_where_it_is_asked_for():
    outcome = _outcome([30.0, 30.0], seed=4)
    outcome.iloc[40:60] += 30.0 * np.exp(-np.arange(20) / 3.0)
    asked = run(outcome, ABAB, replace(SPEC, carryover="decay"))
    mean, sd = asked.coefficients["carryover"]
    assert abs(mean - 30.0) < 3 * sd
    assert mean > 10.0
    effect = asked.effects.counterfactual
    assert effect.ci_lower < 30.0 < effect.ci_upper


def test_days_done_otherwise_give_a_second_answer():
    rng = np.random.default_rng(3)
    days = pd.date_range("2024-01-01", periods=60)
    on = days[np.sort(rng.permutation(60)[:30])]
    otherwise = on[:6]
    outcome, _ = make_series(60, rho=0.2, seed=3)
    done = outcome.index.isin(on) & ~outcome.index.isin(otherwise)
    outcome += 20.0 * done
    schedule = Schedule.days(on, Mechanism(balance="total"), done_otherwise=otherwise)
    found = run(outcome, schedule, SPEC)
    by_schedule = found.by_schedule
    assert by_schedule.as_done.mean > found.effects.counterfactual.mean + 1.0
    assert by_schedule.as_done.ci_lower < 20.0 < by_schedule.as_done.ci_upper
    assert found.randomisation.p_value < 0.01
    never = run(outcome, replace(schedule, done_otherwise=tuple(on)), SPEC)
    assert never.by_schedule.as_done is None
    kept = run(outcome, replace(schedule, done_otherwise=()), SPEC)
    assert kept.by_schedule.as_done is None
    assert kept.effects == found.effects


def test_the_lot_is_tested_only_where_it_was_drawn_before_the_first_day():
    days = pd.date_range("2024-01-01", periods=32)
    on = days[[0, 3, 5, 6, 8, 9, 12, 15, 17, 18, 20, 22, 24, 27, 28, 31]]
    outcome = make_series(32, seed=5)[0]
    lot = Mechanism(balance="block", block_days=8)
    found = run(outcome, Schedule.days(on, lot), SPEC)
    assert found.randomisation.n_assignments == 20_000
    assert not found.randomisation.exact
    late = replace(lot, drawn_at=datetime(2024, 1, 5, tzinfo=UTC))
    other = run(outcome, Schedule.days(on, late), SPEC)
    assert other.randomisation is None
    assert "not_randomised" in _codes(other)
    assert other.effects == found.effects
    broken = run(outcome, Schedule.days(on, replace(lot, longest_run=1)), SPEC)
    assert broken.randomisation is None
    assert "longest_run is 1" in next(w.text for w in broken.warnings if w.code == "not_randomised")
    assert run(outcome, Schedule.days(on), SPEC).randomisation is None


def test_two_interventions_are_one_model_whoever_is_asked_about():
    days = pd.date_range("2024-01-01", periods=N)
    outcome, _ = make_series(N, rho=0.2, seed=8)
    outcome.iloc[30:] += 25.0
    outcome.iloc[50:] -= 25.0
    found = analyze(outcome, {"tea": days[30], "walks": Schedule.since(days[50])}, SPEC)
    tea, walks = found.of("tea"), found.of("walks")
    for analysis, truth in ((tea, 25.0), (walks, -25.0)):
        assert analysis.effects is not None
        told = analysis.effects.counterfactual
        assert told.ci_lower < truth < told.ci_upper
    other = tea.by_schedule.others[0]  # type: ignore[union-attr]
    assert other.name == "walks"
    assert walks.effects is not None
    assert other.effect.mean == pytest.approx(walks.effects.counterfactual.mean, abs=0.1)
    assert -0.9 < other.correlation < 0.5
    alone = run(outcome, days[30], SPEC)
    assert abs(alone.effects.counterfactual.mean - 25.0) > 5.0
    with pytest.raises(KeyError, match="tea, walks"):
        found.of("coffee")


def test_interventions_on_the_same_days_are_told_together():
    outcome, day = make_series(60, level_change=20.0, rho=0.2)
    found = analyze(outcome, {"tea": day, "walks": day}, SPEC).of("tea")
    warning = next(w for w in found.warnings if w.code == "inseparable")
    assert "walks" in warning.text
    assert warning.numbers["together_ci_lower"] < 20.0 < warning.numbers["together_ci_upper"]
    assert found.probability_of_benefit is not None
    assert found.probability_of_benefit < 0.9


def test_an_intervention_outside_the_series_changes_nothing():
    outcome, day = make_series(60)
    found = analyze(outcome, day, SPEC, others={"walks": "2030-01-01"})
    assert found.effects == run(outcome, day, SPEC).effects
    with pytest.raises(InvalidSeries, match="at least one"):
        analyze(outcome, {}, SPEC)
    with pytest.raises(InvalidSeries, match="lie before") as caught:
        analyze(outcome, {"tea": day, "walks": "2030-01-01"}, SPEC)
    assert caught.value.__notes__ == ["this was asked about 'walks'"]


def test_heavy_tails_with_a_schedule():
    outcome = _outcome([25.0, 25.0], seed=2)
    outcome.iloc[::13] += 60.0
    spec = AnalysisSpec(season="none", likelihood="student_t", draws=2000)
    found = run(outcome, ABAB, spec)
    assert found.converged
    effect = found.effects.counterfactual
    assert effect.ci_lower < 25.0 < effect.ci_upper
    likeness = found.by_schedule.likeness
    assert math.isnan(likeness.probability_alike)
    assert found.phases["effect"].dropna().mean() == pytest.approx(effect.mean, rel=1e-6)


def test_everything_a_schedule_adds_is_stored(tmp_path):
    days = pd.date_range("2024-01-01", periods=24)
    lot = Mechanism(phases=4, shortest_run=4, first="off")
    schedule = Schedule.days([*days[6:12], *days[18:]], lot, done_otherwise=[days[7]])
    outcome, _ = make_series(24, seed=6)
    others = {"walks": Schedule.since(days[14])}
    found = analyze(outcome, {"tea": schedule, **others}, SPEC).of("tea")
    found.save(tmp_path)
    loaded = Analysis.load(tmp_path)
    assert loaded.to_dict() == found.to_dict()
    assert loaded.by_schedule == found.by_schedule
    assert loaded.randomisation == found.randomisation
    assert found.randomisation is not None
    assert (found.randomisation.n_assignments, found.randomisation.exact) == (165, True)
