"""By which lot days were drawn: the rules that every drawn sequence of days keeps.

What belongs here: the declaration of a lot and the rules it must keep itself. What does not: which
sequences keep its rules, or drawing one (`assignments`). Importing this module loads the standard
library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, get_args

Balance = Literal["none", "block", "total"]
First = Literal["off", "on", "either"]

ALGORITHM = "uniform-sequences-1"
"""How days are drawn from a seed; another name where the same seed could draw other days."""

_MOST_UNITS = 4000


@dataclass(frozen=True)
class Mechanism:
    """The lot that days were drawn by: uniformly among all sequences that keep its rules.

    A unit is what is drawn at once: one day, or a block of `unit_days`.

    Parameters
    ----------
    unit_days
        Days in a unit, at least 1.
    balance
        "block": as many units on as off in every block of `block_days`; "total": as many on as off
        in all; "none".
    block_days
        Days in a block, an even number of units; with balance="block" only.
    longest_run, shortest_run
        Most and fewest neighbouring units of the same arm; no most where None.
    phases
        How many runs the sequence has, e.g. 4 for A-B-A-B with change points by lot; any where
        None.
    first
        Arm of the first unit: "off", "on" or "either".
    seed
        Of the draw.
    algorithm
        How the seed became days.
    drawn_at
        When it was drawn, with a time zone. A schedule counts as randomised only if that was before
        its first day; None where the caller vouches for it.

    Raises
    ------
    ValueError
        Naming the field, the rule and the value.
    """

    unit_days: int = 1
    balance: Balance = "none"
    block_days: int | None = None
    longest_run: int | None = None
    shortest_run: int = 1
    phases: int | None = None
    first: First = "either"
    seed: int = 0
    algorithm: str = ALGORITHM
    drawn_at: datetime | None = None

    def __post_init__(self) -> None:
        _check_choice("balance", self.balance, get_args(Balance))
        _check_choice("first", self.first, get_args(First))
        _check_integer("unit_days", self.unit_days, 1, 366)
        _check_integer("shortest_run", self.shortest_run, 1, _MOST_UNITS)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.longest_run is not None:
            _check_integer("longest_run", self.longest_run, self.shortest_run, _MOST_UNITS)
        if self.phases is not None:
            _check_integer("phases", self.phases, 2, _MOST_UNITS)
        if self.balance == "block":
            _check_integer("block_days", self.block_days, 2 * self.unit_days, 3660)
            if int(self.block_days or 0) % (2 * self.unit_days):
                raise ValueError(
                    f"block_days must be an even number of units of {self.unit_days} days but got "
                    f"{self.block_days}: half of each block is on"
                )
        elif self.block_days is not None:
            raise ValueError(f'block_days is for balance="block" but balance is {self.balance!r}')
        if self.drawn_at is not None and (
            not isinstance(self.drawn_at, datetime) or self.drawn_at.tzinfo is None
        ):
            raise ValueError(
                f"drawn_at must be an instant with time zone but got {self.drawn_at!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.drawn_at is not None:
            # With its own offset: whether that was ahead of the first day is asked by its date.
            values["drawn_at"] = self.drawn_at.isoformat()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Mechanism:
        """Build a mechanism from some or all of `to_dict`'s output.

        Parameters
        ----------
        values
            The fields; those left out keep their defaults.

        Raises
        ------
        ValueError
            If a name is unknown, or a value breaks its rule.
        """
        given = known_fields(cls, values, "a mechanism")
        if isinstance(given.get("drawn_at"), str):
            try:
                given["drawn_at"] = datetime.fromisoformat(given["drawn_at"])
            except ValueError:
                raise ValueError(
                    "drawn_at must be an instant such as 2026-05-01T06:30:00+00:00 but got "
                    f"{given['drawn_at']!r}"
                ) from None
        return cls(**given)


def known_fields(cls: Any, values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return values as a dictionary, or raise ValueError where a name is no field of a record."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} must be an object with fields but got {values!r}")
    names = {field.name for field in fields(cls)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ValueError(f"{what} has no field {unknown}; fields are {sorted(names)}")
    return dict(values)


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)} but got {value!r}")


def _check_integer(name: str, value: object, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be an integer in [{lowest}, {highest}] but got {value!r}")
