"""Looks at an experiment that goes on: what each may say, given what the earlier ones said.

What belongs here: the record of one look, the next look's boundary, and what looks come to. What
does not: the plans' names (`schedules.look_plans`), the boundaries' mathematics (`boundaries`), how
much information a look has (`information`), or where looks are kept (`stores.look_log`).

Importing this module loads the standard library alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Literal, get_args

from its_pipeline.schedules.look_plans import ALWAYS_VALID, LOOK_PLANS

Said = Literal["", "helped", "made_worse"]
"""What a look says: nothing yet, or a verdict."""

SURE = 0.95
"""What later days must leave of a verdict's probability, lest they are told as doubts."""
_ALIKE = 1e-7
LEAST_GROWTH = 1e-3
"""Of the share of the information: below it a look has nothing new to look at and is not taken, but
for the plan's last one, which spends what is left of the error."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look that was taken; it is never changed afterwards.

    Parameters
    ----------
    number
        1, 2, ...
    looked_on
        Last observed day it looked at, INCLUSIVE; the plan's last day where no more days come.
    planned_until_on
        Last day of the plan that was in force, INCLUSIVE.
    plan
        A name in `LOOK_PLANS`.
    direction
        Which change is the benefit: "increase" or "decrease".
    information
        Precision of the average effect over what was expected at the last day of the plan that was
        in force at the first look.
    planned_information
        The same of the last day of the plan in force: 1 unless it was made longer since.
    z
        Normal score of the probability that the effect is a benefit.
    boundary
        What z must reach for "helped", and -z for "made it worse"; infinite where nothing may be
        said.
    alpha_spent
        Probability of having said a wrong "helped" by now (and of "made it worse").
    effect_mean, effect_sd
        Of the average effect that day, in outcome units.
    said
        The verdict.
    fingerprint
        Of the analysis.
    """

    number: int
    looked_on: date
    planned_until_on: date
    plan: str
    direction: str
    information: float
    planned_information: float
    z: float
    boundary: float
    alpha_spent: float
    effect_mean: float
    effect_sd: float
    said: Said
    fingerprint: str

    def __post_init__(self) -> None:
        if self.said not in get_args(Said):
            raise ValueError(f"said must be one of {get_args(Said)} but got {self.said!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: dates as ISO 8601, an infinite boundary as None."""
        plain = asdict(self)
        for name in ("looked_on", "planned_until_on"):
            plain[name] = plain[name].isoformat()
        if math.isinf(self.boundary):
            plain["boundary"] = None
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Look:
        """Read what `to_dict` wrote; fields of a later version are passed over."""
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in plain.items() if name in known}
        for name in ("looked_on", "planned_until_on"):
            values[name] = date.fromisoformat(values[name])
        if values["boundary"] is None:
            values["boundary"] = math.inf
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one look has before it.

    Parameters
    ----------
    looked_on, planned_until_on, plan, direction, information, planned_information, effect_mean,
    effect_sd, fingerprint
        As in `Look`.
    probability_of_benefit
        That the average effect points the wanted way.
    prior_sd
        Sd of effects that are usual, in outcome units, for the plan without a horizon.
    """

    looked_on: date
    planned_until_on: date
    plan: str
    direction: str
    information: float
    planned_information: float
    probability_of_benefit: float
    effect_mean: float
    effect_sd: float
    prior_sd: float
    fingerprint: str


def next_look(earlier: Sequence[Look], seen: Seen, spent_elsewhere: float = 0.0) -> Look | None:
    """Return the look after some earlier ones; None where there is nothing new to look at.

    Boundaries of earlier looks stand as they were taken, and what they spent is spent, whatever
    plan was in force. Each direction has an error of its own, `boundaries.ALPHA`.

    Parameters
    ----------
    earlier
        Looks taken so far, in order.
    seen
        What there is to see.
    spent_elsewhere
        Of the error, by looks at the same intervention under another start or outcome.
    """
    is_last = seen.looked_on >= seen.planned_until_on
    if earlier and (
        seen.looked_on <= earlier[-1].looked_on
        or (seen.information - earlier[-1].information < LEAST_GROWTH and not is_last)
    ):
        return None
    z = normal_score(seen.probability_of_benefit)
    if seen.plan == ALWAYS_VALID:
        boundary, spent = _always_valid(seen), earlier[-1].alpha_spent if earlier else 0.0
    else:
        boundary, spent = _spending(earlier, seen, spent_elsewhere)
    said: Said = "helped" if z >= boundary else "made_worse" if -z >= boundary else ""
    return Look(
        number=len(earlier) + 1,
        looked_on=seen.looked_on,
        planned_until_on=seen.planned_until_on,
        plan=seen.plan,
        direction=seen.direction,
        information=seen.information,
        planned_information=seen.planned_information,
        z=z,
        boundary=boundary,
        alpha_spent=spent,
        effect_mean=seen.effect_mean,
        effect_sd=seen.effect_sd,
        said=said,
        fingerprint=seen.fingerprint,
    )


def unlike(information: Sequence[float]) -> list[int]:
    """Return the numbers of looks that are not followed by one of the same information.

    The plan's last look may add nothing to the one before but what is left of the error: it stands
    in the place of that one, whose boundary was as high or higher.

    Parameters
    ----------
    information
        Of looks in order.
    """
    last = len(information) - 1
    return [
        at
        for at, share in enumerate(information)
        if at == last or information[at + 1] - share >= _ALIKE
    ]


def normal_score(probability: float) -> float:
    """Return the normal score of a probability, as far as floating point tells it from 0 and 1."""
    from scipy.special import ndtri

    tiny = 1e-16
    if probability < 0.5:
        return float(ndtri(max(probability, tiny)))
    return -float(ndtri(max(1.0 - probability, tiny)))


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


def _spending(earlier: Sequence[Look], seen: Seen, spent_elsewhere: float) -> tuple[float, float]:
    from its_pipeline.its.decisions.boundaries import ALPHA, boundaries

    spent = earlier[-1].alpha_spent if earlier else 0.0
    left = ALPHA - spent_elsewhere
    if left <= spent:
        return math.inf, spent
    information = [*(look.information for look in earlier), seen.information]
    kept = unlike(information)
    found = boundaries(
        [information[at] for at in kept],
        left,
        LOOK_PLANS[seen.plan],
        taken=[earlier[at].boundary for at in kept[:-1]],
        spent_before=spent,
        planned=seen.planned_information,
    )
    return float(found.z[-1]), float(found.alpha_spent[-1])


def _always_valid(seen: Seen) -> float:
    from its_pipeline.its.decisions.boundaries import ALPHA, always_valid_multiplier

    x = (seen.prior_sd / seen.effect_sd) ** 2
    # Two-sided: half of it in each direction.
    return float(always_valid_multiplier(x, 2.0 * ALPHA))


__all__ = [
    "CorrectedEstimate",
    "Look",
    "Seen",
    "Standing",
    "corrected_estimate",
    "crossing",
    "next_look",
    "normal_score",
    "standing",
]
