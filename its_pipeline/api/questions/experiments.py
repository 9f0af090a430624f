"""Where each of a person's experiments stands now.

What belongs here: finding that out from the log, the daily outcomes and the store. What does not:
the form of the response (`bodies`), or analyses one by one (`history`).
"""

from __future__ import annotations

from its_pipeline.api.questions.bodies import experiment_answer
from its_pipeline.api.questions.responses_interventions import ExperimentAnswer, ExperimentsAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.preparation import Snapshot


def read_experiments(services: Services, user_id: str) -> ExperimentsAnswer:
    """Return every experiment of a person and where it stands.

    Raises
    ------
    Problem
        ``unknown_user``.
    """
    services.settle(user_id)
    logged = services.require_user(user_id)
    snapshot = Snapshot(services.settings, logged=logged)
    return ExperimentsAnswer(
        user_id=user_id, experiments=[_experiment(services, snapshot, entry) for entry in logged]
    )


def _experiment(
    services: Services, snapshot: Snapshot, intervention: Intervention
) -> ExperimentAnswer:
    prepared = snapshot.prepare_intervention(intervention)
    key = prepared.plan.key
    known = services.store.verdict(key)
    run_id = None
    if known is not None and known.fingerprint is not None:
        run_id = services.store.recorded_run(key, known.fingerprint)
    return experiment_answer(services.settings, prepared, known, run_id)
