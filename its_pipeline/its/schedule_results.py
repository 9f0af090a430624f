"""The pieces of an answer that a schedule adds: phases, how alike they are, other interventions.

What belongs here: plain data with serialisation. What does not: how they are computed (`phases`),
or the pieces every answer has (`results`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from its_pipeline.its.decisions.randomisation import Randomisation
from its_pipeline.its.results import Effect, or_none
from its_pipeline.schedules.schedule import Schedule

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Phase:
    """One phase: neighbouring days that were all on, or all off.

    Parameters
    ----------
    from_on, to_on
        First and last day, **INCLUSIVE**.
    on
        Whether the intervention acted.
    n, mean
        Observed days that are told of (none near a switch that are left out), and their plain mean;
        NaN without any.
    effect
        Its own effect against the days off, as the model tells it; None off, and where the analysis
        did not converge. Where there are many phases, neighbours share one.
    """

    from_on: date
    to_on: date
    on: bool
    n: int
    mean: float
    effect: Effect | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {
            "from_on": self.from_on.isoformat(),
            "to_on": self.to_on.isoformat(),
            "on": self.on,
            "n": self.n,
            "mean": or_none(self.mean),
            "effect": None if self.effect is None else self.effect.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Phase:
        """Build it from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        return cls(
            from_on=date.fromisoformat(values["from_on"]),
            to_on=date.fromisoformat(values["to_on"]),
            on=values["on"],
            n=values["n"],
            mean=math.nan if values["mean"] is None else values["mean"],
            effect=None if values["effect"] is None else Effect(**values["effect"]),
        )


@dataclass(frozen=True)
class Likeness:
    """How alike the phases' effects are.

    Parameters
    ----------
    word
        "same": about the same each time; "first_only": the first time alone; "varies"; "unclear".
    probability_alike
        How probable the data make it that phases differ by little; NaN where the likelihood has to
        be sampled.
    first_less_later
        The first phase's effect less the mean of the later ones'.
    """

    word: str
    probability_alike: float
    first_less_later: Effect

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return {k: or_none(v) for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Likeness:
        """Build it from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        alike = values["probability_alike"]
        return cls(
            values["word"],
            math.nan if alike is None else alike,
            Effect(**values["first_less_later"]),
        )


@dataclass(frozen=True)
class OtherEffect:
    """Another intervention in the same model.

    Parameters
    ----------
    name
        Its name.
    effect
        Its average effect over its own days, the others as they were.
    together
        That effect and the one that was asked for, added: what both did.
    correlation
        Posterior correlation with the effect that was asked for; near -1 the days cannot tell the
        two apart.
    same_days
        Whether it acted on the very same days of the series.
    """

    name: str
    effect: Effect
    together: Effect
    correlation: float
    same_days: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OtherEffect:
        """Build it from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        effects = {name: Effect(**values[name]) for name in ("effect", "together")}
        return cls(**{**values, **effects})


@dataclass(frozen=True)
class ScheduleResults:
    """What follows from when the intervention acted.

    Parameters
    ----------
    schedule
        When it acted.
    phases
        One entry a phase, in order.
    likeness
        How alike the phases' effects are; None where there are no two phases on.
    others
        The other interventions in the model.
    as_done
        The average effect of the days as the person really had them; None where those are the
        scheduled ones.
    randomisation
        The test by the lot that the days were drawn by; None where none was drawn.
    """

    schedule: Schedule
    phases: tuple[Phase, ...] = ()
    likeness: Likeness | None = None
    others: tuple[OtherEffect, ...] = ()
    as_done: Effect | None = None
    randomisation: Randomisation | None = None

    @property
    def is_on_and_off(self) -> bool:
        """Whether there is more than one switch, or the days begin with one on."""
        return [phase.on for phase in self.phases] != [False, True]

    @property
    def shows_effects(self) -> bool:
        """Whether anything in it is an effect: not allowed where the gate was not passed."""
        told = (self.likeness, self.others, self.as_done, self.randomisation)
        return any(told) or any(phase.effect for phase in self.phases)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""

        def plain(value: Any) -> Any:
            return None if value is None else value.to_dict()

        return {
            "schedule": self.schedule.to_dict(),
            "phases": [each.to_dict() for each in self.phases],
            "likeness": plain(self.likeness),
            "others": [each.to_dict() for each in self.others],
            "as_done": plain(self.as_done),
            "randomisation": plain(self.randomisation),
        }

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> ScheduleResults | None:
        """Build it from `to_dict`'s output, or return None for None.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        if values is None:
            return None
        likeness, done = values["likeness"], values["as_done"]
        tested = values["randomisation"]
        return cls(
            schedule=Schedule.from_dict(values["schedule"]),
            phases=tuple(map(Phase.from_dict, values["phases"])),
            likeness=None if likeness is None else Likeness.from_dict(likeness),
            others=tuple(map(OtherEffect.from_dict, values["others"])),
            as_done=None if done is None else Effect(**done),
            randomisation=None if tested is None else Randomisation.from_dict(tested),
        )


def phase_table(phases: tuple[Phase, ...]) -> pd.DataFrame:
    """Return one row a phase; see `Analysis.phases`."""
    import pandas as pd

    told = {"effect": "mean", "sd": "sd", "ci_lower": "ci_lower", "ci_upper": "ci_upper"}
    told["probability_positive"] = "probability_positive"
    names = ("from_on", "to_on", "on", "n", "mean")
    if not any(phase.effect for phase in phases):
        told = {}
    rows = [
        {name: getattr(phase, name) for name in names}
        | {name: getattr(phase.effect, of, math.nan) for name, of in told.items()}
        for phase in phases
    ]
    return pd.DataFrame(rows, columns=[*names, *told])
