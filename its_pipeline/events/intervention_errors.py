"""What the intervention log refuses, in words that say what to do.

What belongs here: the errors of the log and their texts. What does not: when one is raised
(`interventions`), or what an intervention itself may be (`intervention`).
"""

from __future__ import annotations

from its_pipeline.events.intervention import Intervention, differences


class AlreadyLoggedError(ValueError):
    """An intervention of this id is in the log with other contents."""


class UnknownInterventionError(LookupError):
    """The log has no intervention of this user and id."""


class VersionConflictError(ValueError):
    """Somebody else wrote a version after the one that was to be changed.

    Attributes
    ----------
    expected, present
        The version that the writer had read, and the newest one in the log.
    """

    def __init__(self, expected: int, present: int) -> None:
        super().__init__(
            f"the intervention is in version {present}, not {expected}; read it again and change "
            "what is there now"
        )
        self.expected = expected
        self.present = present


def unknown(user_id: str, intervention_id: str) -> UnknownInterventionError:
    """Return the error that says which intervention is not in the log."""
    return UnknownInterventionError(
        f"user {user_id!r} has no intervention {intervention_id!r} in the log"
    )


def already_logged(present: Intervention, wanted: Intervention) -> str:
    """Say how an intervention that is in the log differs from one of the same id."""
    what = differences(present, wanted) or f"it is {present.status}"
    return (
        f"user {present.user_id!r} has an intervention {present.intervention_id!r} already "
        f"(version {present.version}): {what}; amend it or choose another intervention_id"
    )
