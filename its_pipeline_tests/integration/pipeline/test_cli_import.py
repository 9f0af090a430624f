"""`import`, `run` and `analyze` on files as people have them: the answer, or the question."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from its_pipeline.cli import support
from its_pipeline.cli.main import app
from its_pipeline.events.daily import read_series
from its_pipeline.events.inbox import inbox_dir
from its_pipeline.events.keys import key_of_id
from its_pipeline.experiments.publish import page_path
from its_pipeline.ingest import daily, steps
from its_pipeline.settings import Settings, get_settings
from tools.table_files import xlsx

DAYS = [date(2021, 12, 20) + timedelta(days=n) for n in range(24)]


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def call(*arguments, code=0, says=None):
        answers = None if says is None else "\n".join(says) + "\n"
        result = runner.invoke(app, [str(argument) for argument in arguments], input=answers)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(support, "somebody_answers", lambda: True)
    monkeypatch.setattr("its_pipeline.cli.events.somebody_answers", lambda: True)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def by_day(settings: Settings, user: str, outcome: str) -> dict[str, float]:
    """Bring what was imported into the lake, and return an outcome by local day."""
    for day in steps.changed_days(settings):
        steps.export_day(settings, day)
        steps.validate_day_partition(settings, day)
    daily.build_daily(settings)
    found = read_series(settings.daily_outcomes_path, user, outcome)
    return {str(day.date()): value for day, value in zip(found["day"], found["value"], strict=True)}


def test_days_first_are_understood_and_none_is_lost(run, tmp_path):
    file = write(
        tmp_path / "mood.csv",
        "Date,Mood",
        *(f"{day:%d/%m/%Y},{n}" for n, day in enumerate(DAYS)),
    )
    output = run("import", file, "--user-id", "ada")
    assert "day, month, year: row 2 has 20/12/2021" in output
    assert "2021-12-20 to 2022-01-12" in output
    assert "row 2: 2021-12-20, Mood 0" in output
    assert "imported 24 events on 24 days" in output
    assert "of 24 rows the contract rejects none" in output
    found = by_day(get_settings(), "ada", "Mood")
    assert found == {str(day): float(n) for n, day in enumerate(DAYS)}


def test_days_declared_with_the_wrong_order_are_not_taken_in_silence(run, tmp_path):
    file = write(tmp_path / "a.csv", "day,mood", *(f"{day:%d/%m/%Y},5" for day in DAYS[:16]))
    output = run(
        "import", file, "--user-id", "ada", "--date-order", "mdy", "--outcome", "mood", code=2
    )
    assert "not taken: the contract would reject 12 of 16 rows" in output
    assert "row 2: '20/12/2021'" in output
    assert "mend it with --date-order dmy" in output
    assert steps.changed_days(get_settings()) == []
    taken = run("import", file, "--user-id", "ada", "--date-order", "mdy", "--anyway")
    assert "the contract rejects 12:" in taken


def test_a_monthly_file_is_told_by_its_sequence_and_analysed_so(run, tmp_path):
    rng = np.random.default_rng(3)
    rows = [
        f"01/{n % 12 + 1:02}/{2000 + n // 12},{50 + 9 * (n >= 60) + rng.normal():.2f}"
        for n in range(120)
    ]
    file = write(tmp_path / "monthly.csv", "month,sales", *rows)
    output = run("analyze", file, "--intervention", "2005-01-01", "--season", "month")
    assert "a month apart" in output
    assert "60 pre and 60 post months" in output
    short = write(tmp_path / "short.csv", "month,sales", *rows[:12])
    refused = run("analyze", short, "--intervention", "2000-07-01", code=2)
    assert "2000-01-02 (mdy)" in refused or "2000-01-01 (dmy)" in refused
    assert "--date-order dmy, --date-order mdy" in refused


def test_a_spreadsheet_with_units_yes_no_and_a_sheet_to_choose(run, tmp_path, asked):
    rows = [
        ["Date", "Weight (kg)", "Ill"],
        *([d, 70 + n / 8, n % 9 == 0] for n, d in enumerate(DAYS)),
    ]
    file = tmp_path / "diary.xlsx"
    file.write_bytes(
        xlsx(
            {
                "2020": [["Date", "x"], [DAYS[0], 1]],
                "Diary": [["Date", "Weight (kg)", "Ill"], *rows],
            }
        )
    )
    output = run("import", file, says=["Diary", "Anna Müller"])
    assert "Weight__kg_ ('Weight (kg)') in kg" in output
    assert "yes is 1, no is 0" in output
    found = by_day(get_settings(), key_of_id("user", "Anna Müller"), "Ill")
    assert found["2021-12-20"] == 1
    assert found["2021-12-21"] == 0


def test_semicolons_decimal_commas_percent_and_thousands(run, tmp_path):
    rows = [(f"{day:%d.%m.%Y}", f"10.{n:03}", f"{5 + n / 8}%") for n, day in enumerate(DAYS)]
    file = write(tmp_path / "a.csv", "Tag;Schritte", *(f"{day};{steps}" for day, steps, _ in rows))
    refused = run("import", file, "--user-id", "ada", code=2)
    assert "10.000 (decimal point) or 10000 (decimal comma)" in refused
    assert "--decimal point, --decimal comma" in refused
    both = (f"{day};{steps};{percent.replace('.', ',')}" for day, steps, percent in rows)
    output = run("import", write(tmp_path / "b.csv", "Tag;Schritte;Fett", *both), "--user-id", "a")
    assert "'.' stands between thousands" in output
    assert "Fett in %" in output
    settings = get_settings()
    assert by_day(settings, "a", "Schritte")["2021-12-21"] == 10_001
    assert by_day(settings, "a", "Fett")["2021-12-21"] == 5.125


def test_several_people_with_any_names_and_several_rows_a_day(run, tmp_path):
    people = ["Anna Müller", "王小明", "bob"]
    file = write(
        tmp_path / "people.csv",
        "person,at,mood",
        *(f"{who},{day:%m/%d/%Y} {hour}:00 PM,{n}" for n, day in enumerate(DAYS)
          for who in people for hour in (3, 9)),
    )  # fmt: skip
    output = run("import", file)
    assert "up to 2 rows a day become their mean" in output
    assert "person: 'person'" in output
    assert "rejects none" in output
    settings = get_settings()
    for who in people:
        assert by_day(settings, key_of_id("user", who), "mood")["2021-12-21"] == 1
    run("intervention", "log", "Anna Müller", "walk", "--from", "2022-01-05", "--outcome", "mood")
    assert "Anna Müller|walk" in run("intervention", "list")
    assert "Anna Müller" in run("intervention", "show", "Anna Müller", "walk")
    assert "too long" in run("import", file, "--user-id", "x" * 65, code=2)


def test_dates_before_1970_and_before_2000_lie_on_their_days(run, tmp_path):
    days = [date(1931, 12, 25) + timedelta(days=n) for n in range(20)]
    days += [date(1999, 12, 25) + timedelta(days=n) for n in range(20)]
    rows = [f"{day} 00:30,{n}" for n, day in enumerate(days)]
    file = write(tmp_path / "old.csv", "day,pulse", *rows, "1899-12-31 12:00,9")
    zone = ["--time-zone", "Europe/Berlin"]
    output = run("import", file, "--user-id", "ada", *zone)
    assert "1 rejected by not_too_old(occurred_at): row 42: '1899-12-31" in output
    found = by_day(get_settings(), "ada", "pulse")
    assert found == {str(day): float(n) for n, day in enumerate(days)}


def test_what_nobody_can_answer_names_the_choices(run, tmp_path):
    file = write(tmp_path / "a.csv", "day,mood", "01/02/2021,5", "04/02/2021,6", "05/03/2021,7")
    output = run("import", file, "--user-id", "ada", code=2)
    assert "2021-02-01 (dmy) or 2021-01-02 (mdy)" in output
    assert "--date-order dmy, --date-order mdy" in output
    clear = write(tmp_path / "b.csv", "day,mood", "2021-02-01,5", "2021-02-04,6")
    assert "say --user-id ID or --user COLUMN" in run("import", clear, code=2)
    assert not list(get_settings().store_root.glob("imports/*/0*"))


def test_what_is_asked_is_answered_at_the_terminal(run, tmp_path, asked):
    file = write(tmp_path / "a.csv", "day,mood", "01/02/2021,5", "04/02/2021,6", "05/03/2021,7")
    output = run("import", file, says=["dmy", "ada"])
    assert "2021-02-01 to 2021-03-05" in output
    assert by_day(get_settings(), "ada", "mood") == {
        "2021-02-01": 5, "2021-02-04": 6, "2021-03-05": 7,
    }  # fmt: skip


def test_a_dry_run_says_it_all_and_takes_nothing(run, tmp_path):
    file = write(tmp_path / "a.csv", "day,mood", "2021-02-01,5", "2021-02-02,6", "2021-02-03,x")
    output = run("import", file, "--user-id", "ada", "--dry-run")
    assert "1 rejected by is_number(event_data): row 4: 'x'" in output
    assert "nothing was taken (--dry-run)" in output
    assert not get_settings().store_root.joinpath("imports").exists()


def test_analyze_asks_how_several_rows_of_a_day_become_one(run, tmp_path):
    rng = np.random.default_rng(1)
    days = [DAYS[0] + timedelta(days=n) for n in range(100)]
    rows = [f"{d},{50 + 8 * (d >= days[50]) + rng.normal():.3f}" for d in days for _ in range(2)]
    file = write(tmp_path / "twice.csv", "day,score", *rows)
    when = ["--intervention", str(days[50])]
    refused = run("analyze", file, *when, code=2)
    assert "2021-12-20 is in rows 2 and 3" in refused
    assert "--aggregate mean, median or sum" in refused
    output = json.loads(run("analyze", file, *when, "--aggregate", "sum", "--json"))
    assert output["effects"]["counterfactual"]["mean"] == pytest.approx(16, abs=2)
    assert "--aggregate should be one of" in run(
        "analyze", file, *when, "--aggregate", "first", code=2
    )


def test_the_inbox_completes_a_mapping_where_the_file_decides(run, tmp_path):
    inbox = inbox_dir(get_settings())
    inbox.mkdir(parents=True)
    (inbox / "mapping.yaml").write_text("user_constant: ada\n")
    write(inbox / "clear.csv", "day;score", *(f"{day:%d.%m.%Y};1,5" for day in DAYS))
    write(inbox / "open.csv", "day,mood", "01/02/2021,5", "04/02/2021,6", "05/03/2021,7")
    output = run("run")
    assert "24 days of events ingested" in output
    assert "1 files of the inbox were not taken" in output
    beside = (inbox / "open.csv.error.txt").read_text()
    assert "2021-02-01 (dmy) or 2021-01-02 (mdy)" in beside
    assert by_day(get_settings(), "ada", "score")["2021-12-29"] == 1.5


def test_a_person_whose_every_event_was_rejected_is_told_so(run, tmp_path):
    file = write(tmp_path / "a.csv", "day,mood", *(f"{day:%d/%m/%Y},5" for day in DAYS))
    good = write(tmp_path / "b.csv", "day,mood", "2021-12-20,5", "2021-12-21,6")
    run("import", good, "--user-id", "bob", "--outcome", "mood")
    run("intervention", "log", "ada", "walk", "--from", "2022-01-05", "--outcome", "mood")
    assert "rejected" not in run("run")
    settings = get_settings()
    page = page_path(settings, "ada|walk")
    assert "Rejected events" in page.read_text()
    mapping = tmp_path / "old.yaml"
    mapping.write_text("{time: day, user_constant: ada, outcomes: {mood: mood}}")
    run("import", file, "--mapping", mapping, code=2)
    run("import", file, "--mapping", mapping, "--anyway")
    assert "of 24 events 24 were rejected: is_instant_with_offset(occurred_at) 24" in run("run")
    assert "24 (is_instant_with_offset 24)" in page.read_text()
