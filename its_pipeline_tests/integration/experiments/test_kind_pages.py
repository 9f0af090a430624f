"""Pages of kinds in a real store: written once, told to members, taken away again."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from its_pipeline.events.keys import ExperimentKey
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.kind_pages import kind_page_path, member_of, publish_kinds
from its_pipeline.experiments.page_marks import MARK_FILE
from its_pipeline.experiments.pooling import refresh_kinds
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.experiments.wholeness import is_kept_whole
from its_pipeline.leaving.forget import forget
from its_pipeline.stores.runs import RunStore
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    series,
    short_settings,
    write_daily,
)

PEOPLE = ("ada", "ben", "cleopatra", "dora", "emil")
KIND = ("morning", METRIC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Five people who tried the same from different days on, a sixth who only began."""
    settings = short_settings(tmp_path_factory.mktemp("kinds"))
    people = {}
    for number, who in enumerate(PEOPLE):
        started_on = START_ON + timedelta(days=2 * number)
        people[who] = series(36, 36, effect=3.0 + number, seed=number, started_on=started_on)
        log_intervention(settings, who, started_on=started_on)
    log_intervention(settings, "late", started_on=settings.utc_today())
    people["late"] = series(20, 1, started_on=settings.utc_today())
    write_daily(settings, people)
    snapshot = Snapshot(settings)
    recorder = RunStore.from_settings(settings)
    for key in snapshot.experiment_keys():
        fit_experiment(snapshot, key, recorder=recorder if key.startswith("ada") else None)
        publish_experiment(settings, key, recorder, snapshot=snapshot)
    return settings


def html(settings, who: str) -> str:
    return page_path(settings, f"{who}|morning").read_text()


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_pages_from_the_first_pool_to_the_last(settings):
    alone = {who: html(settings, who) for who in (*PEOPLE, "late")}
    before = state(settings.reports_dir)
    # Nothing is pooled yet: nothing is told, and no file is touched.
    assert publish_kinds(settings).sections == 0
    assert state(settings.reports_dir) == before

    refresh_kinds(settings)
    done = publish_kinds(settings)
    assert (done.written, done.unchanged, done.removed, done.sections) == (1, 0, 0, 5)
    page = kind_page_path(settings, *KIND).read_text()
    assert "of the 5 people has been" in page
    assert "1 more person has no estimate" in page
    assert page.count("data:image/png") == 5
    assert page.count('class="start"') == 5
    links = re.findall(r'href="(\.\./[^"]+)"', page)
    assert len(links) == 11
    for link in links[1:]:
        assert (kind_page_path(settings, *KIND).parent / link).resolve().is_file(), link
    for who in PEOPLE:
        told = html(settings, who)
        section = told[told.index('class="others"') : told.index('aria-labelledby="figures"')]
        assert "4 other people" in section
        assert not [other for other in PEOPLE if re.search(rf"\b{other}\b", section)]
    assert html(settings, "late") == alone["late"]

    # Again changes no file.
    there = state(settings.reports_dir)
    again = publish_kinds(settings)
    assert (again.written, again.unchanged, again.sections) == (0, 1, 0)
    assert state(settings.reports_dir) == there

    # A page that shows its verdict stays as it is, and one that is made again keeps the section.
    assert publish_experiment(settings, "ben|morning").unchanged
    page_path(settings, "ben|morning").with_name(MARK_FILE).unlink()
    assert not publish_experiment(settings, "ben|morning").unchanged
    assert 'class="others"' in html(settings, "ben")
    assert publish_kinds(settings).sections == 0

    # The run's copy tells of the analysis alone, and is whole.
    verdict = open_store(settings).verdict("ada|morning")
    assert verdict is not None
    assert is_kept_whole(settings, verdict)
    [copy] = [
        path
        for path in settings.mlflow_artifact_dir.rglob("report.html")
        if "ada" in path.read_text()
    ]
    assert copy.read_text() == alone["ada"]
    copy.write_text("damaged")
    assert not is_kept_whole(settings, verdict)
    publish_experiment(settings, "ada|morning", RunStore.from_settings(settings))

    # A damaged page of a kind is written again.
    kind_page_path(settings, *KIND).write_text("damaged")
    assert publish_kinds(settings).written == 1
    assert kind_page_path(settings, *KIND).read_text() == page

    collected = collect_evidence(settings)
    index = collected.index_path.read_text()
    assert "For many people" in index
    assert f'href="kinds=/morning/{METRIC}.html"' in index

    own = member_of(settings, Snapshot(settings), ExperimentKey("ben", "morning"), *KIND)
    assert own is not None
    assert (own[0].n_people, own[1].user_id) == (5, "ben")

    # The setting may be raised after the pool was made.
    strict = settings.model_copy(update={"pooled_min_people": 6})
    done = publish_kinds(strict)
    assert (done.written, done.removed, done.sections) == (0, 1, 5)
    assert "of the 5 people" not in collect_evidence(strict).index_path.read_text()
    assert html(settings, "ben") == alone["ben"]
    assert member_of(strict, Snapshot(strict), ExperimentKey("ben", "morning"), *KIND) is None
    assert publish_kinds(settings).sections == 5

    # With one gone, the other four are too few: nothing of the kind is told anywhere.
    forget(settings, "cleopatra")
    assert not kind_page_path(settings, *KIND).exists()
    assert 'class="others"' not in html(settings, "ada")
    for who in ("ben", "dora", "emil"):
        assert html(settings, who) == alone[who], who
    for path in settings.reports_dir.rglob("*"):
        assert "cleopatra" not in str(path.relative_to(settings.reports_dir))
        assert path.is_dir() or b"cleopatra" not in path.read_bytes(), path
    index = collected.index_path.read_text()
    assert "Too few people yet" in index or "For many people" not in index
    assert member_of(settings, Snapshot(settings), ExperimentKey("ben", "morning"), *KIND) is None


def test_a_person_of_any_name_has_a_folder_beside_the_kinds(tmp_path):
    settings = short_settings(tmp_path)
    folder = kind_page_path(settings, *KIND).parents[1]
    for user_id in ("kinds", "Kinds", "kinds_"):
        assert folder not in page_path(settings, f"{user_id}|morning").parents
