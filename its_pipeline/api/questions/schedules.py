"""Schedules in what clients send: their fields, rules and examples.

What belongs here: the bodies of a schedule and of its lot, for Pydantic and the OpenAPI document.
What does not: the rules that several fields keep together (`schedules.schedule`), or the whole
requests (`requests`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from its_pipeline.api.questions.fields import Instant, LocalDate, Text, Whole
from its_pipeline.schedules.mechanism import ALGORITHM, Mechanism
from its_pipeline.schedules.schedule import Schedule

_MOST_PERIODS: Final = 2000
_MOST_UNITS: Final = 4000

Period = tuple[LocalDate, LocalDate | None]
Units = Annotated[Whole, Field(ge=1, le=_MOST_UNITS)]


class MechanismBody(BaseModel):
    """The lot that days were drawn by: uniformly among all sequences that keep its rules."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"balance": "block", "block_days": 4, "seed": 5}]},
    )

    unit_days: Annotated[Whole, Field(ge=1, le=366)] = Field(
        default=1, description="Days that are drawn at once, all on or all off."
    )
    balance: Literal["none", "block", "total"] = Field(
        default="none", description="As many units on as off: in every block, in all, or not so."
    )
    block_days: Annotated[Whole, Field(ge=2, le=3660)] | None = Field(
        default=None, description='Days in a block; with balance "block" alone.'
    )
    longest_run: Units | None = Field(
        default=None, description="Most neighbouring units of the same kind; no most where null."
    )
    shortest_run: Units = Field(
        default=1, description="Fewest neighbouring units of the same kind."
    )
    phases: Annotated[Whole, Field(ge=2, le=_MOST_UNITS)] | None = Field(
        default=None, description="How many runs there are; any number where null."
    )
    first: Literal["off", "on", "either"] = Field(default="either", description="The first unit.")
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] = Field(default=0, description="Of the draw.")
    algorithm: Annotated[Text, StringConstraints(min_length=1, max_length=64)] = Field(
        default=ALGORITHM, description="How the seed became days."
    )
    drawn_at: Instant | None = Field(
        default=None, description="Not kept: the log says when it first held these days."
    )

    @model_validator(mode="after")
    def _consistent(self) -> MechanismBody:
        Mechanism.from_dict(self.model_dump())
        return self


class ScheduleBody(BaseModel):
    """On which days an intervention acts, where that is not every day from its first on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"on_periods": [["2026-05-01", "2026-05-14"], ["2026-06-01", None]]}]
        },
    )

    on_periods: Annotated[list[Period], Field(min_length=1, max_length=_MOST_PERIODS)] = Field(
        description="Pairs of first and last day on, both inclusive, in order and with days off "
        "between them; the last one may go on (null)."
    )
    mechanism: MechanismBody | None = Field(
        default=None, description="The lot the days were drawn by; null where the person chose."
    )
    drawn_from_on: LocalDate | None = Field(
        default=None, description="First day that was drawn, on or off, inclusive."
    )
    drawn_to_on: LocalDate | None = Field(
        default=None, description="Last day that was drawn, on or off, inclusive."
    )
    done_otherwise: Annotated[list[LocalDate], Field(max_length=_MOST_UNITS)] = Field(
        default_factory=list,
        description="Days on which the person did the other thing than these say.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> ScheduleBody:
        self.schedule()
        return self

    def schedule(self) -> Schedule:
        """Return the schedule that is meant.

        Raises
        ------
        ValueError
            If its fields contradict each other.
        """
        return Schedule.from_dict(self.model_dump())
