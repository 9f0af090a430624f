"""What is done for one experiment: fit it, decide, keep the verdict.

What belongs here: the one path from a key to a stored verdict that Dagster, the HTTP API and the
command line share. What does not: preparing the data (`preparation`), the statistics (`its`), pages
(`publish`), or where things lie (`stores`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.experiments.deciding import (
    analysed,
    crashed,
    is_drawn,
    not_ready,
    now,
    still_true,
    tables_beside,
    who,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.recorder import RunRecorder, record
from its_pipeline.settings import Settings
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    from its_pipeline.its import Analysis


@dataclass(frozen=True)
class FitOutcome:
    """What fitting an experiment came to.

    Attributes
    ----------
    verdict
        The verdict, stored.
    cached
        Whether it was known already and nothing was computed.
    mlflow_run_id
        The run that records it, where it was sampled and a recorder was given.
    prepared
        What it was decided from.
    """

    verdict: Verdict
    cached: bool
    prepared: Prepared
    mlflow_run_id: str | None = None


class LostAnalysisError(LookupError):
    """A verdict's analysis is not there any more."""


def open_store(settings: Settings) -> ExperimentStore:
    """Return the store of plans, verdicts and analyses of an installation."""
    return ExperimentStore(settings.experiments_dir)


def is_stale(snapshot: Snapshot, key: str) -> bool:
    """Tell whether evaluating an experiment would change its verdict.

    It does not take the experiment's lock and computes nothing but the fingerprint.
    """
    prepared = snapshot.prepare(key)
    known = open_store(snapshot.settings).verdict(key)
    return known is None or not still_true(prepared, known)


def fit_experiment(
    snapshot: Snapshot,
    key: str,
    context: RunContext | None = None,
    recorder: RunRecorder | None = None,
    *,
    force: bool = False,
) -> FitOutcome:
    """Fit an experiment, if it can be, and store the verdict.

    An analysis of the same fingerprint that was stored before, by whatever process, is its
    answer; two callers at once compute it once.

    Parameters
    ----------
    snapshot
        What is known now.
    key
        Experiment key.
    context
        Where the request comes from.
    recorder
        Where sampled analyses are recorded, if anywhere.
    force
        Decide again even where the verdict cannot have changed. A stored analysis is still not
        replaced: same fingerprint, same answer.

    Raises
    ------
    UnknownInterventionError
        The log has no such intervention.
    ForgottenPersonError
        The person was forgotten.
    Exception
        Whatever crashes in the analysis; nothing is stored then, see `record_crash`.
    """
    prepared = snapshot.prepare(key)
    return fit_prepared(snapshot.settings, prepared, context, recorder, force=force)


def fit_prepared(
    settings: Settings,
    prepared: Prepared,
    context: RunContext | None = None,
    recorder: RunRecorder | None = None,
    *,
    force: bool = False,
    make_newest: bool = True,
    audit_share: float = 1.0,
    on_known: Callable[[FitOutcome], None] | None = None,
) -> FitOutcome:
    """Fit a prepared experiment and store the verdict; see `fit_experiment`.

    The verdict becomes the newest one last: until then the experiment is stale, so a fit that is
    interrupted anywhere is completed by the next one.

    Parameters
    ----------
    make_newest
        Whether the verdict becomes the experiment's newest one, which reports and tables show.
        False for a question with other options than the installation's: its analysis is stored
        and recorded like any other, and the experiment's own verdict stays.
    audit_share
        Share of experiments whose quadrature is audited by NUTS: which, is a lot drawn of their
        fingerprints, the same whoever draws it.
    on_known
        Called with the outcome of a sampled analysis once it is stored for good and its run has an
        identifier; completing that run is left then. The experiment's lock is held meanwhile.
    """
    context = context or RunContext()
    forgotten = Forgotten(settings.store_root)
    forgotten.refuse(prepared.intervention.user_id)
    store = open_store(settings)
    key = prepared.plan.key
    known = store.verdict(key)
    if not force and known is not None and still_true(prepared, known) and _is_there(store, known):
        if recorder is None or known.fingerprint is None or known.diagnostics is None:
            return FitOutcome(known, True, prepared)
        run_id = store.recorded_run(key, known.fingerprint)
        if run_id is not None:
            return FitOutcome(known, True, prepared, run_id)
    with store.locked(key):
        # Whoever deletes a person has held this lock: what waited for it comes too late.
        forgotten.refuse(prepared.intervention.user_id)
        verdict, cached, analysis = _decide(store, prepared, context, audit_share)
        if make_newest and verdict.status == "analysed":
            from its_pipeline.experiments.looking import with_standing

            found = analysis or load_analysis(settings, verdict)
            if found is not None:
                verdict = with_standing(settings, prepared, verdict, found)

        def on_run(run_id: str) -> None:
            if on_known is not None:
                on_known(FitOutcome(verdict, cached, prepared, run_id))

        run_id = None
        if recorder is not None:
            run_id = record(store, verdict, context, recorder, on_run)
        if make_newest:
            store.write_verdict(verdict)
    return FitOutcome(verdict, cached, prepared, run_id)


def record_crash(
    settings: Settings, prepared: Prepared, error: BaseException, context: RunContext | None = None
) -> Verdict:
    """Store that an analysis crashed; the next evaluation tries again.

    Nothing is stored of a person who was forgotten meanwhile.

    Parameters
    ----------
    settings, prepared
        As in `fit_prepared`.
    error
        What was raised.
    context
        As in `fit_prepared`.
    """
    store = open_store(settings)
    verdict = crashed(prepared, f"{type(error).__name__}: {error}", context or RunContext(), now())
    if prepared.intervention.user_id in Forgotten(settings.store_root):
        return verdict
    with store.locked(verdict.key):
        store.write_verdict(verdict)
    return verdict


def load_analysis(settings: Settings, verdict: Verdict) -> Analysis | None:
    """Return the stored analysis behind a verdict, or None where nothing was sampled.

    Raises
    ------
    LostAnalysisError
        It is not there, or it is damaged; it was set aside then.
    """
    if verdict.fingerprint is None or verdict.diagnostics is None:
        return None
    store = open_store(settings)
    found = None
    if store.is_whole(verdict.key, verdict.fingerprint):
        found = store.analysis(verdict.key, verdict.fingerprint)
    if found is None:
        store.forget_recorded_run(verdict.key, verdict.fingerprint)
        raise LostAnalysisError(
            f"the analysis {verdict.fingerprint} of {verdict.key} is missing or was damaged; "
            "`its-pipeline run` makes it again"
        )
    return found


def _is_there(store: ExperimentStore, known: Verdict) -> bool:
    """Whether the analysis behind a verdict is there whole, if there is one."""
    if known.fingerprint is None or known.diagnostics is None:
        return True
    return store.is_whole(known.key, known.fingerprint)


def _decide(
    store: ExperimentStore, prepared: Prepared, context: RunContext, audit_share: float
) -> tuple[Verdict, bool, Analysis | None]:
    """Return the verdict, whether it was there already, and the analysis where it was made now.

    The experiment's lock is held.
    """
    plan = prepared.plan
    if plan.state != "ready":
        return not_ready(prepared, context, now()), False, None
    if prepared.fingerprint is None:
        raise ValueError(f"a ready experiment should have a fingerprint: {plan.key}")
    finished = store.finished(plan.key, prepared.fingerprint)
    if finished is not None:
        # The numbers are the stored ones; names and versions may have been amended since.
        return replace(finished, **who(prepared)), True, None
    audited = is_drawn(prepared.fingerprint, audit_share)
    verdict, analysis = _analyse(store, prepared, context, audited=audited)
    return verdict, False, analysis


def _analyse(
    store: ExperimentStore, prepared: Prepared, context: RunContext, *, audited: bool
) -> tuple[Verdict, Analysis | None]:
    started = time.perf_counter()
    verdict, analysis = analysed(prepared, context, now(), audited=audited)
    if analysis is None:
        return verdict, None
    verdict = replace(verdict, computed_seconds=time.perf_counter() - started)

    def save(folder: Path) -> None:
        analysis.save(folder)
        for name, table in tables_beside(prepared).items():
            table.to_parquet(folder / f"{name}.parquet", index=False)

    store.write_analysis(verdict, save)
    return verdict, analysis
