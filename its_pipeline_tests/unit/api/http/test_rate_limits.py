"""Token buckets."""

from __future__ import annotations

from its_pipeline.api.http.rate_limits import RateLimit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_burst_and_then_a_steady_rate():
    clock = Clock()
    limit = RateLimit(per_minute=60, burst=3, clock=clock)
    assert [limit.take("anna") for _ in range(3)] == [0, 0, 0]
    assert limit.take("anna") == 1.0
    clock.now += 0.25
    assert limit.take("anna") == 0.75
    assert limit.take("ben") == 0
    clock.now += 0.75
    assert limit.take("anna") == 0
    assert limit.take("anna") > 0


def test_waiting_never_saves_up_more_than_a_burst():
    clock = Clock()
    limit = RateLimit(per_minute=60, burst=2, clock=clock)
    limit.take("anna")
    clock.now += 3600
    assert [limit.take("anna") > 0 for _ in range(3)] == [False, False, True]


def test_memory_is_bounded():
    limit = RateLimit(per_minute=60, burst=1, most_names=10)
    for number in range(1000):
        limit.take(f"address-{number}")
    assert len(limit._buckets) == 10


def test_a_name_that_keeps_asking_is_not_forgotten():
    clock = Clock()
    limit = RateLimit(per_minute=60, burst=1, clock=clock, most_names=2)
    for number in range(10):
        limit.take("busy")
        clock.now += 1.0
        limit.take(f"other-{number}")
    assert limit.take("busy") == 0
    assert limit.take("busy") > 0
