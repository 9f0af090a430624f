"""The log's schema moves whole or not at all: crowds, kills, errors, and what they leave."""

from __future__ import annotations

import multiprocessing
import os
import signal
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from its_pipeline.events import intervention_schema
from its_pipeline.events.intervention_table import open_engine
from its_pipeline.events.interventions import InterventionLog
from its_pipeline_tests.integration.events.log_databases import (
    ADDED,
    LATER,
    OURS,
    copy_of,
    later_version,
    revisions,
    rows,
    tables,
    uncounted,
    url,
)
from its_pipeline_tests.postgres import postgres_server

__all__ = ["postgres_server", "uncounted", "url"]


def _open(migrations: Path, url: str, begun: Path) -> None:
    wait_and_write = intervention_schema.writing

    def writing(engine: sa.Engine) -> Any:
        begun.touch()
        return wait_and_write(engine)

    intervention_schema.MIGRATIONS = migrations
    intervention_schema.writing = writing
    InterventionLog(url).list()


def opening(migrations: Path, url: str, begun: Path) -> Any:
    """A process that opens a log as a version of the package with these migrations does.

    It makes the file `begun` when it has seen that something is to do, ahead of waiting for others.
    """
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_open, args=(migrations, url, begun))
    process.start()
    return process


def wait_for(file: Path, process: Any) -> None:
    while not file.exists():
        process.join(0.02)
        assert process.exitcode is None


def test_of_processes_that_open_at_once_one_migrates(uncounted: str, tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    begun = [tmp_path / f"begun-{number}" for number in range(3)]
    waiting = f"""
    from pathlib import Path
    from time import sleep

    Path({str(started)!r}).touch(exist_ok=False)
    while not Path({str(go)!r}).exists():
        sleep(0.02)
    """
    before = rows(uncounted)
    # The first one waits in the middle of its migration until the others have begun to open.
    migrations = later_version(tmp_path, LATER + textwrap.indent(textwrap.dedent(waiting), "    "))
    first = opening(migrations, uncounted, begun[0])
    wait_for(started, first)
    others = [opening(migrations, uncounted, file) for file in begun[1:]]
    for other, file in zip(others, begun[1:], strict=True):
        wait_for(file, other)
    go.touch()
    for process in (first, *others):
        process.join(60)
        assert process.exitcode == 0
    assert rows(uncounted) == [(*row, *ADDED, 0) for row in before]
    assert copy_of(uncounted, "0006") == before, "the second one copied what the first one made"
    assert revisions(uncounted) == [*OURS, ("0006", "9.1.0")]


def ending(end: str) -> str:
    """A later revision that changes a lot, and then ends otherwise than well."""
    middle = """
        op.execute("UPDATE interventions SET later_days = 7")
        op.create_table("halfway", sa.Column("n", sa.Integer))
        import os, signal
        """
    return LATER + textwrap.indent(textwrap.dedent(middle + end), "    ")


def test_a_kill_in_the_middle_leaves_the_old_schema(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(uncounted)
    broken = later_version(tmp_path, ending("os.kill(os.getpid(), signal.SIGKILL)"))
    process = opening(broken, uncounted, tmp_path / "begun")
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert rows(uncounted) == before
    assert tables(uncounted) == {"interventions"}
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    InterventionLog(uncounted).list()
    assert rows(uncounted) == [(*row, *ADDED, 0) for row in before]
    assert copy_of(uncounted, "0006") == before


def test_an_error_in_the_middle_leaves_the_old_schema(
    uncounted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    InterventionLog(uncounted).list()
    before, had = rows(uncounted), tables(uncounted)
    with monkeypatch.context() as broken:
        broken.setattr(
            intervention_schema, "MIGRATIONS", later_version(tmp_path, ending("raise KeyError(7)"))
        )
        with pytest.raises(KeyError, match="7"):
            InterventionLog(uncounted).list()
    assert rows(uncounted) == before
    assert tables(uncounted) == had
    # This version, which knows no later revision, goes on as if nothing had been tried.
    log = InterventionLog(uncounted)
    assert log.amend("ada", "tea", washout_days=2).sequence == 5
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    written = rows(uncounted)
    assert InterventionLog(uncounted).history("ada", "tea") == log.history("ada", "tea")
    assert copy_of(uncounted, "0006") == written


def test_what_a_killed_copy_left_does_not_get_into_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite"
    InterventionLog(url).log(
        user_id="ada", intervention_id="tea", outcome_metric="m", started_on=date(2026, 1, 2)
    )
    before = rows(url)
    for left in (".unfinished-log.sqlite", ".unfinished-log.sqlite-journal"):
        (tmp_path / left).write_bytes(os.urandom(5000))
    monkeypatch.setattr(intervention_schema, "MIGRATIONS", later_version(tmp_path))
    InterventionLog(url).list()
    assert copy_of(url, "0006") == before
    assert not list(tmp_path.glob(".unfinished-*"))


def test_threads_may_make_several_databases_at_once(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(8)]

    def make(url: str) -> None:
        # Without `InterventionLog`, whose cached engine makes threads wait in Python 3.11 alone.
        intervention_schema.bring_up_to_date(open_engine(url))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, urls))
    assert [revisions(url) for url in urls] == [OURS] * 8
