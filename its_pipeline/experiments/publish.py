"""What people get to see of an experiment: its page, its plots, and their copies in the run store.

What belongs here: gathering the facts of one stored verdict for the page and putting the finished
files in place. What does not: deciding the verdict (`service`), wording and drawing (`report`,
`its.plots`), or drawing on demand what a bulk run left (`pages`). The stored verdict is read again
here, whatever the caller believes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.experiments.links import page_url
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
from its_pipeline.experiments.page_marks import (
    MARK_FILE,
    is_left,
    is_of,
    mark_of,
    read_mark,
    section_shown,
    show_section,
    with_left_section,
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
    from its_pipeline.report.inputs import ReportInput, StateInput

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


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes
    ----------
    verdict
        The stored verdict that the page shows.
    page
        Where the experiment's page lies, or would.
    plots
        Name to PNG file; empty unless the verdict is ``analysed``.
    sentences
        The answer in words; the reason where there is none.
    thumbnail_png
        A small picture of the counterfactual plot, or None.
    unchanged
        Whether everything was there already.
    drawn
        Whether the page is there; otherwise it is drawn on demand.
    """

    verdict: Verdict
    page: Path
    plots: Mapping[str, Path]
    sentences: tuple[str, ...]
    thumbnail_png: bytes | None
    unchanged: bool
    drawn: bool = True


def page_path(settings: Settings, key: str) -> Path:
    """Return where an experiment's page lies, whether it is there or not."""
    parsed = parse_experiment_key(key)
    folder = path_of_name(settings.reports_dir, parsed.user_id, parsed.intervention_id)
    return folder / PAGE_FILE


def is_published(
    settings: Settings,
    verdict: Verdict,
    rejected: Mapping[str, int] | None = None,
    *,
    drawn: bool = True,
) -> bool:
    """Tell whether the page shows this verdict, in the current form of pages, and is whole.

    What it tells of people like them is not asked, see `page_sections`. Files of it that are
    damaged are set aside. The page's lock is held by the caller.

    Parameters
    ----------
    settings, verdict
        The installation and the newest verdict.
    rejected
        How many events are rejected now, by rule; None does not ask whether the page says so.
    drawn
        Whether the page has to be there; False: it may be left to be drawn on demand.
    """
    page = page_path(settings, verdict.key)
    mark = read_mark(settings, page)
    contents = page_contents(settings, verdict.key)
    if mark is None or not is_of(mark, verdict):
        return False
    if rejected is not None and mark.get("rejected") != rejected:
        return False
    if drawn and is_left(mark):
        return False
    if not is_left(mark) and not page.is_file():
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


def publish_experiment(
    settings: Settings,
    key: str,
    recorder: RunRecorder | None = None,
    *,
    snapshot: Snapshot | None = None,
    rejections: Rejections | None = None,
    drawn: bool = True,
) -> Publication:
    """Publish the newest stored verdict of an experiment.

    An analysed one gets its report, every other state a page that says what happened, why and what
    to do. Files are put in place one by one, each whole; the page last.

    With ``drawn=False`` neither page nor figure is drawn, and those of an older verdict are taken
    away: the checklist and the mark are what `pages.draw_page` needs beside the stored analysis.
    A page that is there and up to date stays.

    Parameters
    ----------
    settings, key
        The installation and the experiment.
    recorder
        Where copies of the report and the plots go, if anywhere.
    snapshot, rejections
        Reused over many experiments where given.
    drawn
        Whether the page is drawn now, or left to be drawn on demand.

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
        unchanged = is_published(settings, verdict, rejected, drawn=drawn)
        others = None if unchanged else section_shown(settings, page)
        run_id = store.recorded_run(key, verdict.fingerprint) if verdict.fingerprint else None
        if not unchanged:
            # Until the new ones are whole, nothing says what they should be.
            page.with_name(MARK_FILE).unlink(missing_ok=True)
            page.with_name(CONTENTS_FILE).unlink(missing_ok=True)
            if rejected is None:
                rejected = rejected_of(snapshot, verdict, Rejections(settings.lake_dir))
            facts = page_facts(verdict, analysis, snapshot, rejected, run_id)
            _write(page, facts, drawn=drawn)
            if recorder is not None and run_id is not None:
                _tell(recorder, run_id, settings, page, verdict)
            mark = mark_of(verdict, rejected, drawn=drawn)
            names = _published_names(page, verdict)
            if drawn:
                show_section(page, others, mark, names)
            else:
                write_contents(page.parent, names)
                write_json(page.with_name(MARK_FILE), with_left_section(mark, others))
    metric = snapshot.metrics.get(verdict.outcome_metric)
    outcome = metric.title if metric is not None else verdict.outcome_metric
    return _publication(verdict, analysis, page, outcome, unchanged)


def _tell(
    recorder: RunRecorder, run_id: str, settings: Settings, page: Path, verdict: Verdict
) -> None:
    """Put copies of the page and its pictures into the run, or where the page will be."""
    address = page_url(settings, verdict.key)
    if page.is_file():
        recorder.add_artifacts(run_id, published_artifacts(page, verdict))
    elif address is not None:
        recorder.link_page(run_id, address)


def _publication(
    verdict: Verdict, analysis: Analysis | None, page: Path, outcome: str, unchanged: bool
) -> Publication:
    drawn = page.is_file()
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
        thumbnail = thumbnail_png(analysis) if drawn else None
    return Publication(verdict, page, _plots(page, verdict), sentences, thumbnail, unchanged, drawn)


def page_facts(
    verdict: Verdict,
    analysis: Analysis | None,
    snapshot: Snapshot,
    rejected: Mapping[str, int],
    run_id: str | None,
) -> ReportInput | StateInput:
    """Return everything that the page of a verdict shows.

    Parameters
    ----------
    verdict, analysis
        What is shown; None where nothing was sampled.
    snapshot
        Knows the experiment's intervention.
    rejected
        How many events were rejected, by rule.
    run_id
        The run that records the analysis, if any.
    """
    from its_pipeline.report.inputs import ReportInput, StateInput

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
        return StateInput(
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
    return ReportInput(
        **shared,
        analysis=analysis,
        looks=looks_at(settings, intervention) if verdict.standing else (),
        standing=standing_of(verdict),
    )


def _write(page: Path, facts: ReportInput | StateInput, *, drawn: bool) -> None:
    from its_pipeline.report.cent import checklist, plain_answers
    from its_pipeline.report.inputs import StateInput
    from its_pipeline.report.page import render_facts

    if not drawn:
        page.unlink(missing_ok=True)
    if not drawn or isinstance(facts, StateInput):
        for plot in page.parent.glob("*.png"):
            plot.unlink()
    # Kept beside the page, so that the table over all experiments need not load every analysis.
    write_json(page.with_name(CHECKLIST_FILE), plain_answers(checklist(facts)))
    if drawn:
        html, pngs = render_facts(facts)
        for name, png in pngs.items():
            write_bytes(page.with_name(PLOT_FILES[name]), png)
        write_bytes(page, html.encode())


def _plots(page: Path, verdict: Verdict) -> dict[str, Path]:
    if verdict.status != "analysed":
        return {}
    files = {name: page.with_name(file) for name, file in PLOT_FILES.items()}
    return {name: path for name, path in files.items() if path.is_file()}


def _published_names(page: Path, verdict: Verdict) -> list[str]:
    files = [page, page.with_name(CHECKLIST_FILE), *_plots(page, verdict).values()]
    return [path.name for path in files if path.is_file()]


def published_artifacts(page: Path, verdict: Verdict) -> dict[str, Path]:
    """Return the files of a page by where their copies lie among the artifacts of its run.

    None where the page is left to be drawn on demand: the run then says where it will be.
    """
    plots = {f"plots/{path.name}": path for path in _plots(page, verdict).values()}
    checklist = page.with_name(CHECKLIST_FILE)
    if not page.is_file():
        return {}
    return {"report/report.html": page, "report/checklist.json": checklist, **plots}
