"""Results that go from folders into sets: nothing is lost, whoever dies or reads meanwhile."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.experiments.announced import is_announced
from its_pipeline.experiments.bulk import RefreshSummary, refresh
from its_pipeline.experiments.compaction import compact, gather_results
from its_pipeline.experiments.doctor import findings, repair
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import (
    LostAnalysisError,
    fit_experiment,
    load_analysis,
    open_store,
)
from its_pipeline.files.damage import set_aside_files
from its_pipeline.its.packing import packed
from its_pipeline.leaving.results import delete_results
from its_pipeline.leaving.take_along import write_archive
from its_pipeline.settings import Settings
from its_pipeline.stores.adhoc import AdhocAnalyses
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.keeping import prune, remove
from its_pipeline.stores.runs import RunStore
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

USERS = ("ada", "bob", "cy")
PEOPLE = {
    "ada": series(seed=1, effect=6.0),
    "bob": series(seed=2),
    # Too few days after the start: waiting, without an analysis.
    "cy": series(n_post=3, seed=3),
}
KEYS = [f"{user}|morning" for user in USERS]


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a store as earlier versions leave it: every result in a folder of its own."""
    settings = short_settings(tmp_path_factory.mktemp("loose") / "store")
    write_daily(settings, PEOPLE)
    for user in USERS:
        log_intervention(settings, user)
    assert run(settings).computed == 2
    return settings


@pytest.fixture
def settings(loose: Settings, tmp_path: Path) -> Settings:
    """Return a copy of it, and settings by which the next bulk run gathers."""
    shutil.copytree(loose.store_root, tmp_path / "store")
    changes = {"store_root": tmp_path / "store", "gather_from": 3}
    return loose.model_copy(update=changes)


def run(settings: Settings) -> RefreshSummary:
    snapshot = Snapshot(settings)
    recorder = RunStore.from_settings(settings)
    summary = refresh(snapshot, snapshot.experiment_keys(), lambda _: None, recorder=recorder)
    assert summary.crashed == []
    return summary


def state(settings: Settings) -> dict[str, object]:
    """Return all that a store says of its experiments, analyses as their bits."""
    store = open_store(settings)
    found: dict[str, object] = {}
    for key in KEYS:
        verdict = store.verdict(key)
        assert verdict is not None
        history = store.history(key)
        bits = {}
        for each in history:
            assert each.fingerprint is not None
            stored = store.stored(key, each.fingerprint)
            assert stored is not None
            assert store.finished(key, each.fingerprint) == each
            bits[each.fingerprint] = (
                packed(*stored),
                store.told(key, each.fingerprint),
                store.recorded_run(key, each.fingerprint),
            )
        found[key] = verdict, is_announced(settings, verdict), history, bits
    return found


def left_in_folders(settings: Settings) -> list[str]:
    return sorted(
        path.relative_to(settings.experiments_dir).as_posix()
        for path in settings.experiments_dir.rglob("*")
        if path.is_file()
    )


LOCKS = [f"{user}/morning/.lock" for user in USERS]


def test_a_bulk_run_moves_its_results_into_one_set(settings: Settings) -> None:
    before = state(settings)
    assert run(settings).counts["unchanged"] == 3
    store = open_store(settings)
    assert [path.name for path in store.sets.paths()] == ["set-000000001.parquet"]
    assert left_in_folders(settings) == LOCKS
    assert state(settings) == before
    # What follows reads nothing but the set.
    again = run(settings)
    assert (again.counts["unchanged"], again.computed) == (3, 0)
    assert len(store.sets.paths()) == 1
    counts = collect_evidence(settings).counts
    assert (counts["analysed"], counts["waiting"]) == (2, 1)
    assert list(findings(settings)) == []
    verdict = store.verdict("ada|morning")
    assert verdict is not None
    analysis = load_analysis(settings, verdict)
    assert analysis is not None
    assert analysis.draws["level_change"].shape == (4, 500)


def test_too_few_results_stay_in_their_folders(settings: Settings) -> None:
    few = settings.model_copy(update={"gather_from": 4})
    before = left_in_folders(few)
    assert run(few).counts["unchanged"] == 3
    assert left_in_folders(few) == before
    assert open_store(few).sets.paths() == []


def test_the_bytes_are_kept_once(settings: Settings) -> None:
    runs = RunStore.from_settings(settings)
    run(settings)
    run_id = open_store(settings).recorded_run("ada|morning", _fingerprint(settings, "ada"))
    assert run_id is not None
    artifacts = settings.mlflow_artifact_dir / run_id / "artifacts"
    kept = {path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*.*")}
    assert "report/report.html" in kept
    assert not {"grid.npz", "analysis.json", "daily.parquet", "verdict.json"} & kept
    assert runs.get(run_id).numbers["counterfactual.mean"] != 0.0


def _fingerprint(settings: Settings, user: str) -> str:
    verdict = open_store(settings).verdict(f"{user}|morning")
    assert verdict is not None
    assert verdict.fingerprint is not None
    return verdict.fingerprint


@pytest.mark.parametrize("after", ["nothing", "the set", "one analysis", "one verdict"])
def test_whoever_is_killed_while_gathering_loses_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    before = state(settings)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if after == "nothing":
            patched.setattr("its_pipeline.stores.result_sets.write_file", die)
        elif after == "the set":
            patched.setattr(ExperimentStore, "delete_folder", die)
        else:
            unlink, stop = Path.unlink, "ada" if after == "one analysis" else "bob"

            def sometimes(path: Path, missing_ok: bool = False) -> None:
                if path.name == "verdict.json" and stop in path.parts:
                    raise KeyboardInterrupt
                unlink(path, missing_ok=missing_ok)

            patched.setattr(Path, "unlink", sometimes)
        with pytest.raises(KeyboardInterrupt):
            gather_results(settings, KEYS)
    assert state(settings) == before
    assert compact(settings)[0] >= 2
    assert state(settings) == before
    assert left_in_folders(settings) == LOCKS
    assert compact(settings) == (0, 0)
    assert len(open_store(settings).sets.paths()) == 1


def test_new_data_make_a_newer_verdict_and_the_history_stays(settings: Settings) -> None:
    run(settings)
    old = state(settings)
    write_daily(settings, {**PEOPLE, "ada": with_another_last_day(PEOPLE["ada"])})
    few = settings.model_copy(update={"gather_from": 10})
    summary = run(few)
    assert (summary.computed, summary.counts["unchanged"]) == (1, 2)
    store = open_store(settings)
    newest = store.verdict("ada|morning")
    assert newest is not None
    assert len(store.history("ada|morning")) == 2
    before = state(settings)
    assert compact(settings) == (1, 1)
    assert state(settings) == before
    # And back again: the old answer is found in the set.
    write_daily(settings, PEOPLE)
    assert run(few).computed == 0
    back = store.verdict("ada|morning")
    assert back is not None
    assert back.effects == old["ada|morning"][0].effects  # type: ignore[index]
    assert back.fingerprint != newest.fingerprint
    compact(settings)
    assert store.verdict("ada|morning") == back
    assert prune(store, KEYS, 1) == 0  # The current one is the older one, and stays.
    write_daily(settings, {**PEOPLE, "ada": with_another_last_day(PEOPLE["ada"])})
    run(few)
    compact(settings)
    assert prune(store, KEYS, 1) == 1
    assert [each.fingerprint for each in store.history("ada|morning")] == [newest.fingerprint]


def test_a_verdict_that_changed_while_it_was_gathered_is_not_deleted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(settings)
    verdict = store.verdict("bob|morning")
    assert verdict is not None
    renamed = replace(verdict, intervention_name="Evenings")
    add = type(store.sets).add

    def meanwhile(sets: object, *rows: object) -> object:
        found = add(sets, *rows)  # type: ignore[arg-type]
        store.write_verdict(renamed)
        return found

    monkeypatch.setattr(type(store.sets), "add", meanwhile)
    gather_results(settings, KEYS)
    assert store.verdict("bob|morning") == renamed
    monkeypatch.undo()
    compact(settings)
    assert store.verdict("bob|morning") == renamed
    assert left_in_folders(settings) == LOCKS


def test_a_damaged_set_is_made_again_by_one_run(settings: Settings) -> None:
    run(settings)
    before = state(settings)
    [path] = open_store(settings).sets.paths()
    path.write_bytes(path.read_bytes()[:-100])
    summary = run(settings)
    assert summary.computed == 2
    assert [each.name.rpartition(".")[0] for each in set_aside_files(settings.store_root)] == [
        path.name
    ]
    after = state(settings)
    for key in KEYS:
        assert after[key][0].effects == before[key][0].effects  # type: ignore[index]
    assert run(settings).counts["unchanged"] == 3
    assert left_in_folders(settings) == LOCKS


def test_the_doctor_finds_one_changed_byte_of_a_set(settings: Settings) -> None:
    run(settings)
    [path] = open_store(settings).sets.paths()
    verdict = open_store(settings).verdict("ada|morning")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = list(findings(settings))
    assert [finding.path for finding in found] == [path]
    assert repair(settings, found) == []
    assert verdict is not None
    with pytest.raises(LostAnalysisError, match="missing or was damaged"):
        load_analysis(settings, verdict)
    assert run(settings).computed == 2
    assert list(findings(settings)) == []


def test_lost_marks_and_runs_are_forgotten_in_sets_too(settings: Settings) -> None:
    run(settings)
    store = open_store(settings)
    assert store.forget_announced() == 3
    assert run(settings).counts["unchanged"] == 0
    assert store.forget_recorded_runs() == 2
    fingerprint = _fingerprint(settings, "ada")
    assert store.recorded_run("ada|morning", fingerprint) is None
    assert run(settings).computed == 0
    run_id = store.recorded_run("ada|morning", fingerprint)
    assert run_id is not None
    store.forget_recorded_run("ada|morning", fingerprint)
    assert store.recorded_run("ada|morning", fingerprint) is None
    assert run(settings).computed == 0
    assert store.recorded_run("ada|morning", fingerprint) == run_id
    assert run_id in page_path(settings, "ada|morning").read_text()
    assert run(settings).counts["unchanged"] == 3


def test_a_single_run_finds_the_analysis_in_the_set(settings: Settings) -> None:
    run(settings)
    outcome = fit_experiment(Snapshot(settings), "ada|morning", force=True)
    assert outcome.cached
    assert outcome.verdict.effects is not None


def test_who_asked_for_an_analysis_besides_keeps_it_in_its_folder(settings: Settings) -> None:
    store, adhoc = open_store(settings), AdhocAnalyses(settings.adhoc_dir)
    fingerprint = _fingerprint(settings, "ada")
    adhoc.make_room("ada|morning", fingerprint, 2, store, lambda _: None)
    run(settings)
    assert store.loose_fingerprints("ada|morning") == [fingerprint]
    assert store.loose_fingerprints("bob|morning") == []
    (settings.adhoc_dir / "ada.json").write_text(json.dumps([]))
    compact(settings)
    assert store.loose_fingerprints("ada|morning") == []
    assert not remove(store, "ada|morning", fingerprint, lambda _: None)


def test_a_person_is_taken_out_of_sets_and_takes_their_results_along(
    settings: Settings, tmp_path: Path
) -> None:
    run(settings)
    counts = write_archive(settings, "ada", tmp_path / "ada.zip")
    assert (counts["results.json"], counts["posteriors/"]) == (1, 1)
    before = state(settings)
    Forgotten(settings.store_root).begin("ada")
    assert delete_results(settings, "ada") == 1
    assert open_store(settings).verdict("ada|morning") is None
    for key in KEYS[1:]:
        assert open_store(settings).verdict(key) == before[key][0]  # type: ignore[index]
    for path in settings.store_root.glob("results/*"):
        assert b"ada" not in path.read_bytes()
