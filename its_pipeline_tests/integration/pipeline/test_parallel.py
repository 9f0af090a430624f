"""Bulk runs in worker processes: the same results, and what comes of a worker's death."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import its_pipeline.its as engine
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.names import TAG_MLFLOW_RUN
from its_pipeline.experiments.bulk import refresh
from its_pipeline.experiments.evaluate import Crash, Evaluation, Evaluator
from its_pipeline.experiments.links import page_url
from its_pipeline.experiments.parallel import (
    WORTH_A_WORKER,
    Job,
    evaluate_in_parallel,
    evaluate_in_turn,
    workers_for,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.static_pages import write_pages
from its_pipeline.its.inference.nuts import available_cores
from its_pipeline.processes.errors import WorkerUnavailableError
from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.verdict import RunContext
from tools.stores import log_intervention, series, short_settings, write_daily

USERS = ("ada", "bob", "cyd", "dan")


def key(user: str) -> str:
    return f"{user}|morning"


def make_store(root: Path, **changes: Any) -> Settings:
    settings = short_settings(root, refresh_workers=2, **changes)
    write_daily(settings, {user: series(effect=3.0 * n, seed=n) for n, user in enumerate(USERS)})
    for user in USERS:
        log_intervention(settings, user)
    return settings


class Fatal:
    """Ends the process that reads it, as a crash of compiled code or the kernel's killer would."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (9,)


class FullDisk:
    """Fails as a full disk does where it is used."""

    def __getitem__(self, name: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


def effects_of(settings: Settings) -> dict[str, Any]:
    store = open_store(settings)
    return {user: (v := store.verdict(key(user))) and (v.status, v.effects) for user in USERS}


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = make_store(tmp_path_factory.mktemp("one"))
    summary = refresh(Snapshot(settings.model_copy(update={"refresh_workers": 1})),
                      [key(user) for user in USERS], lambda evaluation: None)  # fmt: skip
    assert summary.counts["analysed"] == len(USERS)
    return settings


def test_enough_to_do_is_shared_among_the_cores_and_little_is_not(tmp_path: Path) -> None:
    automatic = short_settings(tmp_path)
    many = WORTH_A_WORKER * available_cores()
    assert workers_for(automatic, many) == (available_cores() if available_cores() > 1 else 0)
    assert workers_for(automatic, 2 * WORTH_A_WORKER - 1) == 0
    assert workers_for(short_settings(tmp_path, refresh_workers=1), many) == 0
    assert workers_for(short_settings(tmp_path, refresh_workers=3), 1) == 3


def test_workers_find_the_same_to_the_last_bit_and_dagster_and_mlflow_hear_of_each(
    tmp_path: Path, in_one_process: Settings
) -> None:
    settings = make_store(tmp_path)
    with open_instance(settings) as instance:
        outcome = LocalRunner(settings, instance, "test").refresh()
        again = LocalRunner(settings, instance, "test").refresh()
        run = instance.get_run_by_id(outcome.run_id)
        reports = instance.get_materialized_partitions(_asset("its_report"))
    assert outcome.success
    assert outcome.numbers["computed"] == len(USERS)
    assert again.numbers["unchanged"] == len(USERS)
    assert effects_of(settings) == effects_of(in_one_process)
    assert reports == {key(user) for user in USERS}
    assert run is not None
    for user in USERS:
        (child,) = RunStore.from_settings(settings).history(user).runs
        assert child.tags["mlflow.parentRunId"] == run.tags[TAG_MLFLOW_RUN]
        assert child.tags["dagster.run_id"] == outcome.run_id
        pages = [page_path(each, key(user)).with_name("counterfactual.png").read_bytes()
                 for each in (settings, in_one_process)]  # fmt: skip
        assert pages[0] == pages[1]


def test_workers_leave_pages_and_dagster_says_how_they_open(tmp_path: Path) -> None:
    import dagster as dg

    settings = short_settings(tmp_path, refresh_workers=2, pages="on_demand")
    write_daily(settings, {user: series(seed=n) for n, user in enumerate(USERS[:3])})
    for user in USERS[:3]:
        log_intervention(settings, user)
    with open_instance(settings) as instance:
        assert LocalRunner(settings, instance, "test").refresh().success
        (record, *_) = instance.fetch_materializations(_asset("its_report"), limit=9).records
        assert LocalRunner(settings, instance, "test").refresh().numbers["unchanged"] == 3
    assert not list(settings.reports_dir.rglob("*.png"))
    assert not list(settings.reports_dir.rglob("index.html"))
    materialization = record.asset_materialization
    assert materialization is not None
    told = materialization.metadata
    assert told["report"] == dg.MetadataValue.url(
        page_url(settings, record.partition_key or "") or ""
    )
    assert "counterfactual_plot" not in told
    assert "answer" in told
    # Files are written by workers, too.
    assert write_pages(Snapshot(settings)).counts == {"written": 3}
    assert len(list(settings.reports_dir.rglob("counterfactual.png"))) == 3


def _asset(name: str) -> Any:
    import dagster as dg

    return dg.AssetKey(name)


def test_a_worker_that_is_killed_takes_nothing_with_it(
    tmp_path: Path, in_one_process: Settings
) -> None:
    settings = make_store(tmp_path)
    snapshot = Snapshot(settings)
    killed: list[int] = []

    def job_of(key: str) -> Job:
        # The pool asks ahead: when it prepares the last one, its workers have the first ones.
        if key == "dan|morning":
            killed.extend(_kill_one_worker_when_there_is_one())
        return Job(snapshot.prepare(key), RunContext())

    found = dict(evaluate_in_parallel(settings, map(key, USERS), job_of, 2))
    assert killed
    assert {name: type(result) for name, result in found.items()} == dict.fromkeys(
        map(key, USERS), Evaluation
    )
    assert effects_of(settings) == effects_of(in_one_process)


def _kill_one_worker_when_there_is_one() -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
                return [child.pid]
        time.sleep(0.05)
    return []


def test_what_kills_its_worker_again_is_a_crash_and_the_others_are_done(tmp_path: Path) -> None:
    settings = make_store(tmp_path)
    snapshot = Snapshot(settings)

    def job_of(key: str) -> Job:
        prepared = snapshot.prepare(key)
        if key == "bob|morning":
            prepared = replace(prepared, outcome=Fatal())  # pyright: ignore[reportArgumentType]
        return Job(prepared, RunContext(dagster_run_id="night"))

    found = dict(evaluate_in_parallel(settings, map(key, USERS), job_of, 2))
    crash = found.pop("bob|morning")
    assert isinstance(crash, Crash)
    assert "died without a word" in crash.reason
    assert all(isinstance(result, Evaluation) for result in found.values())
    verdict = open_store(settings).verdict("bob|morning")
    assert verdict is not None
    assert (verdict.status, verdict.dagster_run_id) == ("crashed", "night")
    assert "stopped with an error" in page_path(settings, "bob|morning").read_text()


def test_a_full_disk_in_a_worker_is_everybodys_and_blames_no_experiment(tmp_path: Path) -> None:
    settings = make_store(tmp_path)
    snapshot = Snapshot(settings)

    def job_of(key: str) -> Job:
        return Job(replace(snapshot.prepare(key), daily=FullDisk()), RunContext())  # pyright: ignore[reportArgumentType]

    with pytest.raises(OSError, match="No space left"):
        list(evaluate_in_parallel(settings, map(key, USERS), job_of, 2))
    assert open_store(settings).verdict("ada|morning") is None


def test_workers_that_cannot_start_blame_no_experiment(tmp_path: Path) -> None:
    settings = make_store(tmp_path)
    snapshot = Snapshot(settings)
    (tmp_path / "file").touch()
    broken = settings.model_copy(
        update={"mlflow_tracking_uri": f"sqlite:///{tmp_path}/file/mlflow.db"}
    )
    asked: list[str] = []

    def job_of(key: str) -> Job:
        asked.append(key)
        return Job(snapshot.prepare(key), RunContext())

    with pytest.raises(WorkerUnavailableError, match="no worker process could be started"):
        list(evaluate_in_parallel(broken, map(key, USERS), job_of, 2))
    assert asked
    assert [open_store(settings).verdict(key(user)) for user in USERS] == [None] * len(USERS)


def test_a_crash_replaces_the_page_of_an_earlier_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_store(tmp_path)
    snapshot = Snapshot(settings)
    evaluator = Evaluator(settings)
    ((_, first),) = evaluate_in_turn(
        evaluator, [key("ada")], lambda key: Job(snapshot.prepare(key), RunContext())
    )
    assert isinstance(first, Evaluation)
    assert first.publication.plots
    page = page_path(settings, key("ada"))

    def fall_over(*_: Any) -> None:
        raise ZeroDivisionError("the model fell over")

    monkeypatch.setattr(engine, "analyze", fall_over)
    changed = replace(snapshot.prepare(key("ada")), fingerprint="ab" * 16)
    crash = evaluator.evaluate(changed, RunContext())
    assert isinstance(crash, Crash)
    assert "stopped with an error" in page.read_text()
    assert not list(page.parent.glob("*.png"))
    assert len(open_store(settings).history(key("ada"))) == 1
