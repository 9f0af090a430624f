"""What people get to see of an experiment: its page, its plots, and their copies in the run store.

What belongs here: gathering the facts of one stored verdict for the page and putting the finished
files in place. What does not: deciding the verdict (`service`), wording and drawing (`report`,
`its.plots`). The stored verdict is read again here, whatever the caller believes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.experiments.looking import looks_at, standing_of
from its_pipeline.experiments.page_facts import (
    data_of,
    day_of,
    ongoing_until,
    planned_of,
    provenance_of,
    rejected_of,
    window_of,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.recorder import RunRecorder
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_bytes, write_json
from its_pipeline.files.contents import (
    CONTENTS_FILE,
    Written,
    differing,
    read_contents,
    write_contents,
)
from its_pipeline.files.damage import read_or_set_aside, set_aside
from its_pipeline.files.names import path_of_name
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.its import Analysis

#: Part of what decides whether a page is up to date: raise it when pages change their form.
PAGE_VERSION: Final = 8
PAGE_FILE: Final = "index.html"
CHECKLIST_FILE: Final = "checklist.json"
#: The page on how far intervals can be trusted, beside the index.
TRUST_FILE: Final = "trust.html"
#: Of each figure the file beside the page and among the run's artifacts. Stores hold these names.
PLOT_FILES: Final[Mapping[str, str]] = {
    "counterfactual": "counterfactual.png",
    "effects": "effects.png",
    "predictive_check": "predictive.png",
    "diagnostics": "diagnostics.png",
}
#: Says which verdict a page shows; without it, the page is written again.
MARK_FILE: Final = ".published.json"
#: In the mark, of a page with a section on people like them: its digest, and size and digest of the
#: page without it. A run's copy of the page is one without: an analysis does not tell of others.
_OTHERS: Final = "others"


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes
    ----------
    verdict
        The stored verdict that the page shows.
    page
        The experiment's page.
    plots
        Name to PNG file; empty unless the verdict is ``analysed``.
    sentences
        The answer in words; the reason where there is none.
    thumbnail_png
        A small picture of the counterfactual plot, or None.
    unchanged
        Whether everything was there already.
    """

    verdict: Verdict
    page: Path
    plots: Mapping[str, Path]
    sentences: tuple[str, ...]
    thumbnail_png: bytes | None
    unchanged: bool


def page_path(settings: Settings, key: str) -> Path:
    """Return where an experiment's page lies, whether it is there or not."""
    parsed = parse_experiment_key(key)
    folder = path_of_name(settings.reports_dir, parsed.user_id, parsed.intervention_id)
    return folder / PAGE_FILE


def is_published(
    settings: Settings, verdict: Verdict, rejected: Mapping[str, int] | None = None
) -> bool:
    """Tell whether the page shows this verdict, in the current form of pages, and is whole.

    What it tells of people like them is not asked, see `put_section`. Files of it that are damaged
    are set aside. The page's lock is held by the caller.

    Parameters
    ----------
    settings, verdict
        The installation and the newest verdict.
    rejected
        How many events are rejected now, by rule; None does not ask whether the page says so.
    """
    page = page_path(settings, verdict.key)
    mark = _read_mark(settings, page)
    contents = page_contents(settings, verdict.key)
    if mark is not None:
        mark.pop(_OTHERS, None)
    shown = mark.get("rejected") if mark is not None else None
    if mark != _mark(verdict, shown if rejected is None else rejected) or not page.is_file():
        return False
    if contents is None:
        # Of an earlier version, or what was written down is lost.
        write_contents(page.parent, _published_names(page, verdict))
        return True
    wrong = differing(page.parent, contents)
    for name, why in wrong.items():
        set_aside(page.with_name(name), settings.store_root, why)
    return not wrong


def page_contents(settings: Settings, key: str) -> dict[str, Written] | None:
    """Return what the files beside a page were when they were written; None where that is lost."""
    file = page_path(settings, key).with_name(CONTENTS_FILE)
    return read_or_set_aside(file, read_contents, settings.store_root)


def page_alone(settings: Settings, key: str) -> Written | None:
    """Return what a page is without its section on people like them; None where it has none."""
    others = (_read_mark(settings, page_path(settings, key)) or {}).get(_OTHERS)
    return None if others is None else Written(others["size"], 0, others["alone"])


def shown_section(settings: Settings, key: str) -> str | None:
    """Return the digest of the section on people like them that a page has; None without one."""
    others = (_read_mark(settings, page_path(settings, key)) or {}).get(_OTHERS)
    return None if others is None else str(others["section"])


def section_digest(section: str) -> str:
    """Return what `shown_section` returns of a page with this section."""
    return hashlib.sha256(section.encode()).hexdigest()


def put_section(settings: Settings, key: str, section: str | None) -> bool:
    """Put the section on people like them into a page that is there; return whether it changed it.

    The page is not made again: that is as cheap as writing a file, however many members a kind has.
    A page of a verdict without effects gets none.

    Parameters
    ----------
    settings, key
        The installation and the experiment.
    section
        What `report.people_like_you.section_html` made; None takes it out.
    """
    page = page_path(settings, key)
    wanted = None if section is None else section_digest(section)
    if shown_section(settings, key) == wanted or not page.is_file():
        return False
    if parse_experiment_key(key).user_id in Forgotten(settings.store_root):
        return False
    with exclusive(page.with_name(".lock")):
        mark = _read_mark(settings, page)
        contents = page_contents(settings, key)
        if mark is None or contents is None or differing(page.parent, contents):
            # What is damaged, or half published, is published again, and gets it then.
            return False
        before = page.read_bytes()
        page.with_name(MARK_FILE).unlink()
        page.with_name(CONTENTS_FILE).unlink()
        _show_section(page, section, mark, list(contents))
        return page.read_bytes() != before


def _show_section(page: Path, section: str | None, mark: dict[str, Any], names: list[str]) -> None:
    """Bring a page's section up to date, and write down what its files are and what it shows."""
    from its_pipeline.report.people_like_you import section_of, with_section

    html = page.read_bytes()
    alone = with_section(html.decode(), None)
    whole = with_section(alone, section)
    shown = section_of(whole)
    if whole.encode() != html:
        write_bytes(page, whole.encode())
    mark = {name: value for name, value in mark.items() if name != _OTHERS}
    if shown is not None:
        mark[_OTHERS] = {
            "section": section_digest(shown),
            "size": len(alone.encode()),
            "alone": hashlib.sha256(alone.encode()).hexdigest(),
        }
    write_contents(page.parent, names)
    write_json(page.with_name(MARK_FILE), mark)


def _section_shown(page: Path) -> str | None:
    """Return the section that a page has which is about to be written again."""
    from its_pipeline.report.people_like_you import section_of

    if not page.is_file():
        return None
    return section_of(page.read_bytes().decode(errors="replace"))


def _read_mark(settings: Settings, page: Path) -> dict[str, Any] | None:
    file = page.with_name(MARK_FILE)
    mark = read_or_set_aside(file, lambda file: json.loads(file.read_bytes()), settings.store_root)
    return mark if isinstance(mark, dict) else None


def publish_experiment(
    settings: Settings,
    key: str,
    recorder: RunRecorder | None = None,
    *,
    snapshot: Snapshot | None = None,
    rejections: Rejections | None = None,
) -> Publication:
    """Publish the newest stored verdict of an experiment.

    An analysed one gets its report, every other state a page that says what happened, why and what
    to do. Files are put in place one by one, each whole; the page last.

    Parameters
    ----------
    settings, key
        The installation and the experiment.
    recorder
        Where copies of the report and the plots go, if anywhere.
    snapshot, rejections
        Reused over many experiments where given.

    Raises
    ------
    LookupError
        The experiment was never evaluated.
    ForgottenPersonError
        The person was forgotten.
    """
    store = open_store(settings)
    verdict = store.verdict(key)
    if verdict is None:
        raise LookupError(f"{key} has no verdict yet: evaluate it first (`its-pipeline refresh`)")
    snapshot = snapshot or Snapshot(settings)
    page = page_path(settings, key)
    forgotten, user_id = Forgotten(settings.store_root), parse_experiment_key(key).user_id
    forgotten.refuse(user_id)
    with exclusive(page.with_name(".lock")):
        forgotten.refuse(user_id)
        remove_unfinished(page.parent)
        analysis = load_analysis(settings, verdict)
        rejected = None if rejections is None else rejected_of(snapshot, verdict, rejections)
        unchanged = is_published(settings, verdict, rejected)
        others = None if unchanged else _section_shown(page)
        run_id = store.recorded_run(key, verdict.fingerprint) if verdict.fingerprint else None
        if not unchanged:
            # Until the new ones are whole, nothing says what they should be.
            page.with_name(MARK_FILE).unlink(missing_ok=True)
            page.with_name(CONTENTS_FILE).unlink(missing_ok=True)
            if rejected is None:
                rejected = rejected_of(snapshot, verdict, Rejections(settings.lake_dir))
            _write(page, verdict, analysis, snapshot, rejected, run_id)
            if recorder is not None and run_id is not None:
                recorder.add_artifacts(run_id, published_artifacts(page, verdict))
            mark = _mark(verdict, rejected)
            _show_section(page, others, mark, _published_names(page, verdict))
    metric = snapshot.metrics.get(verdict.outcome_metric)
    outcome = metric.title if metric is not None else verdict.outcome_metric
    return _publication(verdict, analysis, page, outcome, unchanged)


def _publication(
    verdict: Verdict, analysis: Analysis | None, page: Path, outcome: str, unchanged: bool
) -> Publication:
    sentences: tuple[str, ...] = (verdict.reason,)
    thumbnail = None
    if analysis is not None and analysis.effects is not None:
        from its_pipeline.its.plots import thumbnail_png
        from its_pipeline.report.finding import finding_of
        from its_pipeline.report.sentence import answer_sentences

        finding = finding_of(
            analysis,
            verdict.intervention_name,
            outcome,
            ongoing_until(verdict),
            standing_of(verdict),
        )
        sentences = answer_sentences(finding).sentences
        thumbnail = thumbnail_png(analysis)
    return Publication(verdict, page, _plots(page, verdict), sentences, thumbnail, unchanged)


def _write(
    page: Path,
    verdict: Verdict,
    analysis: Analysis | None,
    snapshot: Snapshot,
    rejected: Mapping[str, int],
    run_id: str | None,
) -> None:
    from its_pipeline.report.cent import checklist, plain_answers
    from its_pipeline.report.inputs import ReportInput, StateInput
    from its_pipeline.report.page import figure_pngs, render_report, render_state_page

    settings = snapshot.settings
    intervention = snapshot.intervention(verdict.key)
    shared: dict[str, Any] = {
        "intervention": intervention,
        "metric": snapshot.metrics.get(verdict.outcome_metric),
        "window": window_of(verdict),
        "data": data_of(verdict, rejected),
        "provenance": provenance_of(settings, intervention, verdict, analysis, run_id),
        "index_href": "../../index.html",
        "trust_href": f"../../{TRUST_FILE}",
    }
    if verdict.status != "analysed" or analysis is None:
        facts = StateInput(
            **shared,
            state=verdict.status,
            reason=verdict.reason,
            n_pre=verdict.n_pre,
            n_post=verdict.n_post,
            analysable_on=day_of(verdict.analysable_on),
            calendar=verdict.calendar,
            analysis=analysis,
            planned=planned_of(settings, verdict, intervention),
        )
        html = render_state_page(facts)
        for plot in page.parent.glob("*.png"):
            plot.unlink()
    else:
        facts = ReportInput(
            **shared,
            analysis=analysis,
            looks=looks_at(settings, intervention) if verdict.standing else (),
            standing=standing_of(verdict),
        )
        pngs = figure_pngs(facts)
        html = render_report(facts, pngs)
        for name, png in pngs.items():
            write_bytes(page.with_name(PLOT_FILES[name]), png)
    # Kept beside the page, so that the table over all experiments need not load every analysis.
    write_json(page.with_name(CHECKLIST_FILE), plain_answers(checklist(facts)))
    write_bytes(page, html.encode())


def _plots(page: Path, verdict: Verdict) -> dict[str, Path]:
    if verdict.status != "analysed":
        return {}
    files = {name: page.with_name(file) for name, file in PLOT_FILES.items()}
    return {name: path for name, path in files.items() if path.is_file()}


def _published_names(page: Path, verdict: Verdict) -> list[str]:
    return [path.name for path in published_artifacts(page, verdict).values() if path.is_file()]


def published_artifacts(page: Path, verdict: Verdict) -> dict[str, Path]:
    """Return the files of a page by where their copies lie among the artifacts of its run."""
    plots = {f"plots/{path.name}": path for path in _plots(page, verdict).values()}
    checklist = page.with_name(CHECKLIST_FILE)
    return {"report/report.html": page, "report/checklist.json": checklist, **plots}


def _mark(verdict: Verdict, rejected: Mapping[str, int] | None) -> dict[str, Any]:
    text = json.dumps(verdict.to_dict(), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"page_version": PAGE_VERSION, "verdict": digest, "rejected": rejected}
