"""Pages that a bulk run left to be drawn on demand: when that is so, drawing and opening them.

What belongs here: from an experiment to the file of its page, drawn once and kept for a while. What
does not: what a page shows and the static pages (`publish`), where drawn ones are kept
(`page_cache`), or HTTP.

A page is found by what it shows (the digest of its mark), so one of an older verdict, of an earlier
form of pages or of other counts of rejected events is never taken for the newest one's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.page_facts import rejected_of
from its_pipeline.experiments.page_marks import (
    is_left,
    is_of,
    left_section,
    mark_on_the_fly,
    read_mark,
    shown_by,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_facts, page_path, publish_experiment
from its_pipeline.experiments.recorder import RunRecorder
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.experiments.shown_runs import shown_run
from its_pipeline.files.atomic import exclusive

if TYPE_CHECKING:
    from its_pipeline.settings import Settings
    from its_pipeline.stores.verdict import Verdict

MOST_EAGER: Final = 1_000
"""Experiments up to which bulk runs draw every page: some minutes, and some 700 MB."""


@dataclass(frozen=True)
class OpenPage:
    """A page as an open file: what is dropped or written anew meanwhile is read to its end.

    Attributes
    ----------
    file
        At its beginning; whoever gets it closes it.
    size
        Bytes.
    digest
        SHA-256 of all of them, in hexadecimal digits.
    """

    file: BinaryIO
    size: int
    digest: str


def are_drawn(settings: Settings, experiments: int) -> bool:
    """Tell whether bulk runs of a store draw pages.

    Parameters
    ----------
    settings
        The installation.
    experiments
        How many its log has.
    """
    if has_shards(settings):
        return False
    if settings.pages == "auto":
        return experiments <= MOST_EAGER
    return settings.pages == "eager"


def open_page(settings: Settings, key: str) -> OpenPage | None:
    """Open the page of an experiment's newest verdict; None where it has to be drawn first."""
    page = page_path(settings, key)
    verdict, mark = open_store(settings).verdict(key), read_mark(settings, page)
    if verdict is None:
        return None
    if has_shards(settings) and not (is_of(mark, verdict) and page.is_file()):
        mark = mark_on_the_fly(settings, verdict)
    if mark is None or not is_of(mark, verdict):
        return None
    cache = PageCache.of(settings)
    path = cache.path(key, shown_by(mark)) if is_left(mark) else page
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    if is_left(mark):
        # By this time the cache knows what was opened longest ago.
        os.utime(file.fileno())
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return OpenPage(file, os.fstat(file.fileno()).st_size, digest)


def draw_page(settings: Settings, key: str, recorder: RunRecorder | None = None) -> None:
    """Draw the page of an experiment's newest verdict, if it is not there.

    One that a bulk run left is kept for a while; every other one is published, as by a run of the
    experiment alone.

    Parameters
    ----------
    settings, key
        The installation and the experiment.
    recorder
        As in `publish_experiment`.

    Raises
    ------
    LookupError
        The experiment was never evaluated, or its analysis is lost.
    ForgottenPersonError
        The person was forgotten.
    """
    snapshot = Snapshot.of_person(settings, parse_experiment_key(key).user_id)
    if has_shards(settings):
        _draw_on_the_fly(snapshot, key)
        return
    if not is_left(read_mark(settings, page_path(settings, key))):
        publish_experiment(settings, key, recorder, snapshot=snapshot)
        return
    if not _draw_left(snapshot, key):
        # The verdict is newer than what was left of it.
        publish_experiment(settings, key, recorder, snapshot=snapshot, drawn=False)
        _draw_left(snapshot, key)


def _draw_on_the_fly(snapshot: Snapshot, key: str) -> None:
    """Draw a page beside which nothing is written down, into the cache."""
    from its_pipeline.report.page import render_facts
    from its_pipeline.report.people_like_you import with_section

    settings, user_id = snapshot.settings, parse_experiment_key(key).user_id
    forgotten, cache = Forgotten(settings.store_root), PageCache.of(settings)
    forgotten.refuse(user_id)
    verdict = open_store(settings).verdict(key)
    if verdict is None:
        raise LookupError(f"{key} has no verdict yet: evaluate it first (`its-pipeline refresh`)")
    shown = shown_by(mark_on_the_fly(settings, verdict))
    if not cache.path(key, shown).is_file():
        rejected = rejected_of(snapshot, verdict, snapshot.rejections)
        alone, _ = render_facts(_facts(snapshot, verdict, rejected))
        html = with_section(alone, _section_of(snapshot, verdict))
        cache.put(key, shown, html.encode())
    if user_id in forgotten:
        # Whoever deletes a person marks them first, and empties the cache after that.
        cache.delete_of_person(user_id)
        forgotten.refuse(user_id)


def _section_of(snapshot: Snapshot, verdict: Verdict) -> str | None:
    """Return what an analysed experiment's page tells of people who tried the same, if anything."""
    from its_pipeline.experiments.kind_pages import member_of
    from its_pipeline.report.people_like_you import section_html

    entry = snapshot.intervention(verdict.key)
    if verdict.status != "analysed" or entry.status == "withdrawn":
        return None
    found = member_of(snapshot.settings, snapshot, entry.key, entry.pooled_as, entry.outcome_metric)
    return None if found is None else section_html(*found)


def _draw_left(snapshot: Snapshot, key: str) -> bool:
    """Draw what was left, unless it is there; tell whether it is of the newest verdict."""
    from its_pipeline.report.page import render_facts
    from its_pipeline.report.people_like_you import with_section

    settings = snapshot.settings
    store, cache = open_store(settings), PageCache.of(settings)
    page = page_path(settings, key)
    with exclusive(page.with_name(".lock")):
        # Whoever deletes a person has held this lock: what waited for it comes too late.
        Forgotten(settings.store_root).refuse(parse_experiment_key(key).user_id)
        verdict, mark = store.verdict(key), read_mark(settings, page)
        if verdict is None or mark is None or not is_left(mark) or not is_of(mark, verdict):
            return False
        shown = shown_by(mark)
        if not cache.path(key, shown).is_file():
            alone, _ = render_facts(_facts(snapshot, verdict, mark["rejected"]))
            html = with_section(alone, left_section(mark))
            cache.put(key, shown, html.encode())
    return True


def _facts(snapshot: Snapshot, verdict: Verdict, rejected: Mapping[str, int]) -> Any:
    settings = snapshot.settings
    analysis = load_analysis(settings, verdict)
    run_id = shown_run(settings, verdict)
    return page_facts(verdict, analysis, snapshot, rejected, run_id)
