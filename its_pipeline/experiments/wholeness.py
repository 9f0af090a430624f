"""Whether all files that were made of an experiment are still as they were made.

What belongs here: holding an experiment's analysis, page and copies in the run store against what
was written down of them, and setting aside what differs. What does not: making anything again,
which evaluating the experiment does (`service`, `publish`), or looking at a whole store (`doctor`).
"""

from __future__ import annotations

from collections.abc import Mapping

from its_pipeline.experiments.page_marks import MARK_FILE
from its_pipeline.experiments.page_sections import page_alone
from its_pipeline.experiments.publish import (
    PAGE_FILE,
    is_published,
    page_contents,
    page_path,
    published_artifacts,
)
from its_pipeline.experiments.service import open_store
from its_pipeline.files.atomic import exclusive
from its_pipeline.files.contents import differing
from its_pipeline.files.damage import set_aside
from its_pipeline.settings import Settings
from its_pipeline.stores.artifacts import local_artifacts
from its_pipeline.stores.verdict import Verdict


def is_kept_whole(
    settings: Settings,
    verdict: Verdict,
    *,
    recorded: bool = True,
    rejected: Mapping[str, int] | None = None,
    drawn: bool = True,
) -> bool:
    """Tell whether all that was made of an experiment is as it was made.

    Damaged files are set aside; evaluating the experiment makes them again.

    Parameters
    ----------
    settings, verdict
        The installation, and the experiment's newest verdict.
    recorded
        Whether its analysis should be in the run store, with copies of the files there.
    rejected, drawn
        As in `is_published`.
    """
    store = open_store(settings)
    key = verdict.key
    page = page_path(settings, key)
    fingerprint = verdict.fingerprint if verdict.diagnostics is not None else None
    if fingerprint is not None and not store.is_whole(key, fingerprint):
        return False
    with exclusive(page.with_name(".lock")):
        if not is_published(settings, verdict, rejected, drawn=drawn):
            return False
        if fingerprint is None or not recorded:
            return True
        run_id = store.recorded_run(key, fingerprint)
        if run_id is not None and _copies_are_whole(settings, verdict, run_id):
            return True
        # What is not marked is put there again, and the page names its run.
        store.forget_recorded_run(key, fingerprint)
        page.with_name(MARK_FILE).unlink(missing_ok=True)
    return False


def _copies_are_whole(settings: Settings, verdict: Verdict, run_id: str) -> bool:
    """Tell whether a run's artifacts are what was put there, where they lie on our own disk."""
    folder = local_artifacts(settings, run_id)
    if folder is None or not folder.is_dir() or verdict.fingerprint is None:
        return True
    analysis = open_store(settings).contents(verdict.key, verdict.fingerprint) or {}
    page = page_contents(settings, verdict.key) or {}
    alone = page_alone(settings, verdict.key)
    if alone is not None and PAGE_FILE in page:
        page[PAGE_FILE] = alone
    copies = analysis | {
        inside: page[path.name]
        for inside, path in published_artifacts(page_path(settings, verdict.key), verdict).items()
        if path.name in page
    }
    wrong = differing(folder, copies)
    for name, why in wrong.items():
        set_aside(folder / name, settings.store_root, why)
    return not wrong
