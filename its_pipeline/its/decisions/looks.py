"""Looks at an experiment that goes on: what each may say, given what the earlier ones said.

What belongs here: the record of one look, and the next look's boundary. What does not: what looks
come to (`standing`), the plans' names (`schedules.look_plans`), the boundaries' mathematics
(`boundaries`), how much information a look has (`information`), or where looks are kept
(`stores.look_log`).

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
