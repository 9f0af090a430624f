"""The sets of sequences against brute force, draws against their uniform law, and the way back."""

import itertools
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from its_pipeline.schedules.assignments import (
    allows,
    broken_rule,
    count_assignments,
    draw,
    draw_schedule,
    every_assignment,
    sampled_assignments,
    units_of,
)
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

DAY = timedelta(days=1)
START = date(2026, 5, 1)
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)

BALANCES = [
    {},
    {"balance": "total"},
    {"balance": "block", "block_days": 2},
    {"balance": "block", "block_days": 4},
    {"balance": "block", "block_days": 12, "unit_days": 3},
]
RUNS = [
    {},
    {"longest_run": 2},
    {"shortest_run": 2},
    {"longest_run": 3, "shortest_run": 2},
    {"longest_run": 1},
    {"phases": 2},
    {"phases": 3, "shortest_run": 2},
    {"phases": 4, "longest_run": 4},
]
MECHANISMS = [
    Mechanism(**balance, **runs, first=first)
    for balance in BALANCES
    for runs in RUNS
    for first in ("off", "on", "either")
]


def _keeps(mechanism, units):
    """Tell in other words than the package whether a sequence keeps all rules."""
    text = "".join("ab"[unit] for unit in units)
    runs = text.replace("ab", "a b").replace("ba", "b a").split()
    half = {"none": None, "total": len(text), "block": (mechanism.block_days or 0)}[
        mechanism.balance
    ]
    if mechanism.balance == "block":
        half //= mechanism.unit_days
    blocks = [text[i : i + half] for i in range(0, len(text), half)] if half else []
    lengths = [len(run) for run in runs]
    return (
        {"a", "b"} == set(text)
        and text[0] in {"off": "a", "on": "b", "either": "ab"}[mechanism.first]
        and all(block.count("a") == block.count("b") for block in blocks)
        and max(lengths) <= (mechanism.longest_run or 99)
        and min(lengths) >= mechanism.shortest_run
        and mechanism.phases in (None, len(runs))
    )


@pytest.mark.parametrize("n_units", [2, 4, 8, 10])
def test_the_set_is_what_brute_force_finds(n_units):
    sequences = list(itertools.product((False, True), repeat=n_units))
    for mechanism in MECHANISMS:
        if mechanism.balance == "block" and (n_units * mechanism.unit_days) % (
            mechanism.block_days or 1
        ):
            continue  # refused, as another test holds
        wanted = [units for units in sequences if _keeps(mechanism, units)]
        found = [tuple(row) for row in every_assignment(mechanism, n_units).tolist()]
        assert found == wanted, mechanism
        assert count_assignments(mechanism, n_units) == len(wanted)


def test_a_sequence_is_allowed_where_it_keeps_every_rule():
    for mechanism in MECHANISMS:
        for units in itertools.product((False, True), repeat=8):
            assert allows(mechanism, units) == _keeps(mechanism, units), (mechanism, units)


@pytest.mark.parametrize(
    ("rules", "units", "words"),
    [
        ({}, "0000", "both arms"),
        ({"first": "on"}, "0101", "first unit must be on"),
        ({"balance": "total"}, "0111", "units 1 to 4 must be on, 2, but 3"),
        ({"balance": "total"}, "011", "even number of units but got 3; draw 2 or 4"),
        ({"balance": "block", "block_days": 2}, "0111", "units 3 to 4 must be on, 1, but 2"),
        ({"balance": "block", "block_days": 4}, "01", "whole blocks of 4 units but got 2"),
        ({"longest_run": 2}, "0111", "longest_run is 2 units but a run has 3"),
        ({"shortest_run": 2}, "0110001", "shortest_run is 2 units but a run has 1"),
        ({"phases": 3}, "0011", "must have 3 runs but has 2"),
    ],
)
def test_the_broken_rule_is_named(rules, units, words):
    assert words in broken_rule(Mechanism(**rules), [unit == "1" for unit in units])


def test_counts_of_many_units_are_exact():
    assert count_assignments(Mechanism(), 300) == 2**300 - 2
    # Blocks of 4 days, half on: 6 ways each.
    assert count_assignments(Mechanism(balance="block", block_days=4), 400) == 6**100
    # 70 over 35.
    assert count_assignments(Mechanism(balance="total"), 70) == 112186277816662845432
    # Change points of A-B-A-B with at least 4 of 24 in each: 11 over 3.
    assert count_assignments(Mechanism(phases=4, shortest_run=4, first="off"), 24) == 165


@pytest.mark.parametrize(
    "mechanism",
    [
        Mechanism(balance="block", block_days=4, longest_run=2),
        Mechanism(phases=4, shortest_run=2),
        Mechanism(balance="total", longest_run=3, first="on"),
    ],
)
def test_draws_are_uniform_over_the_set(mechanism):
    every = Counter(map(tuple, every_assignment(mechanism, 12).tolist()))
    n = 100 * len(every)
    by_seed = Counter(draw(replace(mechanism, seed=seed), 12) for seed in range(n))
    sampled = Counter(map(tuple, sampled_assignments(mechanism, 12, n, seed=3).tolist()))
    for drawn in (by_seed, sampled):
        assert drawn.keys() <= every.keys()
        assert stats.chisquare([drawn[units] for units in every]).pvalue > 0.001


def test_sampled_sequences_of_many_units_keep_the_rules():
    mechanism = Mechanism(balance="total", longest_run=4, shortest_run=2)
    drawn = sampled_assignments(mechanism, 90, 300, seed=1)
    assert drawn.shape == (300, 90)
    assert all(_keeps(mechanism, row) for row in drawn.tolist())


def test_a_seed_draws_the_same_days_for_good():
    mechanism = Mechanism(balance="block", block_days=4, longest_run=3, seed=20260501)
    units = "".join("01"[unit] for unit in draw(mechanism, 28))
    assert units == "1010011010100110110010101001"


@pytest.mark.parametrize(
    ("rules", "n_units", "words"),
    [
        ({"phases": 2, "shortest_run": 3}, 5, "allow 0 sequences of 5 units"),
        ({"phases": 2, "first": "off"}, 20, "allow 19 sequences of 20 units"),
        ({"balance": "total"}, 21, "even number of units but got 21"),
        ({"balance": "block", "block_days": 14}, 30, "got 30 units; draw 28 or 42"),
        ({"balance": "block", "block_days": 14}, 6, "got 6 units; draw 14"),
        ({"algorithm": "coin-1"}, 30, "'coin-1'"),
        ({}, 0, "at least 1 but got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_number(rules, n_units, words):
    with pytest.raises(ValueError, match=words):
        draw(Mechanism(**rules), n_units)


def test_twenty_sequences_are_enough_to_draw():
    assert len(draw(Mechanism(phases=2, first="off"), 21)) == 21


def test_what_cannot_be_listed_or_sampled_is_refused():
    with pytest.raises(ValueError, match="at most 100000 sequences are listed but 131070"):
        every_assignment(Mechanism(), 17)
    with pytest.raises(ValueError, match="allow no sequence of 5 units"):
        sampled_assignments(Mechanism(phases=2, shortest_run=3), 5, 10, seed=0)
    assert every_assignment(Mechanism(phases=2, shortest_run=3), 5).shape == (0, 5)


def test_counting_that_would_take_a_machine_down_is_refused(monkeypatch):
    monkeypatch.setattr("its_pipeline.schedules.sequences._MOST_STATES", 10_000)
    with pytest.raises(ValueError, match="more than 10000 states"):
        count_assignments(Mechanism(balance="total", longest_run=30, phases=40), 1000)


def test_a_drawn_schedule_gives_its_units_back():
    mechanism = Mechanism(unit_days=2, balance="block", block_days=8, seed=5)
    drawn = draw_schedule(mechanism, START, 32, NOW)
    assert (drawn.drawn_from_on, drawn.drawn_to_on) == (START, START + 31 * DAY)
    assert drawn.mechanism == replace(mechanism, drawn_at=NOW)
    assert drawn.is_randomised
    assert sum(drawn.is_on(START + i * DAY) for i in range(32)) == 16
    assert units_of(drawn, START, START + 31 * DAY) == draw(mechanism, 16)
    # What the person did instead is nothing that the lot drew.
    other = replace(drawn, done_otherwise=(START,))
    assert units_of(other, START, START + 31 * DAY) == draw(mechanism, 16)
    assert units_of(drawn, START + 2 * DAY, START + 9 * DAY) == draw(mechanism, 16)[1:5]


def test_days_that_are_no_whole_units_are_refused():
    with pytest.raises(ValueError, match="multiple of unit_days, 2, but got 31"):
        draw_schedule(Mechanism(unit_days=2), START, 31, NOW)
    drawn = draw_schedule(Mechanism(unit_days=2), START, 32, NOW)
    for first, last in ((0, 30), (1, 30), (2, 1)):
        with pytest.raises(ValueError, match="must be whole units of 2 days from 2026-05-01"):
            units_of(drawn, START + first * DAY, START + last * DAY)
    for first, last in ((-2, 31), (0, 33)):
        with pytest.raises(ValueError, match="must lie within the days that were drawn"):
            units_of(drawn, START + first * DAY, START + last * DAY)


def test_a_unit_that_is_both_on_and_off_is_named():
    mixed = Schedule.days([START, START + 3 * DAY], Mechanism(unit_days=2))
    with pytest.raises(ValueError, match="on or off but 2026-05-01 to 2026-05-02 is both"):
        units_of(mixed, START, START + 3 * DAY)
    with pytest.raises(ValueError, match="was not drawn"):
        units_of(Schedule.since(START), START, START + 3 * DAY)


def test_counting_and_drawing_need_the_standard_library_alone():
    code = (
        "from its_pipeline.schedules import assignments, calendar_files, mechanism\n"
        "assignments.draw(mechanism.Mechanism(), 20)\n"
        "import sys\nprint({'numpy', 'pandas', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_sampling_takes_its_seed():
    one, same, other = (sampled_assignments(Mechanism(), 30, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
