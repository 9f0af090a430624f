"""Progress lines, notifiers and metadata: what people are shown."""

from __future__ import annotations

import logging
from datetime import date
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from its_pipeline.defs import notify
from its_pipeline.defs.event_metadata import counts_add_up, no_drift, reject_rate
from its_pipeline.defs.experiment_metadata import LARGEST_THUMBNAIL_BYTES, thumbnail_metadata
from its_pipeline.defs.notify import (
    Alert,
    CommandNotifier,
    LogNotifier,
    NotDeliveredError,
    WebhookNotifier,
    open_notifier,
    tell,
)
from its_pipeline.defs.progress import ProgressLog, listening, progress_line
from its_pipeline.experiments.bulk import select_keys, shard_of
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.ingest.drift import DriftReport, DriftStatistic
from tools.stores import log_intervention, short_settings


def test_progress_is_said_at_most_every_few_seconds_and_at_the_end():
    lines, now = [], [0.0]
    progress = ProgressLog(lines.append, "experiments", 10.0, clock=lambda: now[0])
    for done in range(1, 101):
        now[0] += 0.5
        progress.update(done, 100)
    assert len(lines) == 5
    assert lines[0] == "20 of 100 experiments (20 %), 2.0 per second, about 40 s left"
    assert lines[-1] == "100 of 100 experiments (100 %), 2.0 per second"


def test_progress_is_said_at_once_when_nothing_is_done():
    lines = []
    ProgressLog(lines.append, "days", 10.0, clock=lambda: 0.0).update(0, 100)
    assert lines == ["0 of 100 days (0 %)"]


def test_a_listener_hears_the_progress_of_this_process():
    heard = []
    with listening(lambda *told: heard.append(told[:2]), every_seconds=0.0):
        ProgressLog(lambda line: None, "days").update(1, 2)
    ProgressLog(lambda line: None, "days").update(2, 2)
    assert heard == [(1, 2)]


@pytest.mark.parametrize(
    ("seconds", "text"), [(50, "about 50 s"), (500, "about 8 min"), (50_000, "about 13.9 h")]
)
def test_time_left_is_said_as_people_say_it(seconds, text):
    assert text in progress_line(1, 2, seconds, "days")


def test_every_key_is_in_exactly_one_shard(tmp_path):
    settings = short_settings(tmp_path)
    for n in range(20):
        log_intervention(settings, f"u{n}")
    snapshot = Snapshot(settings)
    shards = [select_keys(snapshot, None, shard, 3) for shard in range(3)]
    assert sorted(key for shard in shards for key in shard) == snapshot.experiment_keys()
    assert min(map(len, shards)) > 0
    assert shard_of("ada|x", 7) == shard_of("ada|x", 7)
    with pytest.raises(ValueError, match=r"\[0, 3\) but got 3"):
        select_keys(snapshot, None, 3, 3)


def day_result(read, valid, rejected, duplicates) -> Any:
    summary = SimpleNamespace(
        read=read,
        valid=valid,
        rejected=rejected,
        duplicates=duplicates,
        adds_up=read == valid + rejected + duplicates,
    )
    return SimpleNamespace(summary=summary, reject_rate=rejected / read)


@pytest.mark.parametrize(
    ("rejected", "passed", "severity"),
    [(10, True, "WARN"), (11, False, "WARN"), (201, False, "ERROR")],
)
def test_reject_rate_warns_above_one_percent_and_fails_above_twenty(rejected, passed, severity):
    good = day_result(1000, 1000, 0, 0)
    bad = day_result(1000, 1000 - rejected, rejected, 0)
    outcome = reject_rate({date(2026, 1, 1): good, date(2026, 1, 2): bad})
    assert outcome.passed is passed
    assert outcome.severity == dg.AssetCheckSeverity[severity]
    assert outcome.metadata["worst_day"] == "2026-01-02"


def test_counts_that_do_not_add_up_name_the_day():
    outcome = counts_add_up({date(2026, 1, 2): day_result(10, 8, 1, 0)})
    assert not outcome.passed
    assert "2026-01-02" in outcome.description


def test_drift_that_cannot_be_assessed_counts_neither_way():
    unknown = DriftStatistic("events", 5.0, float("nan"), "any", None)
    jumped = DriftStatistic("events", 50.0, 5.0, "3 times", True)
    assert no_drift([DriftReport(date(2026, 1, 1), 0, (unknown,))]).passed
    outcome = no_drift([DriftReport(date(2026, 1, 1), 28, (unknown, jumped))])
    assert not outcome.passed
    assert outcome.severity == dg.AssetCheckSeverity.WARN


def test_a_thumbnail_that_is_too_large_is_left_out():
    assert "data:image/png;base64" in thumbnail_metadata(b"png")["counterfactual_plot"].value
    assert thumbnail_metadata(b"x" * (LARGEST_THUMBNAIL_BYTES + 1)) == {}
    assert thumbnail_metadata(None) == {}


def test_a_webhook_gets_the_alert_as_json(webhook, tmp_path):
    settings = short_settings(
        tmp_path, notifier="webhook", notifier_webhook_url=SecretStr(f"{webhook.url}/secret-path")
    )
    open_notifier(settings).notify(Alert("failed", "look at it", {"run_id": "abc"}))
    assert webhook.received == [
        {"title": "failed", "text": "failed\nlook at it", "facts": {"run_id": "abc"}}
    ]


def test_an_undelivered_alert_says_so_without_the_address(webhook):
    with pytest.raises(NotDeliveredError, match="500") as error:
        WebhookNotifier(f"{webhook.url}/broken").notify(Alert("failed", "x"))
    assert "broken" not in str(error.value)
    with pytest.raises(NotDeliveredError, match="out of reach"):
        WebhookNotifier("http://127.0.0.1:9/x", seconds=2).notify(Alert("failed", "x"))


def test_a_notifier_needs_its_address(tmp_path):
    with pytest.raises(ValueError, match="ITS_NOTIFIER_WEBHOOK_URL"):
        open_notifier(short_settings(tmp_path, notifier="webhook"))
    with pytest.raises(ValueError, match="ITS_NOTIFIER_COMMAND"):
        open_notifier(short_settings(tmp_path, notifier="command"))
    with pytest.raises(ValueError, match="http"):
        WebhookNotifier("file:///etc/passwd")


def test_a_program_gets_the_alert_on_its_standard_input(tmp_path):
    script = tmp_path / "tell"
    script.write_text('#!/bin/sh\ncat > "$1"\n')
    script.chmod(0o755)
    written = tmp_path / "a b"
    settings = short_settings(
        tmp_path, notifier="command", notifier_command=f"{script} '{written}'"
    )
    assert tell(settings, Alert("failed", "look at it"))
    assert written.read_text() == "failed\nlook at it\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [("no-such-program", "No such file"), ("sh -c 'echo x >&2; exit 3'", "3: x")],
)
def test_a_program_that_fails_is_said(command, said):
    with pytest.raises(NotDeliveredError, match=said):
        CommandNotifier(command).notify(Alert("failed", "x"))


def test_what_cannot_be_delivered_at_once_is_tried_again(webhook, tmp_path, monkeypatch, caplog):
    settings = short_settings(
        tmp_path, notifier="webhook", notifier_webhook_url=SecretStr(f"{webhook.url}/broken")
    )
    monkeypatch.setattr(notify, "RETRY_SECONDS", (0.0, 0.0))
    assert not tell(settings, Alert("night failed", "3 crashed"))
    assert len(webhook.received) == 3
    assert "night failed: 3 crashed" in caplog.text
    assert "broken" not in caplog.text
    assert tell(
        short_settings(
            tmp_path, notifier="webhook", notifier_webhook_url=SecretStr(f"{webhook.url}/ok")
        ),
        Alert("night failed", "3 crashed"),
    )
    assert len(webhook.received) == 4


def test_the_log_takes_alerts_by_default(caplog, tmp_path):
    with caplog.at_level(logging.WARNING):
        open_notifier(short_settings(tmp_path)).notify(Alert("night failed", "3 crashed"))
    assert "night failed: 3 crashed" in caplog.text
    assert isinstance(open_notifier(short_settings(tmp_path)), LogNotifier)
