"""Names that become paths: none leads elsewhere, none meets another."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.experiments.publish import page_path
from its_pipeline.files import names
from its_pipeline.files.names import path_of_name
from its_pipeline.settings import Settings
from its_pipeline.stores.experiment_store import ExperimentStore


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "", ".", "..", ".hidden", "a..b", "a\n", "x" * 129]
)
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be that of a file"):
        path_of_name(tmp_path, "ada", name)


def test_an_import_does_not_leave_the_store(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path / "store")
    file = tmp_path / "a.csv"
    file.write_text("user,time,mood\nada,2026-03-10,5\n")
    mapping = ImportMapping(time="time", user="user", outcomes={"mood": "mood"})
    with pytest.raises(ValueError, match=r"'../../x' cannot be that of a file"):
        import_file(settings, file, mapping, "../../x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("user", ["index.html", "Trust.HTML"])
def test_a_person_named_like_a_page_of_ours_has_another_folder(tmp_path: Path, user: str) -> None:
    settings = Settings(store_root=tmp_path)
    page = page_path(settings, f"{user}|a")
    assert page == settings.reports_dir / f"{user}=" / "a" / "index.html"
    assert ExperimentStore(tmp_path).folder(f"{user}|a") == tmp_path / f"{user}=" / "a"


def test_other_names_are_their_own(tmp_path: Path) -> None:
    assert path_of_name(tmp_path, "Anna.B@x+y-z", "a_b") == tmp_path / "Anna.B@x+y-z" / "a_b"
    assert path_of_name(tmp_path, "Sleep", suffix=".yaml") == tmp_path / "Sleep.yaml"


def test_people_whose_names_differ_in_case_stay_two_where_files_would_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "mixes_cases", lambda _: True)
    found = {str(path_of_name(tmp_path, name)).lower() for name in ("Anna", "anna", "ANNA")}
    assert len(found) == 3
    assert path_of_name(tmp_path, "ADA", "Run") == tmp_path / "=a=d=a" / "=run"


def test_what_a_file_system_does_is_seen_on_itself(tmp_path: Path) -> None:
    folder = tmp_path / "Store"
    folder.mkdir()
    assert not names.mixes_cases(folder / "not" / "there")
    # What such a file system shows: the same folder under both names.
    (tmp_path / "other").mkdir()
    (tmp_path / "OTHER").symlink_to(tmp_path / "other")
    assert names.mixes_cases(tmp_path / "other")
