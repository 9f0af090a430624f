"""An app's export in the drop folder: taken with the person and zone that its mapping says."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_pipeline.events.importing import ImportResult
from its_pipeline.events.inbox import InboxFile, inbox_dir, take_inbox
from its_pipeline.exports.recognising import recognised
from its_pipeline.leaving.set_aside import delete_from_inbox
from its_pipeline_tests.integration.exports.made.diaries import DAYLIO
from its_pipeline_tests.integration.exports.made.form import as_file, as_folder, as_zip
from its_pipeline_tests.integration.exports.made.watches import FITBIT
from its_pipeline_tests.integration.exports.store import Store

WHOSE = "{user_constant: anna, time_zone: Europe/Berlin, moods: {Zen: 5}}"
TABLE = "{user_constant: anna, time: full_date, outcomes: {day: weekday}}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path, None)
    inbox_dir(store.settings).mkdir(parents=True)
    return store


def put(store: Store, name: str, file: Path) -> None:
    file.rename(inbox_dir(store.settings) / name)


def say(store: Store, mapping: str, name: str = "mapping.yaml") -> None:
    (inbox_dir(store.settings) / name).write_text(mapping)


def taken(store: Store) -> dict[str, InboxFile]:
    return {found.name: found for found in take_inbox(store.settings, 0, recognised=recognised)}


def import_of(found: InboxFile) -> ImportResult:
    assert found.result is not None, found.reason
    return found.result


def test_an_export_is_taken_once_under_its_files_name_and_a_folder_stays(store, tmp_path) -> None:
    put(store, "diary.csv", as_file(DAYLIO.short, tmp_path / "a"))
    put(store, "longer.csv", as_file(DAYLIO.longer, tmp_path / "b"))
    as_folder(FITBIT.short, inbox_dir(store.settings) / "fitbit")
    say(store, WHOSE)
    found = taken(store)
    assert {name: each.outcome for name, each in found.items()} == {
        "diary.csv": "taken",
        "longer.csv": "taken",
    }
    assert import_of(found["diary.csv"]).name == "diary_csv"
    store.run()
    # What both have counts once.
    assert store.daily("daylio_mood") == {**DAYLIO.daily["daylio_mood"], "2024-02-05": 5.0}
    assert {each.outcome for each in taken(store).values()} == {"unchanged"}
    # Whoever leaves takes it along: it was imported, and its mapping names them alone.
    assert delete_from_inbox(store.settings, "anna") == (2, [])


def test_a_file_of_its_own_mapping_and_tables_as_ever(store, tmp_path) -> None:
    put(store, "export.zip", as_zip(FITBIT.short, tmp_path / "a"))
    say(store, "{user_constant: bob, time_zone: America/Chicago}", "export.zip.mapping.yaml")
    put(store, "diary.csv", as_file(DAYLIO.short, tmp_path / "b"))
    say(store, TABLE)
    found = taken(store)
    assert import_of(found["export.zip"]).metrics[0].startswith("fitbit_")
    # A mapping that names columns reads a table, though it is an export as well.
    assert "row 2: 'Saturday'" in found["diary.csv"].reason


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("{user_constant: anna, moods: {Zen: 5}}", "time_zone: Europe/Berlin in the mapping"),
        ("{user_constant: anna, time_zone: Europe/Berlin}", "moods that are not Daylio's own"),
        ("{time_zone: Europe/Berlin}", "user_constant: Field required"),
        ("{user_constant: anna, time_zone: Berlin}", "must be a name such as"),
        ("{user_constant: anna, moods: {Zen: 7}}", "should be a number from 1 to 5 but got '7"),
        ("{user_constant: anna, mood: {Zen: 5}}", "mood: Extra inputs are not permitted"),
    ],
)
def test_what_is_not_said_is_asked_for_beside_the_file(store, tmp_path, mapping, said) -> None:
    put(store, "diary.csv", as_file(DAYLIO.short, tmp_path / "a"))
    say(store, mapping)
    assert said in taken(store)["diary.csv"].reason
    beside = inbox_dir(store.settings) / "diary.csv.error.txt"
    assert said in beside.read_text()
    say(store, WHOSE)
    assert taken(store)["diary.csv"].outcome == "taken"
    assert not beside.exists()


def test_a_table_whose_mapping_names_no_columns_is_refused(store) -> None:
    (inbox_dir(store.settings) / "mood.csv").write_text("day,mood\n2024-02-01,4\n")
    say(store, WHOSE)
    # Where the pipeline takes it, `tables` finds what the mapping leaves out.
    assert "time: Field required; outcomes: Field required" in taken(store)["mood.csv"].reason
