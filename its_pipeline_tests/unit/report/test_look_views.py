"""What answers and pages say of looks and plans: nothing has helped ahead of the boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import plan
from its_pipeline.its.decisions.looks import Look
from its_pipeline.its.decisions.standing import CorrectedEstimate, Standing
from its_pipeline.its.planning.summary import PlanSummary
from its_pipeline.report.look_views import PLAN_WORDS, looks_view
from its_pipeline.report.page import render_report, render_state_page
from its_pipeline.report.plan_views import planned_view
from its_pipeline.report.sentence import answer_sentences
from its_pipeline.schedules.look_plans import LOOK_PLANS
from its_pipeline_tests.unit.report.factories import make_report, make_state
from its_pipeline_tests.unit.report.sentence_cases import UNTIL, make_finding


def look(number: int, information: float, z: float, boundary: float, said: str = "") -> Look:
    return Look(
        number=number,
        looked_on=date(2026, 9, 1) + timedelta(days=number),
        planned_until_on=UNTIL,
        plan="daily",
        direction="increase",
        information=information,
        planned_information=1.0,
        z=z,
        boundary=boundary,
        alpha_spent=0.01,
        effect_mean=5.0,
        effect_sd=1.5,
        said=said,  # pyright: ignore[reportArgumentType]
        fingerprint="f",
    )


LOOKS = [look(1, 0.3, 1.0, float("inf")), look(2, 0.5, 2.9, 2.8, "helped"), look(3, 0.6, 1.1, 2.5)]
SO_FAR = Standing(kind="so_far", n_looks=1, last=LOOKS[0])
HELPED = Standing(
    kind="helped",
    n_looks=3,
    last=LOOKS[2],
    crossed=LOOKS[1],
    corrected=CorrectedEstimate(3.2, 0.4, 6.0),
)


def told(mean, standing, **fields):
    return answer_sentences(make_finding(mean, 1.5, standing=standing, **fields))


def test_before_the_boundary_nothing_has_helped_however_clear_the_interval():
    answer = told(6.0, SO_FAR, ongoing_until=UNTIL)
    assert answer.kind == "open"
    assert answer.headline == "Likely, not yet sure"
    assert "So far it is not sure whether it helped" in answer.text
    assert "30 % of the information planned until 12 November 2026" in answer.text
    assert "very likely" not in answer.text


def test_beyond_it_the_answer_says_since_when():
    answer = told(6.0, HELPED, ongoing_until=UNTIL)
    assert answer.headline == "Very likely helped so far"
    assert "this was reached on 3 September 2026" in answer.text


def test_later_doubts_stand_beside_a_verdict_that_stays():
    answer = told(0.4, replace(HELPED, is_doubted=True), ongoing_until=UNTIL)
    assert answer.headline == "Helped, less sure since"
    assert "On 3 September 2026 it was sure enough that it helped" in answer.text
    assert "the days since leave it less sure" in answer.text


@pytest.mark.parametrize(
    ("kind", "minimum", "headline"),
    [
        ("undecided", 0.0, "No clear effect"),
        ("too_small", 9.0, "No effect as large as 9 points"),
        ("made_worse", 0.0, "Very likely made it worse"),
    ],
)
def test_other_ends(kind, minimum, headline):
    crossed = LOOKS[1] if kind == "made_worse" else None
    standing = Standing(kind=kind, n_looks=3, last=LOOKS[2], crossed=crossed)
    mean = -6.0 if kind == "made_worse" else 1.0
    assert told(mean, standing, minimum_effect=minimum).headline == headline


def test_a_page_shows_the_looks_and_the_corrected_estimate():
    report = replace(make_report(), looks=tuple(LOOKS), standing=HELPED)
    html = render_report(report)
    assert "How sure, and since when" in html
    assert 'class="looks"' in html
    assert "Corrected for having been reached then it is 3.2 points" in html
    assert html.count('<tr><th scope="row">2 September 2026') == 1
    assert "How sure, and since when" not in render_report(make_report())


def test_a_boundary_that_cannot_be_reached_is_not_drawn_as_one_that_can():
    view = looks_view(LOOKS[:1], SO_FAR, "points")
    assert view is not None
    assert 'class="bound"' not in view["picture"]
    assert view["rows"][0]["boundary"] == "none"
    assert "nothing can be said yet" in view["picture"]


def test_every_plan_of_looking_has_its_words():
    assert PLAN_WORDS.keys() == LOOK_PLANS.keys()


@pytest.fixture(scope="module")
def planned() -> PlanSummary:
    noise = np.random.default_rng(1).normal(50.0, 5.0, 60)
    days = pd.Series(noise, pd.date_range("2026-01-01", periods=60))
    return PlanSummary.of(plan(days), is_own=True)


def test_a_waiting_page_says_how_many_days(planned):
    state = replace(make_state("waiting"), planned=planned)
    html = render_state_page(state)
    assert "How long it will take" in html
    assert f"{planned.days_needed} days with it" in html
    assert "days by lot" in html
    assert f"needs {planned.days_needed} days with it" in html
    assert "No power calculation is recorded" not in html
    without = render_state_page(make_state("waiting"))
    assert "How long it will take" not in without
    assert "No power calculation is recorded" in without


def test_a_plan_from_others_and_one_beyond_a_year_say_so(planned):
    others = planned_view(replace(planned, is_own=False, n_people=3, days_needed=None), "points")
    assert others is not None
    assert "3 other people" in others["words"]
    assert others["headline"].startswith("More than a year with it")
