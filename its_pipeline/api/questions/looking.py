"""The looks taken at an experiment, for somebody who asks over HTTP.

What belongs here: reading them. What does not: the bodies (`bodies_looks`), or taking looks
(`its_pipeline.experiments.looking`).
"""

from __future__ import annotations

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.bodies_looks import LooksAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.experiments.looking import looks_at


def read_looks(services: Services, user_id: str, intervention_id: str) -> LooksAnswer:
    """Return the looks at one experiment.

    Raises
    ------
    Problem
        ``unknown_user``, ``unknown_intervention``.
    """
    services.settle(user_id)
    for entry in services.require_user(user_id):
        if entry.intervention_id == intervention_id:
            known = services.store.verdict(str(entry.key))
            return LooksAnswer.model_validate(
                {
                    "user_id": user_id,
                    "intervention_id": intervention_id,
                    "plan": entry.looks,
                    "standing": None if known is None else known.standing,
                    "looks": [look.to_dict() for look in looks_at(services.settings, entry)],
                }
            )
    raise Problem(
        "unknown_intervention",
        "the log has no such intervention of this user",
        value=intervention_id,
    )
