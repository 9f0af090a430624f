"""Telling of many evaluations at once: all of them or none, and then each by itself."""

from types import SimpleNamespace
from typing import Any

from its_pipeline.experiments import bulk


def test_one_that_cannot_be_told_of_does_not_stop_the_others(monkeypatch):
    told, marked = [], []
    monkeypatch.setattr(bulk, "mark_announced", lambda _, verdict: marked.append(verdict.key))

    def tell(evaluations):
        keys = [each.verdict.key for each in evaluations]
        if "b|walk" in keys:
            raise RuntimeError("Dagster does not take this one")
        told.extend(keys)

    keys = ["a|walk", "b|walk", "c|walk"]
    evaluations: Any = [SimpleNamespace(verdict=SimpleNamespace(key=key)) for key in keys]
    settings: Any = None
    untold = bulk._announce(settings, evaluations, tell)
    assert list(untold) == ["b|walk"]
    assert "does not take this one" in untold["b|walk"].reason
    assert told == marked == ["a|walk", "c|walk"]
    assert bulk._announce(settings, evaluations[:1], tell) == {}


def test_results_are_handed_on_some_at_a_time(monkeypatch):
    monkeypatch.setattr(bulk, "TOLD_AT_ONCE", 2)
    results: Any = [(str(n), None) for n in range(5)]
    assert [[key for key, _ in some] for some in bulk._together(results)] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
