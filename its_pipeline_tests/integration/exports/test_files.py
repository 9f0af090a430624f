"""What an export's files may be: recognised by contents, bounded, never links; and the command."""

from __future__ import annotations

import os
import stat
import zipfile

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app as command
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports import files as export_files
from its_pipeline.exports.recognising import recognised
from its_pipeline_tests.integration.exports.made import APPS
from its_pipeline_tests.integration.exports.made.diaries import DAYLIO
from its_pipeline_tests.integration.exports.made.form import as_file, as_folder, as_zip, written
from its_pipeline_tests.integration.exports.made.watches import FITBIT
from its_pipeline_tests.integration.exports.store import Store


@pytest.mark.parametrize("app", APPS, ids=[app.name for app in APPS])
def test_an_export_is_known_by_its_contents(app, tmp_path) -> None:
    found = recognised(written(app, app.short, tmp_path))
    assert found is not None
    assert (found.name, found.title) == (app.name, app.title)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("export.xml", "<HealthDatabase></HealthDatabase>"),
        ("daylio_export.csv", "day,mood\n2024-02-01,4\n"),
        ("steps-2021-01-05.json", '{"dateTime": 1}'),
        ("sleepdata.csv", "Start;End;Quality\n1;2;3\n"),
        ("physiological_cycles.csv", "Cycle start time,Recovery score %\n"),
        ("UDSFile_1.json", "[]"),
        ("data_steps_2021.json", '[{"date": "2021-12-01", "steps": 1}]'),
        ("steps.json", '[{"date": "2021-12-01", "value": 1, "unit": "m"}]'),
        ("values.json", '[{"date": "2021-12-01", "value": 1}]'),
        ("Steps.csv", "Date,Actual,Goal\n10/02/2025,5565,11790\n"),
        ("Sleep.csv", "Date,Duration,Bedtime,Wake Time\n2025-10-03,7h 1min,1:00 AM,8:10 AM\n"),
        ("empty.csv", ""),
    ],
)
def test_a_name_alone_makes_no_export(name, content, tmp_path) -> None:
    (tmp_path / name).write_text(content)
    assert recognised(tmp_path / name) is None


def test_what_is_not_there_or_no_file_is_refused(tmp_path) -> None:
    with pytest.raises(ImportFileError, match="no such file"):
        recognised(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImportFileError, match="a pipe"):
        recognised(tmp_path / "pipe")


def test_a_zip_unfolds_to_so_much_and_no_more(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export_files, "UNFOLDED_BYTES", 100_000)
    rows = "2024-02-01,x,x,09:00,good,,,\n" * 20_000
    export = as_zip({"d.csv": DAYLIO.short["daylio_export_2024_02_03.csv"] + rows}, tmp_path)
    with pytest.raises(ImportFileError, match="unfold to more than"):
        Store(tmp_path, "UTC", **DAYLIO.moods).take(export)


def test_a_link_in_a_zip_or_folder_is_refused(tmp_path) -> None:
    folder = as_folder(FITBIT.short, tmp_path / "folder")
    linked = folder / "Takeout/Fitbit/Global Export Data/steps-2021-01-09.json"
    linked.symlink_to("/etc/hostname")
    with pytest.raises(ImportFileError, match=r"steps-2021-01-09\.json: a link"):
        Store(tmp_path, "UTC").take(folder)

    export = as_zip(FITBIT.short, tmp_path / "zip")
    with zipfile.ZipFile(export, "a") as archive:
        entry = zipfile.ZipInfo("Takeout/Fitbit/Global Export Data/steps-2021-01-09.json")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/hostname")
    with pytest.raises(ImportFileError, match=r"steps-2021-01-09\.json: a link"):
        Store(tmp_path, "UTC").take(export)


def test_a_damaged_zip_says_which_file(tmp_path) -> None:
    export = as_zip(FITBIT.short, tmp_path)
    content = bytearray(export.read_bytes())
    place = content.index(b"steps-2021-01-05.json") + len(b"steps-2021-01-05.json") + 20
    content[place : place + 10] = b"\xff" * 10
    export.write_bytes(bytes(content))
    with pytest.raises(ImportFileError, match=r"steps-2021-01-05\.json.*damaged, export it again"):
        Store(tmp_path, "UTC").take(export)


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path, monkeypatch) -> None:
    head = DAYLIO.short["daylio_export_2024_02_03.csv"].splitlines(keepends=True)[0]
    (tmp_path / "d.csv").write_bytes(head.encode() + b"2024-02-01,x,x,09:00,good,\xff,,\n")
    with pytest.raises(ImportFileError, match=r"d\.csv, line [12]: not text in UTF-8"):
        Store(tmp_path, "UTC").take(tmp_path / "d.csv")
    monkeypatch.setattr(export_files, "JSON_BYTES", 100)
    with pytest.raises(ImportFileError, match=r"\.json: larger than"):
        Store(tmp_path, "UTC").take(as_folder(FITBIT.short, tmp_path / "fitbit"))


def _run(monkeypatch, store, *words: str):
    monkeypatch.setenv("ITS_STORE_ROOT", str(store))
    return CliRunner().invoke(command, ["import", *words])


def test_the_command_says_what_it_is_and_what_it_needs(tmp_path, monkeypatch) -> None:
    export = as_file(DAYLIO.short, tmp_path / "export")
    store = tmp_path / "store"
    said = _run(monkeypatch, store, str(export))
    assert (said.exit_code, "Daylio export; say whose it is with --user-id" in said.output) == (
        2,
        True,
    )
    said = _run(monkeypatch, store, str(export), "--user-id", "anna")
    assert (said.exit_code, "--time-zone Europe/Berlin" in said.output) == (2, True)
    words = (str(export), "--user-id", "anna", "--time-zone", "Europe/Berlin", "--mood")
    said = _run(monkeypatch, store, *words, "Zen=7")
    assert (said.exit_code, "should be a number from 1 to 5 but got '7'" in said.output) == (
        2,
        True,
    )
    said = _run(monkeypatch, store, *words, "Zen=5")
    assert said.exit_code == 0, said.output
    assert "of 3 days from 2024-02-01 to 2024-02-03" in said.output
    assert "imported 10 events on 3 days as daylio-anna (version 1)" in said.output
    assert "nothing to do" in _run(monkeypatch, store, *words, "Zen=5").output


def test_what_is_no_export_is_read_as_a_table(tmp_path, monkeypatch) -> None:
    table = tmp_path / "mood.csv"
    table.write_text("day,mood\n2024-02-01,4\n")
    said = _run(monkeypatch, tmp_path / "store", str(table), "--user-id", "anna")
    assert (said.exit_code, "imported 1 events" in said.output) == (0, True)


def test_a_dry_run_of_an_export_takes_nothing(tmp_path, monkeypatch) -> None:
    diary = as_file(DAYLIO.short, tmp_path)
    store = tmp_path / "store"
    words = [str(diary), "--user-id", "anna", "--time-zone", "Europe/Berlin", "--mood", "Zen=5"]
    said = _run(monkeypatch, store, *words, "--dry-run")
    assert (said.exit_code, "nothing was taken" in said.output) == (0, True)
    assert not (store / "imports").exists()
