"""The list of people who were forgotten: by hashes, kept, lifted, and never taken for empty."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from its_pipeline.events.forgotten import Forgotten, ForgottenPersonError

WHO = "zoe.q7312x"


def test_from_the_mark_on_they_are_forgotten_and_after_it_only_a_hash_is_kept(tmp_path):
    forgotten, other_process = Forgotten(tmp_path), Forgotten(tmp_path)
    assert WHO not in forgotten
    assert not tmp_path.joinpath("forgotten").exists(), "asking leaves nothing behind"
    assert forgotten.begin(WHO)
    assert WHO in other_process
    assert list(other_process.under_way()) == [WHO]
    began_at = forgotten.under_way()[WHO]
    assert not forgotten.begin(WHO)
    assert forgotten.under_way() == {WHO: began_at}, "asking again does not begin it anew"
    forgotten.finish(WHO)
    assert WHO in other_process
    assert other_process.under_way() == {}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if WHO.encode() in path.read_bytes()] == []
    assert "zoe" not in forgotten
    with pytest.raises(ForgottenPersonError, match="forget --lift"):
        other_process.refuse(WHO)


def test_the_same_person_has_another_hash_in_another_store(tmp_path):
    hashes = []
    for name in ("one", "two"):
        Forgotten(tmp_path / name).begin(WHO)
        kept = json.loads((tmp_path / name / "forgotten" / "people.json").read_text())
        hashes += kept["people"]
    assert len(set(hashes)) == 2


def test_lifting_waits_for_the_end(tmp_path):
    forgotten = Forgotten(tmp_path)
    forgotten.begin(WHO)
    with pytest.raises(ValueError, match="has not ended"):
        forgotten.lift(WHO)
    forgotten.finish(WHO)
    assert forgotten.lift(WHO)
    assert WHO not in Forgotten(tmp_path)
    assert not forgotten.lift(WHO)


def test_rows_of_theirs_are_left_out_and_rows_of_nobody_kept(tmp_path):
    forgotten = Forgotten(tmp_path)
    rows = pa.table({"user_id": [WHO, f" {WHO}\n", f"{WHO}2", None, "ben"], "n": range(5)})
    assert forgotten.without(rows).num_rows == 5
    forgotten.begin(WHO)
    assert forgotten.without(rows)["n"].to_pylist() == [2, 3, 4]
    assert forgotten.without(rows.slice(2)).num_rows == 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"people": {}}'])
def test_a_damaged_list_is_never_taken_for_an_empty_one(tmp_path, content):
    Forgotten(tmp_path).begin(WHO)
    (tmp_path / "forgotten" / "people.json").write_text(content)
    with pytest.raises(ValueError, match="put it back from a backup"):
        assert WHO in Forgotten(tmp_path)


def test_what_is_no_identifier_cannot_be_forgotten(tmp_path):
    with pytest.raises(ValueError, match="not a legal identifier"):
        Forgotten(tmp_path).begin("a b")
