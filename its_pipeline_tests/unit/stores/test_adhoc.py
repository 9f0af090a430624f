"""How many analyses are kept of one person's own questions: real ones, in a real MLflow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from its_pipeline.api.workers.jobs import FitJob, JobHandler
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.stores.adhoc import AdhocAnalyses
from its_pipeline.stores.runs import RunStore, UnknownRunError
from tools.stores import log_intervention, series, short_settings, write_daily


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A store with anna's own analysis, and a way to ask what would be with another threshold."""
    settings = short_settings(tmp_path_factory.mktemp("adhoc"))
    write_daily(settings, {"anna": series(effect=5.0)})
    log_intervention(settings, "anna")
    runs = RunStore.from_settings(settings)
    handler = JobHandler(settings, runs)
    snapshot = Snapshot(settings)
    own = snapshot.prepare("anna|morning")
    handler(FitJob(own, True, 2))

    def ask(minimum_effect):
        changed = replace(own.intervention, minimum_effect=minimum_effect)
        prepared = snapshot.prepare_intervention(changed, snapshot.options)
        return prepared, handler(FitJob(prepared, False, 2))

    return settings, runs, own, ask


def test_the_oldest_goes_for_good_and_never_the_interventions_own(asked):
    settings, runs, own, ask = asked
    store = open_store(settings)
    answers = [ask(float(number)) for number in range(1, 5)]
    assert [answer.removed for _, answer in answers] == [0, 0, 1, 1]
    kept = {path.name for path in (store.folder("anna|morning") / "runs").iterdir()}
    assert kept == {own.fingerprint, *(prepared.fingerprint for prepared, _ in answers[2:])}
    newest = store.verdict("anna|morning")
    assert newest is not None
    assert newest.fingerprint == own.fingerprint
    assert len(runs.history("anna").runs) == 3
    for _, answer in answers[:2]:
        with pytest.raises(UnknownRunError):
            runs.get(answer.mlflow_run_id)
        assert not list(settings.mlflow_artifact_dir.rglob(answer.mlflow_run_id))
    # Asked again, it is made again, and another goes.
    prepared, again = ask(1.0)
    assert (again.cached, again.removed) == (False, 1)
    assert runs.get(again.mlflow_run_id).fingerprint == prepared.fingerprint
    assert AdhocAnalyses(settings.adhoc_dir).kept("anna|morning", prepared.fingerprint) == 2
    # Known ones are told from the list as well, and push nothing out.
    _, known = ask(1.0)
    assert (known.cached, known.removed) == (True, 0)


def test_what_is_asked_again_and_again_is_not_pushed_out(asked):
    settings, _, _, ask = asked
    store, adhoc = open_store(settings), AdhocAnalyses(settings.adhoc_dir)
    often, _ = ask(10.0)
    for number in range(11, 14):
        adhoc.asked("anna|morning", often.fingerprint, store)
        ask(float(number))
    assert store.finished("anna|morning", often.fingerprint) is not None


def test_what_has_become_the_interventions_own_stays(asked):
    settings, _, _, ask = asked
    store = open_store(settings)
    prepared, _ = ask(20.0)
    finished = store.finished("anna|morning", prepared.fingerprint)
    assert finished is not None
    store.write_verdict(finished)
    for number in range(21, 24):
        ask(float(number))
    assert store.finished("anna|morning", prepared.fingerprint) == finished
    assert store.recorded_run("anna|morning", prepared.fingerprint)


def test_an_interrupted_removal_is_finished_by_the_next_one(asked, monkeypatch):
    settings, runs, _, ask = asked
    store = open_store(settings)
    old, answer = ask(30.0)
    ask(31.0)

    def dies(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        AdhocAnalyses(settings.adhoc_dir).make_room("anna|morning", "f" * 32, 2, store, dies)
    assert store.finished("anna|morning", old.fingerprint) is None
    assert runs.get(answer.mlflow_run_id)
    ask(32.0)
    with pytest.raises(UnknownRunError):
        runs.get(answer.mlflow_run_id)
    assert store.recorded_run("anna|morning", old.fingerprint) is None


def test_what_a_killed_writer_left_is_gone_with_the_next_list(asked):
    settings, _, _, ask = asked
    left = settings.adhoc_dir / f"{UNFINISHED_PREFIX}0123"
    left.write_text("[")
    ask(77.0)
    assert not left.exists()
