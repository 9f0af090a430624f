"""Pages that are left to be drawn on demand: never a stale one, and the same ones byte for byte."""

from __future__ import annotations

import os
import shutil

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.forgotten import Forgotten, ForgottenPersonError
from its_pipeline.experiments.bulk import is_settled, refresh, stale_keys
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.links import page_url
from its_pipeline.experiments.page_marks import is_left, read_mark
from its_pipeline.experiments.page_sections import put_section
from its_pipeline.experiments.pages import draw_page, open_page
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import CHECKLIST_FILE, page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.experiments.static_pages import write_pages
from its_pipeline.leaving.results import delete_results
from its_pipeline.stores.run_fields import TAG_PAGE
from its_pipeline.stores.runs import RunStore
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

DONE, WAITS = "done|morning", "waits|morning"
DAYS = {"done": series(effect=12.0), "waits": series(n_post=4)}


@pytest.fixture
def settings(tmp_path):
    chosen = short_settings(tmp_path, pages="on_demand")
    write_daily(chosen, DAYS)
    for user in DAYS:
        log_intervention(chosen, user)
    return chosen


def night(settings, **chosen):
    snapshot = Snapshot(settings)
    told = []
    summary = refresh(snapshot, [DONE, WAITS], told.extend, **chosen)
    return summary, {evaluation.verdict.key: evaluation.publication for evaluation in told}


def opened(settings, key) -> bytes:
    page = open_page(settings, key)
    assert page is not None
    with page.file:
        content = page.file.read()
    assert len(content) == page.size
    return content


def drawn_files(settings):
    found = {*settings.reports_dir.rglob("*.html"), *settings.reports_dir.rglob("*.png")}
    return {path for path in found if path.parent != settings.reports_dir}


def test_a_bulk_run_leaves_pages_and_has_the_checklists(settings):
    summary, told = night(settings)
    assert summary.counts == {"analysed": 1, "waiting": 1}
    assert drawn_files(settings) == set()
    assert not told[DONE].drawn
    assert told[DONE].thumbnail_png is None
    assert "higher" in " ".join(told[DONE].sentences)
    assert page_path(settings, DONE).with_name(CHECKLIST_FILE).is_file()
    # What is left is no reason to evaluate again.
    assert night(settings)[0].counts == {"unchanged": 2}


def test_a_run_in_mlflow_says_where_its_page_is(settings):
    runs = RunStore.from_settings(settings)
    night(settings, recorder=runs)
    assert stale_keys(Snapshot(settings), [DONE, WAITS]) == []
    (run,) = runs.history("done").runs
    assert run.tags[TAG_PAGE] == page_url(settings, DONE)
    client, _ = runs.open()
    folders = {info.path for info in client.list_artifacts(run.run_id)}
    assert not folders & {"report", "plots"}
    write_pages(Snapshot(settings))
    assert stale_keys(Snapshot(settings), [DONE, WAITS]) == []
    assert {"report", "plots"} <= {info.path for info in client.list_artifacts(run.run_id)}


def test_the_checklists_are_those_of_the_drawn_pages(settings):
    import pandas as pd

    night(settings)
    collect_evidence(settings)
    left = pd.read_parquet(settings.compliance_path)
    write_pages(Snapshot(settings))
    collect_evidence(settings)
    pd.testing.assert_frame_equal(left, pd.read_parquet(settings.compliance_path))


def test_a_left_page_is_drawn_as_the_static_one(settings):
    night(settings)
    for key in (DONE, WAITS):
        assert open_page(settings, key) is None
        draw_page(settings, key)
    drawn = {key: opened(settings, key) for key in (DONE, WAITS)}
    assert drawn_files(settings) == set()
    assert write_pages(Snapshot(settings)).counts == {"written": 2}
    for key, page in drawn.items():
        assert page_path(settings, key).read_bytes() == page
        assert opened(settings, key) == page
    assert write_pages(Snapshot(settings)).counts == {"unchanged": 2}
    assert write_pages(Snapshot(settings), "done", anew=True).counts == {"written": 1}
    # Pages that are there stay while their verdicts do.
    assert night(settings)[0].counts == {"unchanged": 2}
    assert page_path(settings, DONE).is_file()


def test_an_older_verdicts_page_is_never_shown(settings):
    night(settings)
    draw_page(settings, DONE)
    first = opened(settings, DONE)
    write_daily(settings, {**DAYS, "done": with_another_last_day(DAYS["done"])})
    verdict = fit_experiment(Snapshot(settings), DONE).verdict
    # Decided, and not published yet.
    assert open_page(settings, DONE) is None
    draw_page(settings, DONE)
    second = opened(settings, DONE)
    assert second != first
    assert verdict.fingerprint is not None
    assert verdict.fingerprint.encode() in second
    assert len(list(settings.page_cache_dir.iterdir())) == 1


def test_a_bulk_run_takes_static_pages_of_older_verdicts_away(settings):
    night(settings.model_copy(update={"pages": "eager"}))
    assert len(drawn_files(settings)) == 6
    write_daily(settings, {**DAYS, "done": with_another_last_day(DAYS["done"])})
    night(settings)
    assert drawn_files(settings) == {page_path(settings, WAITS)}
    assert open_page(settings, DONE) is None


def test_a_single_run_and_an_eager_night_draw_what_was_left(settings):
    night(settings)
    eager = settings.model_copy(update={"pages": "eager"})
    assert not is_settled(Snapshot(eager), DONE, recorded=False)
    publication = publish_experiment(settings, DONE)
    assert publication.drawn
    assert page_path(settings, DONE).is_file()
    assert night(eager)[0].counts == {"unchanged": 1, "waiting": 1}
    assert page_path(settings, WAITS).is_file()


def test_the_index_says_where_pages_are(settings):
    night(settings)
    index = collect_evidence(settings).index_path
    assert 'href="http://127.0.0.1:8000/people/done/experiments/morning/page"' in index.read_text()
    assert "2 of the pages are drawn when somebody opens them" in index.read_text()
    hidden = settings.model_copy(update={"server_url": None})
    told = collect_evidence(hidden).index_path.read_text()
    assert "/people/" not in told
    assert "<code>its-pipeline serve</code>" in told
    write_pages(Snapshot(settings))
    told = collect_evidence(settings).index_path.read_text()
    assert 'href="done/morning/index.html"' in told
    assert "drawn when somebody opens" not in told


def test_pages_go_with_their_person(settings):
    night(settings)
    for key in (DONE, WAITS):
        draw_page(settings, key)
    Forgotten(settings.store_root).begin("done")
    with pytest.raises(ForgottenPersonError):
        draw_page(settings, DONE)
    delete_results(settings, "done")
    assert len(list(settings.page_cache_dir.iterdir())) == 1
    assert opened(settings, WAITS)


def test_opening_a_page_keeps_it(settings):
    night(settings)
    draw_page(settings, DONE)
    (file,) = settings.page_cache_dir.iterdir()
    os.utime(file, (0, 0))
    opened(settings, DONE)
    assert file.stat().st_mtime > 0


def test_a_store_of_an_earlier_version_has_drawn_pages(settings):
    night(settings.model_copy(update={"pages": "eager"}))
    mark = read_mark(settings, page_path(settings, DONE))
    assert mark is not None
    assert "drawn" not in mark
    assert not is_left(mark)


def test_the_command_writes_what_it_can_and_names_what_it_cannot(settings, monkeypatch):
    night(settings)
    verdict = open_store(settings).verdict(DONE)
    assert verdict is not None
    assert verdict.fingerprint is not None
    monkeypatch.setenv("ITS_STORE_ROOT", str(settings.store_root))
    monkeypatch.setenv("ITS_TODAY_ON", settings.utc_today().isoformat())
    only = CliRunner().invoke(app, ["pages", "waits"])
    assert only.exit_code == 0, only.output
    assert drawn_files(settings) == {page_path(settings, WAITS)}
    assert 'href="waits/morning/index.html"' in (settings.reports_dir / "index.html").read_text()
    shutil.rmtree(open_store(settings).analysis_folder(DONE, verdict.fingerprint))
    broken = CliRunner().invoke(app, ["pages"])
    assert broken.exit_code == 1
    assert "1 pages could not be written. First: done|morning" in broken.output
    assert drawn_files(settings) == {page_path(settings, WAITS)}


def test_a_left_page_tells_of_people_like_them_as_a_static_one_does(settings):
    night(settings)
    draw_page(settings, DONE)
    alone = opened(settings, DONE)
    section = '<section class="others" aria-labelledby="others">\nPeople like you</section>\n'
    assert put_section(settings, DONE, section)
    assert not put_section(settings, DONE, section)
    # What was drawn does not tell it, and is gone.
    assert open_page(settings, DONE) is None
    assert list(settings.page_cache_dir.iterdir()) == []
    draw_page(settings, DONE)
    told = opened(settings, DONE)
    assert b"People like you" in told
    assert night(settings)[0].counts == {"unchanged": 2}
    write_pages(Snapshot(settings), "done")
    assert page_path(settings, DONE).read_bytes() == told
    # And back: a static page's section stays when the page is left again.
    write_daily(settings, {**DAYS, "done": with_another_last_day(DAYS["done"])})
    night(settings)
    draw_page(settings, DONE)
    assert b"People like you" in opened(settings, DONE)
    assert put_section(settings, DONE, None)
    draw_page(settings, DONE)
    assert b"People like you" not in opened(settings, DONE)
    assert opened(settings, DONE) != alone
