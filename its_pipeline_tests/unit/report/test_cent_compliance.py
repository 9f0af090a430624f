"""The checklist over many experiments: with texts, and the same statuses without them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from its_pipeline.report.cent import N_SUB_ITEMS, cent_items, checklist, reported_count
from its_pipeline.report.cent_answers import ANSWERS
from its_pipeline.report.cent_compliance import (
    COLUMNS,
    Known,
    cent_counts,
    compliance_rows,
    compliance_table,
    statuses,
)
from its_pipeline.report.facts import Facts
from its_pipeline.report.inputs import ReportInput
from its_pipeline.stores.verdict import Status
from its_pipeline_tests.unit.report.factories import (
    make_intervention,
    make_metric,
    make_report,
    make_state,
)
from its_pipeline_tests.unit.report.scheduled import (
    LOT,
    REVERSAL,
    scheduled_analysis,
    scheduled_report,
)

PROTOCOL = {"background": "Mornings are quiet", "blinding": "None", "9": "Not hidden", "empty": " "}


def known_of(facts: Facts) -> Known:
    """Return what the statuses hang on, read from the facts of a page."""
    intervention, analysis, metric = facts.intervention, facts.analysis, facts.metric
    effects = analysis.effects if isinstance(facts, ReportInput) and analysis else None
    return Known(
        filled=frozenset(name for name, text in intervention.protocol.items() if text.strip()),
        is_first_version=intervention.version == 1,
        has_hypothesis=bool(intervention.hypothesis),
        has_lot=intervention.schedule is not None and intervention.schedule.mechanism is not None,
        has_metric=metric is not None,
        is_rate=metric is not None and metric.aggregation == "rate",
        has_window=facts.window is not None,
        has_analysis=analysis is not None,
        has_effects=effects is not None,
        has_relative=effects is not None and effects.relative is not None,
    )


STATES: Final[tuple[Status, ...]] = (
    "waiting",
    "not_converged",
    "refused",
    "crashed",
    "closed",
)
CASES: dict[str, Callable[[], Facts]] = {
    "analysed": make_report,
    "amended": lambda: make_report(intervention=make_intervention(version=2)),
    "no hypothesis": lambda: make_report(intervention=make_intervention(hypothesis="")),
    "protocol": lambda: make_report(intervention=make_intervention(protocol=PROTOCOL)),
    "randomised by protocol": lambda: make_report(
        intervention=make_intervention(protocol={"randomisation": "By coin"})
    ),
    "rate": lambda: make_report(metric=make_metric(aggregation="rate", equals="yes")),
    "metric gone": lambda: make_report(metric=None),
    "by lot": lambda: scheduled_report(scheduled_analysis(LOT)),
    "reversal": lambda: scheduled_report(scheduled_analysis(REVERSAL)),
    **{state: partial(make_state, state) for state in STATES},
    "no window": lambda: make_state("refused", window=None),
}


@pytest.mark.parametrize("case", CASES)
def test_statuses_without_texts_are_those_of_the_filled_checklist(case: str):
    facts = CASES[case]()
    wanted = [(answer.status, answer.source) for answer in checklist(facts)]
    found = statuses(known_of(facts))
    different = [
        (item.id, own, other)
        for item, own, other in zip(cent_items(), found, wanted, strict=True)
        if own != other
    ]
    assert different == []


def test_the_cases_tell_every_item_that_the_system_answers_apart():
    seen = {name: set() for name in ANSWERS}
    for make in CASES.values():
        facts = make()
        for name, answer in ANSWERS.items():
            seen[name].add(bool(answer(facts)))
    always = {name for name, found in seen.items() if found == {True}}
    assert always == {"1a", "3a", "5", "7a", "7b", "8a", "8c", "23"}
    assert {name for name, found in seen.items() if found == {False}} == set()


def test_the_table_without_texts_has_the_rows_of_the_one_with_them():
    made = {
        "ada|a": make_report(),
        "bob|b": make_state(),
        "cyd|c": scheduled_report(scheduled_analysis(LOT)),
    }
    with_texts = compliance_table({key: checklist(facts) for key, facts in made.items()})
    without = compliance_rows([(key, known_of(facts)) for key, facts in made.items()])
    assert tuple(without.column_names) == COLUMNS
    for name in COLUMNS[:-1]:
        assert without[name].to_pylist() == with_texts[name].tolist(), name
    assert without["text"].null_count == 3 * N_SUB_ITEMS
    assert compliance_rows([]).num_rows == 0


def test_compliance_table_has_one_row_an_experiment_and_item():
    filled = {"ada|a": checklist(make_report()), "bob|b": checklist(make_state())}
    table = compliance_table(filled)
    assert len(table) == 2 * N_SUB_ITEMS
    ada = table[table["experiment"] == "ada|a"]
    reported, applicable = reported_count(filled["ada|a"])
    assert (ada["status"] == "reported").sum() == reported
    assert (ada["status"] != "not_applicable").sum() == applicable
    assert 15 <= reported < applicable <= 44


def test_counts_are_over_experiments():
    one, other = (
        [status for status, _ in statuses(known_of(facts))]
        for facts in (make_report(), make_state())
    )
    counts = {each.id: each for each in cent_counts([(one, 1_000), (other, 1)])}
    assert (counts["17a.2"].reported, counts["17a.2"].blank) == (1_000, 1)
    assert all(sum(each[2:]) == 1_001 for each in counts.values())
    assert cent_counts([]) == ()
