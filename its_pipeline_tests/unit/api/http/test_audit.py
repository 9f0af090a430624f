"""The audit log by itself: what stays in it, what is summed up, and a disk that is full."""

from __future__ import annotations

import json
import logging
import os
import resource

import pytest

from its_pipeline.api.http.audit import AuditLog, AuditUnavailableError

DAY_SECONDS = 86_400


def lines(folder, pattern):
    return [
        json.loads(line)
        for file in sorted(folder.glob(pattern))
        for line in file.read_text().splitlines()
    ]


def allowed(folder):
    return sorted(line["n"] for line in lines(folder, "audit.jsonl*"))


def test_refusals_are_summed_up_and_push_nothing_out(tmp_path):
    audit = AuditLog(tmp_path / "audit.jsonl", 10_000, 1)
    audit.write({"n": 0})
    # More than ten files of the old log held; most from one address, the rest from a thousand.
    for number in range(50_000):
        address = "10.0.0.1" if number % 5 else f"10.0.{number % 1000}.9"
        audit.refuse(address, "unauthenticated")
    audit.close()
    assert allowed(tmp_path) == [0]
    found = lines(tmp_path, "audit-refused.jsonl*")
    assert sum(line["count"] for line in found) == 50_000
    assert len(found) <= 101
    assert {"10.0.0.1", "others"} <= {line["client"] for line in found}
    assert max(line["count"] for line in found) == 40_000


def test_refusals_stay_within_their_own_two_files(tmp_path):
    audit = AuditLog(tmp_path / "audit.jsonl", 10_000, 1)
    for minute in range(30):
        for number in range(100):
            audit.refuse(f"10.{minute}.0.{number}", "unauthenticated")
        audit.sum_up()
    audit.close()
    assert len(list(tmp_path.glob("audit-refused.jsonl*"))) == 2
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 20_000


def test_what_was_let_in_stays_for_its_days_however_much_it_is(tmp_path):
    audit = AuditLog(tmp_path / "audit.jsonl", 10_000, days=2)
    earlier = tmp_path / "audit.jsonl.1"  # as an earlier version named it
    earlier.write_text('{"n": -1}\n')
    for number in range(3000):
        audit.write({"n": number, "text": "x" * 50})
    turned_over = sorted(tmp_path.glob("audit.jsonl.2*"))
    assert len(turned_over) > 15
    assert all(file.stat().st_size <= 10_000 for file in turned_over)
    assert allowed(tmp_path) == list(range(-1, 3000))
    past = turned_over[0].stat().st_mtime - 2 * DAY_SECONDS - 1
    for file in (earlier, turned_over[0]):
        os.utime(file, (past, past))
    gone = len(turned_over[0].read_text().splitlines())
    for number in range(3000, 3200):
        audit.write({"n": number, "text": "x" * 50})
    audit.close()
    assert allowed(tmp_path) == list(range(gone, 3200))


def test_two_servers_turn_one_log_over_and_lose_nothing(tmp_path):
    both = [AuditLog(tmp_path / "audit.jsonl", 10_000, 1) for _ in range(2)]
    for number in range(2000):
        both[number % 2].write({"n": number, "text": "x" * 50})
    for audit in both:
        audit.close()
    assert allowed(tmp_path) == list(range(2000))


def test_only_its_owner_reads_it_even_if_it_was_open_before(tmp_path):
    before = os.umask(0)
    try:
        (tmp_path / "audit.jsonl").touch(0o666)
        audit = AuditLog(tmp_path / "audit.jsonl", 10_000, 1)
        audit.write({"n": 1})
        audit.refuse("10.0.0.1", "busy")
        audit.close()
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"audit.jsonl": 0o600, "audit-refused.jsonl": 0o600}


def test_a_full_disk_is_said_loudly_and_leaves_no_half_line(tmp_path, caplog):
    audit = AuditLog(tmp_path / "audit.jsonl", 10_000, 1)
    audit.write({"n": 0})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with caplog.at_level(logging.WARNING):
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
        try:
            for _ in range(3):
                with pytest.raises(AuditUnavailableError):
                    audit.write({"n": 1, "text": "x" * 100})
            assert not audit.is_writable
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        [loud] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert str(tmp_path) in loud.getMessage()
        audit.check()
    assert audit.is_writable
    audit.write({"n": 2})
    audit.close()
    found = lines(tmp_path, "audit.jsonl")
    assert [line.get("n") for line in found] == [0, None, 2]
