"""Traits of people: read from a file, set, replaced, taken away with whoever has them."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.traits import read_trait_file, trait_value
from its_pipeline.stores.person_traits import (
    UnknownTraitError,
    all_traits,
    delete_traits,
    known_traits,
    remove_trait,
    set_traits,
    traits_of,
)
from tools.leftovers import leftovers
from tools.stores import short_settings


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path / "store")


def rows(*each):
    return pd.DataFrame(each, columns=["user_id", "trait", "value"]).astype({"value": float})


def test_traits_are_kept_by_person_and_the_newest_counts(settings):
    assert all_traits(settings).empty
    assert set_traits(settings, rows(("anna", "age", 31), ("ben", "age", 44))) == 2
    assert set_traits(settings, rows(("ben", "age", 45), ("ben", "runs", 1))) == 2
    found = traits_of(settings, ["age", "runs", "shoe_size"])
    assert found == {"age": {"anna": 31.0, "ben": 45.0}, "runs": {"ben": 1.0}, "shoe_size": {}}
    [age, runs] = known_traits(settings)
    assert (age.name, age.n_people, age.lowest, age.highest) == ("age", 2, 31.0, 45.0)
    assert runs.n_people == 1


def test_taking_away(settings):
    set_traits(settings, rows(("anna", "age", 31), ("ben", "age", 44), ("ben", "runs", 1)))
    assert remove_trait(settings, "age", "anna") == 1
    with pytest.raises(UnknownTraitError, match=r"'anna' does not have a trait 'age'.*age, runs"):
        remove_trait(settings, "age", "anna")
    assert delete_traits(settings, "ben") == 2
    assert delete_traits(settings, "ben") == 0
    assert leftovers(settings.store_root, ["anna", "ben"]) == []


def test_nothing_is_taken_of_who_was_forgotten(settings):
    Forgotten(settings.store_root).begin("anna")
    assert set_traits(settings, rows(("anna", "age", 31), ("ben", "age", 44))) == 1
    assert set(all_traits(settings)["user_id"]) == {"ben"}


def test_a_damaged_table_is_set_aside(settings):
    set_traits(settings, rows(("anna", "age", 31)))
    settings.person_traits_path.write_bytes(b"PAR1 cut short")
    assert all_traits(settings).empty
    assert not settings.person_traits_path.exists()


@pytest.mark.parametrize(
    ("text", "value"), [("31", 31.0), (" -0.5 ", -0.5), ("yes", 1.0), ("False", 0.0), ("No", 0.0)]
)
def test_values_are_numbers_or_yes_and_no(text, value):
    assert trait_value(text) == value


@pytest.mark.parametrize("text", ["", "old", "nan", "inf"])
def test_other_values_are_refused(text):
    with pytest.raises(ValueError, match="a number, or yes or no"):
        trait_value(text)


def test_files_are_csv_or_parquet(tmp_path):
    table = pd.DataFrame(
        {"user_id": ["Anna Müller", "ben"], "trait": ["age", "runs"], "value": ["31", "yes"]}
    )
    table.assign(note="x").to_csv(tmp_path / "t.csv", index=False, encoding="utf-8-sig")
    found = read_trait_file(tmp_path / "t.csv")
    assert found["user_id"].tolist() == ["Anna+-w-M+-70-ller", "ben"]
    assert found["value"].tolist() == [31.0, 1.0]
    found.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_trait_file(tmp_path / "t.parquet").iloc[1:], found.iloc[1:])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("anna,age,old", "row 2: a trait's value must be a number.*'old'"),
        ("anna,2nd,1", "row 2: the name of a trait must be a letter"),
        ("anna,by_lot,1", "row 2: 'by_lot' is whether a lot drew the days"),
        (",age,1", "row 2: user_id"),
        ("ben,age,2", "'ben' has trait 'age' twice"),
    ],
)
def test_one_bad_row_refuses_the_file(tmp_path, line, why):
    (tmp_path / "t.csv").write_text(f"user_id,trait,value\nben,age,1\n{line}\n")
    with pytest.raises(ValueError, match=why):
        read_trait_file(tmp_path / "t.csv")


def test_a_file_needs_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("user,trait,value\n")
    with pytest.raises(ValueError, match="user_id are not among"):
        read_trait_file(tmp_path / "t.csv")


def test_a_metric_declares_one_or_two(settings):
    metric = {"name": "m", "aggregation": "count"}
    told = OutcomeMetric.model_validate({**metric, "pooled_by": ["age", "by_lot"]})
    assert told.pooled_by == ("age", "by_lot")
    for wrong in (["a", "b", "c"], ["a", "a"], ["2nd"]):
        with pytest.raises(ValueError, match="pooled_by"):
            OutcomeMetric.model_validate({**metric, "pooled_by": wrong})


def test_the_commands(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(settings.store_root))

    def run(*words, code=0):
        result = CliRunner().invoke(app, ["trait", *words])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    (tmp_path / "t.csv").write_text("user_id,trait,value\nben,age,44\nanna,age,31\n")
    assert "2 traits of 2 people (age)" in run("import", str(tmp_path / "t.csv"))
    assert "anna: runs is 1.00" in run("set", "anna", "runs", "yes")
    assert "by_lot" in run("set", "anna", "by_lot", "1", code=2)
    assert "44.00" in run("list")
    assert "44.00" not in run("list", "anna")
    assert "from 1 person" in run("remove", "age", "--user", "ben")
    assert "there are: age, runs" in run("remove", "shoes", code=2)
    Forgotten(settings.store_root).begin("anna")
    run("set", "anna", "age", "1", code=2)
    run("list", "anna", code=2)
    assert "1 of people who were forgotten are left out" in run("import", str(tmp_path / "t.csv"))
