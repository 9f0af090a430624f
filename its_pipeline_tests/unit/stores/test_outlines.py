"""How many experiments stand: read at once from folders and sets, the same as one by one."""

from __future__ import annotations

import json

import pytest

from its_pipeline.stores import outlines
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.outlines import Outline, read_outlines
from its_pipeline.stores.result_rows import STANDING, ResultRow
from its_pipeline_tests.unit.experiments.test_kinds import intervention, verdict
from tools.leftovers import leftovers

KEYS = [f"{who}|w1" for who in ("Anna", "ben", "carl", "dora")]


@pytest.fixture
def store(tmp_path):
    return ExperimentStore(tmp_path / "store" / "experiments")


@pytest.fixture
def beside(store):
    return store.root.parent / "pooled"


def told(key, **changes):
    return verdict(intervention(key.partition("|")[0]), **changes)


def row(each):
    return ResultRow(
        each.key, each.user_id, STANDING, each.decided_at, json.dumps(each.to_dict(), indent=1)
    )


def fill(store):
    """Old and new rows of a set, and newer ones in folders."""
    store.sets.add([row(told(KEYS[0])), row(told(KEYS[1], n_pre=1)), row(told(KEYS[2], n_pre=2))])
    store.sets.add([row(told(KEYS[1], n_pre=3, by_lot=True))])
    store.write_verdict(told(KEYS[2], status="waiting", n_pre=4))


def test_many_are_read_as_one_by_one(store, beside):
    assert read_outlines(store, KEYS, beside) == {}
    fill(store)
    found = read_outlines(store, KEYS, beside)
    assert found == {key: Outline.of(store.verdict(key)) for key in KEYS[:3]}
    assert [found[key].n_pre for key in KEYS[:3]] == [0, 3, 4]
    assert read_outlines(store, KEYS[:1], beside).keys() == {KEYS[0]}
    assert store.with_own_verdict(KEYS) == {KEYS[2]}


def test_sets_are_read_once_and_again_where_they_changed(store, beside, monkeypatch):
    fill(store)
    first = read_outlines(store, KEYS, beside, remember=True)
    read = []

    def outline(text, as_before=outlines._outline):
        read.append(json.loads(text)["key"])
        return as_before(text)

    monkeypatch.setattr(outlines, "_outline", outline)
    assert read_outlines(store, KEYS, beside) == first
    assert read == []
    store.sets.add([row(told(KEYS[3]))])
    now = read_outlines(store, KEYS, beside, remember=True)
    assert now == {**first, KEYS[3]: Outline.of(told(KEYS[3]))}
    assert read == [KEYS[3]]


def test_who_left_every_set_is_in_no_byte_of_it(store, beside):
    fill(store)
    read_outlines(store, KEYS, beside, remember=True)
    assert leftovers(beside, ["Anna"])
    store.sets.drop_person("Anna")
    assert KEYS[0] not in read_outlines(store, KEYS, beside, remember=True)
    assert leftovers(beside, ["Anna"]) == []
    for who in ("ben", "carl"):
        store.sets.drop_person(who)
    read_outlines(store, KEYS, beside, remember=True)
    assert list(beside.glob(".*.parquet")) == []


def test_what_was_remembered_may_be_damaged_or_of_another_version(store, beside):
    fill(store)
    first = read_outlines(store, KEYS, beside, remember=True)
    [file] = beside.glob(".*.parquet")
    file.write_bytes(b"PAR1 cut short")
    assert read_outlines(store, KEYS, beside, remember=True) == first
    assert read_outlines(store, KEYS, beside) == first


def test_verdicts_of_earlier_versions_have_their_defaults(store, beside):
    plain = told(KEYS[0]).to_dict()
    for name in ("is_on_and_off", "by_lot", "likelihood", "cadence"):
        del plain[name]
    store.sets.add([ResultRow(KEYS[0], "Anna", STANDING, "2026-06-01", json.dumps(plain))])
    assert read_outlines(store, KEYS, beside)[KEYS[0]] == Outline.of(told(KEYS[0]))
