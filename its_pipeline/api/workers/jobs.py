"""What worker processes do: analyse, draw, publish, plan, put a download together, forget.

What belongs here: the jobs on stored experiments as data, and the handler that answers all jobs
with the functions that the pipeline uses too. What does not: jobs on a file that is not in the
store (`file_jobs`), the processes around it (`its_pipeline.processes`), or HTTP.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from its_pipeline.api.workers.file_jobs import (
    AskJob,
    FileAnswer,
    FileRead,
    IngestJob,
    ReadJob,
    Refused,
    TakeJob,
    ask_file,
    ingest,
    read_file,
    take_file,
)
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.leaving.departure import Departure
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.experiments.service import FitOutcome
    from its_pipeline.stores.runs import RunStore

PlotName = Literal["counterfactual", "predictive_check", "effects", "diagnostics"]
PLOT_NAMES: Final[tuple[PlotName, ...]] = get_args(PlotName)
PLOT_DPI: Final = 150
_NICENESS: Final = 3


@dataclass(frozen=True)
class FitJob:
    """Analyse a prepared experiment.

    Attributes
    ----------
    prepared
        Ready to be analysed.
    is_own
        Whether this is the experiment's own question, which its reports and tables show.
    keep_adhoc
        How many analyses of the person's other questions are kept.
    """

    prepared: Prepared
    is_own: bool
    keep_adhoc: int


@dataclass(frozen=True)
class FitAnswer:
    """What a `FitJob` came to.

    Attributes
    ----------
    verdict, cached
        The verdict, and whether it was there already.
    mlflow_run_id
        None where nothing was sampled.
    removed
        How many older analyses were removed to make room for this one.
    """

    verdict: Verdict
    cached: bool
    mlflow_run_id: str | None
    removed: int = 0


@dataclass(frozen=True)
class PlotJob:
    """Draw plots of a stored analysis as PNG; answered with bytes by name."""

    verdict: Verdict
    names: tuple[PlotName, ...]


@dataclass(frozen=True)
class PublishJob:
    """Publish the newest verdict of an experiment; answered with None."""

    key: str


@dataclass(frozen=True)
class PageJob:
    """Draw the page of an experiment's newest verdict where it is not there; answered with None."""

    key: str


@dataclass(frozen=True)
class PlanJob:
    """Plan an experiment; answered with a plan's JSON form, or with why there is none."""

    user_id: str
    outcome_metric: str
    effect: float | None
    direction: Literal["increase", "decrease"]
    power: float
    looks: str


@dataclass(frozen=True)
class ArchiveJob:
    """Write everything of a person into a ZIP at `path`; answered with None."""

    user_id: str
    path: Path


@dataclass(frozen=True)
class ForgetJob:
    """Delete everything of a person; answered with what it came to."""

    user_id: str


Job = (
    FitJob
    | PlotJob
    | PublishJob
    | PageJob
    | PlanJob
    | ArchiveJob
    | ForgetJob
    | ReadJob
    | AskJob
    | TakeJob
    | IngestJob
)
Answer = (
    FitAnswer
    | FileRead
    | FileAnswer
    | Refused
    | Departure
    | dict[str, bytes]
    | dict[str, Any]
    | int
    | str
    | None
)


def start_jobs(settings: Settings) -> JobHandler:
    """Load and compile what jobs need and return their handler; takes some seconds."""
    from its_pipeline.its import plots, warm_up
    from its_pipeline.report.html import load_templates
    from its_pipeline.report.page import FIGURE_DPI
    from its_pipeline.stores.runs import RunStore

    runs = RunStore.from_settings(settings)
    runs.open()
    # Not needed before the first page, but then it would be in somebody's way.
    analysis = warm_up()
    load_templates()
    for drawing in plots.DRAWINGS.values():
        drawing.png(analysis, "", FIGURE_DPI)
    # What is loaded stays: looking through all of it for garbage takes as long as two pages.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    # What is known is answered without a worker, and not later because the workers are busy.
    os.nice(_NICENESS)
    return JobHandler(settings, runs)


class JobHandler:
    """Answers jobs, one at a time.

    Parameters
    ----------
    settings
        The installation's settings.
    runs
        Where analyses are recorded.
    """

    def __init__(self, settings: Settings, runs: RunStore) -> None:
        self._settings = settings
        self._runs = runs

    def __call__(self, job: Job, answer: Callable[[Answer], None] | None = None) -> Answer:
        """Answer a job; with `answer`, an analysis is given to it as soon as it is known for good.

        The run in MLflow and the experiment's newest verdict are completed after that.
        """
        match job:
            case FitJob():
                return self._fit(job, answer)
            case PlotJob():
                return self._draw(job)
            case PublishJob():
                return self._publish(job)
            case PageJob():
                return self._draw_page(job)
            case PlanJob():
                return self._plan(job)
            case ArchiveJob():
                return self._archive(job)
            case ForgetJob():
                return self._forget(job)
            case ReadJob():
                return read_file(self._settings, job)
            case AskJob():
                return ask_file(job)
            case TakeJob():
                return take_file(self._settings, job)
            case IngestJob():
                return ingest(self._settings, job)

    def _fit(self, job: FitJob, answer: Callable[[Answer], None] | None) -> FitAnswer:
        from its_pipeline.experiments.service import fit_prepared, record_crash

        known = False
        removed = 0 if job.is_own else self._make_room(job)

        def on_known(outcome: FitOutcome) -> None:
            nonlocal known
            known = True
            if answer is not None:
                answer(_fit_answer(outcome, removed))

        try:
            outcome = fit_prepared(
                self._settings,
                job.prepared,
                recorder=self._runs,
                make_newest=job.is_own,
                on_known=on_known,
            )
        except Exception as error:
            # Kept as the experiment's state, as a night does, and raised again. What fails after
            # the analysis is known is no crash of it: the experiment stays due, and is completed.
            if job.is_own and not known:
                record_crash(self._settings, job.prepared, error)
            raise
        return _fit_answer(outcome, removed)

    def _make_room(self, job: FitJob) -> int:
        from its_pipeline.experiments.service import open_store
        from its_pipeline.stores.adhoc import AdhocAnalyses

        prepared = job.prepared
        if prepared.fingerprint is None:
            return 0
        return AdhocAnalyses(self._settings.adhoc_dir).make_room(
            prepared.plan.key,
            prepared.fingerprint,
            job.keep_adhoc,
            open_store(self._settings),
            self._runs.forget,
        )

    def _draw(self, job: PlotJob) -> dict[str, bytes]:
        from its_pipeline.events.metrics import registered_metrics
        from its_pipeline.experiments.service import load_analysis
        from its_pipeline.its import plots

        metric = registered_metrics(self._settings).get(job.verdict.outcome_metric)
        label = metric.title if metric is not None else job.verdict.outcome_metric
        analysis = load_analysis(self._settings, job.verdict)
        if analysis is None:
            raise ValueError(f"nothing was sampled of {job.verdict.key}, so nothing can be drawn")
        return {name: plots.DRAWINGS[name].png(analysis, label, PLOT_DPI) for name in job.names}

    def _publish(self, job: PublishJob) -> None:
        from its_pipeline.experiments.publish import publish_experiment

        publish_experiment(self._settings, job.key, self._runs)

    def _draw_page(self, job: PageJob) -> None:
        from its_pipeline.experiments.pages import draw_page

        draw_page(self._settings, job.key, self._runs)

    def _plan(self, job: PlanJob) -> dict[str, Any] | str:
        from its_pipeline.events.metrics import UnknownMetricError
        from its_pipeline.experiments.planning import NothingToPlanFromError, plan_for
        from its_pipeline.experiments.preparation import Snapshot
        from its_pipeline.its.planning.summary import PlanSummary

        try:
            found, is_own = plan_for(
                Snapshot(self._settings),
                job.user_id,
                job.outcome_metric,
                job.effect,
                direction=job.direction,
                power=job.power,
                looks=job.looks,
            )
        except (NothingToPlanFromError, UnknownMetricError) as error:
            return str(error)
        return PlanSummary.of(found, is_own=is_own).to_dict()

    def _archive(self, job: ArchiveJob) -> None:
        from its_pipeline.leaving.take_along import write_archive

        write_archive(self._settings, job.user_id, job.path)

    def _forget(self, job: ForgetJob) -> Departure:
        from its_pipeline.leaving.forget import forget

        return forget(self._settings, job.user_id)


def _fit_answer(outcome: FitOutcome, removed: int) -> FitAnswer:
    return FitAnswer(outcome.verdict, outcome.cached, outcome.mlflow_run_id, removed)
