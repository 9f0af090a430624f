"""What pages tell of a schedule: phases, likeness, the lot, other interventions, what was done."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from its_pipeline.its import Schedule
from its_pipeline.its.decisions.randomisation import Randomisation
from its_pipeline.report.page import render_report, render_state_page
from its_pipeline.report.schedule_views import (
    MOST_PHASES,
    days_text,
    likeness_text,
    schedule_view,
)
from its_pipeline_tests.unit.report.factories import make_analysis, make_state
from its_pipeline_tests.unit.report.scheduled import (
    LOT,
    REVERSAL,
    results_of,
    scheduled_analysis,
    scheduled_report,
    with_likeness,
    with_results,
)
from its_pipeline_tests.unit.report.test_page import Skeleton

NO_PNGS: dict[str, bytes] = dict.fromkeys(
    ("counterfactual", "effects", "predictive_check", "diagnostics"),
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x08\x00\x00\x00\x08" + b"\x00" * 9,
)


def view_of(analysis: Any) -> dict[str, Any]:
    view = schedule_view(analysis)
    assert view is not None
    return view


def words_of(analysis: Any, **fields: Any) -> str:
    return Skeleton(render_report(scheduled_report(analysis, **fields), NO_PNGS)).words


@pytest.fixture(scope="module")
def reversal() -> Any:
    return scheduled_analysis()


@pytest.fixture(scope="module")
def by_lot() -> Any:
    return scheduled_analysis(LOT, n_days=92)


def test_one_change_tells_nothing_of_a_schedule():
    assert schedule_view(make_analysis()) is None
    assert schedule_view(scheduled_analysis(Schedule.since("2026-04-27"))) is None


def test_each_phase_has_its_days_mean_and_effect(reversal):
    rows = view_of(reversal)["phases"]
    assert [(row.days, row.state) for row in rows] == [
        ("2 March to 29 March 2026", "off"),
        ("30 March to 19 April 2026", "on"),
        ("20 April to 10 May 2026", "off"),
        ("11 May to 31 May 2026", "on"),
        ("1 June to 21 June 2026", "off"),
    ]
    phases = results_of(reversal).phases
    assert [int(row.n) for row in rows] == [phase.n for phase in phases]
    assert [row.mean for row in rows] == [f"{phase.mean:.1f}" for phase in phases]
    effect = phases[1].effect
    assert effect is not None
    told = f"{effect.mean:.1f} ({effect.ci_lower:.1f} to {effect.ci_upper:.1f})"
    assert [row.effect for row in rows] == ["", told, "", rows[3].effect, ""]
    assert [bool(row.picture) for row in rows] == [False, True, False, True, False]
    assert 'class="good"' in rows[1].picture or "good" in rows[1].picture


def test_a_phase_that_harmed_is_not_drawn_as_good(reversal):
    harmed = replace(reversal, spec=replace(reversal.spec, direction="decrease"))
    assert "bad" in view_of(harmed)["phases"][1].picture


def test_a_phase_without_observed_days_has_no_mean(reversal):
    first, *rest = results_of(reversal).phases
    empty = with_results(reversal, phases=(replace(first, n=0, mean=math.nan), *rest))
    row = view_of(empty)["phases"][0]
    assert (row.n, row.mean) == ("0", "–")


def test_of_many_phases_the_first_are_shown_and_the_rest_are_counted(by_lot, reversal):
    view = view_of(by_lot)
    n_phases = len(results_of(by_lot).phases)
    assert n_phases > MOST_PHASES == len(view["phases"])
    assert view["more"] == n_phases - MOST_PHASES
    words = words_of(by_lot)
    assert f"And {n_phases - MOST_PHASES} more." in words
    assert "neighbouring times are told by one effect" in words
    few = words_of(reversal)
    assert "more." not in few[few.index("Each time") : few.index("What has to be true")]
    assert "neighbouring times" not in few


@pytest.mark.parametrize(
    ("from_on", "to_on", "text"),
    [
        ((2026, 3, 2), (2026, 3, 2), "2 March 2026"),
        ((2026, 3, 2), (2026, 4, 2), "2 March to 2 April 2026"),
        ((2025, 12, 30), (2026, 1, 2), "30 December 2025 to 2 January 2026"),
    ],
)
def test_days_name_their_year_once(from_on, to_on, text):
    assert days_text(date(*from_on), date(*to_on)) == text


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("same", "The effect was about the same each time"),
        ("first_only", "Only the first time shows an effect"),
        ("varies", "The effect differed from time to time"),
        ("unclear", "Whether the effect was the same each time cannot be told yet"),
    ],
)
def test_how_alike_the_times_were_is_a_sentence(reversal, word, told):
    text = view_of(with_likeness(reversal, word, 0.42))["likeness"]
    assert text.startswith(f"{told}: the first time less the later ones is ")
    assert text.endswith("; the probability that the times differ little is 42 %.")
    # Where the likelihood has to be sampled there is no such probability.
    sampled = view_of(with_likeness(reversal, word, math.nan))["likeness"]
    assert sampled.startswith(told)
    assert "probability" not in sampled
    assert sampled.endswith(").")


def test_without_two_times_there_is_no_likeness():
    assert likeness_text(None) == ""
    once = scheduled_analysis(Schedule.periods([("2026-03-30", "2026-05-10")]))
    assert results_of(once).is_on_and_off
    assert view_of(once)["likeness"] == ""


def test_the_lot_is_told_with_its_picture(by_lot, reversal):
    tested = results_of(by_lot).randomisation
    assert tested is not None
    lot = view_of(by_lot)["lot"]
    assert (
        "of 20,000 schedules drawn at random from those that the lot could have drawn"
        in (lot["words"])
    )
    assert "p < 0.0001" in lot["words"]
    assert lot["picture"].startswith("<svg")
    assert lot["picture"].count("<rect") >= sum(count > 0 for count in tested.bin_counts)
    assert "Could the lot alone have done it" in words_of(by_lot)
    assert view_of(reversal)["lot"] is None
    assert "Could the lot alone" not in words_of(reversal)


@pytest.mark.parametrize(
    ("p_value", "told"), [(0.0123, "p = 0.012"), (0.0004, "p = 0.0004"), (0.34, "p = 0.340")]
)
def test_an_exact_test_is_over_all_schedules(reversal, p_value, told):
    exact = Randomisation(p_value, 165, True, 2.0, "two-sided", (0.0, 1.0, 2.0), (3, 4))
    words = view_of(with_results(reversal, randomisation=exact))["lot"]["words"]
    assert "of all 165 schedules that the lot could have drawn" in words
    assert f"({told})" in words


def test_other_interventions_are_told_beside_one_change_too():
    change = scheduled_analysis(Schedule.since("2026-04-06"), other="Evening <walks>")
    view = view_of(change)
    assert view["phases"] == []
    (row,) = view["others"]
    other = results_of(change).others[0]
    assert row.name == "Evening <walks>"
    assert row.correlation == f"{other.correlation:.2f}".replace("-", "−")
    assert row.effect.startswith(f"{other.effect.mean:.1f}".replace("-", "−"))
    assert row.together.startswith(f"{other.together.mean:.1f}".replace("-", "−"))
    words = words_of(change)
    assert "What else was tried on these days" in words
    assert "Evening <walks>" in words
    assert "Each time" not in words


def test_days_done_otherwise_give_a_second_number(reversal):
    days = [date(2026, 4, 2), date(2026, 4, 3)]
    otherwise = scheduled_analysis(replace(REVERSAL, done_otherwise=tuple(days)))
    done = results_of(otherwise).as_done
    assert done is not None
    text = view_of(otherwise)["as_done"]
    assert text.startswith("On 2 days the person did otherwise.")
    assert f"{done.mean:.1f} ({done.ci_lower:.1f} to {done.ci_upper:.1f})" in text
    assert text in words_of(otherwise)
    once = scheduled_analysis(replace(REVERSAL, done_otherwise=(days[0],)))
    assert view_of(once)["as_done"].startswith("On 1 day the person did otherwise.")
    assert view_of(reversal)["as_done"] == ""


def test_the_page_speaks_of_days_with_it_not_of_a_change(reversal, by_lot):
    words = words_of(reversal)
    assert "on days with “Magnesium”" in words
    assert "if nothing else came and went with it" in words
    assert "Days without / with it" in words
    assert "Nothing else that moves the outcome came and went with it." in words
    assert "since “Magnesium” began" not in words
    assert "Change of trend" not in words
    assert "on 2026-03-30 to 2026-04-19, 2026-05-11 to 2026-05-31" in words
    drawn = words_of(by_lot)
    assert "as the lot alone decided the days" in drawn
    assert "The lot alone decided which days were on" in drawn
    assert "32 of 64 days on, 2026-03-30 to 2026-06-01; drawn by lot" in drawn


def test_days_left_out_after_a_switch_are_said():
    words = words_of(scheduled_analysis(carryover_days=2))
    assert "2 days left out after every switch" in words


def test_every_switch_is_an_attempt_for_the_clearinghouse(reversal, by_lot):
    words = words_of(reversal)
    assert "Not rated." in words
    assert "4 changes" in words
    shortest = min(phase.n for phase in results_of(reversal).phases)
    assert f"{shortest} in the shortest of 5 phases" in words
    assert "chosen by the person" in words
    lot = words_of(by_lot)
    assert "drawn by lot ahead" in lot
    assert "The alternating sequence is repeated at least 5 times" in lot
    assert "A phase has too few points." not in lot
    twice = words_of(scheduled_analysis(Schedule.periods([("2026-03-30", "2026-05-10")])))
    assert "Does not meet the standards. Fewer than three switches" in twice


def test_a_waiting_schedule_counts_days_with_and_without_it_and_rates_its_plan(reversal):
    report = scheduled_report(reversal)
    state = make_state(intervention=report.intervention, window=report.window, n_pre=28, n_post=3)
    words = Skeleton(render_state_page(state)).words
    assert "Days without it 28 of at least 8 days" in words
    assert "Days with it 3 of at least 8 days" in words
    assert "Before the start" not in words
    assert "anything about this intervention." in words
    assert "4 changes" in words
    assert "21 planned in the shortest of 5 phases" in words
    assert "A single change from A to B" not in words
    bare = Skeleton(render_state_page(make_state())).words
    assert "Before the start 60" in bare
    assert "A single change from A to B" in bare
