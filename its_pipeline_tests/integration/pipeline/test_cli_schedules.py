"""Schedules on the command line: periods, days drawn by lot, and days that were otherwise."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.interventions import Intervention, open_log
from its_pipeline.settings import get_settings

#: Later than today in every zone.
FIRST_ON = datetime.now(UTC).date() + timedelta(days=3)
LOT = ["--days", "28", "--balance", "block", "--block-days", "4", "--longest-run", "3"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def call(*arguments: object, code: int = 0) -> str:
        result = runner.invoke(app, ["intervention", *(str(argument) for argument in arguments)])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def logged(intervention_id: str = "drops") -> Intervention:
    log = open_log(get_settings())
    try:
        return log.get("anna", intervention_id)
    finally:
        log.close()


def periods(intervention_id: str = "drops") -> list[list[str | None]]:
    schedule = logged(intervention_id).schedule
    assert schedule is not None
    return schedule.to_dict()["on_periods"]


def test_periods_are_logged_amended_and_taken_away(run) -> None:
    output = run(
        "log", "anna", "drops", "--on", "2026-04-01..", "--on", "2026-03-01..2026-03-14",
        "--on", "2026-03-20", "--carryover-days", "2", "--kind", "eye_drops",
    )  # fmt: skip
    text = "on 2026-03-01 to 2026-03-14, 2026-03-20, from 2026-04-01 on"
    assert text in output
    assert periods() == [
        ["2026-03-01", "2026-03-14"],
        ["2026-03-20", "2026-03-20"],
        ["2026-04-01", None],
    ]
    assert (logged().carryover_days, logged().kind) == (2, "eye_drops")
    for shown in (run("list"), run("show", "anna", "drops")):
        assert text in shown
    told = json.loads(run("list", "--json"))[0]["schedule"]
    assert told == {"on_periods": periods()}

    run("amend", "anna", "drops", "--on", "2026-03-02..2026-03-09", "--reason", "a week alone")
    assert periods() == [["2026-03-02", "2026-03-09"]]
    assert (str(logged().started_on), str(logged().ended_on)) == ("2026-03-02", "2026-03-09")
    run("amend", "anna", "drops", "--no-schedule", "--reason", "I went on")
    assert (logged().schedule, logged().ended_on, logged().carryover_days) == (None, None, 0)
    assert "carryover_days" not in run("show", "anna", "drops")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "give --from, the first day, or the periods with it as --on first..last"),
        (["--on", "1.3.2026"], "first..last, first.. or one day"),
        (["--on", "..2026-03-04"], "but got '..2026-03-04'"),
        (["--on", "2026-03-04..2026-03-01"], "must not be earlier than its first"),
        (["--on", "2026-03-04..", "--on", "2026-04-01.."], "only the last period may go on"),
        (["--on", "2026-03-04..", "--from", "2026-03-05"], "is not the schedule's first day"),
        (["--from", "2026-03-05", "--carryover-days", "2"], "use washout_days"),
    ],
)
def test_what_is_no_period_is_refused(run, options: list[str], told: str) -> None:
    assert told in run("log", "anna", "drops", *options, code=2)
    assert run("list", "--json").strip() == "[]"


def test_days_done_otherwise_are_said_and_taken_back(run) -> None:
    run("log", "anna", "drops", "--on", "2026-03-01..2026-03-14", "--carryover-days", "1")
    which = ["anna", "drops", "--reason", "ill"]
    output = run("otherwise", *which, "2026-03-05", "2026-03-20")
    assert "version 2: on 2026-03-01 to 2026-03-14; done otherwise on 2026-03-05" in output
    run("otherwise", *which, "2026-03-05", "2026-03-06")
    schedule = logged().schedule
    assert schedule is not None
    assert [day.isoformat() for day in schedule.done_otherwise] == [
        "2026-03-05",
        "2026-03-06",
        "2026-03-20",
    ]
    assert periods() == [["2026-03-01", "2026-03-14"]]
    run("otherwise", *which, "2026-03-05", "2026-03-20", "--undo")
    schedule = logged().schedule
    assert schedule is not None
    assert schedule.done_otherwise == (date(2026, 3, 6),)

    refused = run("otherwise", *which, "2026-03-05", "--undo", code=2)
    assert "2026-03-05 was not said to be otherwise" in refused
    assert "is not here yet" in run("otherwise", *which, FIRST_ON, code=2)
    assert "DAYS should be a date" in run("otherwise", *which, "yesterday", code=2)
    late = run("otherwise", *which, "2026-03-07", "--expected-version", "2", code=2)
    assert "is in version 4, not 2" in late
    run("log", "anna", "tea", "--from", "2026-03-01")
    refused = run("otherwise", "anna", "tea", "--reason", "ill", "2026-03-05", code=2)
    assert "anna|tea has no schedule: it is on from 2026-03-01 on" in refused


def test_days_are_drawn_logged_and_written(run, tmp_path: Path) -> None:
    command = ["draw", "anna", "drops", "--from", FIRST_ON, *LOT, "--seed", "7",
               "--name", "Eye drops", "--carryover-days", "1"]  # fmt: skip
    before = datetime.now(UTC)
    output = run(*command)
    entry = logged()
    schedule = entry.schedule
    assert schedule is not None
    assert schedule.mechanism is not None
    assert schedule.in_zone(entry.time_zone).is_randomised
    assert schedule.mechanism.drawn_at is not None
    assert schedule.mechanism.drawn_at >= before
    assert (schedule.mechanism.seed, entry.horizon_days, entry.carryover_days) == (7, 28, 1)
    assert (schedule.starts_on, schedule.ends_on) == (FIRST_ON, FIRST_ON + timedelta(days=27))
    # 6 ways in each of 7 blocks, less those in which a run is longer than three.
    assert "drawn with seed 7 among 204,994 possible sequences" in output

    rows = list(csv.reader((tmp_path / "anna-drops.csv").open(newline="")))
    assert rows[0] == ["day", "on"]
    on = [on == "1" for _, on in rows[1:]]
    assert [date.fromisoformat(day) for day, _ in rows[1:]] == [
        FIRST_ON + timedelta(days=number) for number in range(28)
    ]
    assert on == [schedule.is_on(FIRST_ON + timedelta(days=number)) for number in range(28)]
    for block in range(0, 28, 4):
        assert sum(on[block : block + 4]) == 2
    calendar = (tmp_path / "anna-drops.ics").read_bytes()
    assert calendar.count(b"SUMMARY:Eye drops\r\n") == len(schedule.on_periods)
    for period in schedule.on_periods:
        assert f"  {period.from_on}" in output

    # Again, whenever, it is what is there; with other days it is not.
    assert run(*command) == output
    assert logged() == entry
    assert "amend it or choose another" in run(*command[:-5], "8", *command[-4:], code=2)


def test_what_was_drawn_in_time_may_be_repeated_after_its_first_day(run, monkeypatch) -> None:
    command = ["draw", "anna", "drops", "--from", FIRST_ON, *LOT, "--seed", "7"]
    run(*command)
    entry = logged()
    monkeypatch.setenv("ITS_TODAY_ON", str(FIRST_ON + timedelta(days=9)))
    run(*command)
    assert logged() == entry


@pytest.mark.parametrize("late_by", [0, 1])
def test_no_lot_is_drawn_after_its_first_day(run, tmp_path: Path, late_by: int) -> None:
    # Where the person is it may be tomorrow already.
    today_on = datetime.now(UTC).date()
    first_on = today_on - timedelta(days=late_by)
    told = run("draw", "anna", "drops", "--from", first_on, *LOT, code=2)
    assert f"--from {first_on} must be later than today" in told
    assert "a lot that is drawn after its first day is no lot" in told
    assert not list(tmp_path.glob("anna-drops.*"))
    assert run("list", "--json").strip() == "[]"


def test_today_is_the_persons(run, monkeypatch) -> None:
    from its_pipeline.experiments import window

    class Evening(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.combine(FIRST_ON - timedelta(days=1), datetime.min.time(), tz).replace(
                hour=20
            )

    monkeypatch.setattr(window, "datetime", Evening)
    command = ["draw", "anna", "drops", "--from", FIRST_ON, *LOT]
    told = run(*command, "--time-zone", "Pacific/Auckland", code=2)
    assert f"later than today, {FIRST_ON} in Pacific/Auckland" in told
    assert "logged anna|drops" in run(*command)


def test_files_are_not_overwritten(run, tmp_path: Path) -> None:
    (tmp_path / "anna-drops.csv").write_text("mine")
    command = ["draw", "anna", "drops", "--from", FIRST_ON, *LOT, "--seed", "7"]
    assert "anna-drops.csv is there already" in run(*command, code=2)
    assert run("list", "--json").strip() == "[]"
    assert (tmp_path / "anna-drops.csv").read_text() == "mine"
    (tmp_path / "plan").mkdir()
    run(*command, "--into", tmp_path / "plan")
    assert sorted(file.name for file in (tmp_path / "plan").iterdir()) == [
        "anna-drops.csv",
        "anna-drops.ics",
    ]
    # It is logged by now; the table in the way stays what it is.
    assert "with other contents" in run(*command, code=2)
    assert (tmp_path / "anna-drops.csv").read_text() == "mine"
    refused = run(*command, "--into", tmp_path / "nowhere", code=2)
    assert "--into should be a folder that is there" in refused


def test_without_a_seed_chance_decides(run) -> None:
    for name in ("drops", "tea"):
        run("draw", "anna", name, "--from", FIRST_ON, *LOT)
    one, other = logged().schedule, logged("tea").schedule
    assert one is not None
    assert other is not None
    assert one.mechanism != other.mechanism
    assert one.on_periods != other.on_periods


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--days", "27", "--unit-days", "2"], "n_days must be a multiple of unit_days"),
        (["--days", "4"], "sequences of 4 units but at least 20 are needed"),
        (["--days", "28", "--balance", "block", "--block-days", "3"], "block_days must be an even"),
        (["--days", "28", "--outcome", "mood"], "mood"),
        (["--days", "28", "--name", "\x07"], "without control characters"),
    ],
)
def test_rules_that_make_no_lot_are_refused(
    run, tmp_path: Path, options: list[str], told: str
) -> None:
    assert told in run("draw", "anna", "drops", "--from", FIRST_ON, *options, code=2)
    assert not list(tmp_path.glob("anna-drops.*"))
    assert run("list", "--json").strip() == "[]"
