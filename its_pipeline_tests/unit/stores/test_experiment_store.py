"""The experiments' folders: atomic, locked, with history, and nothing unpublishable in them."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from its_pipeline.files.atomic import (
    UNFINISHED_PREFIX,
    exclusive,
    finished_folder,
    write_bytes,
    write_json,
)
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.keeping import prune
from its_pipeline.stores.verdict import Verdict

EFFECT = {
    "mean": 1.0,
    "sd": 0.5,
    "ci_lower": 0.0,
    "ci_upper": 2.0,
    "probability_positive": 0.98,
    "probability_negative": 0.02,
    "unit": "points",
}


def verdict(fingerprint: str | None = "f1", decided_at: str = "2026-05-01T00:00:00", **changes):
    fields = {
        "key": "u|a",
        "user_id": "u",
        "intervention_id": "a",
        "intervention_name": "A",
        "intervention_version": 1,
        "status": "analysed",
        "reason": "",
        "reason_code": "",
        "fingerprint": fingerprint,
        "decided_at": decided_at,
        "direction": "increase",
        "outcome_metric": "sessionPerformanceScore",
        "unit": "points",
        "minimum_effect": 0.0,
        "started_on": "2026-04-01",
        "effects": {"counterfactual": EFFECT},
        "probability_of_benefit": 0.98,
    }
    return Verdict(**{**fields, **changes})


def save_nothing(folder: Path) -> None:
    (folder / "analysis.json").write_text("{}")


@pytest.mark.parametrize("status", ["not_converged", "waiting", "refused", "closed", "crashed"])
def test_a_verdict_without_convergence_cannot_carry_effects(status):
    with pytest.raises(ValueError, match="should carry no effects"):
        verdict(status=status)
    with pytest.raises(ValueError, match="should carry no effects"):
        verdict(status=status, effects=None)
    assert verdict(status=status, effects=None, probability_of_benefit=None).effects is None


def test_an_analysed_verdict_needs_effects_and_a_fingerprint():
    with pytest.raises(ValueError, match="should carry effects and fingerprint"):
        verdict(fingerprint=None)
    with pytest.raises(ValueError, match="should be one of"):
        verdict(status="perhaps")


def test_a_verdict_comes_back_as_it_was(tmp_path):
    store = ExperimentStore(tmp_path)
    assert store.verdict("u|a") is None
    store.write_verdict(verdict())
    assert store.verdict("u|a") == verdict()
    later = json.loads((store.folder("u|a") / "verdict.json").read_text()) | {"added_later": 1}
    assert Verdict.from_dict(later) == verdict()


def test_an_analysis_is_written_once(tmp_path):
    store = ExperimentStore(tmp_path)
    store.write_analysis(verdict(), save_nothing)
    store.write_analysis(verdict(decided_at="2027-01-01T00:00:00"), save_nothing)
    finished = store.finished("u|a", "f1")
    assert finished is not None
    assert finished.decided_at == "2026-05-01T00:00:00"
    assert store.finished("u|a", "f2") is None
    with pytest.raises(ValueError, match="without a fingerprint"):
        store.write_analysis(
            verdict(fingerprint=None, status="waiting", effects=None, probability_of_benefit=None),
            save_nothing,
        )


def test_a_failure_while_saving_leaves_nothing(tmp_path):
    store = ExperimentStore(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        store.write_analysis(verdict(), fail)
    assert store.finished("u|a", "f1") is None
    assert list((store.folder("u|a") / "runs").iterdir()) == []


def test_history_is_newest_first_and_pruning_keeps_the_current_one(tmp_path):
    store = ExperimentStore(tmp_path)
    for number in range(1, 5):
        store.write_analysis(
            verdict(f"f{number}", decided_at=f"2026-05-0{number}T00:00:00"), save_nothing
        )
    store.write_verdict(verdict("f1"))
    assert [one.fingerprint for one in store.history("u|a")] == ["f4", "f3", "f2", "f1"]
    assert prune(store, ["u|a"], keep=2) == 1
    assert [one.fingerprint for one in store.history("u|a")] == ["f4", "f3", "f1"]
    with pytest.raises(ValueError, match="at least 1"):
        prune(store, ["u|a"], keep=0)


def test_a_key_cannot_leave_the_root(tmp_path):
    store = ExperimentStore(tmp_path)
    for key in ("../x|a", "u|..", "u", "u|a|b", "u|a/b", ""):
        with pytest.raises(ValueError, match=r"identifier|parts"):
            store.folder(key)


def test_the_lock_holder_takes_away_what_a_killed_one_left(tmp_path):
    store = ExperimentStore(tmp_path)
    left = store.folder("u|a") / "runs" / f"{UNFINISHED_PREFIX}dead"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    (store.folder("u|a") / f"{UNFINISHED_PREFIX}dead").write_text("half")
    assert store.history("u|a") == []
    with store.locked("u|a"):
        pass
    assert not list(store.folder("u|a").rglob(f"{UNFINISHED_PREFIX}*"))


def _hold(path: str, held: float) -> None:
    with exclusive(Path(path)):
        Path(path).with_suffix(".held").touch()
        time.sleep(held)
        Path(path).with_suffix(".released").touch()


def test_a_second_process_waits_for_the_lock(tmp_path):
    lock = tmp_path / "x.lock"
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(lock), 0.5))
    other.start()
    while not lock.with_suffix(".held").exists():
        time.sleep(0.01)
    with exclusive(lock):
        assert lock.with_suffix(".released").exists()
    other.join()
    assert other.exitcode == 0


def test_files_are_replaced_whole(tmp_path):
    path = tmp_path / "a" / "b.json"
    write_json(path, {"n": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"n": float("nan")})
    assert json.loads(path.read_text()) == {"n": 1}
    write_bytes(path, b"2")
    assert path.read_bytes() == b"2"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


def test_the_first_finished_folder_stays(tmp_path):
    for content in ("first", "second"):
        with finished_folder(tmp_path / "f") as folder:
            (folder / "x").write_text(content)
    assert (tmp_path / "f" / "x").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]
