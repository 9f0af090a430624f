"""The numbers that an answer is written from, and which of the answers they allow.

What belongs here: one experiment's finding. What does not: its words (`sentence`), or where the
numbers come from (`its`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal

from its_pipeline.its.warning_codes import warning_code
from its_pipeline.schedules.cadence import DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.its import Analysis
    from its_pipeline.its.decisions.standing import Standing

Kind = Literal["helped", "harmed", "negligible", "unclear", "open"]

#: The answer that goes with what looks come to.
KIND_OF_STANDING: Final[dict[str, Kind]] = {
    "helped": "helped",
    "made_worse": "harmed",
    "too_small": "negligible",
    "undecided": "unclear",
    "so_far": "open",
}


@dataclass(frozen=True)
class Finding:
    """The numbers that an answer is written from, in outcome units.

    Parameters
    ----------
    name
        The intervention's name.
    outcome
        The outcome's name for people.
    unit
        Its unit; may be empty.
    direction
        "increase" or "decrease": which way a benefit points.
    mean, sd, ci_lower, ci_upper
        Posterior mean, standard deviation and 95 % interval of the counterfactual effect.
    probability_positive
        P(effect > 0).
    probability_of_benefit
        P(effect beats `minimum_effect` in the direction).
    minimum_effect
        Smallest effect that counts, >= 0.
    warning_codes
        Codes of the warnings that apply.
    ongoing_until
        Last day that is still to be counted; None when no more days will come.
    is_on_and_off
        Whether the intervention was on and off again, not one change from one day on.
    by_lot
        Whether its days were drawn by lot ahead of them.
    standing
        What the looks at it come to; None for a question asked once, whose interval answers alone.
    multiplied
        The effect as a ratio or in percent, where that is how the outcome is modelled; else empty.
    calendar
        The unit of time of its days.
    """

    name: str
    outcome: str
    unit: str
    direction: str
    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float
    probability_of_benefit: float
    minimum_effect: float = 0.0
    warning_codes: tuple[str, ...] = ()
    ongoing_until: date | None = None
    is_on_and_off: bool = False
    by_lot: bool = False
    standing: Standing | None = None
    multiplied: str = ""
    calendar: Cadence = DAYS

    def __post_init__(self) -> None:
        if self.direction not in ("increase", "decrease"):
            raise ValueError(f"direction must be increase or decrease but got {self.direction!r}")
        numbers = (self.mean, self.sd, self.ci_lower, self.ci_upper)
        if not all(isfinite(number) for number in numbers):
            raise ValueError(f"effect of {self.name!r} must be finite but got {numbers}")
        if not self.ci_lower <= self.ci_upper:
            raise ValueError(
                f"ci_lower must not exceed ci_upper but got {self.ci_lower} and {self.ci_upper}"
            )
        for field in ("probability_positive", "probability_of_benefit"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(
                    f"{field} must be in the interval [0, 1] but got {getattr(self, field)}"
                )

    @property
    def covers_zero(self) -> bool:
        """Whether no change at all lies within the 95 % interval, bounds INCLUSIVE."""
        return self.ci_lower <= 0 <= self.ci_upper

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the warnings that weaken the answer mean, each once, in the order given."""
        warned = map(warning_code, self.warning_codes)
        said = (self.calendar.worded(w.reason) for w in warned if w.severity != "remark")
        return tuple(dict.fromkeys(said))

    @property
    def contradicted(self) -> bool:
        """Whether a warning speaks against the answer itself."""
        return any(warning_code(code).severity == "contradicts" for code in self.warning_codes)

    @property
    def probability_of_any_benefit(self) -> float:
        """P(effect points the wanted way), whatever its size."""
        positive = self.probability_positive
        return positive if self.direction == "increase" else 1 - positive

    @property
    def kind(self) -> Kind:
        """Which of the five answers these numbers allow."""
        if self.standing is not None:
            return KIND_OF_STANDING[self.standing.kind]
        if not self.covers_zero:
            rises = self.ci_lower > 0
            return "helped" if rises == (self.direction == "increase") else "harmed"
        if self.minimum_effect > max(abs(self.ci_lower), abs(self.ci_upper)):
            return "negligible"
        return "unclear" if self.ongoing_until is None else "open"


def _multiplied(analysis: Analysis) -> str:
    """Return the effect as what the outcome was multiplied by, in words; empty for amounts."""
    effects = analysis.effects
    if effects is None:
        return ""
    if effects.ratio is not None:
        told, what = effects.ratio, "odds" if analysis.spec.is_share else "rate"
        return (
            f"the {what} {'was' if what == 'rate' else 'were'} {told.mean:.2f} times what would "
            f"have been expected (95 % interval {told.ci_lower:.2f} to {told.ci_upper:.2f})"
        )
    if analysis.spec.is_logarithmic and effects.relative is not None:
        told = effects.relative
        text = f"{told.mean:+.0f} % (95 % interval {told.ci_lower:+.0f} to {told.ci_upper:+.0f})"
        return f"relative to what would have been expected {text}".replace("-", "−")
    return ""


def finding_of(
    analysis: Analysis,
    name: str,
    outcome: str,
    ongoing_until: date | None = None,
    standing: Standing | None = None,
) -> Finding:
    """Return the finding of a converged analysis.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    """
    if analysis.effects is None or analysis.probability_of_benefit is None:
        raise ValueError("an analysis that did not converge has no finding to tell")
    effect = analysis.effects.counterfactual
    times, unit = analysis.spec.told_effect
    return Finding(
        name=name,
        outcome=outcome,
        unit=unit,
        direction=analysis.spec.direction,
        mean=times * effect.mean,
        sd=times * effect.sd,
        ci_lower=times * effect.ci_lower,
        ci_upper=times * effect.ci_upper,
        probability_positive=effect.probability_positive,
        probability_of_benefit=analysis.probability_of_benefit,
        minimum_effect=times * analysis.spec.minimum_effect,
        multiplied=_multiplied(analysis),
        warning_codes=tuple(warning.code for warning in analysis.warnings),
        ongoing_until=ongoing_until,
        is_on_and_off=analysis.is_on_and_off,
        by_lot=analysis.randomisation is not None,
        standing=standing,
        calendar=analysis.spec.calendar,
    )
