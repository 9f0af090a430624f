"""Deleting a person from imports that were taken in."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from its_pipeline.events import import_deletion
from its_pipeline.events.import_deletion import delete_from_imports, people_of
from its_pipeline.events.import_folders import EVENTS_FILE, import_versions, imports_dir
from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.settings import Settings

MAPPING = ImportMapping(
    time="day", user="who", outcomes={"sleep_hours": "hours"}, event_type="SLEEP"
)


def test_what_a_killed_deletion_left_is_gone_when_it_is_gone_on_with(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path / "store")
    file = tmp_path / "sleep.csv"
    file.write_text("day,who,hours\n2026-04-01,ada,7.5\n2026-04-01,bob,8\n2026-04-02,bob,6\n")
    import_file(settings, file, MAPPING, "sleep")
    folder = imports_dir(settings) / "sleep"
    [version] = import_versions(folder)
    left = [folder / version / f"{UNFINISHED_PREFIX}{name}" for name in ("json", "events.parquet")]
    for path in left:
        path.write_bytes(b"rows of everybody")
    assert delete_from_imports(settings, "ada") == 1
    assert not any(path.exists() for path in left)
    assert people_of(folder / version / EVENTS_FILE) == ["bob"]


def test_an_import_of_nobody_else_goes_although_its_deletion_was_killed(tmp_path, monkeypatch):
    settings = Settings(store_root=tmp_path / "store")
    file = tmp_path / "ada.csv"
    file.write_text("day,who,hours\n2026-04-01,ada,7.5\n")
    import_file(settings, file, MAPPING, "ada")
    folder = imports_dir(settings) / "ada"
    with monkeypatch.context() as patched:
        patched.setattr(import_deletion, "shutil", SimpleNamespace(rmtree=_killed))
        with pytest.raises(KeyboardInterrupt):
            delete_from_imports(settings, "ada")
    assert folder.is_dir()
    delete_from_imports(settings, "ada")
    assert not folder.exists()


def _killed(path: Path) -> None:
    raise KeyboardInterrupt(path)
