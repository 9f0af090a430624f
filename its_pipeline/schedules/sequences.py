"""All sequences that keep a mechanism's rules, as paths through a graph, with exact counts.

What belongs here: the states, which follows which, and how many ways lead on from each. What does
not: what is asked of the set (`assignments`). Importing this module loads the standard library
alone.

A state is what the rules need to know of the units so far: arm, length of the run, number of runs,
units on in the block. The number of ways to go on from each state, in exact integers from the last
unit back, gives the count, the sequence of any rank, and the probability of each arm in a uniform
draw (Nijenhuis & Wilf 1978, Combinatorial Algorithms, 2nd ed., ch. 13).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from its_pipeline.schedules.mechanism import ALGORITHM, Mechanism

_MOST_STATES = 1_000_000
"""Some seconds and some hundred megabytes; a year's balance with a longest run takes half of it."""

_State = tuple[bool, int, int, int]
"""Arm, length of the run, runs so far, units on in the block."""


@dataclass(frozen=True)
class Graph:
    """The allowed sequences of a number of units.

    Parameters
    ----------
    after
        For each unit and each state ahead of it, by number, the states after off and after on; one
        more than the last number where a rule forbids that arm. The only state ahead of the first
        unit is 0.
    ways
        For each unit, and behind the last, in how many ways a sequence can go on from each state;
        0 for the number that stands for none.
    """

    after: list[list[tuple[int, int]]]
    ways: list[list[int]]

    @property
    def n_paths(self) -> int:
        """How many sequences there are."""
        return self.ways[0][0]

    def ways_off(self, unit: int) -> list[int]:
        """Return from each state ahead of a unit in how many ways it goes on with that unit off."""
        ways = self.ways[unit + 1]
        return [ways[off] for off, _ in self.after[unit]]

    def path(self, rank: int) -> tuple[bool, ...]:
        """Return the sequence of a rank in [0, n_paths), off ahead of on."""
        found, state = [], 0
        for after, ways in zip(self.after, self.ways[1:], strict=True):
            off = ways[after[state][False]]
            on = rank >= off
            rank -= off if on else 0
            state = after[state][on]
            found.append(on)
        return tuple(found)


def block_units(mechanism: Mechanism, n_units: int) -> int | None:
    """Return in how many units half must be on; None where any number may be.

    Parameters
    ----------
    mechanism
        The rules.
    n_units
        Units of a sequence.

    Raises
    ------
    ValueError
        If no sequence of that length can keep the balance.
    """
    if mechanism.balance == "total":
        if n_units % 2:
            raise ValueError(
                f'balance="total" needs an even number of units but got {n_units}; draw '
                f"{n_units - 1} or {n_units + 1}"
            )
        return n_units
    if mechanism.balance == "block":
        block = int(mechanism.block_days or 0) // mechanism.unit_days
        if n_units % block:
            fewer = n_units - n_units % block
            raise ValueError(
                f'balance="block" needs whole blocks of {block} units but got {n_units} units; '
                f"draw {f'{fewer} or ' if fewer else ''}{fewer + block}"
            )
        return block
    return None


def graph_of(mechanism: Mechanism, n_units: int) -> Graph:
    """Return the graph of all sequences that keep a mechanism's rules and have both arms.

    Parameters
    ----------
    mechanism
        The rules; seed, algorithm and time of drawing do not matter.
    n_units
        Units of a sequence, at least 1.

    Raises
    ------
    ValueError
        If no sequence of that length can keep the balance, or there are too many states.
    """
    if isinstance(n_units, bool) or not isinstance(n_units, int) or n_units < 1:
        raise ValueError(f"n_units must be an integer of at least 1 but got {n_units!r}")
    return _graph(replace(mechanism, seed=0, algorithm=ALGORITHM, drawn_at=None), n_units)


@lru_cache(maxsize=4)
def _graph(rules: Mechanism, n_units: int) -> Graph:
    block = block_units(rules, n_units)
    # A balance gives both arms; without one the first change of arm has to be waited for.
    fewest_runs = rules.phases or (1 if block else 2)
    states: list[_State | None] = [None]
    after: list[list[tuple[int, int]]] = []
    n_states = 1
    for unit in range(n_units):
        place = None if block is None else (unit % block, block)
        reached: dict[_State, int] = {}
        pairs: list[list[int]] = []
        for state in states:
            pair = []
            for arm in (False, True):
                following = _next(rules, state, arm, fewest_runs, place)
                pair.append(
                    -1 if following is None else reached.setdefault(following, len(reached))
                )
            pairs.append(pair)
        none = len(reached)
        after.append([(none if off < 0 else off, none if on < 0 else on) for off, on in pairs])
        states = list(reached)
        n_states += none
        if n_states > _MOST_STATES:
            raise ValueError(
                f"counting {n_units} units under these restrictions takes more than "
                f"{_MOST_STATES} states; draw longer units, or leave phases or balance out"
            )
    kept = [
        int(state is not None and state[1] >= rules.shortest_run and state[2] == fewest_runs)
        for state in states
    ]
    ways = [[*kept, 0]]
    for pairs_of_unit in reversed(after):
        last = ways[-1]
        ways.append([*(last[off] + last[on] for off, on in pairs_of_unit), 0])
    return Graph(after, ways[::-1])


def _next(
    rules: Mechanism,
    state: _State | None,
    arm: bool,
    fewest_runs: int,
    place: tuple[int, int] | None,
) -> _State | None:
    """Return the state after one more unit, or None where a rule forbids it.

    Parameters
    ----------
    rules
        The mechanism.
    state
        So far; None ahead of the first unit.
    arm
        The unit's.
    fewest_runs
        Runs that are needed; exactly so many with `phases`.
    place
        Where the unit stands in its block, from 0, and the block's units.
    """
    if state is None:
        if rules.first != "either" and arm != (rules.first == "on"):
            return None
        length, runs, n_on = 1, 1, 0
    else:
        last, length, runs, n_on = state
        if arm == last:
            if length == rules.longest_run:
                return None
            # Beyond what any rule asks of a run its length makes no difference.
            length = min(length + 1, rules.longest_run or rules.shortest_run)
        else:
            if length < rules.shortest_run:
                return None
            length, runs = 1, runs + 1
    if runs > fewest_runs:
        if rules.phases is not None:
            return None
        runs = fewest_runs
    if place is None:
        return arm, length, runs, 0
    position, block = place
    n_on += arm
    if 2 * max(n_on, position + 1 - n_on) > block:
        return None
    return arm, length, runs, 0 if position + 1 == block else n_on
