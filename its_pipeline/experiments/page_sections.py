"""The section on people like them in a page that is there, and another one in its place.

What belongs here: pages that are already published, or left to be drawn on demand. What does not:
what the section says (`report.people_like_you`), whose pages get which (`kind_pages`), or
publishing (`publish`).
"""

from __future__ import annotations

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.page_marks import (
    MARK_FILE,
    OTHERS,
    is_left,
    read_mark,
    section_digest,
    show_section,
    shown_by,
    with_left_section,
)
from its_pipeline.experiments.publish import page_contents, page_path
from its_pipeline.files.atomic import exclusive, write_json
from its_pipeline.files.contents import CONTENTS_FILE, Written, differing
from its_pipeline.settings import Settings


def page_alone(settings: Settings, key: str) -> Written | None:
    """Return what a page is without its section on people like them; None where it has none."""
    others = (read_mark(settings, page_path(settings, key)) or {}).get(OTHERS)
    if others is None or "size" not in others:
        return None
    return Written(others["size"], 0, others["alone"])


def shown_section(settings: Settings, key: str) -> str | None:
    """Return the digest of the section that a page has, or gets when drawn; None without one."""
    others = (read_mark(settings, page_path(settings, key)) or {}).get(OTHERS)
    return None if others is None else str(others["section"])


def put_section(settings: Settings, key: str, section: str | None) -> bool:
    """Put the section on people like them into a page that is there; return whether it changed it.

    The page is not made again: that is as cheap as writing a file, however many members a kind has.
    A page of a verdict without effects gets none; one that is left, when it is drawn.

    Parameters
    ----------
    settings, key
        The installation and the experiment.
    section
        What `report.people_like_you.section_html` made; None takes it out.
    """
    page = page_path(settings, key)
    wanted = None if section is None else section_digest(section)
    if shown_section(settings, key) == wanted:
        return False
    if not page.is_file() and not is_left(read_mark(settings, page)):
        return False
    if parse_experiment_key(key).user_id in Forgotten(settings.store_root):
        return False
    with exclusive(page.with_name(".lock")):
        mark = read_mark(settings, page)
        if mark is not None and is_left(mark):
            # Where it was drawn, it tells what is not true any more.
            PageCache.of(settings).path(key, shown_by(mark)).unlink(missing_ok=True)
            write_json(page.with_name(MARK_FILE), with_left_section(mark, section))
            return True
        contents = page_contents(settings, key)
        if mark is None or contents is None or differing(page.parent, contents):
            # What is damaged, or half published, is published again, and gets it then.
            return False
        before = page.read_bytes()
        page.with_name(MARK_FILE).unlink()
        page.with_name(CONTENTS_FILE).unlink()
        show_section(page, section, mark, list(contents))
        return page.read_bytes() != before
