"""The index: every experiment once, no unpublishable number, small at a thousand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from its_pipeline.report.cent import checklist
from its_pipeline.report.drawing import Span, interval_svg, scale_svg
from its_pipeline.report.index import _finding, render_index
from its_pipeline.report.inputs import EffectNumbers, IndexRow
from its_pipeline.report.sentence import (
    PROVISO,
    PROVISO_BY_LOT,
    PROVISO_ON_AND_OFF,
    answer_sentences,
)
from its_pipeline.stores.verdict import STATUSES
from its_pipeline_tests.unit.report.factories import STARTED_ON, make_report, make_state
from its_pipeline_tests.unit.report.test_page import HOSTILE, Skeleton

MEGABYTES_2 = 2_000_000


def make_row(number: int = 0, mean: float | None = 5.0, **fields: Any) -> IndexRow:
    effect = None
    if mean is not None:
        positive = 0.999 if mean > 4 else 0.5
        effect = EffectNumbers(mean, 2.0, mean - 3.9, mean + 3.9, positive, positive)
    values: dict[str, Any] = {
        "user_id": f"user{number:04d}",
        "intervention_id": f"iv{number}",
        "name": "Study in the morning",
        "outcome": "session performance",
        "unit": "points",
        "direction": "increase",
        "started_on": STARTED_ON,
        "state": "analysed" if mean is not None else "waiting",
        "n_pre": 60,
        "n_post": 45,
        "effect": effect,
        "report_href": f"user{number:04d}/iv{number}/index.html",
        "dagster_url": "http://127.0.0.1:3000/runs/9d1f3a52-77aa-4d31-9c1b-0a6f2f7c9a10",
        "mlflow_url": "http://127.0.0.1:5000/#/runs/0d1f3a5277aa4d319c1b0a6f2f7c9a10",
    }
    return IndexRow(**{**values, **fields})


def body_rows(page: str) -> list[str]:
    return re.findall(r"<tr data-s=.*?</tr>", page, re.DOTALL)


def test_every_experiment_is_one_row_in_an_order_that_ranks_nobody():
    rows = [make_row(n, mean) for n, mean in enumerate((1.0, 9.0, None, 5.0, -7.0))]
    page = render_index(reversed(rows))
    people = [re.search(r"user\d{4}", row)[0] for row in body_rows(page)]  # type: ignore[index]
    assert people == [row.user_id for row in rows]
    forest = page[page.index('class="forest"') :]
    assert re.findall(r"html\">(user\d{4})<", forest) == [
        "user0000", "user0001", "user0003", "user0004",
    ]  # fmt: skip


def test_a_unit_cannot_turn_the_interval_beside_it():
    page = render_index([make_row(unit="\u202eevil")])
    forest = page[page.index('class="forest"') :]
    assert "5.0 \u2068\u202eevil\u2069 (1.1 to 8.9)" in forest


def test_only_a_long_table_leaves_out_what_is_not_in_sight():
    assert '<table id="t">' in render_index(make_row(n) for n in range(100))
    assert '<table id="t" class="many">' in render_index(make_row(n) for n in range(101))


def test_a_row_can_carry_an_effect_only_if_analysed():
    with pytest.raises(ValueError, match="exactly when it is analysed"):
        make_row(state="not_converged")
    with pytest.raises(ValueError, match="exactly when it is analysed"):
        make_row(mean=None, state="analysed")
    with pytest.raises(ValueError, match="state must be one of"):
        make_row(state="great")


def test_rows_without_an_effect_have_nothing_to_sort_by():
    page = render_index([make_row(0, None, state=s) for s in STATUSES if s != "analysed"])
    assert len(body_rows(page)) == 5
    for row in body_rows(page):
        assert row.count('data-k=""') == 2
        assert "<svg" not in row
        assert "%" not in row


def test_counts_by_state_and_verdict_are_those_of_the_rows():
    rows = [make_row(n, 9.0) for n in range(3)] + [make_row(9, 0.0), make_row(10, None)]
    words = Skeleton(render_index(rows)).words
    for expected in ("3 very likely helped", "1 no clear effect", "4 Analysed", "1 Waiting"):
        assert expected in words, expected
    assert "0 Crashed" in words


def test_warnings_and_the_end_of_the_window_reach_the_verdict():
    words = Skeleton(render_index([
        make_row(0, 9.0, warning_codes=("short_phase", "no_relative_effect")),
        make_row(1, 1.0, ongoing_until=STARTED_ON),
    ])).words  # fmt: skip
    assert "Likely helped 1 warning" in words
    assert "Too early to tell" in words


def test_a_thousand_experiments_stay_under_two_megabytes():
    page = render_index(make_row(n, float(n % 13) - 6) for n in range(1000))
    assert len(body_rows(page)) == 1000
    assert len(page.encode()) < MEGABYTES_2


def test_compliance_table_counts_the_checklists():
    filled = {"a": checklist(make_report()), "b": checklist(make_state())}
    words = Skeleton(render_index([make_row()], filled)).words
    assert "Reporting checklist (CENT 2015) over 2 experiments" in words
    assert "does not meet the standards" in words
    assert "4b Where and in what setting data were collected. 0 0 2 0" in words
    assert "17a.2 The estimated effect and its precision. 1 0 1 0" in words
    assert "CENT 2015" not in Skeleton(render_index([make_row()])).words


def test_empty_index_says_so():
    assert "There is no experiment yet" in Skeleton(render_index([])).words


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str):
    row = make_row(0, 9.0, name=text, outcome=text, unit=text, report_href="javascript:x")
    skeleton = Skeleton(render_index([row, make_row(1, None, reason=text, name=text)]))
    assert skeleton.tags.count("script") == 1
    assert skeleton.tags.count("img") == 0
    assert "style" not in skeleton.attributes
    assert not any(name.startswith("on") for name in skeleton.attributes)
    assert "javascript:x" not in skeleton.addresses


def test_intervals_share_a_scale_and_wide_ones_end_in_an_arrow():
    inside = interval_svg(Span(0.0, -1.0, 1.0, "open"), 2.0)
    assert "M42 9H108" in inside  # half of 67 pixels either side of the middle at 75
    assert inside.count("<path") == 1
    beyond = interval_svg(Span(1.0, -9.0, 9.0, "good"), 2.0)
    assert beyond.count("<path") == 2
    assert "M3 9" in beyond
    assert "M147 9" in beyond
    with pytest.raises(ValueError, match="reach must be > 0 but got 0"):
        interval_svg(Span(0.0, 0.0, 0.0, "open"), 0.0)


@pytest.mark.parametrize("increase", [True, False])
def test_large_scale_names_the_better_side_and_escapes_its_labels(increase: bool):
    drawing = scale_svg(Span(0.5, -2.0, 3.0, "open"), ("<1", "2", "3"), 1.0, increase, "a<b")
    assert "&lt;1" in drawing
    assert "a&lt;b" in drawing
    assert ("better →" in drawing) == increase
    assert ("worse →" in drawing) != increase
    assert 'class="t"' in drawing


def test_a_row_says_of_days_with_it_what_the_report_says():
    plain, reversal, lot = (
        _finding(row, row.effect)
        for row in (
            make_row(),
            make_row(is_on_and_off=True),
            make_row(is_on_and_off=True, by_lot=True),
        )
        if row.effect is not None
    )
    assert (plain.is_on_and_off, plain.by_lot) == (False, False)
    assert PROVISO in answer_sentences(plain).text
    assert PROVISO_ON_AND_OFF in answer_sentences(reversal).text
    assert PROVISO_BY_LOT in answer_sentences(lot).text
    assert "without / with it where it was on and off again" in render_index([make_row()])
