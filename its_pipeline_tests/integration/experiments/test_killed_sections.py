"""Whoever is killed while a member's page gets another section: the next night makes it whole."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from its_pipeline.experiments import page_marks
from its_pipeline.experiments.bulk import RefreshSummary, refresh
from its_pipeline.experiments.doctor import findings
from its_pipeline.experiments.kind_pages import publish_kinds
from its_pipeline.experiments.page_marks import MARK_FILE, read_mark
from its_pipeline.experiments.page_sections import put_section, shown_section
from its_pipeline.experiments.pooling import refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore
from tools.stores import log_intervention, series, short_settings, write_daily

KEY = "ada|morning"
STEPS = ("write_bytes", "write_contents", "write_json")


def night(settings: Settings) -> RefreshSummary:
    snapshot = Snapshot(settings)
    runs = RunStore.from_settings(settings)
    summary = refresh(snapshot, snapshot.experiment_keys(), lambda _: None, recorder=runs)
    refresh_kinds(settings)
    publish_kinds(settings)
    return summary


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    chosen = short_settings(tmp_path_factory.mktemp("sections"), pooled_min_people=2)
    people = ("ada", "bob", "cy")
    write_daily(chosen, {user: series(seed=n, effect=6.0) for n, user in enumerate(people)})
    for user in people:
        log_intervention(chosen, user)
    night(chosen)
    return chosen


def put_and_die(settings: Settings, step: str) -> None:
    """Put another section into a page, and be gone before one of the steps."""

    def gone(*_: object) -> None:
        os._exit(9)

    setattr(page_marks, step, gone)
    put_section(settings, KEY, '<section class="others"><p>Another one</p></section>')


@pytest.mark.parametrize("step", STEPS)
def test_the_next_night_mends_a_page_that_was_left_without_its_mark(settings, step):
    page = page_path(settings, KEY)
    before, section = page.read_bytes(), shown_section(settings, KEY)
    assert section is not None
    process = multiprocessing.get_context("spawn").Process(
        target=put_and_die, args=(settings, step)
    )
    process.start()
    process.join(120)
    assert process.exitcode == 9
    assert not page.with_name(MARK_FILE).exists()
    assert night(settings).computed == 0
    assert read_mark(settings, page) is not None
    assert shown_section(settings, KEY) == section
    assert page.read_bytes() == before
    assert list(findings(settings)) == []
    assert night(settings).counts["unchanged"] == 3
