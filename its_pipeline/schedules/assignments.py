"""Which sequences of units a lot could have drawn: counted, drawn, listed, sampled, and checked.

What belongs here: what is asked of the set of sequences that keep a mechanism's rules, and the way
from a drawn sequence to a schedule and back. What does not: the rules' declaration (`mechanism`),
how the set is counted (`sequences`), or what is tested with it (`its.decisions`). Counting and
drawing need the standard library alone, and importing this module loads nothing else; NumPy is
loaded where arrays are asked for.

Beyond the mechanism's own rules each sequence has both arms: without one there is nothing to
compare, and without a day on there is no schedule. A test over those alone is exact also where
the days were drawn among all, by conditioning on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from its_pipeline.schedules.mechanism import ALGORITHM, Mechanism
from its_pipeline.schedules.schedule import Schedule, as_date
from its_pipeline.schedules.sequences import block_units, graph_of

if TYPE_CHECKING:
    import numpy as np

FEWEST_TO_DRAW = 20
"""With fewer sequences no p value can be as low as .05 (Edgington & Onghena 2007)."""

MOST_LISTED = 100_000
"""Most sequences that are listed one by one; beyond, a sample of them serves."""

_DAY = timedelta(days=1)


def count_assignments(mechanism: Mechanism, n_units: int) -> int:
    """Return how many sequences keep a mechanism's rules.

    Parameters
    ----------
    mechanism
        The rules; its seed does not matter.
    n_units
        Units of the sequence.

    Raises
    ------
    ValueError
        If no sequence of that length can keep the balance, or counting takes too many states.
    """
    return graph_of(mechanism, n_units).n_paths


def draw(mechanism: Mechanism, n_units: int) -> tuple[bool, ...]:
    """Draw one sequence uniformly among all that are allowed, by the mechanism's seed.

    A number uniform below the count, from SHA-256 of the algorithm's name, the seed, the number of
    units and a counter, with rejection, is the sequence's rank where off comes ahead of on. The
    same seed draws the same days on every machine.

    Parameters
    ----------
    mechanism
        The rules and the seed.
    n_units
        Units to draw.

    Raises
    ------
    ValueError
        If fewer than `FEWEST_TO_DRAW` sequences are allowed, or another algorithm is named.
    """
    if mechanism.algorithm != ALGORITHM:
        raise ValueError(
            f"days are drawn by the algorithm {ALGORITHM!r} but the mechanism names "
            f"{mechanism.algorithm!r}; only what drew those days can draw them again"
        )
    graph = graph_of(mechanism, n_units)
    if graph.n_paths < FEWEST_TO_DRAW:
        raise ValueError(
            f"the restrictions allow {graph.n_paths} sequences of {n_units} units but at least "
            f"{FEWEST_TO_DRAW} are needed to tell an effect from chance; draw more units or relax "
            "balance, longest_run, shortest_run, phases or first"
        )
    return graph.path(_uniform_below(graph.n_paths, mechanism, n_units))


def every_assignment(mechanism: Mechanism, n_units: int) -> np.ndarray:
    """Return all allowed sequences in the order of their ranks, shape (count, n_units), bool.

    Parameters
    ----------
    mechanism
        The rules; its seed does not matter.
    n_units
        Units of each sequence.

    Raises
    ------
    ValueError
        If there are more than `MOST_LISTED`.
    """
    import numpy as np

    graph = graph_of(mechanism, n_units)
    if graph.n_paths > MOST_LISTED:
        raise ValueError(
            f"at most {MOST_LISTED} sequences are listed but {graph.n_paths} are allowed; "
            "use sampled_assignments"
        )
    found = np.empty((graph.n_paths, n_units), dtype=bool)
    if graph.n_paths == 0:
        return found
    # The same descent by rank as in `Graph.path`, for all ranks at once.
    rank, state = np.arange(graph.n_paths), np.zeros(graph.n_paths, dtype=int)
    for unit in range(n_units):
        off = np.array(graph.ways_off(unit))[state]
        on = rank >= off
        rank = rank - np.where(on, off, 0)
        state = np.asarray(graph.after[unit])[state, on.astype(int)]
        found[:, unit] = on
    return found


def sampled_assignments(mechanism: Mechanism, n_units: int, n: int, seed: int) -> np.ndarray:
    """Return uniform draws among all allowed sequences, with replacement, shape (n, n_units), bool.

    Parameters
    ----------
    mechanism
        The rules; its own seed does not matter.
    n_units
        Units of each sequence.
    n
        Draws.
    seed
        Of NumPy's generator.

    Raises
    ------
    ValueError
        If no sequence is allowed.
    """
    import numpy as np

    graph = graph_of(mechanism, n_units)
    if graph.n_paths == 0:
        raise ValueError(
            f"the restrictions allow no sequence of {n_units} units, so none can be sampled; "
            "relax balance, longest_run, shortest_run, phases or first"
        )
    uniform = np.random.default_rng(seed).random((n_units, n))
    found = np.empty((n, n_units), dtype=bool)
    state = np.zeros(n, dtype=int)
    for unit in range(n_units):
        # Python divides integers of any size with one rounding, so 0 and 1 are exact.
        probability_off = np.array(
            [
                off / ways if ways else 0.0
                for off, ways in zip(graph.ways_off(unit), graph.ways[unit], strict=False)
            ]
        )
        on = uniform[unit] >= probability_off[state]
        state = np.asarray(graph.after[unit])[state, on.astype(int)]
        found[:, unit] = on
    return found


def allows(mechanism: Mechanism, units: Sequence[bool]) -> bool:
    """Tell whether a sequence of units is one that the mechanism could have drawn.

    Parameters
    ----------
    mechanism
        The rules.
    units
        Whether each unit is on.
    """
    return broken_rule(mechanism, units) is None


def broken_rule(mechanism: Mechanism, units: Sequence[bool]) -> str | None:
    """Return in words which of a mechanism's rules a sequence breaks; None where it keeps all.

    Parameters
    ----------
    mechanism
        The rules.
    units
        Whether each unit is on.
    """
    units = [bool(unit) for unit in units]
    return next(_broken(mechanism, units), None)


def draw_schedule(
    mechanism: Mechanism, first_on: Any, n_days: int, drawn_at: datetime | None
) -> Schedule:
    """Draw the days of a schedule.

    Parameters
    ----------
    mechanism
        The rules and the seed; its own `drawn_at` is replaced.
    first_on
        First day that is drawn, on or off; date-like.
    n_days
        Days that are drawn, whole units.
    drawn_at
        Now, with a time zone.

    Raises
    ------
    ValueError
        If the days are not whole units, or the restrictions allow too few sequences.
    """
    if n_days % mechanism.unit_days:
        raise ValueError(
            f"n_days must be a multiple of unit_days, {mechanism.unit_days}, but got {n_days}"
        )
    start = as_date("first_on", first_on)
    units = draw(mechanism, n_days // mechanism.unit_days)
    days = [start + i * _DAY for i in range(n_days) if units[i // mechanism.unit_days]]
    return Schedule.days(
        days,
        replace(mechanism, drawn_at=drawn_at),
        drawn_from_on=start,
        drawn_to_on=start + (n_days - 1) * _DAY,
    )


def units_of(schedule: Schedule, from_on: date, to_on: date) -> tuple[bool, ...]:
    """Return the units of a drawn schedule as its mechanism saw them.

    What was done otherwise does not count: the lot knew nothing of it.

    Parameters
    ----------
    schedule
        A schedule with a mechanism.
    from_on, to_on
        First and last day, **INCLUSIVE**, within what was drawn.

    Raises
    ------
    ValueError
        If there is no mechanism, the days are not whole units of what was drawn, or a unit is
        neither wholly on nor wholly off.
    """
    if schedule.mechanism is None:
        raise ValueError("only a schedule with a mechanism has units, but this one was not drawn")
    unit_days = schedule.mechanism.unit_days
    drawn_from = schedule.drawn_from_on or from_on
    n_days = (to_on - from_on).days + 1
    if from_on < drawn_from or (schedule.drawn_to_on is not None and to_on > schedule.drawn_to_on):
        raise ValueError(
            f"units must lie within the days that were drawn, {schedule.drawn_from_on} to "
            f"{schedule.drawn_to_on}, but got {from_on} to {to_on}"
        )
    if n_days < 1 or n_days % unit_days or (from_on - drawn_from).days % unit_days:
        raise ValueError(
            f"{from_on} to {to_on} must be whole units of {unit_days} days from {drawn_from} but "
            f"are {n_days} days; begin and end where units do"
        )
    days = [schedule.is_on(from_on + i * _DAY) for i in range(n_days)]
    units = []
    for start in range(0, n_days, unit_days):
        arms = set(days[start : start + unit_days])
        if len(arms) > 1:
            first, last = from_on + start * _DAY, from_on + (start + unit_days - 1) * _DAY
            raise ValueError(
                f"a unit of {unit_days} days must be wholly on or off but {first} to {last} is "
                "both; correct the days, or unit_days if they were drawn in other units"
            )
        units.append(arms.pop())
    return tuple(units)


def _uniform_below(count: int, mechanism: Mechanism, n_units: int) -> int:
    """Return an integer uniform in [0, count) from the mechanism's seed, the same everywhere."""
    n_bits = (count - 1).bit_length()
    n_bytes = -(-n_bits // 8)
    stream, counter = b"", 0
    while True:
        while len(stream) < n_bytes:
            block = f"{mechanism.algorithm}:{mechanism.seed}:{n_units}:{counter}"
            stream += hashlib.sha256(block.encode()).digest()
            counter += 1
        number = int.from_bytes(stream[:n_bytes], "big") >> (8 * n_bytes - n_bits)
        # Taking the remainder instead would favour low ranks.
        if number < count:
            return number
        stream = stream[n_bytes:]


def _broken(mechanism: Mechanism, units: list[bool]) -> Iterator[str]:
    """Yield each rule that a sequence breaks, without the graph that `draw` uses."""
    try:
        block = block_units(mechanism, len(units))
    except ValueError as error:
        yield str(error)
        return
    if len(set(units)) < 2:
        yield f"both arms must occur but all {len(units)} units are the same"
        return
    if mechanism.first != "either" and units[0] != (mechanism.first == "on"):
        yield f"the first unit must be {mechanism.first}"
    for start in range(0, len(units), block or len(units)):
        n_on = sum(units[start : start + (block or 0)])
        if block is not None and 2 * n_on != block:
            yield (
                f"half of units {start + 1} to {start + block} must be on, {block // 2}, but "
                f"{n_on} are"
            )
    runs = [len(list(run)) for _, run in groupby(units)]
    for name, length in (("longest_run", max(runs)), ("shortest_run", min(runs))):
        bound = getattr(mechanism, name)
        if bound is not None and (length > bound if name == "longest_run" else length < bound):
            yield f"{name} is {bound} units but a run has {length}"
    if mechanism.phases is not None and len(runs) != mechanism.phases:
        yield f"the sequence must have {mechanism.phases} runs but has {len(runs)}"
