"""What is kept of kinds: written, read back as it was, and taken away without a trace."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from its_pipeline.stores.pooled_results import from_dict, to_dict
from its_pipeline.stores.pooled_store import PooledStore
from tools.kinds import member, pooled_result, too_few
from tools.stores import METRIC, short_settings


@pytest.fixture
def store(tmp_path):
    return PooledStore(short_settings(tmp_path, pooled_min_people=1))


@pytest.mark.parametrize(
    "record",
    [
        pooled_result(["anna", "ben"]),
        pooled_result(["anna", "ben"], imputed=None, without_estimate={}),
        too_few(),
    ],
)
def test_a_record_comes_back_as_it_was(store, record):
    store.write(record)
    assert store.read(record.kind, record.metric) == record
    assert from_dict(json.loads(json.dumps(to_dict(record)))) == record


def test_of_fewer_people_than_the_setting_asks_for_nothing_is_read(tmp_path, store):
    record = pooled_result(["anna", "ben", "carl"])
    store.write(record)
    assert store.all() == (record,)
    raised = PooledStore(short_settings(tmp_path, pooled_min_people=4))
    [told] = raised.all()
    assert told == raised.read(record.kind, record.metric)
    assert told == too_few(3, kind="morning", needed=4, without_estimate=record.without_estimate)
    # Whoever is deleted is found all the same.
    assert raised.with_row_of("ben") == {(record.kind, record.metric)}
    assert raised.with_row_of("dora") == set()


def test_people_are_counted_with_and_without_estimate():
    assert (pooled_result(["a", "b"]).n_people, too_few(2).n_people) == (3, 6)


def test_all_kinds_are_sorted_and_one_that_is_not_there_is_none(store):
    assert store.all() == ()
    assert store.read("walk", METRIC) is None
    for kind in ("walk", "index.html", "Walk", "morning"):
        store.write(pooled_result(["anna"], kind=kind))
    assert [record.kind for record in store.all()] == ["Walk", "index.html", "morning", "walk"]


def test_a_record_of_another_version_is_not_there(store):
    record = pooled_result(["anna"])
    store.write(record)
    path = store.path(record.kind, record.metric)
    path.write_text(json.dumps({**to_dict(record), "version": 0}))
    store.write(pooled_result(["ben"], kind="walk"))
    assert [each.kind for each in store.all()] == ["walk"]
    assert path.is_file()
    assert [each.kind for each in store.without_other_versions()] == ["walk"]
    assert not path.exists()
    assert len(store.all()) == 1


def test_a_damaged_record_is_set_aside(store):
    record = pooled_result(["anna"])
    store.write(record)
    path = store.path(record.kind, record.metric)
    path.write_text(path.read_text()[:200])
    assert store.read(record.kind, record.metric) is None
    assert not path.exists()


def test_deleting_takes_unfinished_files_and_the_folder_along(store):
    record = pooled_result(["anna"])
    store.write(record)
    (store.path(record.kind, record.metric).parent / ".unfinished-x").write_text("anna")
    assert store.delete(record.kind, record.metric)
    assert not store.delete(record.kind, record.metric)
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert list(store.folder.iterdir()) == []


def test_rows_that_may_not_be_seen_are_left_out_and_still_counted():
    record = pooled_result(["anna", "ben"]).with_rows_of("anna".__eq__)
    assert record.members == (member("anna"),)
    assert record.n_with_estimate == 2
    assert record.member("ben") is None


def test_a_kind_cannot_lead_out_of_the_store(store):
    with pytest.raises(ValueError, match="cannot be that of a file"):
        store.path("../x", METRIC)


def test_a_record_from_before_there_were_traits_is_read(store):
    record = pooled_result(["anna", "ben"])
    plain = json.loads(json.dumps(to_dict(record)))
    del plain["traits"], plain["between_case"]
    assert from_dict(plain) == replace(record, traits=None, between_case=None)


def test_groups_that_are_too_small_by_now_are_not_read(tmp_path, store):
    record = pooled_result([f"user{n}" for n in range(8)])
    store.write(record)
    for needed, told in ((5, record), (6, replace(record, traits=None))):
        settings = short_settings(tmp_path, pooled_min_people=needed)
        assert PooledStore(settings).read(record.kind, record.metric) == told
