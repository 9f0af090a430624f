"""A share of all people, by the hash of their identifiers: the same on every machine.

What belongs here: who is in which share. What does not: how many shares a store has, or what is
done with one (`experiments.sharding`).
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final, Self

_NAME: Final = re.compile(r"shard (\d+) of (\d+)")
_SLUG: Final = re.compile(r"(\d{6,})of(\d{6,})")


@dataclass(frozen=True, order=True)
class Shard:
    """One of a number of shards; that is a power of two.

    Attributes
    ----------
    count
        How many there are.
    number
        Which it is, from 0.
    """

    count: int
    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"a shard's number should be in [0, {self.count}): {self.number}")

    @classmethod
    def of_person(cls, user_id: str, count: int) -> Self:
        """Return which of so many shards a person belongs to."""
        return cls(count, zlib.crc32(user_id.encode()) % count)

    @property
    def name(self) -> str:
        """Name of its partition: counts from 1, as people do, and sorts as numbers do."""
        digits = len(str(self.count))
        return f"shard {self.number + 1:0{digits}d} of {self.count}"

    @property
    def slug(self) -> str:
        """The same as part of a file's name, from 0."""
        return f"{self.number:06d}of{self.count:06d}"

    @classmethod
    def of_name(cls, name: str) -> Self | None:
        """Return the shard of a partition; None where the partition is no shard."""
        found = _NAME.fullmatch(name)
        return None if found is None else cls(int(found[2]), int(found[1]) - 1)

    @classmethod
    def of_slug(cls, name: str) -> Self | None:
        """Return the shard whose `slug` a name begins with; None where it begins with none."""
        found = _SLUG.match(name)
        return None if found is None else cls(int(found[2]), int(found[1]))

    def has(self, user_id: str) -> bool:
        """Tell whether a person's experiments belong to it; the same on every machine."""
        return zlib.crc32(user_id.encode()) % self.count == self.number

    def overlaps(self, other: Shard) -> bool:
        """Tell whether anybody can be in both, of the same or of different numbers of shards."""
        fewer = min(self.count, other.count)
        return self.number % fewer == other.number % fewer
