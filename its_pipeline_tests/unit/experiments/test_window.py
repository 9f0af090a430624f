"""The days of an experiment: every rule that may cut them, and both ends INCLUSIVE."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.window import experiment_window, last_complete_day
from its_pipeline.schedules.schedule import Schedule

START = date(2026, 5, 1)
LATE = date(2027, 1, 1)


def intervention(intervention_id: str = "a", **changes) -> Intervention:
    fields = {
        "user_id": "u",
        "intervention_id": intervention_id,
        "outcome_metric": "sessionPerformanceScore",
        "started_on": START,
        "baseline_days": 90,
        "horizon_days": 90,
    }
    return Intervention(**{**fields, **changes})


def test_alone_it_takes_baseline_and_horizon():
    window = experiment_window(intervention(), [], LATE)
    assert window.pre_start_on == date(2026, 1, 31)
    assert (START - window.pre_start_on).days == 90
    assert window.post_end_on == date(2026, 7, 29)
    assert (window.post_end_on - START).days + 1 == 90
    assert [cut.code for cut in window.cuts] == ["baseline_days", "horizon_days"]
    assert window.is_final


def test_the_last_complete_day_ends_a_running_one():
    window = experiment_window(intervention(), [], date(2026, 5, 10))
    assert window.post_end_on == date(2026, 5, 10)
    assert window.final_end_on == date(2026, 7, 29)
    assert window.cuts[1].code == "last_complete_day"
    assert not window.is_final


def test_washout_leaves_days_out_of_the_fit_and_not_of_the_window():
    window = experiment_window(intervention(washout_days=3), [], LATE)
    assert window.fit_start_on == date(2026, 5, 4)
    assert window.post_end_on == date(2026, 7, 29)


@pytest.mark.parametrize(
    ("other", "pre_start_on", "post_end_on", "codes"),
    [
        pytest.param(
            {"started_on": date(2026, 3, 1), "ended_on": date(2026, 3, 20)},
            date(2026, 3, 21),
            date(2026, 7, 29),
            ["earlier_intervention", "horizon_days"],
            id="an earlier one that ended and leaves a baseline: from the day after",
        ),
        pytest.param(
            {"started_on": date(2026, 4, 1)},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days", "overlap"],
            id="an earlier one that goes on: in the same model",
        ),
        pytest.param(
            {"started_on": date(2026, 3, 1), "ended_on": date(2026, 4, 10)},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days", "short_baseline"],
            id="an earlier one that ended lately: in the same model",
        ),
        pytest.param(
            {"started_on": date(2026, 4, 1), "ended_on": date(2026, 5, 20)},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days", "overlap"],
            id="one that lasts through the baseline and ends within: in the same model",
        ),
        pytest.param(
            {"started_on": date(2026, 6, 1)},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days", "overlap"],
            id="the next one, while this one goes on: in the same model",
        ),
        pytest.param(
            {"started_on": START},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days", "same_start"],
            id="one of the same day: in the same model",
        ),
        pytest.param(
            {"started_on": date(2025, 1, 1)},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days"],
            id="one that began long before the baseline",
        ),
        pytest.param(
            {"started_on": date(2026, 6, 1), "outcome_metric": "sessionsPerDay"},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days"],
            id="another outcome does not matter",
        ),
        pytest.param(
            {"started_on": date(2026, 6, 1), "status": "withdrawn"},
            date(2026, 1, 31),
            date(2026, 7, 29),
            ["baseline_days", "horizon_days"],
            id="a withdrawn one does not matter",
        ),
    ],
)
def test_other_interventions_cut_it(other, pre_start_on, post_end_on, codes):
    window = experiment_window(intervention(), [intervention("b", **other)], LATE)
    assert window.pre_start_on == pre_start_on
    assert window.post_end_on == post_end_on
    assert [cut.code for cut in window.cuts] == codes


def test_its_own_end_is_inclusive():
    window = experiment_window(intervention(ended_on=date(2026, 5, 20)), [], LATE)
    assert window.post_end_on == date(2026, 5, 20)
    assert window.cuts[1].code == "ended"


def test_another_person_does_not_matter():
    other = intervention("b", user_id="v", started_on=date(2026, 5, 10))
    assert experiment_window(intervention(), [other], LATE).post_end_on == date(2026, 7, 29)


def test_those_in_the_same_model_are_named_with_the_reason():
    others = [
        intervention("b", name="Tea"),
        intervention("a"),
        intervention("c", started_on=date(2026, 6, 1)),
        intervention("d", started_on=date(2026, 1, 1), ended_on=date(2026, 2, 20)),
    ]
    window = experiment_window(intervention(), others, LATE)
    assert window.together == ("b", "c")
    assert [cut.reason for cut in window.cuts if cut.side == "with"] == [
        "“Tea” is in the same model: it started on the same day",
        "“c” is in the same model: both ran over some of the same days",
    ]
    assert window.pre_start_on == date(2026, 2, 21)


def test_one_that_ended_is_cut_at_where_both_keep_four_weeks_of_baseline():
    ended = intervention(ended_on=date(2026, 5, 20))
    for gap in (27, 28):
        later = intervention("b", started_on=date(2026, 5, 20) + timedelta(days=gap + 1))
        # The later one acted on no day of the earlier one's window.
        found = [cut.code for cut in experiment_window(ended, [later], LATE).cuts]
        assert found == ["baseline_days", "ended"]
        mine = experiment_window(later, [ended], LATE)
        assert bool(mine.together) is (gap == 27)
        assert (mine.pre_start_on > ended.started_on) is (gap == 28)


def test_the_last_complete_day_is_yesterday_of_the_zone(monkeypatch):
    assert last_complete_day("Pacific/Auckland", date(2026, 5, 10)) == date(2026, 5, 9)
    auckland, honolulu = (
        last_complete_day("Pacific/Auckland"),
        last_complete_day("Pacific/Honolulu"),
    )
    assert 0 <= (auckland - honolulu).days <= 1


def test_one_that_is_on_and_off_all_through_the_window_is_in_the_model():
    weeks = [(date(2026, 1, 5) + timedelta(days=14 * i), 7) for i in range(20)]
    periods = Schedule.periods([(day, day + timedelta(days=n - 1)) for day, n in weeks])
    other = intervention("b", started_on=periods.first_on, schedule=periods)
    window = experiment_window(intervention(), [other], LATE)
    assert window.together == ("b",)
    assert window.pre_start_on == date(2026, 1, 31)
