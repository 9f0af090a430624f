"""A bounded queue in which nobody stands in everybody's way.

What belongs here: whose turn it is, and who gives way when it is full. What does not: what waits,
or threads (`pool` holds its lock around every call).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Lines of items, one an owner, that are served in turn; one owner alone may fill them all.

    Parameters
    ----------
    size
        How many items may wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lines: OrderedDict[str, deque[Item]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def waiting(self, owner: str) -> int:
        """Return how many items of an owner wait."""
        return len(self._lines.get(owner, ()))

    def is_full_for(self, owner: str) -> bool:
        """Tell whether there is no place for an owner's next item: none free, and none unfair."""
        return len(self) >= self._size and self._longest(owner) is None

    def put(self, owner: str, item: Item) -> Item | None:
        """Add an item behind its owner's others; ask `is_full_for` first.

        Returns
        -------
        Item or None
            The one that gave way where all places were taken: the newest of whoever has the most.
        """
        longest = self._longest(owner) if len(self) >= self._size else None
        gave_way = None
        if longest is not None:
            # Nothing is emptied: it has at least two more than the owner of the new one.
            gave_way = self._lines[longest].pop()
        self._lines.setdefault(owner, deque()).append(item)
        return gave_way

    def put_back(self, owner: str, item: Item) -> None:
        """Add an item that was taken already, as the next one."""
        self._lines.setdefault(owner, deque()).appendleft(item)
        self._lines.move_to_end(owner, last=False)

    def take(self) -> Item:
        """Take the oldest item of the owner whose turn it is; somebody else's turn is next.

        Raises
        ------
        IndexError
            Nothing waits.
        """
        if not self._lines:
            raise IndexError("nothing waits")
        owner, line = self._lines.popitem(last=False)
        item = line.popleft()
        if line:
            self._lines[owner] = line
        return item

    def remove(self, owner: str, item: Item) -> bool:
        """Take an item out; tell whether it waited."""
        line = self._lines.get(owner)
        if line is None or item not in line:
            return False
        line.remove(item)
        if not line:
            del self._lines[owner]
        return True

    def _longest(self, owner: str) -> str | None:
        """Return who has at least two more than `owner` and most of all, if anybody has."""
        longest = max(self._lines, key=self.waiting, default=None)
        if longest is None or self.waiting(longest) < self.waiting(owner) + 2:
            return None
        return longest
