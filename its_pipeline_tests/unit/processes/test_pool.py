"""The pool with real processes: sharing, bounds, abandoned work, and workers that die."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import contextmanager

import psutil
import pytest

from its_pipeline.processes.errors import (
    JobFailedError,
    JobTimeoutError,
    QueueFullError,
    WorkerLostError,
    WorkerUnavailableError,
)
from its_pipeline.processes.pool import WorkerPool
from its_pipeline_tests.unit.processes.handlers import start_broken, start_plain


@contextmanager
def running(folder, **options):
    pool = WorkerPool(start_plain, (folder,), **{"workers": 1, **options})
    pool.start()
    try:
        eventually(lambda: pool.state().ready > 0, 30)
        yield pool
    finally:
        pool.stop()


def log(folder):
    file = folder / "log"
    return file.read_text().splitlines() if file.exists() else []


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_a_job_is_answered_by_a_process_that_lives_on(tmp_path):
    with running(tmp_path) as pool:
        first = pool.submit("a", ("say", 1)).result(10)
        second = pool.submit("b", ("say", 2)).result(10)
    assert first[:2] == ("say", 1)
    assert first[2] == second[2] != os.getpid()


def test_the_same_question_is_computed_once(tmp_path):
    with running(tmp_path) as pool:
        requests = [pool.submit("same", ("wait_for", "go")) for _ in range(20)]
        (tmp_path / "go").touch()
        answers = {request.result(10) for request in requests}
        assert len(answers) == 1
        assert [request.coalesced for request in requests] == [False] + [True] * 19
        assert len(log(tmp_path)) == 1
        assert not pool.submit("same", ("say", 1)).coalesced


def test_an_answer_is_held_by_nobody_but_its_waiter(tmp_path):
    with running(tmp_path) as pool:
        gc.disable()
        try:
            request = pool.submit("a", ("say", 1))
            request.result(10)
            held = weakref.ref(request)
            del request
            eventually(lambda: held() is None)
        finally:
            gc.enable()


def test_a_full_queue_refuses_at_once(tmp_path):
    with running(tmp_path, queue_size=2) as pool:
        running_one = pool.submit("0", ("wait_for", "go"))
        eventually(lambda: pool.state().running == 1)
        waiting = [pool.submit(str(i), ("say", i)) for i in (1, 2)]
        with pytest.raises(QueueFullError):
            pool.submit("3", ("say", 3))
        shared = pool.submit("2", ("say", 2))  # the same question needs no place of its own
        (tmp_path / "go").touch()
        for request in (running_one, *waiting, shared):
            request.result(10)
        assert pool.submit("3", ("say", 3)).result(10)[:2] == ("say", 3)


def test_queued_work_that_nobody_waits_for_is_never_started(tmp_path):
    with running(tmp_path) as pool:
        first = pool.submit("0", ("wait_for", "go"))
        eventually(lambda: pool.state().running == 1)
        left = pool.submit("left", ("say", "left"))
        shared = pool.submit("shared", ("say", "shared"))
        stays = pool.submit("shared", ("say", "shared"))
        left.cancel()
        shared.cancel()
        assert pool.state().queued == 1
        (tmp_path / "go").touch()
        first.result(10)
        assert stays.result(10)[1] == "shared"
    assert not any("left" in line for line in log(tmp_path))


def test_running_work_that_nobody_waits_for_is_ended_after_its_grace(tmp_path):
    with running(tmp_path, abandoned_seconds=0.2) as pool:
        before = pool.state().process_ids
        request = pool.submit("long", ("sleep", 60))
        eventually(lambda: len(log(tmp_path)) == 1)
        request.cancel()
        eventually(lambda: pool.state().running == 0, 5)
        answer = pool.submit("next", ("say", 1)).result(20)
        assert answer[2] not in before
        assert not psutil.pid_exists(before[0])


def test_abandoned_work_is_kept_when_somebody_asks_again(tmp_path):
    with running(tmp_path, abandoned_seconds=0.5) as pool:
        request = pool.submit("long", ("wait_for", "go"))
        eventually(lambda: len(log(tmp_path)) == 1)
        request.cancel()
        again = pool.submit("long", ("wait_for", "go"))
        time.sleep(1.2)
        (tmp_path / "go").touch()
        again.result(10)
    assert len(log(tmp_path)) == 1


def test_a_worker_that_is_killed_is_replaced_and_its_job_done_again(tmp_path):
    with running(tmp_path) as pool:
        [before] = pool.state().process_ids
        answer = pool.submit("a", ("die_once", "flag")).result(20)
        assert answer[2] != before
        assert len(log(tmp_path)) == 2
        assert pool.state().replaced == 1


def test_a_death_costs_no_job_but_the_dead_worker_s_own(tmp_path):
    with running(tmp_path, workers=2) as pool:
        eventually(lambda: pool.state().ready == 2)
        others = pool.submit("other", ("wait_for", "go"))
        own = pool.submit("own", ("die_once", "flag"))
        assert own.result(20)[0] == "die_once"
        (tmp_path / "go").touch()
        others.result(10)
        verbs = sorted(line.split()[0] for line in log(tmp_path))
        assert verbs == ["die_once", "die_once", "wait_for"]


def test_a_job_that_cannot_be_sent_is_refused_where_it_is_submitted(tmp_path):
    with running(tmp_path) as pool:
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pool.submit("a", ("say", lambda: None))
        assert pool.submit("a", ("say", 1)).result(10)[0] == "say"


def test_a_job_that_kills_every_worker_ends_with_an_error(tmp_path):
    with running(tmp_path) as pool:
        with pytest.raises(WorkerLostError):
            pool.submit("a", ("die", 1)).result(20)
        assert len(log(tmp_path)) == 2
        assert pool.submit("b", ("say", 1)).result(20)[:2] == ("say", 1)


def test_an_idle_worker_that_is_killed_is_replaced_unasked(tmp_path):
    with running(tmp_path) as pool:
        [before] = pool.state().process_ids
        os.kill(before, signal.SIGKILL)
        eventually(lambda: pool.state().process_ids not in ((), (before,)))


def test_an_exception_reaches_the_asker_and_spares_the_worker(tmp_path):
    with running(tmp_path) as pool:
        before = pool.state().process_ids
        with pytest.raises(JobFailedError, match="ValueError: no") as caught:
            pool.submit("a", ("raise", "no")).result(10)
        assert caught.value.error_type == "ValueError"
        assert pool.state().process_ids == before


def test_a_job_that_takes_too_long_is_ended(tmp_path):
    with running(tmp_path, job_seconds=0.5) as pool:
        with pytest.raises(JobTimeoutError):
            pool.submit("a", ("sleep", 60)).result(10)
        assert pool.submit("b", ("say", 1)).result(20)[:2] == ("say", 1)


def test_workers_that_cannot_start_are_no_reason_to_wait_for_ever():
    pool = WorkerPool(start_broken, workers=1)
    pool.start()
    try:
        with pytest.raises(WorkerUnavailableError):
            pool.submit("a", ("say", 1)).result(20)
    finally:
        pool.stop()


class StarvedPool(WorkerPool):
    """A pool on a machine that cannot give it a process at first."""

    refusals = 1

    def _worker(self, slot):
        if self.refusals:
            self.refusals -= 1
            raise OSError("Cannot allocate memory")
        return super()._worker(slot)


def test_a_machine_that_had_no_room_for_a_process_is_asked_again(tmp_path):
    pool = StarvedPool(start_plain, (tmp_path,), workers=1)
    pool.start()
    try:
        eventually(lambda: pool.state().ready == 1, 20)
        assert pool.submit("a", ("say", 1)).result(20)[:2] == ("say", 1)
    finally:
        pool.stop()


def test_stopping_leaves_no_process_and_no_waiter(tmp_path):
    with running(tmp_path, workers=2) as pool:
        eventually(lambda: pool.state().ready == 2)
        processes = pool.state().process_ids
        requests = [pool.submit(str(i), ("sleep", 60)) for i in range(5)]
        eventually(lambda: pool.state().running == 2)
        pool.stop()
    for request in requests:
        assert isinstance(request.exception(1), WorkerUnavailableError)
    assert not any(psutil.pid_exists(pid) for pid in processes)
    with pytest.raises(WorkerUnavailableError):
        pool.submit("late", ("say", 1))


def test_many_threads_asking_at_once(tmp_path):
    answers: list[Future] = []
    with running(tmp_path, workers=2, queue_size=500) as pool:

        def ask(number):
            answers.append(pool.submit(str(number % 10), ("say", number % 10)))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted({answer.result(20)[1] for answer in answers}) == list(range(10))
        assert pool.state().running == pool.state().queued == 0


def test_who_asks_in_the_moment_in_which_work_is_given_up_still_gets_an_answer(tmp_path):
    with running(tmp_path, abandoned_seconds=0.0) as pool:
        for number in range(4):
            request = pool.submit("same", ("sleep", 1))
            eventually(lambda number=number: len(log(tmp_path)) > number)
            request.cancel()
            time.sleep(0.08 * number)
            (tmp_path / "log").write_text("")
            late = pool.submit("same", ("sleep", 0.5))
            assert late.result(20)[0] == "sleep"
            (tmp_path / "log").write_text("x\n" * (number + 1))


def test_an_early_answer_does_not_wait_for_what_follows_but_readers_do(tmp_path):
    with running(tmp_path) as pool:
        assert pool.settle(0)
        answer = pool.submit("a", ("answer_then_wait_for", "go")).result(10)
        assert answer[:2] == ("answer_then_wait_for", "go")
        assert pool.state().running == 1
        assert not pool.settle(0.1)
        again = pool.submit("a", ("say", 1))
        assert not again.coalesced
        (tmp_path / "go").touch()
        assert pool.settle(10)
        assert again.result(10)[0] == "say"
        eventually(lambda: pool.state().running == 0)


def test_a_reader_does_not_wait_for_what_was_answered_after_it_came(tmp_path):
    with running(tmp_path, workers=2) as pool:
        eventually(lambda: pool.state().ready == 2)
        pool.submit("a", ("answer_then_wait_for", "first")).result(10)
        settled = []
        reader = threading.Thread(target=lambda: settled.append(pool.settle(20)))
        reader.start()
        pool.submit("b", ("answer_then_wait_for", "second")).result(10)
        (tmp_path / "first").touch()
        reader.join(10)
        assert settled == [True]
        assert not pool.settle(0)
        (tmp_path / "second").touch()
        assert pool.settle(10)


def test_what_a_worker_left_undone_when_it_died_after_its_answer_is_done_unasked(tmp_path):
    with running(tmp_path) as pool:
        answer = pool.submit("a", ("answer_then_die_once", "flag")).result(10)
        assert answer[0] == "answer_then_die_once"
        eventually(lambda: (tmp_path / "settled").exists(), 20)
        assert pool.submit("b", ("say", 1)).result(20)[2] != answer[2]
        assert [line.split()[0] for line in log(tmp_path)] == [answer[0], answer[0], "say"]
        assert pool.state().replaced == 1


def test_what_a_worker_left_undone_is_done_though_who_asked_for_it_again_leaves(tmp_path):
    with running(tmp_path) as pool:
        pool.submit("a", ("answer_then_die_once", "flag")).result(10)
        eventually(lambda: pool.state().queued == 1, 20)
        again = pool.submit("a", ("say", 1))
        assert again.coalesced
        again.cancel()
        eventually(lambda: (tmp_path / "settled").exists(), 20)


def test_what_kills_every_worker_after_its_answer_is_given_up(tmp_path):
    with running(tmp_path) as pool:
        pool.submit("a", ("answer_then_die", 1)).result(10)
        eventually(lambda: pool.state().replaced == 2, 20)
        assert pool.submit("b", ("say", 1)).result(20)[0] == "say"
        assert len(log(tmp_path)) == 3


def test_a_job_that_fails_after_its_answer_spares_the_worker_and_is_tried_once_more(tmp_path):
    with running(tmp_path) as pool:
        answer = pool.submit("a", ("answer_then_raise", 1)).result(10)
        assert answer[0] == "answer_then_raise"
        eventually(lambda: len(log(tmp_path)) == 2)
        assert pool.settle(10)
        assert pool.submit("b", ("say", 1)).result(20)[2] == answer[2]
        assert [line.split()[0] for line in log(tmp_path)] == [answer[0], answer[0], "say"]


def test_what_is_left_undone_is_not_given_up_because_nobody_had_waited_for_the_answer(tmp_path):
    with running(tmp_path, abandoned_seconds=1.5) as pool:
        request = pool.submit("a", ("answer_late_then_raise", 1))
        eventually(lambda: len(log(tmp_path)) == 1)
        request.cancel()
        eventually(lambda: len(log(tmp_path)) == 2)
        time.sleep(1.2)
        assert pool.submit("b", ("say", 1)).result(20)[0] == "say"
        assert pool.state().replaced == 0


def test_what_follows_an_answer_may_not_take_longer_than_a_job_either(tmp_path):
    with running(tmp_path, job_seconds=0.5) as pool:
        answer = pool.submit("a", ("answer_then_wait_for", "never")).result(10)
        assert pool.settle(10)
        assert pool.submit("b", ("say", 1)).result(20)[2] != answer[2]


def test_stopping_waits_for_what_was_answered(tmp_path):
    with running(tmp_path) as pool:
        pool.submit("a", ("answer_then_wait_for", "go")).result(10)
        [worker] = pool.state().process_ids
        threading.Timer(1.0, (tmp_path / "go").touch).start()
        pool.stop()
        assert (tmp_path / "settled").exists()
        assert pool.settle(0)
        assert not psutil.pid_exists(worker)
