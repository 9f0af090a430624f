"""Counting a person's rejected events while days are being validated again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from its_pipeline.events.metrics import SHIPPED, OutcomeMetric
from its_pipeline.events.schema import REJECTION_SCHEMA
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.stores.lake import REJECTED_EVENTS, Lake
from tools.stores import log_intervention, short_settings

DAYS = (date(2026, 3, 1), date(2026, 3, 2))


def quarantine(root: Path) -> Lake:
    lake = Lake(root)
    for day in DAYS:
        rows = pa.table(
            {
                "user_id": ["ada", "ada", "bob"],
                "rule": ["range", "late", "range"],
                "all_rules": ["range(event_data)", "late(event_type)", "range(event_data)"],
            }
        )
        lake.write(REJECTED_EVENTS, day, rows.schema, [rows])
    return lake


def test_rejections_are_counted_by_person_rule_and_days_inclusive(tmp_path: Path) -> None:
    quarantine(tmp_path)
    counts = Rejections(tmp_path)
    assert counts.of("ada", None, None, None) == {"late": 2, "range": 2}
    assert counts.of("ada", None, DAYS[1], DAYS[1]) == {"late": 1, "range": 1}
    assert counts.of("bob", None, None, DAYS[0]) == {"range": 1}
    assert counts.of("cyd", None, None, None) == {}


def test_no_quarantine_is_no_rejection(tmp_path: Path) -> None:
    assert Rejections(tmp_path).of("ada", None, None, None) == {}


def test_a_partition_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    lake = quarantine(tmp_path)
    half = lake.path(REJECTED_EVENTS, DAYS[0]).with_name(f"{UNFINISHED_PREFIX}0f.parquet")
    half.write_bytes(b"PAR1 and no end")
    (tmp_path / REJECTED_EVENTS / "day=2026-03-03").mkdir()
    assert Rejections(tmp_path).of("ada", None, None, None) == {"late": 2, "range": 2}


def rejected(rule: str, column: str, **values: str) -> dict[str, str]:
    return {"user_id": "ada", "event_type": "OBSERVATION", **values, "rule": rule,
            "column": column, "all_rules": f"{rule}({column})"}  # fmt: skip


MOOD = OutcomeMetric(name="mood", event_types=("OBSERVATION",), json_path="$.mood")


def test_what_may_have_been_the_metrics_is_counted_and_nothing_else(tmp_path: Path) -> None:
    rows = [
        rejected("is_number", "event_data", event_data='{"mood": "five"}'),
        rejected("is_number", "event_data", event_data='{"steps": "five", "mood": null}'),
        rejected("json", "event_data", event_data='{"mood": 5, "note": "cut of'),
        rejected("known_time_zone", "time_zone", event_type="SLEEP", event_data='{"mood": 5}'),
        rejected("legal_event_type", "event_type", event_type="?", event_data='{"mood": 5}'),
        rejected("in_range", "session_performance_score", session_performance_score="900"),
    ]
    table = pa.Table.from_pylist(rows, schema=REJECTION_SCHEMA)
    Lake(tmp_path).write(REJECTED_EVENTS, DAYS[0], table.schema, [table])
    found = Rejections(tmp_path).of("ada", MOOD, *DAYS)
    assert found == {"is_number": 1, "json": 1, "legal_event_type": 1}
    scores = SHIPPED[0].model_copy(update={"event_types": ("OBSERVATION",)})
    assert Rejections(tmp_path).of("ada", scores, *DAYS) == {"in_range": 1}


def test_an_event_whose_time_cannot_be_read_is_in_every_window(tmp_path: Path) -> None:
    rows = [
        rejected("is_instant_with_offset", "occurred_at", occurred_at="29/12/2021",
                 event_data='{"mood": 5}'),
        rejected("legal_id", "user_id", user_id="?", event_data='{"mood": 5}'),
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=REJECTION_SCHEMA)
    Lake(tmp_path).write(REJECTED_EVENTS, DAYS[1], table.schema, [table])
    counts = Rejections(tmp_path)
    long_ago = date(2021, 1, 1)
    assert counts.of("ada", MOOD, long_ago, long_ago) == {"is_instant_with_offset": 1}
    assert counts.of_nobody() == 1


def test_an_experiment_whose_events_were_rejected_is_refused_and_says_so(tmp_path: Path) -> None:
    settings = short_settings(tmp_path)
    logged = log_intervention(settings)
    row = {
        **rejected("in_range", "session_performance_score", session_performance_score="900"),
        "user_id": "u",
        "event_type": "SESSION_ENDED",
    }
    day = logged.started_on - timedelta(days=3)

    def told(n: int) -> tuple[str, str, str]:
        table = pa.Table.from_pylist([row] * n, schema=REJECTION_SCHEMA)
        Lake(settings.lake_dir).write(REJECTED_EVENTS, day, table.schema, [table])
        plan = Snapshot(settings).prepare_intervention(logged).plan
        return plan.state, plan.reason_code, plan.reason

    assert told(7)[0] == "waiting"
    state, code, reason = told(40)
    assert (state, code) == ("refused", "events_rejected")
    assert "40 events of these days were rejected (in_range 40)" in reason
