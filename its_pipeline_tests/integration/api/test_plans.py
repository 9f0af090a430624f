"""Plans and looks over HTTP: the same numbers as in Python, and nobody else's."""

from __future__ import annotations

from typing import get_args

import pytest

from its_pipeline.api.questions.bodies_looks import Looks
from its_pipeline.experiments.looking import looks_at
from its_pipeline.experiments.planning import plan_for
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.its.planning.summary import PlanSummary
from its_pipeline.schedules.look_plans import LOOK_PLANS
from its_pipeline_tests.integration.api.test_analyze import problem


def test_http_knows_every_plan_of_looking_and_no_other():
    assert get_args(Looks) == tuple(LOOK_PLANS)


def test_a_plan_is_that_of_the_person_s_own_days(live):
    answer = live.request("POST", "/analytics/its/plan", json={"user_id": "anna", "effect": 5.0})
    assert answer.status_code == 200
    found, is_own = plan_for(Snapshot(live.settings), "anna", "sessionPerformanceScore", 5.0)
    assert answer.json() == PlanSummary.of(found, is_own=is_own).to_dict()


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "anna", "effect": 0.0},
        {"user_id": "anna", "effect": 5e-324},
        {"user_id": "anna", "power": 1.0},
        {"user_id": "anna", "looks": "weekly"},
        {"user_id": "anna", "days": 3},
    ],
)
def test_a_wrong_plan_is_refused(live, body):
    answer = live.request("POST", "/analytics/its/plan", json=body)
    problem(answer, 422, "validation")


def test_a_metric_that_nobody_has_is_no_plan(live):
    body = {"user_id": "anna", "outcome_metric": "distractionMinutes"}
    answer = live.request("POST", "/analytics/its/plan", json=body)
    problem(answer, 422, "insufficient_data")


def test_an_own_analysis_takes_a_look_and_another_question_takes_none(live):
    own = live.request(
        "POST", "/analytics/its/analyze", json={"user_id": "ben", "intervention_id": "morning"}
    ).json()
    assert own["standing"]["n_looks"] == 1
    other = live.request(
        "POST",
        "/analytics/its/analyze",
        json={"user_id": "ben", "intervention_id": "morning", "minimum_effect": 2.0},
    ).json()
    assert other["standing"] is None
    answer = live.request("GET", "/analytics/its/looks/ben/morning").json()
    snapshot = Snapshot(live.settings)
    taken = looks_at(live.settings, snapshot.intervention("ben|morning"))
    assert answer["looks"] == [look.to_dict() for look in taken]
    assert answer["standing"] == own["standing"]
    assert answer["plan"] == "daily"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("ben/nothing", "unknown_intervention"), ("nobody/morning", "unknown_user")],
)
def test_looks_of_what_is_not_there(live, path, kind):
    answer = live.request("GET", f"/analytics/its/looks/{path}")
    problem(answer, 404, kind)
