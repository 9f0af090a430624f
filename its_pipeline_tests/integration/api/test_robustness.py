"""Workers that die, queues that fill, clients that leave, and samplers that do not converge."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import date

import pytest

from its_pipeline.api.questions.preparing import adhoc_id
from its_pipeline.api.workers.jobs import JobHandler, PlotJob
from its_pipeline.events.metrics import SHIPPED, OutcomeMetric, write_metrics_file
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, record_crash
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.its.estimand_names import ESTIMANDS
from its_pipeline.stores.keeping import prune
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.integration.api.test_analyze import problem
from tools.live_api import running
from tools.stores import (
    METRIC,
    log_intervention,
    series,
    short_settings,
    write_daily,
)

#: A question that takes some seconds: heavy tails are sampled.
SLOW = {"likelihood": "student_t", "mcmc_samples": 5_000, "mcmc_chains": 8}


def eventually(condition, seconds=120.0, pause=0.01):
    # A worker that starts anew loads and compiles for half a minute on two busy cores.
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(pause)


def counted(live, name):
    text = live.request("GET", "/metrics").text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def adhoc(user, day="2026-05-01"):
    return f"{user}|{adhoc_id(date.fromisoformat(day), METRIC)}"


def adhoc_of(user):
    return adhoc(user).partition("|")[2]


def check_one_whole_answer(live, user, answer, **asked):
    """The answer is there once, in the cache and in the history, and nothing half-written is."""
    assert answer.status_code == 200, answer.text
    again = live.analyze(user_id=user, **asked).json()
    assert again == {**answer.json(), "cached": True}
    # Other tests may have asked of this person, but not of this day.
    history = f"/analytics/its/history/{user}?intervention_id={adhoc_of(user)}"
    runs = live.request("GET", history).json()["runs"]
    assert [run["mlflow_run_id"] for run in runs] == [answer.json()["mlflow_run_id"]]
    assert not list(live.settings.store_root.rglob(f"{UNFINISHED_PREFIX}*"))
    run = live.request("GET", answer.json()["links"]["self"])
    assert run.json() == again
    drawn = live.request("GET", answer.json()["links"]["plot_effects"])
    assert drawn.content.startswith(b"\x89PNG")


def test_a_worker_killed_in_the_middle_of_a_fit(live):
    pool = live.services.pool
    [victim] = pool.state().process_ids
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(live.analyze, user_id="p5", **SLOW)
        eventually(lambda: pool.state().running == 1)
        time.sleep(0.2)
        assert pool.state().running == 1
        os.kill(victim, signal.SIGKILL)
        answer = asked.result(60)
    assert victim not in pool.state().process_ids
    check_one_whole_answer(live, "p5", answer, **SLOW)


@pytest.mark.parametrize(
    ("user", "sign"),
    [("p12", f"{UNFINISHED_PREFIX}*"), ("p13", "[!.]*/verdict.json")],
    ids=["while it is stored", "while it is recorded"],
)
def test_a_worker_killed_in_the_middle_of_keeping_an_answer(live, user, sign):
    pool = live.services.pool
    [victim] = pool.state().process_ids
    folder = live.services.store.folder(adhoc(user)) / "runs"
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(live.analyze, user_id=user)
        eventually(lambda: any(folder.glob(sign)), pause=0.0002)
        os.kill(victim, signal.SIGKILL)
        assert not asked.done()
        answer = asked.result(60)
    assert victim not in pool.state().process_ids
    check_one_whole_answer(live, user, answer)


@contextmanager
def while_recorded(live, user):
    """Hold MLflow's database while a run of this person is begun and cannot be completed."""
    path = live.settings.resolved_mlflow_tracking_uri.removeprefix("sqlite:///")
    begun = (
        "select count(*) from runs join tags using (run_uuid)"
        " where key = 'its.user_id' and value = ? and status = 'RUNNING'"
    )
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:

        def held():
            database.execute("begin immediate")
            if database.execute(begun, (user,)).fetchone()[0]:
                return True
            database.execute("rollback")
            return False

        eventually(held, pause=0.001)
        try:
            yield
        finally:
            database.execute("rollback")


def test_an_answer_does_not_wait_for_the_run_to_be_completed_but_a_history_does(live):
    log_intervention(live.settings, "p14")
    with ThreadPoolExecutor(2) as threads:
        asked = threads.submit(live.analyze, user_id="p14")
        with while_recorded(live, "p14"):
            answer = asked.result(10).json()
            assert answer["cached"] is False
            history = threads.submit(live.request, "GET", "/analytics/its/history/p14")
            time.sleep(0.2)
            assert not history.done()
        [run] = history.result(10).json()["runs"]
    assert run["mlflow_run_id"] == answer["mlflow_run_id"]
    [experiment] = live.request("GET", "/experiments/p14").json()["experiments"]
    assert (experiment["state"], experiment["up_to_date"]) == ("analysed", True)
    assert experiment["mlflow_run_id"] == answer["mlflow_run_id"]


def test_a_worker_killed_after_its_answer_leaves_a_run_that_another_completes(live):
    pool = live.services.pool
    [victim] = pool.state().process_ids
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(live.analyze, user_id="p15")
        with while_recorded(live, "p15"):
            answer = asked.result(30)
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: victim not in pool.state().process_ids)
    # Nobody asks again, and still it is completed.
    eventually(lambda: live.request("GET", "/analytics/its/history/p15").json()["runs"])
    check_one_whole_answer(live, "p15", answer)


def test_a_worker_killed_while_it_waits_for_an_experiment(live):
    pool = live.services.pool
    [victim] = pool.state().process_ids
    with ThreadPoolExecutor(1) as threads:
        with live.services.store.locked(adhoc("p8")):
            asked = threads.submit(live.analyze, user_id="p8")
            eventually(lambda: pool.state().running == 1)
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: pool.state().process_ids not in ((), (victim,)))
        answer = asked.result(60)
    check_one_whole_answer(live, "p8", answer)


def test_the_same_question_from_many_at_once_is_computed_once(live):
    before = counted(live, "its_api_coalesced_total")
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(live.analyze, user_id="p6", **SLOW) for _ in range(8)]
        answers = [one.result(60).json() for one in asked]
    assert len({answer["mlflow_run_id"] for answer in answers}) == 1
    assert all({**answer, "cached": None} == {**answers[0], "cached": None} for answer in answers)
    assert counted(live, "its_api_coalesced_total") - before >= 1
    runs = live.request("GET", "/analytics/its/history/p6").json()["runs"]
    assert len(runs) == 1


def leave(live, **body):
    """Ask, and close the connection when the work has begun or is queued."""
    host, port = live.url.removeprefix("http://").split(":")
    content = json.dumps({"intervention_date": "2026-05-01", **body}).encode()
    state = live.services.pool.state()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /analytics/its/analyze HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\n"
            + f"Authorization: Bearer {live.tokens['service']}\r\n".encode()
            + f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        eventually(
            lambda: (
                sum((live.services.pool.state().running, live.services.pool.state().queued))
                > state.running + state.queued
            )
        )


def test_clients_that_leave_leave_no_work_behind(live):
    before = counted(live, "its_api_abandoned_total")
    pool = live.services.pool
    with ThreadPoolExecutor(1) as threads:
        with live.services.store.locked(adhoc("p7")):
            stays = threads.submit(live.analyze, user_id="p7")
            eventually(lambda: pool.state().running == 1)
            for number in range(6):
                leave(live, user_id="p7", minimum_effect=float(number + 1))
                eventually(lambda: pool.state().queued == 0, 5)
        assert stays.result(60).status_code == 200
    assert counted(live, "its_api_abandoned_total") - before == 6
    runs = live.request("GET", "/analytics/its/history/p7").json()["runs"]
    assert len(runs) == 1


def test_a_full_queue_says_when_to_come_back(live):
    size = live.services.server_settings.queue_size
    pool = live.services.pool
    with ThreadPoolExecutor(2 * size + 1) as threads:
        with live.services.store.locked(adhoc("p9")):
            asked = [
                threads.submit(live.analyze, user_id="p9", minimum_effect=float(number))
                for number in range(2 * size + 1)
            ]
            eventually(lambda: sum(one.done() for one in asked) == size)
            assert (pool.state().running, pool.state().queued) == (1, size)
        answers = [one.result(60) for one in asked]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == size
    assert all(answer.status_code == 200 for answer in answers if answer not in refused)
    for answer in refused:
        problem(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) >= 1


def test_an_analysis_that_crashes_tells_nothing_and_spares_the_worker(live):
    workers = live.services.pool.state().process_ids
    in_the_way = live.settings.experiments_dir / "p11"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("a file where a folder should be")
    try:
        crashed = live.analyze(user_id="p11")
    finally:
        in_the_way.unlink()
    problem(crashed, 500, "analysis_failed")
    for secret in ("Traceback", str(live.settings.store_root), "NotADirectory"):
        assert secret not in crashed.text
    assert live.services.pool.state().process_ids == workers
    assert live.analyze(user_id="p11").status_code == 200


def test_an_experiment_that_crashed_tells_nothing_of_files(live):
    log_intervention(live.settings, "cora")
    prepared = Snapshot(live.settings).prepare("cora|morning")
    record_crash(live.settings, prepared, OSError(f"no such file {live.settings.store_root}"))
    asked = live.request("GET", "/experiments/cora")
    [found] = asked.json()["experiments"]
    assert (found["state"], found["up_to_date"]) == ("crashed", False)
    assert str(live.settings.store_root) not in asked.text
    assert "tries again" in found["reason"]


def test_a_pruned_analysis_keeps_its_numbers_but_has_no_plots(live):
    old = live.analyze(user_id="p4", minimum_effect=1.0).json()
    key = f"p4|{old['intervention_id']}"
    live.analyze(user_id="p4", minimum_effect=2.0)
    assert prune(live.services.store, [key], keep=1) == 1
    run = live.request("GET", old["links"]["self"]).json()
    assert run["counterfactual_effect"] == old["counterfactual_effect"]
    problem(live.request("GET", old["links"]["plot_effects"]), 404, "unknown_run")


def test_an_analysis_that_takes_too_long_is_ended(live):
    pool = live.services.pool
    seconds, pool._job_seconds = pool._job_seconds, 0.3
    try:
        with live.services.store.locked(adhoc("p10")):
            problem(live.analyze(user_id="p10"), 504, "analysis_timeout")
    finally:
        pool._job_seconds = seconds
    assert live.analyze(user_id="p10").status_code == 200


def test_what_did_not_converge_has_diagnostics_and_no_effect(tmp_path):
    # Two chains of 100 draws cannot have an effective sample size of 400; heavy tails need them.
    settings = short_settings(tmp_path, draws=100, tune=100, chains=2)
    (shipped,) = SHIPPED
    declared = OutcomeMetric.model_validate({**shipped.model_dump(), "likelihood": "student_t"})
    write_metrics_file(settings.store_root / "metrics.yaml", (declared,))
    write_daily(settings, {"anna": series(effect=5.0)})
    log_intervention(settings, "anna")
    runs = RunStore.from_settings(settings)
    at_night = fit_experiment(Snapshot(settings), "anna|morning", recorder=runs)
    assert at_night.verdict.status == "not_converged"
    with running(settings, wait=False) as live:
        found = problem(live.analyze(), 424, "not_converged")
        assert found["mcmc_diagnostics"]["converged"] is False
        assert found["mlflow_run_id"] == at_night.mlflow_run_id
        assert "400" in found["detail"]
        assert not [name for name in found if "effect" in name or "probability" in name]

        run = live.request("GET", f"/analytics/its/runs/{found['mlflow_run_id']}").json()
        assert run["status"] == "not_converged"
        effects = [run[name] for name in run if name.endswith("_effect")]
        assert [effect for effect in effects if effect != 0.0] == [None] * len(ESTIMANDS)
        assert run["probability_of_benefit"] is None
        assert [name for name in run["links"] if "plot" in name] == ["plot_diagnostics"]
        plots = f"/analytics/its/runs/{found['mlflow_run_id']}/plots"
        problem(live.request("GET", f"{plots}/effects"), 424, "not_converged")
        [entry] = live.request("GET", "/analytics/its/history/anna").json()["runs"]
        assert entry["status"] == "not_converged"
        assert entry["counterfactual_effect_estimate"] is None
        [experiment] = live.request("GET", "/experiments/anna").json()["experiments"]
        assert experiment["state"] == "not_converged"
        assert experiment["counterfactual_effect"] is None
    drawn = JobHandler(settings, runs)(PlotJob(at_night.verdict, ("diagnostics",)))
    assert isinstance(drawn, dict)
    assert drawn["diagnostics"].startswith(b"\x89PNG")


def test_not_ready_while_the_model_is_compiled_and_stopped_all_the_same(tmp_path):
    before = threading.enumerate()
    with running(short_settings(tmp_path), wait=False) as starting:
        assert starting.request("GET", "/health", None).json()["status"] == "ok"
        not_yet = starting.request("GET", "/ready", None)
        problem(not_yet, 503, "not_ready")
        assert int(not_yet.headers["retry-after"]) >= 1
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not [name for name in left if name.startswith("its-worker")]
