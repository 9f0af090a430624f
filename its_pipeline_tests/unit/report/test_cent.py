"""The CENT checklist: complete, filled from data, honest about what is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from its_pipeline.its import AnalysisWarning, Mechanism
from its_pipeline.report.cent import (
    N_ITEMS,
    N_SUB_ITEMS,
    CentAnswer,
    cent_caveat,
    cent_citation,
    cent_items,
    cent_scope,
    checklist,
    wwc_rating,
)
from its_pipeline.report.cent_answers import ANSWERS
from its_pipeline.report.facts import Facts
from its_pipeline_tests.unit.report.factories import (
    make_analysis,
    make_intervention,
    make_metric,
    make_report,
    make_state,
    make_window,
)
from its_pipeline_tests.unit.report.scheduled import (
    LOT,
    REVERSAL,
    scheduled_analysis,
    scheduled_report,
)

READINGS = ("cent", "consort", "memory")


def by_id(facts: Facts) -> dict[str, CentAnswer]:
    return {answer.item.id: answer for answer in checklist(facts)}


def other_report():
    """A report that differs from the default one in every fact that the checklist reads."""
    warning = AnalysisWarning("outlier_days", "Two days lie far out.", {})
    analysis = make_analysis(
        -4.0, seed=9, n_pre=40, n_post=30, has_slope=False, warnings=(warning,), unit="cards",
        direction="decrease", washout_days=3, season="none",
    )  # fmt: skip
    return make_report(
        analysis,
        intervention=make_intervention(
            name="Walk", hypothesis="It calms me", started_on=date(2026, 8, 16),
            direction="decrease", baseline_days=40, horizon_days=30, washout_days=3, sequence=8,
            logged_at=datetime(2026, 8, 20, tzinfo=UTC),
        ),
        metric=make_metric(label="cards reviewed", unit="cards", aggregation="count", column=None),
        window=make_window(n_pre=40, n_post=30, washout=3, final_in=9),
    )  # fmt: skip


def test_checklist_has_all_items_once_with_its_citation():
    ids = [item.id for item in cent_items()]
    assert len(ids) == len(set(ids)) == N_SUB_ITEMS == 44
    numbers = [int(name.split(".")[0].rstrip("abc")) for name in ids]
    assert sorted(set(numbers)) == list(range(1, N_ITEMS + 1))
    assert numbers == sorted(numbers)
    assert "BMJ 2015;350:h1738" in cent_citation()
    assert "BMJ 2016;355:i5381" in cent_citation()


def test_items_that_nobody_compared_are_named():
    by_reading = {r: [i.id for i in cent_items() if i.read == r] for r in READINGS}
    assert sum(map(len, by_reading.values())) == N_SUB_ITEMS
    changed = {int(re.match(r"\d+", name)[0]) for name in by_reading["memory"]}  # type: ignore[index]
    assert len(changed | {1, 2, 3, 4, 5}) == 14, "as many as the statement says it modifies"
    for name in by_reading["memory"]:
        assert re.search(rf"\b{re.escape(name)}\b", cent_caveat())
    assert "1a" not in cent_caveat()
    assert "A single change is not such a trial" in cent_scope()


def test_protocol_fields_are_named_once_and_data_items_have_an_answerer():
    fields = [item.field for item in cent_items() if item.field]
    assert len(fields) == len(set(fields))
    automatic = {item.id for item in cent_items() if item.source != "protocol"}
    assert automatic == set(ANSWERS)


def test_every_answer_from_data_changes_with_the_data():
    first, second = by_id(make_report()), by_id(other_report())
    from_data = [item.id for item in cent_items() if item.source == "data"]
    same = [
        name
        for name in from_data
        if first[name].text == second[name].text and first[name].status != "not_applicable"
    ]
    assert sorted(same) == ["3b", "6b"], "only «never amended» is the same in both"
    amended = by_id(make_report(intervention=make_intervention(version=2)))
    assert amended["3b"].status == "blank"
    assert amended["6b"].status == "blank"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("2b", ["I concentrate better before noon", "increase of session performance"]),
        ("3a", ["90 days", "washout 0 days"]),
        ("6a.1", ["sessionPerformanceScore", "mean", "SESSION_ENDED", "0 to 100"]),
        ("8a", ["Not randomised", "15 August 2026"]),
        ("12a", ["AR(1)", "level and slope", "4 chains of 500 draws"]),
        ("12c", ["weekday", "0 days of washout"]),
        ("13a.1", ["54 and 37", "the horizon is 45 days"]),
        ("14a", ["10 August 2026", "16 June 2026", "28 September 2026"]),
        ("23", ["Entry 7", "before the start"]),
    ],
)
def test_automatic_answers_state_the_facts(item: str, words: list[str]):
    report = make_report()
    facts = {"13a.1": f"{report.analysis.n_pre} and {report.analysis.n_post}"}
    answer = by_id(report)[item]
    assert answer.source == "data"
    for word in words:
        assert (facts[item] if word == "54 and 37" else word) in answer.text


def test_period_results_are_those_of_the_observed_days():
    report = make_report()
    daily = report.analysis.daily
    for phase in ("pre", "post"):
        values = daily.loc[daily["phase"] == phase, "observed"].dropna()
        answer = by_id(report)["17a.1"].text
        assert f"{values.mean():.1f} points" in answer
        assert f"{len(values)} days" in answer


def test_unknown_items_stay_blanks_that_name_their_field():
    answers = by_id(make_report())
    for item in cent_items():
        answer = answers[item.id]
        if item.source == "protocol" and not item.series and not item.needs:
            assert answer.status == "blank"
            assert f"“{item.field}”" in answer.text
            assert answer.source == ""
        if item.partial:
            assert answer.status == "partial"
            assert f"“{item.field}”" in answer.text


def test_protocol_fields_fill_blanks_and_complete_partial_answers():
    protocol = {"setting": "At home, on a phone", "harms": "  ", "4a": "No condition",
                "registration": "osf.io/abcd"}  # fmt: skip
    answers = by_id(make_report(intervention=make_intervention(protocol=protocol)))
    assert (answers["4b"].status, answers["4b"].text) == ("reported", "At home, on a phone")
    assert answers["4a"].text == "No condition"
    assert answers["19"].status == "blank", "white space is not an answer"
    assert answers["23"].status == "reported"
    assert "Entry 7" in answers["23"].text
    assert "osf.io/abcd" in answers["23"].text


def test_items_of_an_untold_randomisation_do_not_apply_until_it_is_told():
    told = by_id(make_report(intervention=make_intervention(protocol={"randomisation": "a coin"})))
    assert by_id(make_report())["9"].status == "not_applicable"
    assert told["9"].status == "blank"


def test_states_without_a_result_leave_the_results_blank():
    for state in ("waiting", "not_converged"):
        answers = by_id(make_state(state))
        for item in ("1b", "13a.1", "16", "17a.1", "17a.2", "18", "20", "22"):
            assert answers[item].status == "blank", (state, item)


def test_single_change_never_meets_the_clearinghouse_standards():
    rating = wwc_rating((500, 500))
    assert rating.rating == "Does not meet the standards"
    assert [criterion.met for criterion in rating.criteria] == [None, None, False, True]
    assert wwc_rating((2, 90)).criteria[3].met is False
    assert wwc_rating((2, 90, 40, 40)).rating == "Does not meet the standards"
    assert wwc_rating((9, 90, 40, 40)).rating == "Not rated"
    assert wwc_rating((9, 90, 40, 4)).rating == "Not rated"
    planned = wwc_rating((9, 90, 40, 4), by_lot=True, planned=True)
    assert [criterion.met for criterion in planned.criteria] == [True, None, True, None]
    assert "4 planned" in planned.criteria[3].found
    assert wwc_rating((9, 90, 2), planned=True).criteria[3].met is False


def reversed_report():
    return scheduled_report(scheduled_analysis(carryover_days=2))


def drawn_report():
    return scheduled_report(scheduled_analysis(LOT, n_days=92))


@pytest.mark.parametrize(
    ("report", "item", "words"),
    [
        (reversed_report, "1b", ["time series, on and off again, "]),
        (
            reversed_report,
            "3a",
            ["reversal: on and off again", "28 days before", "2 days left out after"],
        ),
        (reversed_report, "5", ["“Magnesium” on and off again, from 30 March 2026 to 31 May 2026"]),
        (reversed_report, "7a", ["84 from the start on; without it and with it at least 8"]),
        (reversed_report, "8a", ["Not randomised: on the dates that the person logged."]),
        (
            reversed_report,
            "8c",
            ["On: 30 March to 19 April 2026; 11 May to 31 May 2026. Off else."],
        ),
        (reversed_report, "12c", ["Carry-over: 2 days left out after each switch."]),
        (
            reversed_report,
            "13a.1",
            ["On and off again, with 60 observed days without it and 36 with it"],
        ),
        (reversed_report, "15", ["Outcome on days without it: mean"]),
        (reversed_report, "16", ["2 periods on and 3 off: 60 days without and 36 with"]),
        (reversed_report, "17a.1", ["Days off: mean", "60 days. Intervention: mean"]),
        (reversed_report, "20", ["not randomised: anything else that came and went with it"]),
        (reversed_report, "22", ["if nothing else came and went with it"]),
        (drawn_report, "3a", ["days drawn by lot"]),
        (drawn_report, "8a", ["Drawn by lot on 20 March 2026, uniformly", "seed 5"]),
        (drawn_report, "8b", ["single days, as many on as off in every 4 days", "at most 3 alike"]),
        (drawn_report, "8c", ["; and 13 more. Off else."]),
        (drawn_report, "20", ["One person; the days were drawn by lot."]),
        (drawn_report, "22", ["as the lot alone decided the days"]),
    ],
)
def test_a_schedule_is_answered_as_what_it_is(report, item: str, words: list[str]):
    answer = by_id(report())[item]
    for word in words:
        assert word in answer.text
    assert "single change" not in answer.text


def test_a_lot_asks_how_it_was_kept_hidden_and_no_other_design_does():
    assert by_id(drawn_report())["9"].status == "blank"
    for report in (make_report(), reversed_report()):
        assert {by_id(report)[item].status for item in ("8b", "9")} == {"not_applicable"}
    report = drawn_report()
    made = report.intervention.schedule
    assert made is not None
    late = made.with_drawn_at(datetime(2026, 3, 30, 1, tzinfo=UTC))
    answers = by_id(replace(report, intervention=replace(report.intervention, schedule=late)))
    assert "Drawn by lot on 30 March 2026, but not ahead of its first day" in answers["8a"].text


def test_the_rules_of_a_lot_are_all_told():
    lot = Mechanism(unit_days=7, balance="total", shortest_run=2, phases=4, first="off")
    schedule = replace(REVERSAL, mechanism=lot)
    report = reversed_report()
    drawn = replace(report, intervention=replace(report.intervention, schedule=schedule))
    assert by_id(drawn)["8b"].text == (
        "Drawn were blocks of 7 days, as many on as off in all, at least 2 alike in a row, "
        "4 phases, the first one off."
    )


def test_days_by_lot_are_rated_by_their_repetitions():
    for n_on, met in ((3, False), (4, True)):
        rating = wwc_rating([1, 2] * n_on, by_lot=True)
        assert rating.criteria[3].met is met
        assert rating.criteria[3].found == str(n_on)
        assert rating.rating == ("Not rated" if met else "Does not meet the standards")
    assert wwc_rating([1, 2] * 4).criteria[3].met is False
    assert wwc_rating([3] * 6, by_lot=True).criteria[3].found == "3 in the shortest of 6 phases"
