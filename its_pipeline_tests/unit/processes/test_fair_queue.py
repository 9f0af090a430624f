"""Whose turn it is, and who gives way when a queue is full."""

from __future__ import annotations

import pytest

from its_pipeline.processes.fair_queue import FairQueue


def filled(size, lines):
    queue = FairQueue(size)
    for owner, items in lines.items():
        for item in items:
            assert not queue.is_full_for(owner)
            assert queue.put(owner, item) is None
    return queue


def test_owners_take_turns_and_each_ones_items_keep_their_order():
    queue = filled(9, {"greedy": [1, 2, 3], "a": [4], "b": [5, 6]})
    assert [queue.take() for _ in range(len(queue))] == [1, 4, 5, 2, 6, 3]
    with pytest.raises(IndexError):
        queue.take()


def test_one_alone_may_fill_it_and_gives_way_to_others_newest_first():
    queue = filled(4, {"greedy": [1, 2, 3, 4]})
    assert queue.is_full_for("greedy")
    assert not queue.is_full_for("a")
    assert queue.put("a", 5) == 4
    assert queue.put("b", 6) == 3
    # Nobody has two more than either of them: who comes now waits outside.
    assert queue.is_full_for("a")
    assert queue.is_full_for("greedy")
    assert sorted(queue.take() for _ in range(4)) == [1, 2, 5, 6]


def test_what_is_put_back_is_next_and_what_is_removed_is_gone():
    queue = filled(4, {"a": [1, 2], "b": [3]})
    first = queue.take()
    queue.put_back("a", first)
    assert queue.take() == first
    assert queue.remove("b", 3)
    assert not queue.remove("b", 3)
    assert [queue.take() for _ in range(len(queue))] == [2]
