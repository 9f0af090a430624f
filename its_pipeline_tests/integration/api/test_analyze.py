"""Asking for analyses: the first time, again, with other options, and when there is no answer."""

from __future__ import annotations

import base64
import json
import struct
from datetime import date

import pytest

from its_pipeline.api.workers.jobs import PLOT_NAMES
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment
from tools.stores import log_intervention

PNG = b"\x89PNG\r\n\x1a\n"


def test_first_answer_then_from_the_cache_then_in_the_history(live):
    first = live.analyze(user_id="p0")
    assert first.status_code == 200
    answer = first.json()
    assert (answer["status"], answer["cached"]) == ("analysed", False)
    assert (answer["n_pre"], answer["n_post"]) == (45, 40)

    # Whoever computes holds the experiment's lock; what is known needs none, and no worker.
    with live.services.store.locked(f"p0|{answer['intervention_id']}"):
        again = live.analyze(user_id="p0")
    assert again.json() == {**answer, "cached": True}

    history = live.request("GET", "/analytics/its/history/p0").json()
    assert [run["mlflow_run_id"] for run in history["runs"]] == [answer["mlflow_run_id"]]
    entry = history["runs"][0]
    assert entry["counterfactual_effect_estimate"] == answer["counterfactual_effect"]["estimate"]
    assert live.request("GET", answer["links"]["self"]).json() == {**answer, "cached": True}


def test_effects_say_what_the_mission_asks_for(live):
    answer = live.analyze(user_id="carl", direction="decrease", minimum_effect=1.0).json()
    for name in ("immediate_effect", "sustained_effect", "counterfactual_effect"):
        effect = answer[name]
        assert effect["ci_lower"] < effect["estimate"] < effect["ci_upper"]
        assert effect["probability_positive"] + effect["probability_negative"] == pytest.approx(1)
        assert effect["unit"]
    assert answer["counterfactual_effect"]["estimate"] < 0
    assert answer["probability_of_benefit"] > 0.5
    diagnostics = answer["mcmc_diagnostics"]
    assert diagnostics["converged"] is True
    assert diagnostics["r_hat"].keys() == diagnostics["ess_bulk"].keys()
    assert "sigma" in diagnostics["r_hat"]


def test_plots_are_pngs_and_come_only_when_asked_for(live):
    assert live.analyze(user_id="p1").json()["plots"] == {}
    two = live.analyze(user_id="p1", params={"plots": ["effects", "diagnostics"]}).json()
    assert sorted(two["plots"]) == ["diagnostics", "effects"]
    every = live.analyze(user_id="p1", params={"plots": "all"}).json()
    assert set(every["plots"]) == set(PLOT_NAMES)
    for name in PLOT_NAMES:
        png = base64.b64decode(every["plots"][name], validate=True)
        assert png.startswith(PNG)
        assert len(png) > 5000
        # pHYs: dots a metre in both directions; 5906 are 150 dpi.
        at = png.index(b"pHYs") + 4
        assert struct.unpack(">IIB", png[at : at + 9]) == (5906, 5906, 1)
        fetched = live.request("GET", every["links"][f"plot_{name}"])
        assert fetched.headers["content-type"] == "image/png"
        assert fetched.content == png


def test_over_http_and_at_night_it_is_the_same_analysis(live):
    asked = live.analyze(intervention_id="morning", intervention_date=...).json()
    at_night = fit_experiment(Snapshot(live.settings), "anna|morning", recorder=live.services.runs)
    assert at_night.cached
    assert at_night.verdict.fingerprint == asked["fingerprint"]
    assert at_night.mlflow_run_id == asked["mlflow_run_id"]
    assert live.services.store.verdict("anna|morning") == at_night.verdict
    by_date = live.analyze().json()
    assert by_date == {**asked, "cached": True}


def test_what_was_made_at_night_is_an_answer_at_once(live):
    at_night = fit_experiment(Snapshot(live.settings), "ben|morning", recorder=live.services.runs)
    asked = live.analyze("ben", user_id="ben").json()
    assert asked["cached"] is True
    assert asked["mlflow_run_id"] == at_night.mlflow_run_id


def test_other_options_are_another_analysis_and_leave_the_experiments_own_alone(live):
    own = live.analyze().json()
    other = live.analyze(include_time_of_day=False, mcmc_samples=1000, mcmc_chains=2).json()
    assert other["fingerprint"] != own["fingerprint"]
    assert other["intervention_id"] == "morning"
    # How many draws are wanted is told of what is sampled; the auditor has its own number.
    asked = {"likelihood": "student_t", "mcmc_samples": 3000, "mcmc_chains": 2}
    assert live.analyze(**asked).json()["mcmc_diagnostics"]["draws"] == 3000
    assert "share_morning" not in other["mcmc_diagnostics"]["r_hat"]
    stored = live.services.store.verdict("anna|morning")
    assert stored is not None
    assert stored.fingerprint == own["fingerprint"]


def test_the_likelihood_may_be_asked_for_and_the_metrics_own_is_no_other_question(live):
    own = live.analyze().json()
    assert live.analyze(likelihood="normal").json() == {**own, "cached": True}
    heavy = live.analyze(likelihood="student_t", mcmc_samples=2000).json()
    assert heavy["fingerprint"] != own["fingerprint"]
    assert "nu" in heavy["mcmc_diagnostics"]["r_hat"]
    assert live.services.store.verdict("anna|morning").fingerprint == own["fingerprint"]
    problem(live.analyze(likelihood="cauchy"), 422, "validation")


def test_options_of_the_analysis_and_what_is_so_anyway_is_no_other_question(live):
    own = live.analyze().json()
    usual = {"slope": "auto", "trend": True, "season": "day_of_week", "likelihood": "normal"}
    assert live.analyze(analysis={**usual, "covariates": None}).json() == {**own, "cached": True}
    fewer = live.analyze(analysis={"slope": "no", "covariates": ["share_evening"]}).json()
    assert fewer["fingerprint"] != own["fingerprint"]
    assert fewer["sustained_effect"] is None
    shares = {name for name in fewer["coefficients"] if name.startswith("share_")}
    assert shares == {"share_evening"}
    assert live.services.store.verdict("anna|morning").fingerprint == own["fingerprint"]
    # What was there before `analysis` means the same.
    without = live.analyze(include_time_of_day=False, include_day_of_week=False).json()
    said = live.analyze(analysis={"season": "none", "covariates": "none"}).json()
    assert said == {**without, "cached": True}


def test_the_answer_has_coefficients_and_what_if_and_an_old_one_has_none(live):
    own = live.analyze(analysis={"season": "none"}).json()
    folder = live.services.store.analysis_folder("anna|morning", own["fingerprint"])
    stored = json.loads((folder / "analysis.json").read_text())
    assert set(own["coefficients"]) >= {"intercept", "level_change", "share_morning"}
    for name, (mean, sd) in stored["coefficients"].items():
        assert own["coefficients"][name] == {"mean": mean, "sd": sd}
    assert own["what_if"] == stored["what_if"] != []
    assert live.request("GET", own["links"]["self"]).json()["what_if"] == own["what_if"]
    for name in ("coefficients", "what_if"):
        del stored[name]
    (folder / "analysis.json").write_text(json.dumps(stored))
    old = live.request("GET", own["links"]["self"]).json()
    assert (old["coefficients"], old["what_if"]) == ({}, [])
    assert old["counterfactual_effect"] == own["counterfactual_effect"]


def test_a_window_of_ones_own(live):
    answer = live.analyze(start_date="2026-04-01", end_date="2026-05-20").json()
    assert (answer["n_pre"], answer["n_post"]) == (30, 20)
    assert answer["window"]["pre_start_on"] == "2026-04-01"
    assert answer["window"]["post_end_on"] == "2026-05-20"


def test_a_date_that_is_not_logged_has_an_identifier_of_its_own(live):
    answer = live.analyze(user_id="p0", intervention_date="2026-05-05").json()
    assert answer["intervention_id"] == "adhoc-2026-05-05-sessionPerformanceScore"
    assert "report" not in answer["links"]


def test_the_report_of_a_logged_experiment_is_written_when_it_is_asked_for(live):
    answer = live.analyze().json()
    page = live.request("GET", answer["links"]["report"])
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Study in the morning" in page.text
    assert live.request("GET", answer["links"]["report"]).text == page.text


def test_a_date_that_is_not_logged_has_no_report(live):
    run_id = live.analyze(user_id="p0", intervention_date="2026-05-05").json()["mlflow_run_id"]
    problem(live.request("GET", f"/analytics/its/runs/{run_id}/report"), 404, "no_report")


def problem(response, status, code):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["type"] == f"urn:its-pipeline:problem:{code}"
    assert found["remedy"]
    assert found["instance"].endswith(response.headers["x-request-id"])
    return found


def test_too_few_days(live):
    found = problem(live.analyze(user_id="few"), 422, "insufficient_data")
    assert (found["n_pre"], found["n_post"], found["minimum_days"]) == (30, 3, 8)
    assert found["analysable_on"] == "2026-06-25"
    assert "2026-06-25" in found["remedy"]
    assert found["value"] == "2026-05-01"


def test_without_events_it_waits(live):
    asked = live.analyze(user_id="eventless", intervention_id="morning", intervention_date=...)
    assert problem(asked, 422, "insufficient_data")["n_pre"] == 0


def test_the_future(live):
    found = problem(live.analyze(intervention_date="2026-07-01"), 422, "future_date")
    assert found["value"] == "2026-07-01"
    # The logged intervention goes on and is in the same model, so the baseline is not cut at it.
    assert (found["n_pre"], found["n_post"], found["minimum_days"]) == (69, 0, 8)
    assert found["analysable_on"] == "2026-07-09"
    assert found["remedy"] == "log it with POST /interventions; it is analysed on 2026-07-09"
    # Too far away for today's days to be its baseline: no date can be named, and it is said so.
    found = problem(live.analyze(intervention_date="2199-12-31"), 422, "future_date")
    assert (found["n_pre"], found["minimum_days"]) == (0, 8)


def test_a_future_that_is_logged_already(live):
    log_intervention(live.settings, "p3", started_on=date(2026, 7, 1))
    asked = live.analyze(user_id="p3", intervention_id="morning", intervention_date=...)
    found = problem(asked, 422, "future_date")
    assert found["remedy"] == "it is analysed on 2026-07-09"


def test_nobody(live):
    assert problem(live.analyze(user_id="nobody"), 404, "unknown_user")["value"] == "nobody"
    problem(live.request("GET", "/analytics/its/history/nobody"), 404, "unknown_user")
    problem(live.request("GET", "/experiments/nobody"), 404, "unknown_user")


def test_an_intervention_that_is_not_logged(live):
    asked = live.analyze(intervention_id="evening", intervention_date=...)
    assert problem(asked, 404, "unknown_intervention")["value"] == "evening"


def test_a_constant_outcome(live):
    found = problem(live.analyze(user_id="constant"), 422, "not_analysable")
    assert found["reason_code"] == "constant_outcome"


def test_an_unknown_metric_is_told_the_known_ones(live):
    found = problem(live.analyze(outcome_metric="mood"), 422, "validation")
    assert found["value"] == "mood"
    assert "sessionPerformanceScore" in found["detail"]


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"mcmc_samples": 499}, "body.mcmc_samples"),
        ({"mcmc_samples": 10_001}, "body.mcmc_samples"),
        ({"mcmc_samples": "2000"}, "body.mcmc_samples"),
        ({"mcmc_chains": 1}, "body.mcmc_chains"),
        ({"mcmc_chains": True}, "body.mcmc_chains"),
        ({"include_day_of_week": "yes"}, "body.include_day_of_week"),
        ({"analysis": {"slope": 1}}, "body.analysis.slope"),
        ({"analysis": {"season": "month"}}, "body.analysis.season"),
        ({"analysis": {"colour": "red"}}, "body.analysis"),
        ({"analysis": {"slope": True, "trend": False}}, "body.analysis"),
        ({"analysis": {"likelihood": "normal"}, "likelihood": "student_t"}, "body"),
        ({"minimum_effect": -1}, "body.minimum_effect"),
        ({"direction": "up"}, "body.direction"),
        ({"intervention_date": "2026-02-30"}, "body.intervention_date"),
        ({"intervention_date": "2026-05-01T00:00:00"}, "body.intervention_date"),
        ({"intervention_date": 1_777_777_777}, "body.intervention_date"),
        ({"intervention_id": "morning"}, "body"),
        ({"start_date": "2026-05-01"}, "body"),
        ({"end_date": "2026-04-30"}, "body"),
        ({"surprise": 1}, "body.surprise"),
    ],
)
def test_rules_of_a_request(live, body, location):
    found = problem(live.analyze(**body), 422, "validation")
    assert location in [error["location"] for error in found["errors"]]
    assert "value" in found


def test_history_is_paged_and_filtered_newest_first(live):
    fingerprints = [
        live.analyze(user_id="p2", intervention_date=f"2026-05-{day:02d}").json()["fingerprint"]
        for day in (1, 2, 3)
    ]
    path = "/analytics/its/history/p2"
    first = live.request("GET", path, params={"limit": 2}).json()
    second = live.request("GET", path, params={"limit": 2, "page": first["next_page"]}).json()
    seen = [run["fingerprint"] for run in first["runs"] + second["runs"]]
    assert seen == fingerprints[::-1]
    assert second["next_page"] is None
    one = "adhoc-2026-05-02-sessionPerformanceScore"
    only = live.request("GET", path, params={"intervention_id": one}).json()
    assert [run["fingerprint"] for run in only["runs"]] == [fingerprints[1]]
    none = live.request("GET", path, params={"status": "not_converged"}).json()
    assert none["runs"] == []


def test_a_filter_that_is_misspelt_is_not_dropped(live):
    asked = live.request("GET", "/analytics/its/history/anna", params={"staus": "analysed"})
    found = problem(asked, 422, "validation")
    assert found["value"] == "staus"
    assert "status" in found["detail"]


def test_experiments_and_where_they_stand(live):
    analysed_fingerprint = live.analyze(user_id="emma").json()["fingerprint"]
    [analysed] = live.request("GET", "/experiments/emma").json()["experiments"]
    assert (analysed["state"], analysed["up_to_date"]) == ("analysed", True)
    assert analysed["counterfactual_effect"]["estimate"] > 0
    live.services.log.amend("emma", "morning", name="Another name")
    [amended] = live.request("GET", "/experiments/emma").json()["experiments"]
    # The numbers are still its own, but an evaluation now would keep the new name with them.
    assert (amended["state"], amended["up_to_date"]) == ("analysed", False)
    assert live.analyze(user_id="emma").json()["fingerprint"] == analysed_fingerprint
    [again] = live.request("GET", "/experiments/emma").json()["experiments"]
    assert (again["state"], again["up_to_date"]) == ("analysed", True)
    [waiting] = live.request("GET", "/experiments/few").json()["experiments"]
    assert (waiting["state"], waiting["analysable_on"]) == ("waiting", "2026-06-25")
    assert waiting["waiting_since"] is not None
    assert date.fromisoformat(waiting["intervention_date"]) == date(2026, 5, 1)
