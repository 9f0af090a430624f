"""What a made export is to the tests, and writing one as people have it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Members = dict[str, str]


@dataclass(frozen=True)
class App:
    """One app's export, short and longer.

    `short` and `longer` give the members by name; `daily` is what comes of the short one, by metric
    and local day; `more` what the longer one adds; `changed` the UTC days that are new then.
    `broken` are the members of one that must be refused, and what is said of where.
    """

    name: str
    title: str
    time_zone: str | None
    short: Members
    longer: Members
    daily: Mapping[str, Mapping[str, float]]
    more: Mapping[str, Mapping[str, float]]
    changed: list[str]
    broken: tuple[Members, str]
    moods: Mapping[str, float] = field(default_factory=dict)


def as_folder(members: Members, folder: Path) -> Path:
    for name, content in members.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder


def as_file(members: Members, folder: Path) -> Path:
    """Write the only member as a file whose name says nothing."""
    (content,) = members.values()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"download{Path(next(iter(members))).suffix}"
    file.write_text(content, encoding="utf-8")
    return file


def as_zip(members: Members, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "export.zip"


def written(app: App, members: Members, folder: Path) -> Path:
    """Write an export as people have it: one file, or a ZIP of several."""
    return as_file(members, folder) if len(members) == 1 else as_zip(members, folder)
