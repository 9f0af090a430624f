"""A plan as numbers that can be stored, sent and shown.

What belongs here: which figures of a plan people are told. What does not: computing them (`plan`),
or their words (`report`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

from its_pipeline.its.planning.plan import ExperimentPlan
from its_pipeline.schedules.cadence import DAYS, Cadence

CURVE_DAYS = (8, 14, 21, 28, 42, 60, 90, 120, 180)
DETECTABLE_DAYS = (14, 28, 60, 90)
FACTORS = (0.5, 1.0, 2.0)
"""Of the effect asked for: a plan is told for half and double as well."""


@dataclass(frozen=True)
class PlanSummary:
    """What somebody is told of a plan.

    Parameters
    ----------
    effect
        The true average effect asked about, in outcome units.
    baseline_sd
        Sd of the days it was planned from, in outcome units.
    power
        Probability of a verdict that is wanted.
    looks
        The plan of looking.
    n_baseline, n_people
        Observed days it was planned from, and whose.
    is_own
        Whether they are the person's own, not other people's.
    days_needed
        Days with the intervention until `power` is reached; None beyond a year.
    curve
        Days to the probability of "helped" for half the effect, the effect, and twice the effect.
    detectable
        Days to the smallest effect they show with `power`; infinite where they show none.
    by_design
        Design to days needed after the baseline, days off among them; None beyond a year.
    cadence
        The unit of time: what all its days are.
    """

    effect: float
    baseline_sd: float
    power: float
    looks: str
    n_baseline: int
    n_people: int
    is_own: bool
    days_needed: int | None
    curve: Mapping[int, tuple[float, ...]]
    detectable: Mapping[int, float]
    by_design: Mapping[str, int | None]
    cadence: str = DAYS.name

    @property
    def calendar(self) -> Cadence:
        """The unit of time."""
        return Cadence.of(self.cadence)

    @classmethod
    def of(cls, plan: ExperimentPlan, *, is_own: bool) -> PlanSummary:
        """Compute what is told of a plan.

        Parameters
        ----------
        plan
            The plan.
        is_own
            Whether it was made from the person's own days.
        """
        return cls(
            effect=plan.effect,
            baseline_sd=plan.baseline_sd,
            power=plan.power,
            looks=plan.looks,
            n_baseline=plan.n_baseline,
            n_people=plan.n_people,
            is_own=is_own,
            days_needed=plan.days_needed,
            curve={
                n: tuple(plan.power_at(n, factor * plan.effect) for factor in FACTORS)
                for n in CURVE_DAYS
            },
            detectable={n: plan.detectable(n) for n in DETECTABLE_DAYS},
            by_design=dict(plan.by_design),
            cadence=plan.cadence,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: tables as lists of rows, an infinite effect as None."""
        plain = asdict(self)
        plain["curve"] = [
            {"days": n, "half": half, "effect": whole, "double": double}
            for n, (half, whole, double) in self.curve.items()
        ]
        plain["detectable"] = [
            {"days": n, "effect": value if isfinite(value) else None}
            for n, value in self.detectable.items()
        ]
        plain["by_design"] = [
            {"design": name, "days_needed": days} for name, days in self.by_design.items()
        ]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> PlanSummary:
        """Read what `to_dict` wrote."""
        values = dict(plain)
        values["curve"] = {
            row["days"]: (row["half"], row["effect"], row["double"]) for row in plain["curve"]
        }
        values["detectable"] = {
            row["days"]: inf if row["effect"] is None else row["effect"]
            for row in plain["detectable"]
        }
        values["by_design"] = {row["design"]: row["days_needed"] for row in plain["by_design"]}
        return cls(**values)
