"""Marks beside pages: which verdict a page shows, or would where it is left to be drawn on demand.

What belongs here: what a mark says, and holding one against a verdict. What does not: whether the
page's files are whole (`publish.is_published`), or drawing (`publish`, `pages`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from its_pipeline.files.atomic import write_bytes, write_json
from its_pipeline.files.contents import write_contents
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

#: Part of what decides whether a page is up to date: raise it when pages change their form.
PAGE_VERSION: Final = 8
#: Says which verdict a page shows; without it, the page is written again.
MARK_FILE: Final = ".published.json"
#: In the mark, of a page with a section on people like them: its digest, and size and digest of the
#: page without it. A run's copy of the page is one without: an analysis does not tell of others.
#: Of a page that is left: the section that it gets when it is drawn, and its digest.
OTHERS: Final = "others"
#: In the mark of a page beside which nothing is written down: the files that it is made of.
MADE_OF: Final = "made_of"


def mark_of(
    verdict: Verdict, rejected: Mapping[str, int] | None, *, drawn: bool = True
) -> dict[str, Any]:
    """Return the mark of a page.

    Parameters
    ----------
    verdict
        What the page shows.
    rejected
        How many events it says were rejected, by rule.
    drawn
        Whether it was drawn, or left to be drawn on demand.
    """
    text = json.dumps(verdict.to_dict(), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    mark = {"page_version": PAGE_VERSION, "verdict": digest, "rejected": rejected}
    return mark if drawn else {**mark, "drawn": False}


def mark_on_the_fly(settings: Settings, verdict: Verdict) -> dict[str, Any]:
    """Return the mark of a page of a store with shards, where none is written down beside pages.

    What is rejected and what is told of others changes with the daily outcomes and the kinds, so by
    their files it is seen whether a page that was drawn may still be shown.

    Parameters
    ----------
    settings, verdict
        The installation, and the experiment's newest verdict.
    """
    files = [settings.daily_outcomes_path, *sorted(settings.pooled_dir.glob("[!.]*/[!.]*.json"))]
    status = [file.stat() for file in files if file.exists()]
    made_of = [(each.st_ino, each.st_size, each.st_mtime_ns) for each in status]
    return {**mark_of(verdict, None, drawn=False), MADE_OF: made_of}


def read_mark(settings: Settings, page: Path) -> dict[str, Any] | None:
    """Return what was written down of a page, wherever it is, or None."""
    file = page.with_name(MARK_FILE)
    mark = read_or_set_aside(file, lambda path: json.loads(path.read_bytes()), settings.store_root)
    return mark if isinstance(mark, dict) else None


def is_left(mark: Mapping[str, Any] | None) -> bool:
    """Tell whether a page was left to be drawn on demand, by its mark."""
    return mark is not None and mark.get("drawn") is False


def is_of(mark: Mapping[str, Any] | None, verdict: Verdict) -> bool:
    """Tell whether a mark is of this verdict and the current form of pages."""
    if mark is None:
        return False
    alone = {name: value for name, value in mark.items() if name not in (OTHERS, MADE_OF)}
    return alone == mark_of(verdict, mark.get("rejected"), drawn=not is_left(mark))


def shown_by(mark: Mapping[str, Any]) -> str:
    """Return the digest of all that a page shows which was left, by its mark."""
    return hashlib.sha256(json.dumps(mark, sort_keys=True).encode()).hexdigest()


def with_left_section(mark: Mapping[str, Any], section: str | None) -> dict[str, Any]:
    """Return the mark of a page that is left, with the section that it gets when it is drawn."""
    alone = {name: value for name, value in mark.items() if name != OTHERS}
    if section is None:
        return alone
    return {**alone, OTHERS: {"section": section_digest(section), "html": section}}


def left_section(mark: Mapping[str, Any] | None) -> str | None:
    """Return the section that a page which was left gets when it is drawn; None without one."""
    return mark.get(OTHERS, {}).get("html") if mark is not None and is_left(mark) else None


def section_digest(section: str) -> str:
    """Return what `page_sections.shown_section` returns of a page with this section."""
    return hashlib.sha256(section.encode()).hexdigest()


def show_section(page: Path, section: str | None, mark: dict[str, Any], names: list[str]) -> None:
    """Bring a page's section up to date, and write down what its files are and what it shows.

    Parameters
    ----------
    page
        The page, which is there; its lock is held by the caller.
    section
        What `report.people_like_you.section_html` made; None takes it out.
    mark
        Of the page.
    names
        Of the files beside the page, with itself.
    """
    from its_pipeline.report.people_like_you import section_of, with_section

    html = page.read_bytes()
    alone = with_section(html.decode(), None)
    whole = with_section(alone, section)
    shown = section_of(whole)
    if whole.encode() != html:
        write_bytes(page, whole.encode())
    mark = {name: value for name, value in mark.items() if name != OTHERS}
    if shown is not None:
        mark[OTHERS] = {
            "section": section_digest(shown),
            "size": len(alone.encode()),
            "alone": hashlib.sha256(alone.encode()).hexdigest(),
        }
    write_contents(page.parent, names)
    write_json(page.with_name(MARK_FILE), mark)


def section_shown(settings: Settings, page: Path) -> str | None:
    """Return the section that a page has, or gets, which is about to be written again."""
    from its_pipeline.report.people_like_you import section_of

    left = left_section(read_mark(settings, page))
    if left is not None:
        return left
    if not page.is_file():
        return None
    return section_of(page.read_bytes().decode(errors="replace"))
