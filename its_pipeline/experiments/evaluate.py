"""Evaluating one experiment among many: fit, verdict, page, and what became of it.

What belongs here: the unit of work of a bulk run, so that it is the same in the run's own process
and in a worker (`parallel`), and what a crash leaves behind. What does not: which experiments are
evaluated (`bulk`), the decision (`service`) or the page (`publish`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from its_pipeline.experiments.planning import with_days_needed
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.recorder import RunRecorder
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.experiments.service import fit_prepared, record_crash
from its_pipeline.files.damage import is_of_the_machine
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    from its_pipeline.experiments.plan import Plan
    from its_pipeline.experiments.publish import Publication
    from its_pipeline.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """What evaluating one experiment came to.

    Attributes
    ----------
    plan, verdict
        What is known; the verdict is stored.
    cached
        Whether the analysis had been made before.
    publication
        Its page, drawn or left to be drawn on demand.
    mlflow_run_id
        Of a sampled one.
    """

    plan: Plan
    verdict: Verdict
    cached: bool
    publication: Publication
    mlflow_run_id: str | None


@dataclass(frozen=True)
class Crash:
    """An evaluation that ended in an error; the experiment's verdict and page say so.

    Attributes
    ----------
    key
        The experiment.
    reason
        The error's type and text.
    detail
        The traceback.
    """

    key: str
    reason: str
    detail: str


@dataclass
class Evaluator:
    """Evaluates experiments one after the other; holds what they share.

    Attributes
    ----------
    settings
        The installation's settings.
    recorder
        Where sampled analyses are recorded, if anywhere.
    drawn
        Whether pages are drawn, or left to be drawn on demand.
    rejections
        How many events of whom the contract rejected; read once.
    """

    settings: Settings
    recorder: RunRecorder | None = None
    drawn: bool = True
    rejections: Rejections = field(init=False)

    def __post_init__(self) -> None:
        self.rejections = Rejections(self.settings.lake_dir)

    def evaluate(self, prepared: Prepared, run: RunContext) -> Evaluation | Crash:
        """Fit a prepared experiment, store the verdict and publish it.

        Raises
        ------
        OSError
            One of `MACHINE_ERRORS`; none of them is stored as the experiment's.
        """
        key = prepared.plan.key
        run = replace(run, dagster_partition=key)

        def store(error: Exception) -> None:
            record_crash(self.settings, prepared, error, run)

        found = attempt(key, lambda: self._fit_and_publish(prepared, run), store)
        return self._with_page(found, prepared) if isinstance(found, Crash) else found

    def give_up(self, prepared: Prepared, error: Exception, run: RunContext) -> Crash:
        """Store and publish that an experiment crashed outside of `evaluate`."""
        key = prepared.plan.key
        record_crash(self.settings, prepared, error, replace(run, dagster_partition=key))
        return self._with_page(crash_of(key, error), prepared)

    def _fit_and_publish(self, prepared: Prepared, run: RunContext) -> Evaluation:
        outcome = fit_prepared(
            self.settings,
            prepared,
            run,
            self.recorder,
            audit_share=self.settings.audit_share,
        )
        publication = self._publish(prepared, self.recorder)
        plan = with_days_needed(self.settings, prepared)
        return Evaluation(plan, outcome.verdict, outcome.cached, publication, outcome.mlflow_run_id)

    def _with_page(self, crash: Crash, prepared: Prepared) -> Crash:
        """Put a page that says so in the place of an older one, unless it is what crashed."""
        page = attempt(crash.key, lambda: self._publish(prepared, None))
        if not isinstance(page, Crash):
            return crash
        return replace(crash, detail=f"{crash.detail}\nNor could its page be made:\n{page.detail}")

    def _publish(self, prepared: Prepared, recorder: RunRecorder | None) -> Publication:
        from its_pipeline.experiments.publish import publish_experiment

        return publish_experiment(
            self.settings,
            prepared.plan.key,
            recorder,
            snapshot=Snapshot(self.settings, logged=(prepared.intervention,)),
            rejections=self.rejections,
            drawn=self.drawn,
        )


def attempt(
    key: str, work: Callable[[], T], on_error: Callable[[Exception], None] | None = None
) -> T | Crash:
    """Do one experiment's part of a bulk run; its crash must not stop the others.

    Parameters
    ----------
    key
        The experiment.
    work
        What is done.
    on_error
        Called with the error of a crash.

    Returns
    -------
    T | Crash
        What `work` returned, or the crash; whoever asked counts it and fails the run at its end.

    Raises
    ------
    OSError
        One of `MACHINE_ERRORS`.
    """
    try:
        return work()
    except Exception as error:
        # Kept with its traceback, counted, and the run fails at its end: no crash becomes a result.
        if is_of_the_machine(error):
            raise
        if on_error is not None:
            on_error(error)
        return crash_of(key, error)


def crash_of(key: str, error: BaseException) -> Crash:
    """Describe an error as the crash of one experiment."""
    return Crash(
        key, f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
    )
