"""Days of which nobody was told yet: several runs at once, killed ones, and who takes over."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import date, timedelta
from pathlib import Path

import pytest

from its_pipeline.files.atomic import write_json
from its_pipeline.ingest.untold import UntoldDays, untold_days
from its_pipeline.settings import Settings

FIRST = date(2026, 5, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(8)]
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store_root=tmp_path)


def hold(root: Path, days: list[date], begun, end) -> None:
    """A run that has made days and tells of them when it is let."""
    with UntoldDays(Settings(store_root=root)) as own:
        own.write(days)
        begun.set()
        end.wait()
        own.told(days)


class Run:
    """A run in a process of its own."""

    def __init__(self, settings: Settings, days: list[date]) -> None:
        self.begun, self.end = SPAWN.Event(), SPAWN.Event()
        arguments = (settings.store_root, days, self.begun, self.end)
        self.process = SPAWN.Process(target=hold, args=arguments)
        self.process.start()
        assert self.begun.wait(60)

    def finish(self) -> None:
        self.end.set()
        self.process.join(60)
        assert self.process.exitcode == 0

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(60)


def test_two_runs_at_once_neither_lose_nor_delete_the_others_days(settings):
    one, other = Run(settings, DAYS[:3]), Run(settings, DAYS[3:5])
    assert untold_days(settings) == set(DAYS[:5])
    other.finish()
    assert untold_days(settings) == set(DAYS[:3])
    third = Run(settings, DAYS[6:])
    one.kill()
    # Still said while others go on, and when they have ended.
    assert untold_days(settings) == {*DAYS[:3], *DAYS[6:]}
    third.finish()
    assert untold_days(settings) == set(DAYS[:3])
    with UntoldDays(settings) as own:
        assert untold_days(settings) == set(DAYS[:3])
        own.write(DAYS[:3])
        own.told(DAYS[:3])
    assert untold_days(settings) == set()
    assert [path.name for path in (settings.store_root / ".ingest").iterdir()] == [".runs.lock"]


def test_nobody_takes_over_the_days_of_a_run_that_lives(settings):
    one, other = Run(settings, DAYS[:3]), Run(settings, DAYS[3:5])
    other.finish()
    one.finish()
    assert untold_days(settings) == set()


def test_what_a_killed_run_left_is_kept_by_those_who_make_other_days(settings):
    Run(settings, DAYS[:2]).kill()
    with UntoldDays(settings) as own:
        own.write(DAYS[1:3])
        own.told(DAYS[1:3])
    assert untold_days(settings) == {DAYS[0]}
    # And by those who are killed in turn.
    Run(settings, DAYS[4:5]).kill()
    assert untold_days(settings) == {DAYS[0], DAYS[4]}


def test_a_run_that_fails_leaves_its_days(settings):
    def run() -> None:
        with UntoldDays(settings) as own:
            own.write(DAYS[:2])
            raise RuntimeError("Dagster is gone")

    with pytest.raises(RuntimeError):
        run()
    assert untold_days(settings) == set(DAYS[:2])


def test_the_file_of_an_earlier_version_is_taken_over(settings):
    write_json(settings.store_root / ".ingest" / "untold.json", [str(day) for day in DAYS[:2]])
    assert untold_days(settings) == set(DAYS[:2])
    with UntoldDays(settings) as own:
        own.told(DAYS[:1])
    assert untold_days(settings) == {DAYS[1]}
    assert not (settings.store_root / ".ingest" / "untold.json").exists()
