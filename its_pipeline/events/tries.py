"""Who tried what since when: what pools need of everybody's interventions.

What belongs here: these few fields. What does not: reading them (`interventions`), interventions
with all that they declare (`intervention`), or who belongs to a kind (`experiments.kinds`).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import SEPARATOR


class Try(NamedTuple):
    """One intervention that was not withdrawn; each field as in `Intervention`."""

    user_id: str
    intervention_id: str
    kind: str
    outcome_metric: str
    started_on: date
    direction: str
    minimum_effect: float

    @property
    def key(self) -> str:
        """The experiment's key."""
        return f"{self.user_id}{SEPARATOR}{self.intervention_id}"

    @property
    def pooled_as(self) -> str:
        """As `Intervention.pooled_as`."""
        return self.kind or self.intervention_id

    @classmethod
    def of(cls, intervention: Intervention) -> Try:
        """Return these fields of an intervention."""
        return cls(*(getattr(intervention, name) for name in cls._fields))
