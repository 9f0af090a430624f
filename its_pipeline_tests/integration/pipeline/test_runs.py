"""The run store on a real SQLite MLflow: recorded once, found again, filtered safely."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from its_pipeline.defs.resources import end_left_parents
from its_pipeline.files.atomic import write_bytes
from its_pipeline.stores.parent_runs import close_dagster_run, open_dagster_runs
from its_pipeline.stores.runs import RunStore, UnknownRunError
from its_pipeline.stores.verdict import RunContext, Status, Verdict

EFFECT = {
    "mean": 6.0,
    "sd": 1.0,
    "ci_lower": 4.0,
    "ci_upper": 8.0,
    "probability_positive": 0.99,
    "probability_negative": 0.01,
    "unit": "points",
}


def make_verdict(
    user="ada", intervention="mornings", fingerprint="ab" * 16, status: Status = "analysed"
):
    analysed = status == "analysed"
    return Verdict(
        key=f"{user}|{intervention}",
        user_id=user,
        intervention_id=intervention,
        intervention_name="Study in the morning",
        intervention_version=1,
        status=status,
        reason="" if analysed else "the sampler did not converge",
        reason_code="" if analysed else "not_converged",
        fingerprint=fingerprint,
        decided_at="2026-03-01T00:00:00+00:00",
        direction="increase",
        outcome_metric="sessionPerformanceScore",
        unit="points",
        minimum_effect=0.0,
        started_on="2026-01-15",
        n_pre=30,
        n_post=30,
        effects={"counterfactual": EFFECT, "sustained": None} if analysed else None,
        probability_of_benefit=0.99 if analysed else None,
        diagnostics={"converged": analysed, "max_r_hat": 1.001 if analysed else float("nan")},
    )


def record_folder(store, verdict, folder, context, on_run=None):
    """Record the files of a folder; one that is missing fails after the run was made."""
    there = sorted(folder.iterdir()) if folder.is_dir() else [folder / "series.parquet"]
    files = {file.name: file for file in there}
    told = json.loads(files["analysis.json"].read_bytes()) if "analysis.json" in files else {}
    return store.record_analysis(verdict, told, files, context, on_run)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    return RunStore(f"sqlite:///{folder / 'mlflow.db'}")


def test_an_analysis_is_recorded_once_and_read_back(store, tmp_path):
    folder, report = tmp_path / "analysis", tmp_path / "ada.html"
    folder.mkdir()
    (folder / "analysis.json").write_text('{"spec": {"draws": 7}, "timing": {"fit": 0.5}}')
    report.write_text("<p>hello")
    context = RunContext("r", "ada|mornings", "p" * 32)
    run_id = record_folder(store, make_verdict(), folder, context)
    assert record_folder(store, make_verdict(), folder, context) == run_id
    store.add_artifacts(run_id, {"report.html": report, "plots/ada.html": report})
    run = store.get(run_id)
    assert run.numbers["counterfactual.mean"] == 6.0
    assert run.params["started_on"] == "2026-01-15"
    assert run.params["spec.draws"] == "7"
    assert run.numbers["seconds.fit"] == 0.5
    assert "counterfactual.probability_positive" in run.numbers
    assert not [name for name in run.numbers if "negative" in name]
    assert run.tags["dagster.run_id"] == "r"
    assert run.tags["mlflow.parentRunId"] == "p" * 32
    assert run.ended_at is not None
    assert store.find("ab" * 16).run_id == run_id
    assert store.artifact(run_id, "report.html").read_text() == "<p>hello"
    assert store.artifact(run_id, "analysis.json").is_file()
    with pytest.raises(UnknownRunError, match="no artifact"):
        store.artifact(run_id, "../mlflow.db")


BY_SCHEDULE = {
    "schedule": {
        "on_periods": [["2026-01-15", "2026-01-20"], ["2026-02-01", None]],
        "mechanism": {"drawn_at": "2026-01-14T23:30:00+01:00", "seed": 3},
        "drawn_from_on": "2026-01-15",
    },
    "phases": [{"on": False}, {"on": True}, {"on": False}, {"on": True}],
    "likeness": {"word": "same", "probability_alike": 0.8},
    "others": [{"name": "Walks"}, {"name": "Tea"}],
    "as_done": None,
    "randomisation": {"p_value": 0.02},
}


def _stored(folder, by_schedule):
    folder.mkdir()
    (folder / "analysis.json").write_text(json.dumps({"by_schedule": by_schedule}))
    return folder


def test_a_run_says_when_it_acted_and_what_the_lot_gave(store, tmp_path):
    verdict = replace(make_verdict(user="flo", fingerprint="12" * 16), is_on_and_off=True)
    folder = _stored(tmp_path / "analysis", BY_SCHEDULE)
    run = store.get(record_folder(store, verdict, folder, RunContext()))
    assert run.params["schedule"] == "on 2026-01-15 to 2026-01-20, from 2026-02-01 on; drawn by lot"
    assert run.params["in_one_model_with"] == "Walks, Tea"
    assert run.numbers["randomisation.p_value"] == 0.02
    assert (run.numbers["phases.on"], run.numbers["phases.off"]) == (2, 2)
    assert run.numbers["likeness.probability_alike"] == 0.8


def test_one_change_records_nothing_of_a_schedule_nor_does_what_did_not_converge(store, tmp_path):
    one = {
        **BY_SCHEDULE,
        "schedule": {"on_periods": [["2026-01-15", None]]},
        "likeness": None,
        "others": [],
        "randomisation": None,
    }
    failed = make_verdict(user="gus", fingerprint="34" * 16, status="not_converged")
    for number, (verdict, by_schedule) in enumerate(
        [
            (make_verdict(user="gus", fingerprint="56" * 16), one),
            (make_verdict(user="gus", fingerprint="78" * 16), None),
            (failed, {**BY_SCHEDULE, "others": []}),
        ]
    ):
        folder = _stored(tmp_path / str(number), by_schedule)
        run = store.get(record_folder(store, verdict, folder, RunContext()))
        names = {*run.numbers, *run.params} - {"schedule" if verdict is failed else ""}
        told = ("schedule", "in_one_model_with", "phases.", "likeness.", "randomisation.")
        assert not [name for name in names if name.startswith(told)]


def test_a_long_schedule_is_cut_to_what_mlflow_takes(store, tmp_path):
    others = [{"name": f"Intervention number {number} of many"} for number in range(60)]
    folder = _stored(tmp_path / "analysis", {**BY_SCHEDULE, "others": others})
    verdict = make_verdict(user="hal", fingerprint="9a" * 16)
    run = store.get(record_folder(store, verdict, folder, RunContext()))
    assert len(run.params["in_one_model_with"]) == 500


def test_an_unconverged_analysis_has_no_effect_metric(store, tmp_path):
    verdict = make_verdict(user="bob", fingerprint="cd" * 16, status="not_converged")
    run_id = record_folder(store, verdict, tmp_path, RunContext())
    run = store.get(run_id)
    assert run.status == "not_converged"
    assert not [name for name in run.numbers if "counterfactual" in name or "probab" in name]


def test_history_filters_pages_and_orders(store, tmp_path):
    runs = [
        record_folder(
            store, make_verdict(user="eve", fingerprint=f"{n:032x}"), tmp_path, RunContext()
        )
        for n in range(5)
    ]
    first = store.history("eve", page_size=3)
    second = store.history("eve", page_size=3, page=first.next_page)
    assert [run.run_id for run in first.runs + second.runs] == runs[::-1]
    assert second.next_page is None
    assert store.history("eve", "evenings").runs == ()
    assert store.history("eve", status="not_converged").runs == ()


@pytest.mark.parametrize("hostile", ["' OR tags.x = '", "a'b", "a\\", "../x", ""])
def test_no_identifier_reaches_the_filter_unchecked(store, hostile):
    with pytest.raises(ValueError):
        store.history(hostile)
    with pytest.raises(ValueError):
        store.history("ada", status=hostile)
    with pytest.raises(ValueError):
        store.find(hostile)


def test_an_interrupted_upload_leaves_no_file(store, tmp_path):
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"png")
    run_id = record_folder(store, make_verdict(user="lea"), tmp_path, RunContext())
    client, _ = store.open()
    folder = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    (folder / "plots").mkdir()
    (folder / "plots" / ".artifact.uploading.abc").write_bytes(b"pn")
    store.add_artifacts(run_id, {"plots/plot.png": plot})
    assert [path.name for path in (folder / "plots").iterdir()] == ["plot.png"]


def artifacts_of(store, run_id) -> Path:
    client, _ = store.open()
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))


def test_artifacts_on_the_same_disk_are_links_that_outlive_the_replaced_file(store, tmp_path):
    (tmp_path / "posterior.npz").write_bytes(b"draws")
    run_id = record_folder(store, make_verdict(user="mia"), tmp_path, RunContext())
    kept = artifacts_of(store, run_id) / "posterior.npz"
    assert kept.samefile(tmp_path / "posterior.npz")
    page = tmp_path / "page.html"
    for text in ("first", "second"):
        write_bytes(page, text.encode())
        store.add_artifacts(run_id, {"report/report.html": page})
        write_bytes(page, b"what comes later")
        shown = artifacts_of(store, run_id) / "report" / "report.html"
        assert shown.read_text() == text
    assert [path.name for path in shown.parent.iterdir()] == ["report.html"]


def test_artifacts_on_another_disk_are_copied(store, tmp_path, monkeypatch):
    def no_link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    (tmp_path / "posterior.npz").write_bytes(b"draws")
    monkeypatch.setattr(os, "link", no_link)
    run_id = record_folder(store, make_verdict(user="noa"), tmp_path, RunContext())
    store.add_artifacts(run_id, {"plots/other.npz": tmp_path / "posterior.npz"})
    folder = artifacts_of(store, run_id)
    for name in ("posterior.npz", "plots/other.npz"):
        assert (folder / name).read_bytes() == b"draws"
        assert not (folder / name).samefile(tmp_path / "posterior.npz")


def test_a_pruned_run_keeps_all_but_its_draws(store, tmp_path):
    for name in ("posterior.npz", "trace.npz", "series.parquet"):
        (tmp_path / name).write_bytes(b"x")
    run_id = record_folder(store, make_verdict(user="oli"), tmp_path, RunContext())
    before = store.get(run_id).numbers
    store.drop_posterior(run_id)
    store.drop_posterior(run_id)
    assert [path.name for path in artifacts_of(store, run_id).iterdir()] == ["series.parquet"]
    assert store.get(run_id).numbers == before
    assert store.get(run_id).tags["its.posterior"] == "pruned"
    store.drop_posterior("0" * 32)


class WriterGoneError(Exception):
    """Stands for the end of the process that writes."""


@pytest.mark.parametrize("written", ["nothing", "the numbers"])
def test_an_interrupted_recording_is_completed_under_its_own_id(store, tmp_path, written):
    user = f"kim-{len(written)}"
    verdict = make_verdict(user=user, fingerprint="ef" * 16)
    known: list[str] = []

    def end(run_id: str) -> None:
        known.append(run_id)
        if written == "nothing":
            raise WriterGoneError

    with pytest.raises((WriterGoneError, FileNotFoundError)):
        record_folder(store, verdict, tmp_path / "missing", RunContext(), end)
    client, experiment_id = store.open()
    torn = client.get_run(known[0])
    assert torn.info.status == "RUNNING"
    assert bool(torn.data.metrics) == (written == "the numbers")
    assert store.history(user).runs == ()

    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "series.parquet").write_bytes(b"days")
    amended = replace(verdict, intervention_version=2)
    run_id = record_folder(store, amended, tmp_path / "analysis", RunContext(), known.append)
    assert known == [run_id, run_id]
    [entry] = store.history(user).runs
    assert (entry.run_id, entry.status) == (run_id, "analysed")
    assert entry.numbers["counterfactual.mean"] == 6.0
    assert entry.params["intervention_version"] == ("1" if written == "the numbers" else "2")
    assert len(client.get_metric_history(run_id, "counterfactual.mean")) == 1
    assert [info.path for info in client.list_artifacts(run_id)] == ["series.parquet"]
    mine = client.search_runs([experiment_id], f"tags.`its.user_id` = '{user}'")
    assert len(mine) == 1


def test_a_run_that_somebody_ended_is_not_taken_up_again(store, tmp_path):
    verdict = make_verdict(user="lou", fingerprint="fe" * 16)
    with pytest.raises(FileNotFoundError):
        record_folder(store, verdict, tmp_path / "missing", RunContext())
    client, experiment_id = store.open()
    [torn] = client.search_runs([experiment_id], "tags.`its.user_id` = 'lou'")
    client.set_terminated(torn.info.run_id, "KILLED")
    run_id = record_folder(store, verdict, tmp_path, RunContext())
    assert run_id != torn.info.run_id
    assert [run.run_id for run in store.history("lou").runs] == [run_id]


def test_a_killed_dagster_run_is_closed_by_its_id(store):
    client, experiment_id = store.open()
    parent = client.create_run(experiment_id, tags={"dagster_run_id": "0a1b2c3d-0000"})
    assert close_dagster_run(store, "0a1b2c3d-0000", "FAILED") == 1
    assert client.get_run(parent.info.run_id).info.status == "FAILED"
    assert close_dagster_run(store, "0a1b2c3d-0000", "FAILED") == 0


def test_only_parents_whose_dagster_run_has_ended_are_ended(store):
    @dg.job
    def any_job() -> None:
        """Stand for any job."""

    client, experiment_id = store.open()
    ends = {"SUCCESS": "FINISHED", "FAILURE": "FAILED", "CANCELED": "KILLED", "STARTED": "RUNNING"}
    with dg.DagsterInstance.ephemeral() as instance:
        parents = {}
        for status in ends:
            run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus(status))
            parents[run.run_id] = client.create_run(
                experiment_id, tags={"dagster_run_id": run.run_id}
            )
        # Of another installation on the same run store: whether it has ended is not known here.
        client.create_run(experiment_id, tags={"dagster_run_id": "0a1b2c3d-1111"})
        *ended, running = parents

        assert set(end_left_parents(instance, store)) == set(ended)

        found = [client.get_run(parent.info.run_id).info.status for parent in parents.values()]
        assert found == list(ends.values())
        assert set(open_dagster_runs(store)) == {running, "0a1b2c3d-1111"}


def test_two_processes_may_open_a_store_that_is_not_there_yet(tmp_path: Path):
    code = (
        "import sys; from its_pipeline.stores.runs import RunStore;"
        "client, experiment = RunStore(sys.argv[1]).open(); print(experiment)"
    )
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, uri],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    unfinished = tmp_path / ".unfinished-mlflow.db"
    code = "import sys; from its_pipeline.stores.runs import RunStore; RunStore(sys.argv[1]).open()"
    process = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{path}"])
    deadline = time.monotonic() + 60
    # In the middle of the migrations: some tables are there already.
    while not (unfinished.is_file() and unfinished.stat().st_size > 60_000):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not path.exists()
    store = RunStore(f"sqlite:///{path}")
    (tmp_path / "analysis").mkdir()
    run_id = record_folder(store, make_verdict(user="ann"), tmp_path / "analysis", RunContext())
    assert store.get(run_id).user_id == "ann"
    assert not list(tmp_path.glob(".unfinished-*"))
