"""What the looks at an experiment come to: a verdict that stands, its corrected estimate, doubts.

What belongs here: conclusions from looks that were taken. What does not: taking one (`looks`), or
the words for what stands (`report`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from its_pipeline.its.decisions.looks import Look, unlike
from its_pipeline.schedules.look_plans import ALWAYS_VALID

SURE = 0.95
"""What later days must leave of a verdict's probability, lest they are told as doubts."""


def crossing(looks: Sequence[Look]) -> Look | None:
    """Return the look that reached a verdict first: it stands whatever later ones say."""
    return next((look for look in looks if look.said), None)


@dataclass(frozen=True)
class CorrectedEstimate:
    """The average effect, corrected for having been told at the look that crossed.

    Parameters
    ----------
    mean
        Median-unbiased estimate, in outcome units.
    ci_lower, ci_upper
        95 % confidence interval.
    """

    mean: float
    ci_lower: float
    ci_upper: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as JSON-able values."""
        return asdict(self)


def corrected_estimate(looks: Sequence[Look]) -> CorrectedEstimate | None:
    """Return what the look that crossed says of the effect, less what stopping there adds to it.

    A verdict is reached on a day on which the effect looks large, so the estimate of that day is
    too large on average. By stage-wise ordering (`Boundaries.drift_exceeded`) the corrected one is
    too large as often as too small. None where nothing was crossed, or without a horizon.

    Parameters
    ----------
    looks
        All looks, in order.
    """
    crossed = crossing(looks)
    if crossed is None or crossed.plan == ALWAYS_VALID or crossed.z == 0.0:
        return None
    import numpy as np

    from its_pipeline.its.decisions.boundaries import Boundaries

    taken = [look for look in looks if look.number <= crossed.number]
    taken = [taken[at] for at in unlike([look.information for look in taken])]
    information, z, spent = (
        np.array([getattr(look, name) for look in taken])
        for name in ("information", "boundary", "alpha_spent")
    )
    found = Boundaries(information, z, spent)
    size = abs(crossed.z)
    per_drift = crossed.effect_mean * math.sqrt(crossed.information) / size
    ends = sorted(per_drift * found.drift_exceeded(size, p) for p in (0.025, 0.975))
    return CorrectedEstimate(per_drift * found.drift_exceeded(size, 0.5), *ends)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the looks at an experiment come to.

    Parameters
    ----------
    kind
        "helped" or "made_worse" once a boundary was crossed, whatever came later; "too_small" where
        days are over and the interval leaves out every effect as large as the least that matters;
        "undecided" where they are over without that; "so_far" while looks are to come.
    n_looks
        Looks taken.
    last
        The newest look.
    crossed
        The look that reached the verdict.
    corrected
        See `corrected_estimate`.
    is_doubted
        Whether later days leave the verdict less than 95 % probable.
    """

    kind: Literal["helped", "made_worse", "too_small", "undecided", "so_far"]
    n_looks: int
    last: Look
    crossed: Look | None = None
    corrected: CorrectedEstimate | None = None
    is_doubted: bool = False

    @property
    def information_share(self) -> float:
        """Share of the planned information that the newest look had, at most 1."""
        return min(1.0, self.last.information / self.last.planned_information)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "n_looks": self.n_looks,
            "information_share": self.information_share,
            "last": self.last.to_dict(),
            "crossed": None if self.crossed is None else self.crossed.to_dict(),
            "corrected": None if self.corrected is None else self.corrected.to_dict(),
            "is_doubted": self.is_doubted,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Standing:
        """Read what `to_dict` wrote."""
        crossed, corrected = plain["crossed"], plain["corrected"]
        return cls(
            kind=plain["kind"],
            n_looks=plain["n_looks"],
            last=Look.from_dict(plain["last"]),
            crossed=None if crossed is None else Look.from_dict(crossed),
            corrected=None if corrected is None else CorrectedEstimate(**corrected),
            is_doubted=plain["is_doubted"],
        )


def standing(
    looks: Sequence[Look],
    *,
    direction: str,
    is_over: bool,
    minimum_effect: float,
    interval: tuple[float, float],
    probability_of_benefit: float,
) -> Standing:
    """Return what looks come to, together with the newest analysis.

    Parameters
    ----------
    looks
        All looks at one question, in order; at least one.
    direction
        Which change is the benefit now; a look taken while it was the other one is read so.
    is_over
        Whether no more days are counted.
    minimum_effect
        Smallest effect that counts, in outcome units.
    interval
        95 % interval of the average effect of the newest analysis.
    probability_of_benefit
        That the average effect of the newest analysis points the wanted way.
    """
    crossed = crossing(looks)
    about: dict[str, Any] = {"n_looks": len(looks), "last": looks[-1]}
    if crossed is not None:
        has_helped = (crossed.said == "helped") == (crossed.direction == direction)
        sure = probability_of_benefit if has_helped else 1.0 - probability_of_benefit
        return Standing(
            kind="helped" if has_helped else "made_worse",
            crossed=crossed,
            corrected=corrected_estimate(looks),
            is_doubted=sure < SURE,
            **about,
        )
    if not is_over:
        return Standing(kind="so_far", **about)
    is_small = minimum_effect > max(abs(end) for end in interval)
    return Standing(kind="too_small" if is_small else "undecided", **about)
